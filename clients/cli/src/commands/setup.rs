//! `countersign setup`: makes the vault.
//!
//! With words on the command line it does what they say. A person who gives none chooses here whether the
//! vault asks for a PIN, and whether a recovery code is printed.

use countersign_client::{AgentClient, ClientError};
use countersign_proto::{
    agent::v1::{self as api, Reason, UnlockMode, VaultKey, VaultState},
    limits::PASSPHRASE,
};
use serde::Serialize;

use super::{secrets::is_of_the_machine, session::Session};
use crate::{
    cli::{self, UnlockKind, VaultKeyKind},
    exit::Failure,
    output::{
        self, Answer, Paint, Style,
        recovery_code::RecoveryCode,
        words::{self, Word as _},
    },
    prompt::Terminal,
    secret_line::{self, Secret},
    text,
};

/// Makes it with the key that was asked for, or the one that config.toml names.
pub(crate) async fn run(arguments: &cli::Setup, session: &Session) -> Result<(), Failure> {
    let mut wish = Wish::new(arguments);
    let reply = if arguments.passphrase_stdin {
        wish.secret = Some(secret_line::read(wish.word(), PASSPHRASE)?);
        let mut agent = session.agent().await?;
        session.patiently(agent.setup(wish.request())).await?
    } else {
        let mut agent = session.agent().await?;
        interactive(&mut agent, wish, session).await?
    };
    session.output.answer(&Vault::from(reply))
}

/// What the vault shall be.
#[derive(Debug)]
struct Wish {
    key: VaultKey,
    unlock: UnlockMode,
    secret: Option<Secret>,
    recovery_code: bool,
}

impl Wish {
    /// As the command line has it.
    fn new(arguments: &cli::Setup) -> Self {
        let key = match arguments.vault_key {
            Some(VaultKeyKind::SecretService) => VaultKey::SecretService,
            Some(VaultKeyKind::Passphrase) => VaultKey::Passphrase,
            Some(VaultKeyKind::Credential) => VaultKey::Credential,
            Some(VaultKeyKind::Tpm) => VaultKey::Tpm,
            // A passphrase and no other word: it is what opens the vault.
            None if arguments.passphrase_stdin && arguments.unlock.is_none() => {
                VaultKey::Passphrase
            }
            None => VaultKey::Unspecified,
        };
        let unlock = match arguments.unlock {
            Some(UnlockKind::Pin) => UnlockMode::Pin,
            Some(UnlockKind::Session) => UnlockMode::Session,
            // A secret beside a key of the machine is there to be asked for.
            None if arguments.passphrase_stdin && is_of_the_machine(key) => UnlockMode::Pin,
            None => UnlockMode::Unspecified,
        };
        Self {
            key,
            unlock,
            secret: None,
            recovery_code: arguments.recovery_code,
        }
    }

    /// How its secret is called.
    fn word(&self) -> &'static str {
        if self.key == VaultKey::Passphrase {
            "passphrase"
        } else {
            "PIN"
        }
    }

    fn request(&self) -> api::SetupRequest {
        api::SetupRequest {
            key: self.key.into(),
            unlock: self.unlock.into(),
            passphrase: self
                .secret
                .as_ref()
                .map(|secret| secret.to_vec())
                .unwrap_or_default(),
            recovery_code: self.recovery_code,
        }
    }
}

/// Without `--passphrase-stdin`: a person is asked for what the words leave open.
async fn interactive(
    agent: &mut AgentClient,
    mut wish: Wish,
    session: &Session,
) -> Result<api::SetupReply, Failure> {
    let Some(terminal) = session.terminal() else {
        if wish.key == VaultKey::Passphrase {
            return Err(Failure::usage(
                "There is no terminal to ask for the passphrase on.",
                "Give it on standard input: `countersign setup --passphrase-stdin`.",
            ));
        }
        return Ok(session.patiently(agent.setup(wish.request())).await?);
    };
    // A vault that is there already is refused before anything is asked.
    if agent.status().await?.vault() == VaultState::Absent {
        choose(&mut wish, &terminal).await?;
    }
    loop {
        let refusal = match session.patiently(agent.setup(wish.request())).await {
            Ok(reply) => return Ok(reply),
            Err(refusal) => refusal,
        };
        after(refusal, &mut wish, &terminal).await?;
    }
}

