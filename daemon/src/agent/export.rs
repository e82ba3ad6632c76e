//! Export: tokens leave the vault as a file, where their policy allows it.
//!
//! Invariants: a token whose policy does not say that it may leave does not leave, whoever asks and in whatever form.
//! The user is verified first: by the vault's own PIN where it has one, by the token's where it has one. What leaves
//! is in the event log before it is given out.

use countersign_core::{
    export::{self, ExportError, ExportFormat, ExportedToken, NewSealed},
    otp::OtpMode,
    pskc::{NewContainer, PskcError},
    seal::slot::Argon2Cost,
    secret::SecretBytes,
    token::TokenSecrets,
};
use countersign_proto::agent::v1::Reason;

use super::{
    Agent,
    caller::{About, Caller, UsedUp},
    explain::Explain,
    ports::{PortRng, Random, RandomError},
    session::SessionError,
    tokens::SelectError,
    verification::{JustShown, VerificationError},
};
use crate::vault::{EventKind, TokenRow, TokenState, VaultError};

/// Fewest characters of the passphrase of a file: whoever has the file can try as often as they like.
pub const MIN_PASSPHRASE: usize = 8;

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// The file. Holds the seeds: in plain text where it is a list of links.
    pub file: SecretBytes,
    /// How many tokens it holds.
    pub tokens: usize,
    /// What stays, and why. Display-safe sentences.
    pub left_out: Vec<String>,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportStoryError {
    /// No token may leave, or there is none.
    #[error("there is no token that may leave the vault{}", because(.0))]
    Nothing(Vec<String>),
    /// A token that was named may not leave.
    #[error("{0}")]
    Refused(String),
    /// The passphrase of the file is missing or too short.
    #[error("the passphrase of the file has at least {MIN_PASSPHRASE} characters")]
    Passphrase,
    /// A form that takes no passphrase.
    #[error("a list of links is not encrypted, so it has no passphrase")]
    NoPassphrase,
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The file.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The container.
    #[error(transparent)]
    Container(#[from] PskcError),
    /// Making it failed in a way that no token should cause.
    #[error("the file could not be made")]
    Making,
    /// The user was not verified.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// The vault was not opened.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

fn because(left_out: &[String]) -> String {
    left_out
        .first()
        .map(|first| format!(" ({})", first.trim_end_matches('.')))
        .unwrap_or_default()
}

impl ExportStoryError {
    /// Tries left, where one was just lost.
    #[must_use]
    pub const fn tries_left(&self) -> Option<u32> {
        match self {
            Self::Verification(error) => error.tries_left(),
            Self::Nothing(_)
            | Self::Refused(_)
            | Self::Passphrase
            | Self::NoPassphrase
            | Self::Select(_)
            | Self::Export(_)
            | Self::Container(_)
            | Self::Making
            | Self::Session(_)
            | Self::Vault(_)
            | Self::Random(_) => None,
        }
    }
}

impl Explain for ExportStoryError {
    fn reason(&self) -> Reason {
        match self {
            Self::Nothing(_) | Self::Refused(_) | Self::Export(_) | Self::Container(_) => {
                Reason::ExportRefused
            }
            Self::Passphrase => Reason::FilePassphraseRequired,
            Self::NoPassphrase => Reason::Usage,
            Self::Select(error) => error.reason(),
            Self::Making | Self::Random(_) => Reason::Internal,
            Self::Verification(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::Vault(error) => Explain::reason(error),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Nothing(_) | Self::Refused(_) => {
                "`countersign info TOKEN` shows whether a token may leave; ask its service for a new one where you move to"
                    .to_owned()
            }
            Self::Export(_) | Self::Container(_) => {
                "leave that token out by naming the others".to_owned()
            }
            Self::Passphrase => "run it in a terminal, or with `--passphrase-stdin`".to_owned(),
            Self::NoPassphrase | Self::Making | Self::Random(_) => String::new(),
            Self::Select(error) => error.hint(),
            Self::Verification(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// Writes tokens as a file: those that are named, or all that may leave.
    ///
    /// # Errors
    ///
    /// Every variant of [`ExportStoryError`]; nothing leaves then.
    pub async fn export(
        &self,
        format: ExportFormat,
        selectors: &[String],
        passphrase: Option<SecretBytes>,
        caller: &Caller,
    ) -> Result<Exported, ExportStoryError> {
        check_passphrase(format, passphrase.as_ref())?;
        self.started().await;
        let about = About::new(&format!("Export tokens, {format}"));
        let (opening, caller) = self.unlock_first(caller, about.clone()).await?;
        let (leaving, left_out) = self.leaving(format, selectors).await?;
        if leaving.is_empty() {
            return Err(ExportStoryError::Nothing(left_out));
        }
        let shown = JustShown::from(opening);
        self.verify_for_export(shown, &about, &caller).await?;
        // One secret came along at most: the vault's, where it has one.
        let caller = if self.has_agent_pin().await && caller.used_up == UsedUp::No {
            Caller {
                secret: None,
                ..caller
            }
        } else {
            caller
        };
        let mut tokens = Vec::with_capacity(leaving.len());
        for (row, secrets) in leaving {
            let keys = self
                .keys_for_export(&row, &secrets, about.clone(), &caller)
                .await?;
            if let Some(mode) = secrets.mode {
                tokens.push(ExportedToken {
                    name: row.name,
                    issuer: secrets.issuer,
                    user: secrets.user,
                    serial: secrets.serial,
                    counter: if mode.uses_counter() {
                        row.counter.unwrap_or(0)
                    } else {
                        0
                    },
                    mode,
                    secret: keys.seed,
                    pin: secrets.pin,
                    policy_name: secrets.policy_name,
                    policy_level: secrets.policy_level,
                });
            }
        }
        let names: Vec<_> = tokens.iter().map(|token| token.name.clone()).collect();
        let file = self.file_of(format, tokens, passphrase).await?;
        let count = names.len();
        let events: Vec<_> = names
            .iter()
            .map(|name| self.event(EventKind::Exported, name, &format.to_string()))
            .collect();
        self.vault
            .call(move |vault| vault.append_events(&events))
            .await?;
        self.touch();
        Ok(Exported {
            file,
            tokens: count,
            left_out,
        })
    }

    /// The tokens that leave, with their sealed content, and why others stay.
    async fn leaving(
        &self,
        format: ExportFormat,
        selectors: &[String],
    ) -> Result<(Vec<(TokenRow, TokenSecrets)>, Vec<String>), ExportStoryError> {
        let mut leaving = Vec::new();
        let mut left_out = Vec::new();
        if selectors.is_empty() {
            for row in self.rows().await? {
                if row.state != TokenState::Active {
                    left_out.push(format!("{} has no secret any more.", row.name));
                    continue;
                }
                let id = row.id;
                let secrets = self
                    .vault
                    .call(move |vault| vault.token_secrets(id))
                    .await?;
                match stays(format, &row.name, &secrets) {
                    Some(why) => left_out.push(why),
                    None => leaving.push((row, secrets)),
                }
            }
        } else {
            for selector in selectors {
                let (row, secrets) = self.select_open(selector).await?;
                if let Some(why) = stays(format, &row.name, &secrets) {
                    return Err(ExportStoryError::Refused(why));
                }
                if !leaving
                    .iter()
                    .any(|(other, _): &(TokenRow, _)| other.id == row.id)
                {
                    leaving.push((row, secrets));
                }
            }
        }
        Ok((leaving, left_out))
    }

    /// The file. Slow on purpose: not on the thread that everybody waits for.
    async fn file_of(
        &self,
        format: ExportFormat,
        tokens: Vec<ExportedToken>,
        passphrase: Option<SecretBytes>,
    ) -> Result<SecretBytes, ExportStoryError> {
        let passphrase = passphrase.unwrap_or_default();
        let (salt, nonce) = (self.random()?, self.random()?);
        let random = std::sync::Arc::clone(&self.ports.random);
        let making = tokio::task::spawn_blocking(move || {
            file(format, tokens, &passphrase, (salt, nonce), &*random)
        });
        making.await.map_err(|_panicked| ExportStoryError::Making)?
    }
}

fn file(
    format: ExportFormat,
    tokens: Vec<ExportedToken>,
    passphrase: &SecretBytes,
    (salt, nonce): ([u8; 16], [u8; 24]),
    random: &dyn Random,
) -> Result<SecretBytes, ExportStoryError> {
    match format {
        ExportFormat::Encrypted => {
            let sealed = NewSealed {
                tokens,
                passphrase,
                cost: Argon2Cost::RECOMMENDED,
                salt,
                nonce,
            };
            Ok(SecretBytes::new(sealed.to_file()?.into_bytes()))
        }
        ExportFormat::UriList => {
            let list = export::uri_list(&tokens)?;
            Ok(SecretBytes::from(list.as_bytes()))
        }
        ExportFormat::Pskc => {
            let keys: Vec<_> = (1..)
                .zip(&tokens)
                .map(|(place, token)| token.to_key_package(place))
                .collect::<Result<_, _>>()?;
            let mut rng = PortRng::new(random);
            let container = NewContainer {
                keys: &keys,
                passphrase,
                rounds: NewContainer::ROUNDS,
            };
            let document = container.to_xml(&mut rng)?;
            rng.check()?;
            Ok(SecretBytes::from(document.as_bytes()))
        }
    }
}

fn check_passphrase(
    format: ExportFormat,
    passphrase: Option<&SecretBytes>,
) -> Result<(), ExportStoryError> {
    match (format, passphrase) {
        (ExportFormat::UriList, None) => Ok(()),
        (ExportFormat::UriList, Some(_)) => Err(ExportStoryError::NoPassphrase),
        (ExportFormat::Encrypted | ExportFormat::Pskc, Some(passphrase)) => {
            let characters = passphrase.as_text().map_or(0, |text| text.chars().count());
            if characters < MIN_PASSPHRASE {
                return Err(ExportStoryError::Passphrase);
            }
            Ok(())
        }
        (ExportFormat::Encrypted | ExportFormat::Pskc, None) => Err(ExportStoryError::Passphrase),
    }
}

/// Why a token stays; nothing where it may leave.
fn stays(format: ExportFormat, name: &str, secrets: &TokenSecrets) -> Option<String> {
    if !secrets.exportable {
        return Some(format!("The policy of {name} does not let it leave."));
    }
    match &secrets.mode {
        None => Some(format!("{name} makes no passcodes.")),
        Some(OtpMode::Challenge { .. }) if format == ExportFormat::UriList => {
            Some(format!("{name} is challenge-response: no link carries it."))
        }
        Some(OtpMode::Challenge { .. } | OtpMode::Time { .. } | OtpMode::Event { .. }) => None,
    }
}
