//! The agent's types and the wire's: only here do they meet.

use countersign_core::{
    login_origin::LoginOrigin,
    login_request::Closing,
    login_rules::Block,
    otp::{OtpKind, OtpMode},
    pin::PinRules,
    privacyidea::{
        Transport,
        container::{self, Permission},
    },
    pskc::PinPolicy,
    token::{PinAsking, PinType, PushPolicy, VerificationLevel},
};
use countersign_proto::{
    agent::v1::{self as wire, Reason},
    reason::detail_status,
};
use tonic::Status;

use crate::{
    agent::{
        Agent,
        autosend::Autosend,
        containers::{ContainerStatus, ContainerSync},
        enrollment::{EnrollmentKind, EnrollmentPreview},
        explain::Explain,
        login_request::{RequestView, Standing},
        login_rules::{self, RuleError},
        status::{SessionStanding, Status as AgentStatus, host_of},
        sudo_key::SudoKeyRow,
        tokens::Belonging,
        verification::Biometric,
    },
    config::VaultKey,
    hardening,
    vault::{BlockId, BlockRow, Event, PairingRow, Slot, SlotId, TokenRow, UnlockMode, VaultState},
};

/// The gRPC error of a refusal.
pub(crate) fn refusal(error: &impl Explain) -> Status {
    error.reason().status(error.to_string(), error.hint())
}

/// The gRPC error of a refusal that may have cost a try.
pub(super) fn refusal_of_pin(error: &impl Explain, tries_left: Option<u32>) -> Status {
    detail_status(&detail(error, tries_left))
}

/// What a refusal carries.
pub(super) fn detail(error: &impl Explain, tries_left: Option<u32>) -> wire::ErrorDetail {
    wire::ErrorDetail {
        reason: error.reason().into(),
        message: error.to_string(),
        hint: error.hint(),
        tries_left,
    }
}

pub(super) fn pairing(row: PairingRow) -> wire::Pairing {
    wire::Pairing {
        id: row.id.0.to_string(),
        fingerprint: row.key.fingerprint(),
        name: row.name,
        browser: row.browser,
        created: seconds(row.created),
        used: row.used.map(seconds),
    }
}

pub(super) fn requested_vault_key(key: wire::VaultKey) -> Result<Option<VaultKey>, Status> {
    match key {
        wire::VaultKey::Unspecified => Ok(None),
        wire::VaultKey::SecretService => Ok(Some(VaultKey::SecretService)),
        wire::VaultKey::Passphrase => Ok(Some(VaultKey::Passphrase)),
        wire::VaultKey::Credential => Ok(Some(VaultKey::Credential)),
        wire::VaultKey::Tpm => Ok(Some(VaultKey::Tpm)),
        wire::VaultKey::RecoveryCode => Err(Reason::Usage.status(
            "a recovery code is a second way, not the only one",
            "use another --vault-key, and --recovery-code beside it",
        )),
    }
}

pub(super) const fn vault_key(key: VaultKey) -> wire::VaultKey {
    match key {
        VaultKey::SecretService => wire::VaultKey::SecretService,
        VaultKey::Passphrase => wire::VaultKey::Passphrase,
        VaultKey::Credential => wire::VaultKey::Credential,
        VaultKey::Tpm => wire::VaultKey::Tpm,
    }
}

pub(super) const fn biometric(state: Biometric) -> wire::BiometricState {
    match state {
        Biometric::Refused => wire::BiometricState::Refused,
        Biometric::Off => wire::BiometricState::Off,
        Biometric::Ready => wire::BiometricState::Ready,
        Biometric::PinDue => wire::BiometricState::PinDue,
    }
}

pub(super) fn slot(slot: &Slot) -> wire::VaultSlot {
    wire::VaultSlot {
        id: slot.id.0.to_string(),
        kind: slot.kind().into(),
        pin: slot.parameters.pin_cost().is_some(),
    }
}

pub(super) fn slot_id(text: &str) -> Result<SlotId, Status> {
    text.parse().map(SlotId).map_err(|_not_a_number| {
        Reason::SlotUnknown.status(
            "there is no such way to unlock",
            "`countersign vault slot list` shows them all",
        )
    })
}

pub(super) const fn wanted_unlock(unlock: wire::UnlockMode) -> Option<UnlockMode> {
    match unlock {
        wire::UnlockMode::Unspecified => None,
        wire::UnlockMode::Pin => Some(UnlockMode::Pin),
        wire::UnlockMode::Session => Some(UnlockMode::Session),
    }
}

