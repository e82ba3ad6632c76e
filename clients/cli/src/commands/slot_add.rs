//! `countersign vault slot add KIND`: a way more in which the vault opens.

use countersign_proto::agent::v1::{self as api, Reason, StatusReply, UnlockMode, VaultKey};
use serde::Serialize;

use super::{
    secrets::{Question, Secrets, Wanted},
    session::Session,
    slot_list::Slot,
};
use crate::{
    cli::{self, SlotKind},
    exit::Failure,
    output::{Answer, Paint, Style, recovery_code::RecoveryCode, words},
    prompt, text,
};

/// Adds it; what opens the vault now proves it.
pub(crate) async fn run(arguments: &cli::SlotAdd, session: &Session) -> Result<(), Failure> {
    let kind = match arguments.kind {
        SlotKind::SecretService => VaultKey::SecretService,
        SlotKind::Passphrase => VaultKey::Passphrase,
        SlotKind::RecoveryCode => VaultKey::RecoveryCode,
        SlotKind::Credential => VaultKey::Credential,
        SlotKind::Tpm => VaultKey::Tpm,
    };
    let mut agent = session.agent().await?;
    let wanted = Wanted {
        new: (kind == VaultKey::Passphrase).then_some("passphrase"),
        ..proof(&arguments.proof, &agent.status().await?)
    };
    let mut secrets = proved(&arguments.proof, &wanted, session).await?;
    let reply = loop {
        let (current, recovery_code) = sent(&arguments.proof, &secrets);
        let attempt = api::AddSlotRequest {
            kind: kind.into(),
            current,
            recovery_code,
            new: secrets.new_one(),
        };
        match session.patiently(agent.add_slot(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    session.output.answer(&Added {
        slot: reply.slot.unwrap_or_default().into(),
        recovery_code: RecoveryCode::of(reply.recovery_code),
    })
}

/// What proves a change: the printed code if the user says so, else what the vault asks for, if it asks.
pub(super) fn proof(proof: &cli::Proof, status: &StatusReply) -> Wanted {
    let current = if proof.recovery {
        Some(Question::recovery())
    } else if status.unlock() == UnlockMode::Session {
        None
    } else {
        Some(Question::of_the_vault(status))
    };
    Wanted {
        current,
        ..Wanted::default()
    }
}

/// Reads the secrets from where the user says; the recovery code no dialog of the agent asks for, so it
/// is asked for here at once.
pub(super) async fn proved(
    proof: &cli::Proof,
    wanted: &Wanted,
    session: &Session,
) -> Result<Secrets, Failure> {
    let mut secrets = Secrets::begin(proof.passphrase_stdin, wanted)?;
    if proof.recovery && !proof.passphrase_stdin {
        let terminal = prompt::or_refuse(
            session.terminal(),
            Reason::Usage,
            "There is no terminal to ask for the recovery code on.",
            "Give it on standard input, and add --passphrase-stdin.",
        )?;
        secrets.prove(wanted, &terminal).await?;
    }
    Ok(secrets)
}

/// The proof in the field where it belongs: (what opens the vault now, the recovery code).
pub(super) fn sent(proof: &cli::Proof, secrets: &Secrets) -> (Vec<u8>, Vec<u8>) {
    if proof.recovery {
        (Vec::new(), secrets.current())
    } else {
        (secrets.current(), Vec::new())
    }
}

#[derive(Debug, Serialize)]
struct Added {
    slot: Slot,
    recovery_code: Option<RecoveryCode>,
}

impl Answer for Added {
    fn friendly(&self, style: &Style) -> String {
        let key = words::vault_key(self.slot.key);
        let done = match &self.recovery_code {
            Some(code) => return code.friendly(style),
            None => style.paint(Paint::Good, "Added."),
        };
        let id = style.paint(Paint::Name, &text::short(&self.slot.id));
        format!("{done} The vault opens with the {key} too (slot {id}).\n")
    }

    fn bare(&self) -> String {
        match &self.recovery_code {
            Some(code) => code.bare(),
            None => format!("{}\n", text::short(&self.slot.id)),
        }
    }
}