/// Asks for what the words on the command line leave open.
async fn choose(wish: &mut Wish, terminal: &Terminal) -> Result<(), Failure> {
    match (wish.key, wish.unlock) {
        (VaultKey::Passphrase, _) | (_, UnlockMode::Pin) => {
            wish.secret = Some(terminal.ask_new(wish.word(), PASSPHRASE).await?);
        }
        (_, UnlockMode::Session) => return Ok(()),
        (_, UnlockMode::Unspecified) => {
            output::note(
                "A PIN keeps your tokens from whoever finds your session open. Without one the\n\
                 vault opens with your session and asks for nothing.\n",
            );
            let question = "Choose a PIN that unlocks the vault (6 characters or more; empty: it opens with your session)";
            wish.secret = terminal
                .ask_new_or_none(wish.word(), question, PASSPHRASE)
                .await?;
            wish.unlock = if wish.secret.is_some() {
                UnlockMode::Pin
            } else {
                UnlockMode::Session
            };
        }
    }
    if !wish.recovery_code {
        wish.recovery_code = terminal.offer("Print a recovery code now?").await?;
    }
    Ok(())
}

/// What a person can still do about a refusal.
async fn after(refusal: ClientError, wish: &mut Wish, terminal: &Terminal) -> Result<(), Failure> {
    let reason = refusal.reason();
    if reason == Reason::KeySourceAbsent && wish.key == VaultKey::Unspecified {
        // Only where the choice was left open may another key be offered.
        output::note("No Secret Service answers, so a passphrase will protect the vault.\n");
        wish.key = VaultKey::Passphrase;
        wish.unlock = UnlockMode::Unspecified;
    } else if reason == Reason::PinMalformed && wish.secret.is_some() {
        output::note(&format!("{}\n", text::polished(&refusal.to_string())));
    } else if matches!(reason, Reason::WrongPassphrase | Reason::PinRequired)
        && wish.secret.is_none()
    {
        // config.toml asks for a passphrase.
        if wish.key == VaultKey::Unspecified {
            wish.key = VaultKey::Passphrase;
        }
        wish.unlock = UnlockMode::Unspecified;
    } else {
        return Err(refusal.into());
    }
    wish.secret = Some(terminal.ask_new(wish.word(), PASSPHRASE).await?);
    Ok(())
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
    recovery_code: Option<RecoveryCode>,
    #[serde(skip)]
    kind: (VaultKey, UnlockMode),
}

impl From<api::SetupReply> for Vault {
    fn from(reply: api::SetupReply) -> Self {
        let kind = (reply.key(), reply.unlock());
        Self {
            vault_key: kind.0.word(),
            unlock: kind.1.word(),
            recovery_code: RecoveryCode::of(reply.recovery_code),
            kind,
        }
    }
}

impl Answer for Vault {
    fn friendly(&self, style: &Style) -> String {
        let (key, unlock) = self.kind;
        let opens = match (unlock, is_of_the_machine(key)) {
            (UnlockMode::Session, _) => "It opens with your session; no PIN is asked.",
            (UnlockMode::Pin, true) => "`countersign unlock` opens it with your PIN.",
            (UnlockMode::Pin, false) => "`countersign unlock` opens it with your passphrase.",
            (UnlockMode::Unspecified, _) => "",
        };
        let code = self
            .recovery_code
            .as_ref()
            .map(|code| format!("{}\n", code.friendly(style)))
            .unwrap_or_default();
        format!(
            "{} Its key: {}. {opens}\n{code}Next: `countersign enroll` adds a token.\n",
            style.paint(Paint::Good, "The vault is made."),
            words::vault_key(key),
        )
    }

    fn bare(&self) -> String {
        self.recovery_code
            .as_ref()
            .map(RecoveryCode::bare)
            .unwrap_or_default()
    }
}
