//! Passcodes for login pages in a browser: the agent decides which token is filled where.
//!
//! Invariants: an origin gets the passcode of a token that the user has bound to it, and nothing else; what is not bound
//! is not even named. A binding is made in the agent's own dialog, which shows the host in both its texts.

mod binding;

use core::time::Duration;

use countersign_core::{
    allowance::{Allowance, TooOften},
    autofill::{Binding, BindingError, Origin, OriginError, bound_to},
    text,
};
use countersign_proto::agent::v1::Reason;

use super::{
    Agent,
    asking::Unconfirmed,
    caller::{About, Caller},
    explain::Explain,
    passcode::{Generated, PasscodeError, PasscodeWish},
    session::SessionError,
    tokens::SelectError,
};
use crate::vault::{EventKind, PairingId, PairingRow, TokenRow, TokenState, VaultError};

/// Passcodes of one paired browser. More than a person types; a program that collects them is slowed down.
const PASSCODES: Allowance = Allowance {
    burst: 30,
    every: Duration::from_secs(2),
};
/// The longest origin in an event, in characters.
const SHOWN: usize = 120;

/// Does the history of the window in which the page is shown stay?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Yes.
    Ordinary,
    /// No: the event log does not say which page it was, either.
    Private,
}

/// What a page gets.
#[derive(Debug)]
pub enum Filling {
    /// A passcode.
    Passcode(Box<(TokenRow, Generated)>),
    /// Nothing yet: several tokens are bound, and the user chooses.
    Choose(Vec<TokenRow>),
}

