//! Where the secrets of a command come from, over the tries that it makes.
//!
//! Three ways, in this order: standard input if the command line says so, one line a secret and one try;
//! the agent's dialog, by sending nothing; this terminal, once the agent says that it can ask nobody.
//! What was typed here and is wrong is asked for again here, and nothing else is.

use countersign_client::ClientError;
use countersign_proto::{
    agent::v1::{Reason, StatusReply, UnlockMode, VaultKey},
    limits::PASSPHRASE,
};

use super::session::Session;
use crate::{
    exit::Failure,
    output,
    prompt::Terminal,
    secret_line::{self, Secret},
    text,
};

/// What a command may have to ask for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What proves that the user may; nothing where nothing is needed.
    pub(crate) current: Option<Question>,
    /// What is new, by its name.
    pub(crate) new: Option<&'static str>,
    /// What a new one must be like.
    pub(crate) rules: Rules,
    /// Which refusals mean that nobody could be asked.
    pub(crate) fallback: Fallback,
}

/// One secret that is there already.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Its name.
    pub(crate) what: &'static str,
    /// How a person is asked for it.
    pub(crate) words: String,
}

/// What a new secret must be like.
#[derive(Debug, Default)]
pub(crate) enum Rules {
    /// Not known before it is refused.
    #[default]
    Unknown,
    /// These.
    Known(String),
    /// The refusal that asks for it says them.
    Said,
}

/// Which refusals of an empty request mean that nobody could be asked in a dialog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Only that a PIN is required: where verification is unavailable, a PIN may be of no use.
    Required,
    /// Also that nobody can be asked.
    #[default]
    Unavailable,
}

impl Wanted {
    /// The PIN of a token, to use it.
    pub(crate) fn pin_of(token: &str) -> Self {
        Self {
            current: Some(Question::new(
                "PIN",
                format!("PIN of {}", text::short(token)),
            )),
            fallback: Fallback::Required,
            ..Self::default()
        }
    }
}

impl Question {
    pub(crate) fn new(what: &'static str, words: impl Into<String>) -> Self {
        Self {
            what,
            words: words.into(),
        }
    }

    /// The printed recovery code.
    pub(crate) fn recovery() -> Self {
        Self::new("recovery code", "Recovery code")
    }

    /// What opens the vault now.
    pub(crate) fn of_the_vault(status: &StatusReply) -> Self {
        let what = word_for_the_vault(status);
        let words = match what {
            PIN => "PIN of the vault",
            BOTH => "PIN or passphrase of the vault",
            _ => "Passphrase of the vault",
        };
        Self::new(what, words)
    }
}

const PIN: &str = "PIN";
const PASSPHRASE_WORD: &str = "passphrase";
const BOTH: &str = "PIN or passphrase";

/// How the secret that a person types to open the vault is called.
pub(crate) fn word_for_the_vault(status: &StatusReply) -> &'static str {
    let machine = status.slots().any(is_of_the_machine);
    let passphrase = status.slots().any(|slot| slot == VaultKey::Passphrase);
    match (status.unlock(), machine, passphrase) {
        (UnlockMode::Pin, true, true) => BOTH,
        (UnlockMode::Pin, true, false) => PIN,
        (UnlockMode::Session | UnlockMode::Pin | UnlockMode::Unspecified, ..) => PASSPHRASE_WORD,
    }
}

/// A key that this machine keeps, and that can have a PIN beside it.
pub(crate) const fn is_of_the_machine(key: VaultKey) -> bool {
    matches!(
        key,
        VaultKey::SecretService | VaultKey::Credential | VaultKey::Tpm
    )
}

/// The secrets to send, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    current: Option<Secret>,
    new: Option<Secret>,
    from_stdin: bool,
}

impl Secrets {
    /// With `from_stdin` they are read now, before the agent is asked for anything; else there are none yet.
    ///
    /// # Errors
    ///
    /// As [`secret_line::read`].
    pub(crate) fn begin(from_stdin: bool, wanted: &Wanted) -> Result<Self, Failure> {
        let mut secrets = Self {
            from_stdin,
            ..Self::default()
        };
        if from_stdin {
            if let Some(question) = &wanted.current {
                secrets.current = Some(secret_line::read(question.what, PASSPHRASE)?);
            }
            if let Some(what) = wanted.new {
                let what = format!("new {what}");
                secrets.new = Some(secret_line::read(&what, PASSPHRASE)?);
            }
        }
        Ok(secrets)
    }

    /// A new secret that standard input gave together with something else.
    pub(crate) fn given(new: Secret) -> Self {
        Self {
            new: Some(new),
            from_stdin: true,
            ..Self::default()
        }
    }

    /// What proves it, to be sent; empty lets the agent ask.
    pub(crate) fn current(&self) -> Vec<u8> {
        bytes(self.current.as_ref())
    }