pub(super) const fn unlock_mode(unlock: UnlockMode) -> wire::UnlockMode {
    match unlock {
        UnlockMode::Pin => wire::UnlockMode::Pin,
        UnlockMode::Session => wire::UnlockMode::Session,
    }
}

pub(super) const fn otp_kind(kind: OtpKind) -> wire::OtpMode {
    match kind {
        OtpKind::Time => wire::OtpMode::Time,
        OtpKind::Event => wire::OtpMode::Event,
        OtpKind::Challenge => wire::OtpMode::Challenge,
    }
}

pub(super) fn status(agent: &Agent, status: AgentStatus) -> wire::StatusReply {
    let (vault, vault_reason, vault_message) = match &status.vault {
        VaultState::Absent => (wire::VaultState::Absent, Reason::VaultAbsent, String::new()),
        VaultState::Locked => (wire::VaultState::Locked, Reason::VaultLocked, String::new()),
        VaultState::Unlocked => (
            wire::VaultState::Unlocked,
            Reason::Unspecified,
            String::new(),
        ),
        VaultState::Unusable { reason } => (
            wire::VaultState::Unusable,
            reason.reason(),
            reason.to_string(),
        ),
    };
    let slots = status.slots.iter().map(|slot| slot.kind().into());
    let services = status.services.iter().map(|service| wire::ServiceStatus {
        name: service.name.clone(),
        host: service.host.clone(),
        connected: service.connected_since().is_some(),
        connected_since: service.connected_since().map(seconds),
        last_contact: service.last_contact().map(seconds),
        clock_offset_ms: service.clock_offset_ms(),
        trouble: service
            .trouble()
            .map(|(why, _)| why.to_owned())
            .unwrap_or_default(),
        retry_in_ms: service
            .trouble()
            .and_then(|(_, at)| at)
            .map(|at| agent.ms_until(at))
            // No next try by itself.
            .filter(|ms| *ms != u64::MAX),
        insecure: insecure(service.transport).into(),
        polled: service.polled,
    });
    wire::StatusReply {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        vault: vault.into(),
        vault_reason: vault_reason.into(),
        vault_message,
        slots: slots.collect(),
        unlock: status
            .unlock
            .map_or(wire::UnlockMode::Unspecified, unlock_mode)
            .into(),
        autosend: status.autosend == Autosend::On,
        muted_until: status.muted_until.map(seconds),
        tokens: count(status.tokens),
        pending: count(status.pending),
        services: services.collect(),
        notification_server: status.notification_server.unwrap_or_default(),
        locks_at: status.locks_at.map(seconds),
        session: match status.session {
            SessionStanding::Unknown => wire::SessionState::Unknown,
            SessionStanding::Open => wire::SessionState::Open,
            SessionStanding::Locked => wire::SessionState::Locked,
        }
        .into(),
        pinentry: status.pinentry.unwrap_or_default(),
        biometric: biometric(status.biometric).into(),
        fingerprint: status.fingerprint,
        protection: protection(status.tpm.as_deref()),
    }
}

fn protection(tpm: Option<&str>) -> Vec<String> {
    let tpm = tpm
        .map(|maker| format!("a TPM ({maker}) can keep the vault's key and count tries of PINs"));
    hardening::protection().into_iter().chain(tpm).collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) const fn seconds(time: countersign_core::time::UnixMillis) -> i64 {
    time.0.div_euclid(1000)
}

pub(super) fn enrollment_preview(preview: EnrollmentPreview) -> wire::InspectEnrollmentReply {
    wire::InspectEnrollmentReply {
        kind: match preview.kind {
            EnrollmentKind::ActivationString => wire::EnrollmentKind::ActivationString,
            EnrollmentKind::Otpauth => wire::EnrollmentKind::Otpauth,
            EnrollmentKind::PrivacyIdeaPush => wire::EnrollmentKind::PrivacyideaPush,
            EnrollmentKind::PrivacyIdeaContainer => wire::EnrollmentKind::PrivacyideaContainer,
        }
        .into(),
        host: preview.host,
        user: preview.user,
        issuer: preview.issuer,
        suggested_name: preview.suggested_name,
        pinned: preview.pinned,
        insecure: insecure(preview.transport).into(),
        passphrase_question: preview.passphrase_question,
    }
}