/// Why a page gets nothing, or nothing was bound.
#[derive(Debug, thiserror::Error)]
pub enum AutofillError {
    /// No origin that gets passcodes.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// It would not fit the dialog that asks about it.
    #[error("this page's address is too long to be shown whole")]
    TooLong,
    /// Nothing is bound to it.
    #[error("no token is filled on this page")]
    NothingBound,
    /// The token has no passcodes.
    #[error("the token {0} has no passcodes that a page could ask for")]
    NoPasscodes(String),
    /// It cannot be bound so.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The user was not asked, or said no.
    #[error(transparent)]
    Unconfirmed(#[from] Unconfirmed),
    /// Too many.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// No passcode.
    #[error(transparent)]
    Passcode(#[from] PasscodeError),
    /// The vault could not be opened for it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl AutofillError {
    /// Tries left, where one was just lost.
    #[must_use]
    pub const fn tries_left(&self) -> Option<u32> {
        if let Self::Passcode(error) = self {
            error.tries_left()
        } else {
            None
        }
    }
}

impl Explain for AutofillError {
    fn reason(&self) -> Reason {
        match self {
            Self::Origin(_) | Self::TooLong => Reason::OriginInvalid,
            Self::Binding(_) => Reason::DomainUnknown,
            Self::NothingBound => Reason::OriginUnknown,
            Self::NoPasscodes(_) => Reason::WrongMode,
            Self::Unconfirmed(why) => why.reason(),
            Self::TooOften(_) => Reason::RateLimited,
            Self::Select(error) => error.reason(),
            Self::Passcode(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Origin(_) => {
                "passcodes are filled on pages with https, and on those of this computer".to_owned()
            }
            Self::NothingBound => "add a token for it from the extension's window".to_owned(),
            Self::NoPasscodes(_) => "it answers login requests; choose another token".to_owned(),
            Self::Binding(_) => "bind it to this page's origin".to_owned(),
            Self::Unconfirmed(why) => why.hint(),
            Self::TooLong | Self::TooOften(_) => String::new(),
            Self::Select(error) => error.hint(),
            Self::Passcode(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// The passcode for a page. With several bound tokens the user's choice is asked for first.
    ///
    /// # Errors
    ///
    /// Every variant of [`AutofillError`].
    pub async fn fill(
        &self,
        origin: &str,
        chosen: Option<&str>,
        window: Window,
        pairing: &PairingRow,
        caller: &Caller,
    ) -> Result<Filling, AutofillError> {
        self.started().await;
        self.in_sight()?;
        self.spend_passcode(pairing.id)?;
        let filled = self.filled(origin, chosen, window, pairing, caller).await;
        if let Err(error @ (AutofillError::Origin(_) | AutofillError::NothingBound)) = &filled {
            let detail = match window {
                Window::Ordinary => format!("{error}: {}, for {}", shown(origin), pairing.name),
                Window::Private => format!("{error}, for {}", pairing.name),
            };
            self.record_event(EventKind::BrowserRefused, "", &detail)
                .await;
        }
        filled
    }

    async fn filled(
        &self,
        origin: &str,
        chosen: Option<&str>,
        window: Window,
        pairing: &PairingRow,
        caller: &Caller,
    ) -> Result<Filling, AutofillError> {
        let here = Origin::parse(origin)?;
        let about = About::new(&format!("A passcode for {here}"));
        // Where tokens are filled is inside their seals.
        let (_, caller) = self.unlock_first(caller, about.clone()).await?;
        let mut bound: Vec<_> = self.rows().await?;
        bound.retain(|row| is_filled(row, &here));
        if let Some(chosen) = chosen {
            bound.retain(|row| row.id.to_string() == chosen);
        }
        if bound.len() > 1 {
            return Ok(Filling::Choose(bound));
        }
        let row = bound.pop().ok_or(AutofillError::NothingBound)?;
        let told = match window {
            Window::Ordinary => format!("filled at {here}, for {}", pairing.name),
            Window::Private => format!("filled in a private window, for {}", pairing.name),
        };
        let token = self.open_token(row.clone()).await?;
        let generated = self
            .passcode_of(token, PasscodeWish::Current, None, about, &told, &caller)
            .await?;
        Ok(Filling::Passcode(Box::new((row, generated))))
    }

    /// A passcode that the user asks for in the extension's window, to be copied or typed.
    ///
    /// # Errors
    ///
    /// Every variant of [`AutofillError`].
    pub async fn passcode_for_browser(
        &self,
        token: &str,
        challenge: Option<&str>,
        pairing: &PairingRow,
        caller: &Caller,
    ) -> Result<(TokenRow, Generated), AutofillError> {
        self.in_sight()?;
        self.spend_passcode(pairing.id)?;
        let row = self.token_by_id(token).await?;
        let about = About::new(&format!("A passcode of the token {}", row.name));
        let told = format!("shown in the browser, for {}", pairing.name);
        let (_, caller) = self.unlock_first(caller, about.clone()).await?;
        let token = self.open_token(row.clone()).await?;
        let generated = self
            .passcode_of(
                token,
                PasscodeWish::Current,
                challenge,
                about,
                &told,
                &caller,
            )
            .await?;
        Ok((row, generated))
    }

    /// A page that is filled while the screen is locked is filled for somebody else.
    fn in_sight(&self) -> Result<(), Unconfirmed> {
        if self.holds() {
            return Err(Unconfirmed::SessionLocked);
        }
        Ok(())
    }

    fn spend_passcode(&self, pairing: PairingId) -> Result<(), TooOften> {
        let now = self.ports.clock.boot();
        let mut facts = self.state.facts();
        let used = facts.browser_passcodes.get(&pairing).copied();
        let used = PASSCODES.take(used, now)?;
        facts.browser_passcodes.insert(pairing, used);
        Ok(())
    }

    /// Is this token filled at this origin? An origin that gets no passcodes has none.
    #[must_use]
    pub fn is_bound(row: &TokenRow, origin: &str) -> bool {
        Origin::parse(origin).is_ok_and(|here| is_filled(row, &here))
    }

    /// By its id alone: a name that looks like another one's id chooses nothing.
    pub(super) async fn token_by_id(&self, id: &str) -> Result<TokenRow, SelectError> {
        self.started().await;
        let rows = self.rows().await?;
        let found = rows.into_iter().find(|row| row.id.to_string() == id);
        found.ok_or_else(|| SelectError::Unknown(text::display(id, 20)))
    }
}

fn is_filled(row: &TokenRow, here: &Origin) -> bool {
    row.state == TokenState::Active && bound_to(bindings(row), here)
}

/// Empty while the vault is locked.
fn bindings(row: &TokenRow) -> &[Binding] {
    row.secrets
        .as_ref()
        .map(|secrets| secrets.origins.as_slice())
        .unwrap_or_default()
}

fn shown(origin: &str) -> String {
    text::display(origin, SHOWN)
}
