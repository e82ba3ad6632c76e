//! Containers of privacyIDEA: this device is registered for one, and takes over its tokens.
//!
//! Invariants: a registration's key is durable before the server hears of it, so that an interrupted one goes on with
//! the same link. Each token is added, renewed or deleted in one step of its own; a synchronisation that breaks off is
//! simply made again.

mod registration;
mod schedule;
mod synchronisation;
mod unregistration;

use countersign_core::{
    ids::{ContainerId, TokenId},
    privacyidea::{
        Fault, ReplyError, ServerUrl, Transport,
        container::{
            self, ContainerCall, ContainerKeyError, LeftOut, PackageError, Permission, Standing,
        },
    },
    secret::SecretText,
    text,
};
use countersign_proto::{agent::v1::Reason, limits};

use super::{
    Agent,
    agreement::AgreementError,
    explain::Explain,
    ports::{RandomError, TransportError, Trust},
    session::SessionError,
};
use crate::vault::{ContainerRow, TokenRow, VaultError};

pub(super) use self::registration::passphrase_question;
pub use self::unregistration::{MembersFate, ServerTold, Unregistered};

/// A container as it is shown.
#[derive(Clone, Debug)]
pub struct ContainerStatus {
    /// What the vault keeps of it.
    pub row: ContainerRow,
    /// How many tokens here belong to it.
    pub tokens: usize,
    /// How the last synchronisation ended.
    pub(crate) aftermath: Aftermath,
}

impl ContainerStatus {
    /// Why the last try failed; display-safe, empty if it did not.
    #[must_use]
    pub fn trouble(&self) -> &str {
        &self.aftermath.trouble
    }

    /// Tokens that could not be taken.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.aftermath.left_out
    }
}

/// What the last synchronisation has left behind. Forgotten with the agent; the next one says it anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aftermath {
    trouble: String,
    left_out: Vec<LeftOut>,
}

/// What a synchronisation has done; tokens by name.
#[derive(Debug)]
pub struct ContainerSync {
    /// How the container stands now.
    pub status: ContainerStatus,
    /// New tokens.
    pub added: Vec<String>,
    /// Tokens with a new secret.
    pub renewed: Vec<String>,
    /// Tokens that the container does not have any more.
    pub removed: Vec<String>,
}

impl ContainerSync {
    /// Nothing was done.
    const fn nothing(status: ContainerStatus) -> Self {
        Self {
            status,
            added: Vec::new(),
            renewed: Vec::new(),
            removed: Vec::new(),
        }
    }
}

/// Why nothing came of a wish about a container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No name, serial or id fits.
    #[error("there is no container {0}")]
    Unknown(String),
    /// Several fit.
    #[error("several containers fit {0}")]
    Ambiguous(String),
    /// The server's policy says no.
    #[error("the service does not allow that this device {0}")]
    Forbidden(&'static str),
    /// The server does not know the device any more.
    #[error("the service does not know this device as registered for the container any more")]
    Gone,
    /// The server does not accept the device's key.
    #[error(
        "the service does not accept this device's key: another device may have been registered in its place"
    )]
    NotAccepted,
    /// The registration was not accepted.
    #[error(
        "the service did not accept the registration: the link has expired or was used before, or the passphrase is wrong"
    )]
    RegistrationRefused,
    /// The passphrase is not text.
    #[error("the passphrase is not text")]
    Passphrase,
    /// The server refused in words of its own.
    #[error("the service refused ({0})")]
    Refused(String),
    /// Not the protocol's answer.
    #[error("the service's answers were not what they should be ({0})")]
    Exchange(String),
    /// The service was not reached or not believed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The vault could not be opened, or nobody could be asked.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl ContainerError {
    /// Did it fail at the service, or on the way there?
    pub(super) const fn is_of_the_service(&self) -> bool {
        matches!(
            self,
            Self::Forbidden(_)
                | Self::Gone
                | Self::NotAccepted
                | Self::RegistrationRefused
                | Self::Refused(_)
                | Self::Exchange(_)
                | Self::Transport(_)
        )
    }
}

