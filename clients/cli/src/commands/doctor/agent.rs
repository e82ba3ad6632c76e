//! Does the agent answer, and can its vault be used?

use countersign_proto::agent::v1::VaultState;

use super::{super::session::Session, Finding};
use crate::exit::Failure;

const CHECK: &str = "agent";

pub(super) async fn check(session: &Session) -> Vec<Finding> {
    let status = match session.agent().await {
        Ok(mut agent) => agent.status().await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let status = match status {
        Ok(status) => status,
        Err(failure) => return vec![Finding::bad(CHECK, failure.said(), "")],
    };
    let mut findings = vec![Finding::good(
        CHECK,
        format!("Version {} answers.", status.version),
    )];
    match status.vault() {
        VaultState::Unlocked | VaultState::Locked => {}
        VaultState::Absent | VaultState::Unspecified => findings.push(Finding::advice(
            CHECK,
            "There is no vault yet.",
            "`countersign setup` makes it.",
        )),
        VaultState::Unusable => findings.push(Finding::bad(
            CHECK,
            format!("The vault cannot be used: {}.", status.vault_message),
            "`countersign status` says more.",
        )),
    }
    if status.pinentry.is_empty() {
        findings.push(Finding::advice(
            CHECK,
            "There is no program that asks for PINs.",
            "Install the pinentry of your desktop, for instance pinentry-gnome3 or pinentry-qt.",
        ));
    }
    findings
}