pub(super) fn container(status: ContainerStatus) -> wire::Container {
    let left_out = status.left_out().iter().map(|left| wire::LeftOutToken {
        token: left.token.clone(),
        why: left.why.clone(),
    });
    let left_out = left_out.collect();
    let allowed = |permission| permission == Permission::Allowed;
    let facts = status.row.facts;
    wire::Container {
        id: status.row.id.to_string(),
        service: host_of(&status.row.url),
        state: match facts.standing {
            container::Standing::Registering => wire::ContainerState::Registering,
            container::Standing::Registered => wire::ContainerState::Registered,
            container::Standing::Gone => wire::ContainerState::Gone,
        }
        .into(),
        insecure: insecure(facts.transport).into(),
        tokens: count(status.tokens),
        synced: status.row.synced.map(seconds),
        trouble: status.trouble().to_owned(),
        left_out,
        may_renew: allowed(facts.policies.renewal),
        may_delete_tokens: allowed(facts.policies.token_deletion),
        may_unregister: allowed(facts.policies.unregistration),
        name: status.row.name,
        serial: status.row.serial,
    }
}

pub(super) fn container_sync(synced: ContainerSync) -> wire::ContainerSync {
    wire::ContainerSync {
        container: Some(container(synced.status)),
        added: synced.added,
        renewed: synced.renewed,
        removed: synced.removed,
    }
}

pub(super) const fn insecure(transport: Transport) -> wire::InsecureTransport {
    match transport {
        Transport::Verified => wire::InsecureTransport::Unspecified,
        Transport::UnverifiedTls => wire::InsecureTransport::UnverifiedTls,
        Transport::PlainHttp => wire::InsecureTransport::PlainHttp,
    }
}

pub(super) const fn accepted_transport(insecure: wire::InsecureTransport) -> Transport {
    match insecure {
        wire::InsecureTransport::Unspecified => Transport::Verified,
        wire::InsecureTransport::UnverifiedTls => Transport::UnverifiedTls,
        wire::InsecureTransport::PlainHttp => Transport::PlainHttp,
    }
}

pub(super) fn token(agent: &Agent, row: TokenRow, belonging: Option<Belonging>) -> wire::Token {
    let id = row.id;
    let (service, without_passcodes) = match belonging {
        Some(Belonging::Service(host)) => (host, wire::OtpMode::Push),
        Some(Belonging::Sudo) => (String::new(), wire::OtpMode::Sudo),
        None => (String::new(), wire::OtpMode::Push),
    };
    let mut token = wire::Token {
        id: row.id.to_string(),
        name: row.name,
        serial: row.serial,
        state: wire::TokenState::from(row.state).into(),
        autosend: row.autosend == Autosend::On,
        service,
        tries_left: row.tries_left,
        clock_offset_ms: row.service.and_then(|of| agent.clock_offset_ms(of)),
        ..wire::Token::default()
    };
    let Some(summary) = row.secrets else {
        return token;
    };
    token.set_biometric(biometric(agent.biometric_of(id, &summary)));
    let rules = match summary.pin {
        PinPolicy::None => None,
        PinPolicy::Token(limits) => Some(PinRules::Token(limits)),
        PinPolicy::Server(_) | PinPolicy::InPasscode => Some(PinRules::Server),
    };
    token.server_pin_due = agent.is_server_pin_due(id);
    token.pin_rules = rules.map(|rules| rules.to_string()).unwrap_or_default();
    if matches!(summary.pin, PinPolicy::Token(_)) {
        token.set_pin_asking(match summary.asking {
            PinAsking::EveryTime => wire::PinAsking::EveryTime,
            PinAsking::OncePerUnlock => wire::PinAsking::OncePerUnlock,
        });
    }
    let kind = summary.mode.as_ref().map(OtpMode::kind);
    token.set_mode(kind.map_or(without_passcodes, otp_kind));
    match summary.mode {
        None => {}
        Some(OtpMode::Time {
            hash,
            digits,
            period,
        }) => {
            token.algorithm = hash.to_string();
            token.digits = digits.count().into();
            token.period = period.secs();
        }
        Some(OtpMode::Event { hash, digits }) => {
            token.algorithm = hash.to_string();
            token.digits = digits.count().into();
        }
        Some(OtpMode::Challenge { suite }) => {
            token.algorithm = suite.hash().to_string();
            token.digits = suite
                .response()
                .digits()
                .map_or(0, |digits| digits.count().into());
            token.suite = suite.to_string();
        }
    }
    token.issuer = summary.issuer;
    token.user = summary.user;
    token.set_pin_type(match summary.pin.pin_type() {
        PinType::None => wire::PinType::None,
        PinType::Token => wire::PinType::Token,
        PinType::Server => wire::PinType::Server,
    });
    if let PushPolicy::Allowed(level) = summary.push {
        token.push = true;
        token.set_push_verification(match level {
            VerificationLevel::Click => wire::Verification::Click,
            VerificationLevel::Pin | VerificationLevel::Tpm => wire::Verification::Pin,
            VerificationLevel::Finger => wire::Verification::Finger,
        });
    }
    token.policy_name = summary.policy_name;
    token.policy_level = summary.policy_level;
    token.exportable = summary.exportable;
    token.created = seconds(summary.created);
    token.origins = summary.origins.iter().map(ToString::to_string).collect();
    token
}