impl From<Fault> for ContainerError {
    fn from(fault: Fault) -> Self {
        match fault.code {
            container::NOT_REGISTERED | container::UNKNOWN => Self::Gone,
            container::NOT_ACCEPTED => Self::NotAccepted,
            _ => Self::Refused(fault.message),
        }
    }
}

impl From<ReplyError> for ContainerError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Refused(fault) => fault.into(),
            ReplyError::Malformed => Self::Exchange("they are not those of privacyIDEA".to_owned()),
        }
    }
}

impl From<PackageError> for ContainerError {
    fn from(error: PackageError) -> Self {
        Self::Exchange(error.to_string())
    }
}

impl From<AgreementError> for ContainerError {
    fn from(error: AgreementError) -> Self {
        Self::Exchange(error.to_string())
    }
}

impl From<ContainerKeyError> for ContainerError {
    fn from(_: ContainerKeyError) -> Self {
        Self::Vault(VaultError::Damaged)
    }
}

impl Explain for ContainerError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unknown(_) => Reason::ContainerUnknown,
            Self::Ambiguous(_) => Reason::ContainerAmbiguous,
            Self::Forbidden(_) => Reason::ForbiddenByService,
            Self::Gone | Self::NotAccepted => Reason::ContainerGone,
            Self::RegistrationRefused => Reason::EnrollmentRefused,
            Self::Passphrase => Reason::Usage,
            Self::Transport(TransportError::Unreachable { .. }) => Reason::GatewayUnreachable,
            Self::Transport(TransportError::Untrusted { .. }) => Reason::GatewayUntrusted,
            Self::Transport(TransportError::Protocol { .. } | TransportError::Refused { .. })
            | Self::Refused(_)
            | Self::Exchange(_) => Reason::GatewayFailed,
            Self::Session(error) => error.reason(),
            Self::Vault(error) => Explain::reason(error),
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "`countersign container list` shows your containers".to_owned(),
            Self::Ambiguous(_) => "use its serial or id".to_owned(),
            Self::Forbidden(_) => "ask your administrator".to_owned(),
            Self::Gone | Self::NotAccepted => {
                "ask your administrator for a new link, or forget it with `countersign container unregister`".to_owned()
            }
            Self::RegistrationRefused => {
                "check the passphrase, or ask your administrator for a new link".to_owned()
            }
            Self::Passphrase => "type it again".to_owned(),
            Self::Transport(TransportError::Unreachable { .. }) => {
                "check the network and try again; nothing is lost".to_owned()
            }
            Self::Transport(TransportError::Untrusted { .. }) => {
                "do not go on: ask your administrator whether the service's key was changed"
                    .to_owned()
            }
            Self::Transport(_) | Self::Refused(_) | Self::Exchange(_) => {
                "try again; if it fails again, tell your administrator".to_owned()
            }
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
            Self::Random(_) => String::new(),
        }
    }
}

