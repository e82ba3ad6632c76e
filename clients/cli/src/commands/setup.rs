//! `countersign setup`: makes the vault.

use countersign_client::AgentClient;
use countersign_proto::{
    agent::v1::{self as api, Reason, UnlockMode, VaultKey},
    limits::PASSPHRASE,
};
use serde::Serialize;

use super::session::Session;
use crate::{
    cli::{self, UnlockKind, VaultKeyKind},
    exit::Failure,
    output::{
        self, Answer, Paint, Style,
        words::{self, Word as _},
    },
    prompt::Terminal,
    secret_line,
};

/// Makes it with the key that was asked for, or the one that config.toml names.
pub(crate) async fn run(arguments: &cli::Setup, session: &Session) -> Result<(), Failure> {
    let key = match arguments.vault_key {
        Some(VaultKeyKind::SecretService) => VaultKey::SecretService,
        Some(VaultKeyKind::Passphrase) => VaultKey::Passphrase,
        None if arguments.passphrase_stdin => VaultKey::Passphrase,
        None => VaultKey::Unspecified,
    };
    let unlock = match arguments.unlock {
        Some(UnlockKind::Pin) => UnlockMode::Pin,
        Some(UnlockKind::Session) => UnlockMode::Session,
        None => UnlockMode::Unspecified,
    };
    let reply = if arguments.passphrase_stdin {
        let mut passphrase = secret_line::read("passphrase", PASSPHRASE)?;
        let mut agent = session.agent().await?;
        let request = request(key, unlock, core::mem::take(&mut *passphrase));
        agent.setup(request).await?
    } else {
        let mut agent = session.agent().await?;
        interactive(&mut agent, key, unlock, session).await?
    };
    session.output.answer(&Vault::from(reply))
}

/// Without `--passphrase-stdin`: a passphrase is asked for where one is needed.
async fn interactive(
    agent: &mut AgentClient,
    key: VaultKey,
    unlock: UnlockMode,
    session: &Session,
) -> Result<api::SetupReply, Failure> {
    if key == VaultKey::Passphrase {
        let Some(terminal) = session.terminal() else {
            return Err(Failure::usage(
                "There is no terminal to ask for the passphrase on.",
                "Give it on standard input: `countersign setup --passphrase-stdin`.",
            ));
        };
        return with_passphrase(agent, key, unlock, &terminal).await;
    }
    let refusal = match agent.setup(request(key, unlock, Vec::new())).await {
        Ok(reply) => return Ok(reply),
        Err(refusal) => refusal,
    };
    // Only where the choice was left open may another key be offered.
    let no_keyring = key == VaultKey::Unspecified && refusal.reason() == Reason::KeySourceAbsent;
    let wants_passphrase = matches!(
        refusal.reason(),
        Reason::WrongPassphrase | Reason::PinRequired
    );
    if !no_keyring && !wants_passphrase {
        return Err(refusal.into());
    }
    let Some(terminal) = session.terminal() else {
        return Err(refusal.into());
    };
    let mut offer = key;
    if no_keyring {
        offer = VaultKey::Passphrase;
        output::note("No Secret Service answers, so a passphrase will protect the vault.\n");
    }
    with_passphrase(agent, offer, unlock, &terminal).await
}

async fn with_passphrase(
    agent: &mut AgentClient,
    key: VaultKey,
    unlock: UnlockMode,
    terminal: &Terminal,
) -> Result<api::SetupReply, Failure> {
    let mut passphrase = terminal.ask_new("passphrase", PASSPHRASE).await?;
    let request = request(key, unlock, core::mem::take(&mut *passphrase));
    Ok(agent.setup(request).await?)
}

fn request(key: VaultKey, unlock: UnlockMode, passphrase: Vec<u8>) -> api::SetupRequest {
    api::SetupRequest {
        key: key.into(),
        unlock: unlock.into(),
        passphrase,
        ..api::SetupRequest::default()
    }
}

/// What was made.
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the documented JSON object"
)]
struct Vault {
    vault_key: Option<String>,
    unlock: Option<String>,
    #[serde(skip)]
    kind: (VaultKey, UnlockMode),
}

impl From<api::SetupReply> for Vault {
    fn from(reply: api::SetupReply) -> Self {
        let kind = (reply.key(), reply.unlock());
        Self {
            vault_key: kind.0.word(),
            unlock: kind.1.word(),
            kind,
        }
    }
}

impl Answer for Vault {
    fn friendly(&self, style: &Style) -> String {
        let (key, unlock) = self.kind;
        let opens = match unlock {
            UnlockMode::Session => "It is open while the session's keyring is open.",
            UnlockMode::Pin => "`countersign unlock` opens it.",
            UnlockMode::Unspecified => "",
        };
        format!(
            "{} Its key: {}. {opens}\nNext: `countersign enroll` adds a token.\n",
            style.paint(Paint::Good, "The vault is made."),
            words::vault_key(key),
        )
    }

    fn bare(&self) -> String {
        String::new()
    }
}