    /// What is new, to be sent; empty lets the agent ask.
    pub(crate) fn new_one(&self) -> Vec<u8> {
        bytes(self.new.as_ref())
    }

    /// Whether there is nothing yet but what the agent asks for.
    pub(crate) const fn is_empty(&self) -> bool {
        self.current.is_none() && self.new.is_none()
    }

    /// Asks here for what can help after `refusal`.
    ///
    /// # Errors
    ///
    /// The refusal, if it is about something else or nobody can be asked here; otherwise as
    /// [`Terminal::ask_hidden`].
    pub(crate) async fn after(
        &mut self,
        refusal: ClientError,
        wanted: &Wanted,
        session: &Session,
    ) -> Result<(), Failure> {
        if self.from_stdin {
            return Err(refusal.into());
        }
        let reason = refusal.reason();
        if is_wrong(reason) && self.current.is_some() {
            self.current = None;
        } else if reason == Reason::PinMalformed && self.new.is_some() {
            self.new = None;
        } else if !is_unasked(reason, wanted.fallback) || self.is_complete(wanted) {
            return Err(refusal.into());
        }
        let Some(terminal) = session.terminal() else {
            return Err(refusal.into());
        };
        if !is_unasked(reason, wanted.fallback) || matches!(wanted.rules, Rules::Said) {
            output::note(&said(&refusal));
        }
        self.complete(wanted, &terminal).await
    }

    /// Asks here for everything that is wanted and not there.
    ///
    /// # Errors
    ///
    /// As [`Terminal::ask_hidden`].
    pub(crate) async fn complete(
        &mut self,
        wanted: &Wanted,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        self.prove(wanted, terminal).await?;
        if let (Some(what), None) = (wanted.new, &self.new) {
            if let Rules::Known(rules) = &wanted.rules {
                output::note(&format!("The new {what}: {}.\n", text::sentence(rules)));
            }
            self.new = Some(terminal.ask_new(what, PASSPHRASE).await?);
        }
        Ok(())
    }

    /// Asks here for what proves it, if it is wanted and not there.
    ///
    /// # Errors
    ///
    /// As [`Terminal::ask_hidden`].
    pub(crate) async fn prove(
        &mut self,
        wanted: &Wanted,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        if let (Some(question), None) = (&wanted.current, &self.current) {
            let typed = terminal
                .ask_hidden(question.what, &question.words, PASSPHRASE)
                .await?;
            self.current = Some(typed);
        }
        Ok(())
    }

    const fn is_complete(&self, wanted: &Wanted) -> bool {
        (wanted.current.is_none() || self.current.is_some())
            && (wanted.new.is_none() || self.new.is_some())
    }
}

fn bytes(secret: Option<&Secret>) -> Vec<u8> {
    secret.map(|secret| secret.to_vec()).unwrap_or_default()
}

/// Is a token's PIN to be asked for here after this refusal? The agent could ask nobody, or what was typed here
/// is wrong.
pub(crate) fn asks_here(reason: Reason, typed: bool) -> bool {
    is_unasked(reason, Fallback::Required) || (typed && is_wrong(reason))
}

fn is_wrong(reason: Reason) -> bool {
    matches!(reason, Reason::PinWrong | Reason::WrongPassphrase)
}

fn is_unasked(reason: Reason, fallback: Fallback) -> bool {
    reason == Reason::PinRequired
        || (fallback == Fallback::Unavailable && reason == Reason::VerificationUnavailable)
}

/// A refusal as a line before the next question.
fn said(refusal: &ClientError) -> String {
    let message = text::polished(&refusal.to_string());
    let message = match refusal.tries_left() {
        Some(tries) => output::with_tries(&message, tries),
        None => message,
    };
    format!("{message}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(unlock: UnlockMode, slots: &[VaultKey]) -> StatusReply {
        StatusReply {
            slots: slots.iter().map(|slot| i32::from(*slot)).collect(),
            unlock: unlock.into(),
            ..StatusReply::default()
        }
    }

    #[test]
    fn the_secret_of_the_vault_is_called_what_it_is() {
        use UnlockMode::{Pin, Session};
        use VaultKey::{Passphrase, RecoveryCode, SecretService, Tpm};
        for (unlock, slots, word) in [
            (Pin, [Passphrase].as_slice(), "passphrase"),
            (Pin, &[Passphrase, RecoveryCode], "passphrase"),
            (Pin, &[SecretService], "PIN"),
            (Pin, &[Tpm, RecoveryCode], "PIN"),
            (Pin, &[Tpm, Passphrase], "PIN or passphrase"),
            (Session, &[SecretService, Passphrase], "passphrase"),
        ] {
            assert_eq!(word_for_the_vault(&status(unlock, slots)), word);
        }
    }
}