impl Agent {
    /// The containers, by name. Also while locked.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn containers(&self) -> Result<Vec<ContainerStatus>, ContainerError> {
        let mut containers = Vec::new();
        for row in self.container_rows().await? {
            containers.push(self.container_status(row).await?);
        }
        Ok(containers)
    }

    async fn container_rows(&self) -> Result<Vec<ContainerRow>, VaultError> {
        match self.vault.call(|vault| vault.containers()).await {
            Err(VaultError::Absent) => Ok(Vec::new()),
            rows => rows,
        }
    }

    async fn container_row(&self, id: ContainerId) -> Result<Option<ContainerRow>, VaultError> {
        let rows = self.container_rows().await?;
        Ok(rows.into_iter().find(|row| row.id == id))
    }

    async fn container_status(&self, row: ContainerRow) -> Result<ContainerStatus, VaultError> {
        let tokens = self.members(row.id).await?.len();
        let facts = self.state.facts();
        let aftermath = facts.containers.get(&row.id).cloned().unwrap_or_default();
        Ok(ContainerStatus {
            row,
            tokens,
            aftermath,
        })
    }

    async fn members(&self, id: ContainerId) -> Result<Vec<TokenRow>, VaultError> {
        let tokens = self.rows().await?.into_iter();
        Ok(tokens.filter(|token| token.container == Some(id)).collect())
    }

    /// The name of a token's container; empty if it has none.
    pub async fn container_name(&self, token: &TokenRow) -> String {
        let Some(id) = token.container else {
            return String::new();
        };
        let row = self.container_row(id).await.ok().flatten();
        row.map(|row| row.name).unwrap_or_default()
    }

    /// Name first, then serial, then id.
    async fn select_container(&self, selector: &str) -> Result<ContainerRow, ContainerError> {
        let rows = self.container_rows().await?;
        let shown = || text::display(selector, limits::TOKEN_NAME);
        let fits: [&dyn Fn(&ContainerRow) -> bool; 3] = [
            &|row| row.name.eq_ignore_ascii_case(selector),
            &|row| row.serial.eq_ignore_ascii_case(selector),
            &|row| row.id.to_string() == selector,
        ];
        for fit in fits {
            let mut found: Vec<_> = rows.iter().filter(|row| fit(row)).collect();
            match (found.pop(), found.is_empty()) {
                (None, _) => {}
                (Some(row), true) => return Ok(row.clone()),
                (Some(_), false) => return Err(ContainerError::Ambiguous(shown())),
            }
        }
        Err(ContainerError::Unknown(shown()))
    }

    /// May the user delete this token here? Its container's server may say no.
    pub(super) async fn may_be_deleted(&self, token: &TokenRow) -> Result<bool, VaultError> {
        let Some(id) = token.container else {
            return Ok(true);
        };
        let Some(row) = self.container_row(id).await? else {
            return Ok(true);
        };
        let kept = row.facts.standing == Standing::Registered
            && row.facts.policies.token_deletion == Permission::Forbidden;
        Ok(!kept)
    }

    /// Posts a form to a container's server and gives the body of its answer.
    async fn post_to(
        &self,
        row: &ContainerRow,
        address: &str,
        form: SecretText,
    ) -> Result<Vec<u8>, ContainerError> {
        let trust = trust(row);
        let posted = self.ports.polls.post(address, &trust, form).await?;
        Ok(posted.reply.body)
    }

    /// A challenge for `call`.
    async fn challenge(
        &self,
        row: &ContainerRow,
        base: &ServerUrl,
        call: ContainerCall,
    ) -> Result<container::ContainerChallenge, ContainerError> {
        let form = container::challenge_form(base, &row.serial, call);
        let address = ContainerCall::challenge_address(base);
        let body = self.post_to(row, &address, form).await?;
        Ok(container::read_challenge_reply(&body)?)
    }

    /// Keeps how the last synchronisation ended, for whoever looks.
    fn note_aftermath(&self, id: ContainerId, aftermath: Aftermath) {
        self.state.facts().containers.insert(id, aftermath);
    }

    async fn row_of_member(&self, id: TokenId) -> Result<Option<TokenRow>, VaultError> {
        let tokens = self.rows().await?;
        Ok(tokens.into_iter().find(|token| token.id == id))
    }
}

/// How a container's server is known.
fn trust(row: &ContainerRow) -> Trust {
    match (row.facts.transport, row.facts.server_key) {
        (Transport::Verified, _) => Trust::Authorities,
        (Transport::UnverifiedTls, Some(key)) => Trust::Key(key),
        // Only at the registration; from then on the key is known.
        (Transport::UnverifiedTls, None) => Trust::FirstUse,
        (Transport::PlainHttp, _) => Trust::Nothing,
    }
}

/// The server's base address, as it was kept.
fn base_of(row: &ContainerRow) -> Result<ServerUrl, ContainerError> {
    ServerUrl::parse(&row.url).map_err(|_changed| ContainerError::Vault(VaultError::Damaged))
}
