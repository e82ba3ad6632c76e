//! `countersign unlock`: opens the vault.

use countersign_client::AgentClient;
use countersign_proto::{
    agent::v1::{Reason, StatusReply, UnlockMode, VaultKey, VaultState},
    limits::PASSPHRASE,
};
use serde::Serialize;

use super::session::Session;
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Style},
    prompt::Terminal,
    secret_line::{self, Secret},
};

/// Unlocks with a line of standard input, with what a person types, or with the session's keyring.
pub(crate) async fn run(arguments: &cli::Unlock, session: &Session) -> Result<(), Failure> {
    let was_unlocked = if arguments.passphrase_stdin {
        let mut passphrase = secret_line::read("passphrase", PASSPHRASE)?;
        let mut agent = session.agent().await?;
        unlock(&mut agent, &mut passphrase).await?
    } else if let Some(terminal) = session.terminal() {
        let mut agent = session.agent().await?;
        with_terminal(&mut agent, &terminal).await?
    } else {
        let mut agent = session.agent().await?;
        agent.unlock(Vec::new()).await?.was_unlocked
    };
    session.output.answer(&Unlocked {
        vault: "unlocked",
        was_unlocked,
    })
}

async fn unlock(agent: &mut AgentClient, passphrase: &mut Secret) -> Result<bool, Failure> {
    let reply = agent.unlock(core::mem::take(&mut **passphrase)).await?;
    Ok(reply.was_unlocked)
}

/// Asks for the passphrase where the vault wants one, and where the keyring does not help.
async fn with_terminal(agent: &mut AgentClient, terminal: &Terminal) -> Result<bool, Failure> {
    let status = agent.status().await?;
    if !wants_passphrase(&status) {
        match agent.unlock(Vec::new()).await {
            Ok(reply) => return Ok(reply.was_unlocked),
            Err(refusal) if has_passphrase(&status) && is_about_the_key(refusal.reason()) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let mut passphrase = terminal
        .ask_hidden("passphrase", "Passphrase of the vault", PASSPHRASE)
        .await?;
    unlock(agent, &mut passphrase).await
}

/// A locked vault that a person opens by typing.
fn wants_passphrase(status: &StatusReply) -> bool {
    status.vault() == VaultState::Locked
        && has_passphrase(status)
        && (status.unlock() == UnlockMode::Pin || status.slots.len() == 1)
}

fn has_passphrase(status: &StatusReply) -> bool {
    status.slots().any(|slot| slot == VaultKey::Passphrase)
}

/// The keyring did not open it; a passphrase may.
fn is_about_the_key(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::KeySourceAbsent
            | Reason::KeySourceLocked
            | Reason::WrongPassphrase
            | Reason::PinRequired
    )
}

#[derive(Debug, Serialize)]
struct Unlocked {
    vault: &'static str,
    was_unlocked: bool,
}

impl Answer for Unlocked {
    fn friendly(&self, _style: &Style) -> String {
        if self.was_unlocked {
            "The vault was unlocked already.\n".to_owned()
        } else {
            "The vault is unlocked.\n".to_owned()
        }
    }

    fn bare(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(vault: VaultState, slots: &[VaultKey], unlock: UnlockMode) -> StatusReply {
        StatusReply {
            vault: vault.into(),
            slots: slots.iter().map(|slot| i32::from(*slot)).collect(),
            unlock: unlock.into(),
            ..StatusReply::default()
        }
    }

    #[test]
    fn a_passphrase_is_asked_for_only_where_it_can_help() {
        use UnlockMode::{Pin, Session};
        use VaultKey::{Passphrase, SecretService};
        use VaultState::{Locked, Unlocked};
        assert!(wants_passphrase(&status(Locked, &[Passphrase], Pin)));
        assert!(wants_passphrase(&status(Locked, &[Passphrase], Session)));
        assert!(!wants_passphrase(&status(Locked, &[SecretService], Pin)));
        assert!(!wants_passphrase(&status(
            Locked,
            &[SecretService, Passphrase],
            Session
        )));
        assert!(!wants_passphrase(&status(Unlocked, &[Passphrase], Pin)));
    }
}
