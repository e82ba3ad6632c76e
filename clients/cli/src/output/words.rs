//! The closed lists of the interface as words: one for scripts, some for people.

use countersign_proto::agent::v1::{
    BiometricState, BlockKind, ContainerState, EventKind, ExportFormat, ImportStanding,
    InsecureTransport, LoginOrigin, LoginRequestState, OtpMode, PinAsking, PinType, Reason,
    SessionState, TokenState, UnlockMode, VaultKey, VaultState, Verification,
};

use super::Paint;

/// A value of a closed list that has a word for scripts: its name in the interface, in `snake_case`.
pub(crate) trait Word: Copy {
    /// The whole name, e.g. `OTP_MODE_TIME`.
    fn whole_name(self) -> &'static str;
    /// What every name of the list begins with, e.g. `OTP_MODE_`.
    const PREFIX: &'static str;

    /// The word, e.g. `time`; `None` for a value that the agent did not say.
    fn word(self) -> Option<String> {
        let name = self.whole_name();
        let name = name.strip_prefix(Self::PREFIX).unwrap_or(name);
        (name != "UNSPECIFIED").then(|| name.to_ascii_lowercase())
    }
}

macro_rules! words {
    ($($list:ty = $prefix:literal),* $(,)?) => {
        $(impl Word for $list {
            const PREFIX: &'static str = $prefix;

            fn whole_name(self) -> &'static str {
                self.as_str_name()
            }
        })*
    };
}

words! {
    BiometricState = "BIOMETRIC_STATE_",
    BlockKind = "BLOCK_KIND_",
    ContainerState = "CONTAINER_STATE_",
    LoginOrigin = "LOGIN_ORIGIN_",
    EventKind = "EVENT_KIND_",
    ExportFormat = "EXPORT_FORMAT_",
    ImportStanding = "IMPORT_STANDING_",
    InsecureTransport = "INSECURE_TRANSPORT_",
    LoginRequestState = "LOGIN_REQUEST_STATE_",
    OtpMode = "OTP_MODE_",
    PinAsking = "PIN_ASKING_",
    PinType = "PIN_TYPE_",
    Reason = "REASON_",
    SessionState = "SESSION_STATE_",
    TokenState = "TOKEN_STATE_",
    UnlockMode = "UNLOCK_MODE_",
    VaultKey = "VAULT_KEY_",
    VaultState = "VAULT_STATE_",
    Verification = "VERIFICATION_",
}

/// A word of a closed list with spaces, for people: `pin_exhausted` becomes `pin exhausted`.
pub(crate) fn spaced(word: Option<&str>) -> String {
    word.unwrap_or_default().replace('_', " ")
}

/// What a rule goes by, for people.
pub(crate) const fn block_kind(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Resource => "resource",
        BlockKind::Address => "address",
        BlockKind::Unspecified => "",
    }
}

/// `yes` or `no`.
pub(crate) const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// `on` or `off`.
pub(crate) const fn on(is: bool) -> &'static str {
    if is { "on" } else { "off" }
}

/// A count and its noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// How an OTP mode is called to people.
pub(crate) const fn mode(mode: OtpMode) -> &'static str {
    match mode {
        OtpMode::Unspecified => "",
        OtpMode::Time => "time-based",
        OtpMode::Event => "event-based",
        OtpMode::Challenge => "challenge-response",
        OtpMode::Push => "login requests only",
        OtpMode::Sudo => "sudo key",
    }
}

/// How a PIN type is called to people.
pub(crate) const fn pin(pin: PinType) -> &'static str {
    match pin {
        PinType::Unspecified => "",
        PinType::None => "none",
        PinType::Token => "token PIN, checked on this machine",
        PinType::Server => "server PIN, checked by the service",
    }
}

/// How often a PIN is asked for, to people.
pub(crate) const fn pin_asking(asking: PinAsking) -> &'static str {
    match asking {
        PinAsking::Unspecified => "",
        PinAsking::EveryTime => "every time",
        PinAsking::OncePerUnlock => "once after each unlocking",
    }
}

/// Whether a finger stands for a PIN, to people.
pub(crate) const fn biometric(state: BiometricState) -> &'static str {
    match state {
        BiometricState::Unspecified => "",
        BiometricState::Refused => "not allowed",
        BiometricState::Off => "off",
        BiometricState::Ready => "stands for the PIN",
        BiometricState::PinDue => "stands for the PIN again once that was typed",
    }
}

/// What is wrong with how a service is talked to, to people; empty: nothing is.
pub(crate) const fn insecure(transport: InsecureTransport) -> &'static str {
    match transport {
        InsecureTransport::Unspecified => "",
        InsecureTransport::PlainHttp => "INSECURE: no TLS, anybody on the way can answer for it",
        InsecureTransport::UnverifiedTls => {
            "INSECURE: its certificate was never checked, only its key of the first time is known"
        }
    }
}

/// How a container stands, to people, and what its colour means.
pub(crate) const fn container_state(state: ContainerState) -> (&'static str, Paint) {
    match state {
        ContainerState::Unspecified => ("unknown", Paint::Attention),
        ContainerState::Registering => ("not finished: enroll the link again", Paint::Attention),
        ContainerState::Registered => ("registered", Paint::Good),
        ContainerState::Gone => ("not known to its service any more", Paint::Bad),
    }
}