pub(super) fn sudo_key(key: SudoKeyRow) -> wire::SudoKey {
    wire::SudoKey {
        token: key.token.name,
        public_key: key.public,
        fingerprint: key.fingerprint.to_string(),
        state: wire::TokenState::from(key.token.state).into(),
    }
}

pub(super) fn login_request(view: RequestView) -> wire::LoginRequest {
    let number_required = view.number_required();
    let choices = view.choices().to_vec();
    wire::LoginRequest {
        id: view.id.to_string(),
        token: view.token,
        service: view.service,
        resource: view.resource,
        user: view.user,
        client_address: view.client_address,
        place: view.place,
        program: view.program,
        created_ms: view.created.0,
        left_ms: u32::try_from(view.left.as_millis()).unwrap_or(u32::MAX),
        state: match view.standing {
            Standing::Pending => wire::LoginRequestState::Pending,
            Standing::Sending => wire::LoginRequestState::Sending,
            Standing::Ended(Closing::Approved) => wire::LoginRequestState::Approved,
            Standing::Ended(Closing::LoggedIn) => wire::LoginRequestState::LoggedIn,
            Standing::Ended(Closing::Denied) => wire::LoginRequestState::Denied,
            Standing::Ended(Closing::Expired) => wire::LoginRequestState::Expired,
            Standing::Ended(Closing::Cancelled) => wire::LoginRequestState::Cancelled,
            Standing::Ended(Closing::Refused) => wire::LoginRequestState::Refused,
        }
        .into(),
        detail: view.detail,
        reported: view.reported,
        number_required,
        origin: match view.origin {
            LoginOrigin::Unknown => wire::LoginOrigin::Unknown,
            LoginOrigin::ThisComputer => wire::LoginOrigin::ThisComputer,
            LoginOrigin::SameNetwork => wire::LoginOrigin::SameNetwork,
            LoginOrigin::OtherAddress => wire::LoginOrigin::OtherAddress,
        }
        .into(),
        question: view.question,
        choices,
        display_code: view.display_code,
    }
}

pub(super) fn block(row: &BlockRow) -> wire::Block {
    wire::Block {
        id: row.id.0.to_string(),
        kind: wire::BlockKind::from(row.kind()).into(),
        value: login_rules::shown(&row.block),
        created: seconds(row.created),
    }
}

/// A rule as a client writes it.
pub(super) fn wanted_block(request: &wire::AddBlockRequest) -> Result<Block, Status> {
    let wanted = match request.kind() {
        wire::BlockKind::Resource => Block::resource(&request.value),
        wire::BlockKind::Address => Block::address(&request.value),
        wire::BlockKind::Unspecified => {
            return Err(Reason::Usage.status("say whether a resource or an address is blocked", ""));
        }
    };
    wanted.map_err(|error| refusal(&RuleError::from(error)))
}

/// A rule's number as a client writes it.
pub(super) fn block_id(text: &str) -> Result<BlockId, Status> {
    text.parse().map(BlockId).map_err(|_malformed| {
        Reason::BlockUnknown.status(
            "there is no such rule",
            "`countersign block list` shows them all",
        )
    })
}

pub(super) fn event(row: Event) -> wire::Event {
    wire::Event {
        id: row.id.to_string(),
        at_ms: row.at.0,
        kind: wire::EventKind::from(row.kind).into(),
        token: row.token,
        detail: row.detail,
    }
}
