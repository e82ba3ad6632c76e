//! A run of DSKPP whose token still waits for its PIN: the next try with the same activation string goes on with it.
//! A service lets a string be run a few times only, and a PIN against the rules is easily typed.

use core::time::Duration;

use countersign_core::{
    activation_string::ActivationString, dskpp::client::Provisioned, time::BootTime,
};
use sha2::{Digest as _, Sha256};

use crate::agent::Agent;

/// A little less than services wait for the registration.
const GOOD_FOR: Duration = Duration::from_mins(9);

/// What a run has given, and for which activation string. Its keys wipe themselves.
#[derive(Debug)]
pub(crate) struct UnfinishedRun {
    string: [u8; 32],
    at: BootTime,
    provisioned: Provisioned,
}

impl Agent {
    /// What an earlier try with this string has got, if it still counts. Another string's is given up.
    pub(super) fn take_unfinished(&self, activation: &ActivationString) -> Option<Provisioned> {
        let now = self.ports.clock.boot();
        let run = self.state.facts().unfinished_run.take()?;
        let counts = run.string == digest(activation) && now.since(run.at) < GOOD_FOR;
        counts.then_some(run.provisioned)
    }

    /// Keeps it for the next try with this string; a lock of the vault wipes it.
    pub(super) fn keep_unfinished(&self, activation: &ActivationString, provisioned: Provisioned) {
        let run = UnfinishedRun {
            string: digest(activation),
            at: self.ports.clock.boot(),
            provisioned,
        };
        let mut facts = self.state.facts();
        // A dialog may outlast the lock of the vault; what it leaves is wiped here.
        if facts.open.is_some() {
            facts.unfinished_run = Some(run);
        }
    }
}

fn digest(activation: &ActivationString) -> [u8; 32] {
    Sha256::new()
        .chain_update(activation.url_text())
        .chain_update([0])
        .chain_update(&activation.user)
        .chain_update([0])
        .chain_update(activation.passphrase.expose())
        .finalize()
        .into()
}
