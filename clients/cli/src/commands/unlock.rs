//! `countersign unlock`: opens the vault.

use countersign_client::AgentClient;
use countersign_proto::agent::v1::{Reason, StatusReply, UnlockRequest, VaultKey};
use serde::Serialize;

use super::{
    secrets::{Question, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Style},
    prompt,
};

/// Unlocks with a line of standard input or with the recovery code, if the command line says so; else with
/// what the agent has and asks for, and last with what is typed here.
pub(crate) async fn run(arguments: &cli::Unlock, session: &Session) -> Result<(), Failure> {
    let was_unlocked = if arguments.recovery || arguments.passphrase_stdin {
        with_given(arguments, session).await?
    } else {
        by_agent(session).await?
    };
    session.output.answer(&Unlocked {
        vault: "unlocked",
        was_unlocked,
    })
}

/// With what the user brings.
async fn with_given(arguments: &cli::Unlock, session: &Session) -> Result<bool, Failure> {
    let question = if arguments.recovery {
        Question::recovery()
    } else {
        Question::new("passphrase", "Passphrase of the vault")
    };
    let wanted = wanting(question);
    let mut secrets = Secrets::begin(arguments.passphrase_stdin, &wanted)?;
    if !arguments.passphrase_stdin {
        let terminal = prompt::or_refuse(
            session.terminal(),
            Reason::Usage,
            "There is no terminal to ask for the recovery code on.",
            "Give it on standard input: `countersign unlock --recovery --passphrase-stdin`.",
        )?;
        secrets.complete(&wanted, &terminal).await?;
    }
    let mut agent = session.agent().await?;
    let kind = if arguments.recovery {
        Kind::RecoveryCode
    } else {
        Kind::Passphrase
    };
    open(&mut agent, kind, secrets, &wanted, session).await
}

/// By the agent, with the keyring, a finger or its dialog; where it can ask nobody, a person is asked here.
async fn by_agent(session: &Session) -> Result<bool, Failure> {
    let mut agent = session.agent().await?;
    let request = UnlockRequest::default();
    let refusal = match session.patiently(agent.unlock(request)).await {
        Ok(reply) => return Ok(reply.was_unlocked),
        Err(refusal) => refusal,
    };
    let reason = refusal.reason();
    if !is_about_the_key(reason) && !is_unasked(reason) {
        return Err(refusal.into());
    }
    let Some(terminal) = session.terminal() else {
        return Err(refusal.into());
    };
    let status = agent.status().await?;
    if !asks_for_a_passphrase(reason, false, has_passphrase(&status)) {
        return Err(refusal.into());
    }
    let wanted = wanting(Question::of_the_vault(&status));
    let mut secrets = Secrets::default();
    secrets.complete(&wanted, &terminal).await?;
    open(&mut agent, Kind::Passphrase, secrets, &wanted, session).await
}

/// What is sent to open the vault.
#[derive(Clone, Copy)]
enum Kind {
    /// The PIN or the passphrase.
    Passphrase,
    RecoveryCode,
}

/// Sends it until it is right.
async fn open(
    agent: &mut AgentClient,
    kind: Kind,
    mut secrets: Secrets,
    wanted: &Wanted,
    session: &Session,
) -> Result<bool, Failure> {
    loop {
        let mut request = UnlockRequest::default();
        match kind {
            Kind::Passphrase => request.passphrase = secrets.current(),
            Kind::RecoveryCode => request.recovery_code = secrets.current(),
        }
        match session.patiently(agent.unlock(request)).await {
            Ok(reply) => return Ok(reply.was_unlocked),
            Err(refusal) => secrets.after(refusal, wanted, session).await?,
        }
    }
}

fn wanting(question: Question) -> Wanted {
    Wanted {
        current: Some(question),
        ..Wanted::default()
    }
}

/// Is what opens the vault to be asked for here after this refusal? The agent could ask nobody, the key of the
/// machine did not open it and a passphrase may, or what was typed here is wrong.
pub(crate) fn asks_for_a_passphrase(reason: Reason, typed: bool, passphrase: bool) -> bool {
    is_unasked(reason)
        || (passphrase && !typed && is_about_the_key(reason))
        || (typed && reason == Reason::WrongPassphrase)
}

pub(crate) fn has_passphrase(status: &StatusReply) -> bool {
    status.slots().any(|slot| slot == VaultKey::Passphrase)
}

/// The key of the machine did not open it; a passphrase may.
fn is_about_the_key(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::KeySourceAbsent | Reason::KeySourceLocked | Reason::TpmUnavailable
    )
}

/// The agent can ask nobody.
fn is_unasked(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PinRequired | Reason::VerificationUnavailable
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