/// How the state of a login request is called to people, and what its colour means.
pub(crate) const fn request_state(state: LoginRequestState) -> (&'static str, Paint) {
    match state {
        LoginRequestState::Unspecified => ("unknown", Paint::Attention),
        LoginRequestState::Pending => ("pending", Paint::Attention),
        LoginRequestState::Sending => ("being sent", Paint::Attention),
        LoginRequestState::Approved => ("approved", Paint::Good),
        LoginRequestState::LoggedIn => ("logged in", Paint::Good),
        LoginRequestState::Denied => ("denied", Paint::Plain),
        LoginRequestState::Expired => ("expired", Paint::Faint),
        LoginRequestState::Cancelled => ("cancelled", Paint::Faint),
        LoginRequestState::Refused => ("refused", Paint::Bad),
    }
}

/// How an event is called to people.
pub(crate) const fn event(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Unspecified => "something else",
        EventKind::Enrolled => "enrolled",
        EventKind::PasscodeGenerated => "passcode generated",
        EventKind::RequestReceived => "login request received",
        EventKind::RequestApproved => "login request approved",
        EventKind::RequestDenied => "login request denied",
        EventKind::RequestReported => "login request reported",
        EventKind::RequestClosed => "login request closed",
        EventKind::RequestRefused => "login request refused",
        EventKind::Renamed => "renamed",
        EventKind::Deleted => "deleted",
        EventKind::Unlocked => "vault unlocked",
        EventKind::Locked => "vault locked",
        EventKind::AutosendChanged => "autosend changed",
        EventKind::UnlockFailed => "unlock failed",
        EventKind::Revoked => "revoked",
        EventKind::Setup => "vault made",
        EventKind::PinChanged => "PIN changed",
        EventKind::PinWrong => "wrong PIN",
        EventKind::PinExhausted => "erased after wrong PINs",
        EventKind::BiometricChanged => "finger switched",
        EventKind::FingerWrong => "wrong finger",
        EventKind::SlotAdded => "way to unlock added",
        EventKind::SlotRemoved => "way to unlock removed",
        EventKind::Muted => "muted",
        EventKind::BlockAdded => "blocked",
        EventKind::BlockRemoved => "no longer blocked",
        EventKind::Moved => "moved",
        EventKind::EnrollmentFailed => "enrollment failed",
        EventKind::ContainerRegistered => "container registered",
        EventKind::ContainerSynced => "container changed",
        EventKind::ContainerUnregistered => "container unregistered",
        EventKind::Exported => "exported",
        EventKind::BrowserPaired => "browser paired",
        EventKind::BrowserRevoked => "browser revoked",
        EventKind::BrowserRefused => "browser refused",
        EventKind::OriginBound => "bound to a page",
        EventKind::OriginUnbound => "not filled any more",
        EventKind::BrowserAnswered => "answered in a browser",
    }
}

/// What the colour of an event means: what needs a look stands out.
pub(crate) const fn event_paint(kind: EventKind) -> Paint {
    use EventKind as Kind;
    match kind {
        Kind::RequestApproved
        | Kind::Enrolled
        | Kind::ContainerRegistered
        | Kind::BrowserPaired => Paint::Good,
        Kind::RequestDenied
        | Kind::RequestRefused
        | Kind::EnrollmentFailed
        | Kind::Exported
        | Kind::Deleted
        | Kind::FingerWrong
        | Kind::SlotAdded
        | Kind::SlotRemoved
        | Kind::Muted
        | Kind::BlockAdded
        | Kind::BlockRemoved
        | Kind::ContainerSynced
        | Kind::ContainerUnregistered
        | Kind::BrowserRevoked
        | Kind::BrowserRefused
        | Kind::OriginBound
        | Kind::OriginUnbound => Paint::Attention,
        Kind::RequestReported
        | Kind::UnlockFailed
        | Kind::Revoked
        | Kind::PinWrong
        | Kind::PinExhausted => Paint::Bad,
        Kind::Unspecified
        | Kind::PasscodeGenerated
        | Kind::RequestReceived
        | Kind::RequestClosed
        | Kind::Renamed
        | Kind::Moved
        | Kind::Unlocked
        | Kind::Locked
        | Kind::AutosendChanged
        | Kind::BrowserAnswered
        | Kind::PinChanged
        | Kind::BiometricChanged
        | Kind::Setup => Paint::Plain,
    }
}

/// How a slot of the vault is called to people.
pub(crate) const fn vault_key(key: VaultKey) -> &'static str {
    match key {
        VaultKey::Unspecified => "unknown",
        VaultKey::SecretService => "Secret Service",
        VaultKey::Passphrase => "passphrase",
        VaultKey::Credential => "systemd credential",
        VaultKey::Tpm => "TPM",
        VaultKey::RecoveryCode => "recovery code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_scripts_are_the_interfaces_names() {
        assert_eq!(OtpMode::Time.word().as_deref(), Some("time"));
        assert_eq!(
            LoginRequestState::LoggedIn.word().as_deref(),
            Some("logged_in")
        );
        assert_eq!(
            VaultKey::SecretService.word().as_deref(),
            Some("secret_service")
        );
        assert_eq!(OtpMode::Unspecified.word(), None);
        assert_eq!(Reason::Unspecified.word(), None);
    }

    #[test]
    fn a_count_reads_as_a_person_says_it() {
        assert_eq!(count(0, "token", "tokens"), "no tokens");
        assert_eq!(count(1, "token", "tokens"), "1 token");
        assert_eq!(count(2, "token", "tokens"), "2 tokens");
    }
}
