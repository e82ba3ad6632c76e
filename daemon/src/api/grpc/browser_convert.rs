//! The agent's types and those of `countersign.browser.v1`.

use countersign_core::{
    autofill::Binding,
    otp::{OtpKind, OtpMode, Period},
    pskc::PinPolicy,
};
use countersign_proto::{agent::v1 as agent_wire, browser::v1 as wire};

use super::convert::{login_request, otp_kind, seconds};
use crate::{
    agent::{
        Agent, autosend::Autosend, passcode::Generated, status::Status, verification::Biometric,
    },
    vault::{PairingRow, TokenRow, VaultState},
};

pub(super) const fn vault_state(state: &VaultState) -> agent_wire::VaultState {
    match state {
        VaultState::Absent => agent_wire::VaultState::Absent,
        VaultState::Locked => agent_wire::VaultState::Locked,
        VaultState::Unlocked => agent_wire::VaultState::Unlocked,
        VaultState::Unusable { .. } => agent_wire::VaultState::Unusable,
    }
}

pub(super) fn status(status: &Status, pairing: Option<PairingRow>) -> wire::StatusReply {
    wire::StatusReply {
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        vault: vault_state(&status.vault).into(),
        vault_message: match &status.vault {
            VaultState::Unusable { reason } => reason.to_string(),
            VaultState::Absent | VaultState::Locked | VaultState::Unlocked => String::new(),
        },
        autosend: status.autosend == Autosend::On,
        pending: u32::try_from(status.pending).unwrap_or(u32::MAX),
        locks_at: status.locks_at.map(seconds),
        paired: pairing.is_some(),
        pairing_name: pairing.map(|row| row.name).unwrap_or_default(),
    }
}

/// What a watcher is told. While the session is locked it holds no login requests: their texts are not shown then.
pub(super) async fn state(agent: &Agent) -> wire::State {
    wire::State {
        vault: vault_state(&agent.vault_state().await).into(),
        pending: agent
            .login_requests_for_browsers()
            .into_iter()
            .map(login_request)
            .collect(),
        now_ms: agent.now().0,
    }
}

pub(super) fn choice(row: TokenRow) -> wire::Choice {
    let (issuer, user) = row
        .secrets
        .map(|secrets| (secrets.issuer, secrets.user))
        .unwrap_or_default();
    wire::Choice {
        id: row.id.to_string(),
        name: row.name,
        issuer,
        user,
    }
}

pub(super) fn passcode(agent: &Agent, row: &TokenRow, made: &Generated) -> wire::PasscodeReply {
    let now = agent.now();
    let period = made.validity.map_or(0, |(_, period)| period.secs());
    let ends = made
        .validity
        .map(|(left, _)| now.plus_ms(i64::try_from(left.as_millis()).unwrap_or(0)));
    wire::PasscodeReply {
        passcode: made.typed.expose().to_owned(),
        token: row.id.to_string(),
        name: row.name.clone(),
        period,
        valid_from_ms: ends.map(|ends| ends.plus_ms(i64::from(period).saturating_mul(-1000)).0),
        valid_until_ms: ends.map(|ends| ends.0),
        now_ms: now.0,
    }
}

pub(super) fn token(agent: &Agent, row: TokenRow, origin: &str) -> wire::Token {
    let bound = Agent::is_bound(&row, origin);
    let mut token = wire::Token {
        id: row.id.to_string(),
        state: agent_wire::TokenState::from(row.state).into(),
        bound,
        ..wire::Token::default()
    };
    let id = row.id;
    token.name = row.name;
    let Some(summary) = row.secrets else {
        return token;
    };
    let (digits, period) = match &summary.mode {
        None => (None, None),
        Some(OtpMode::Time { digits, period, .. }) => (Some(*digits), Some(*period)),
        Some(OtpMode::Event { digits, .. }) => (Some(*digits), None),
        Some(OtpMode::Challenge { suite }) => (suite.response().digits(), None),
    };
    token.digits = digits.map_or(0, |digits| digits.count().into());
    token.period = period.map_or(0, Period::secs);
    let kind: Option<OtpKind> = summary.mode.as_ref().map(OtpMode::kind);
    token.set_mode(kind.map_or(agent_wire::OtpMode::Push, otp_kind));
    token.set_verification(match (summary.pin, agent.biometric_of(id, &summary)) {
        (PinPolicy::None | PinPolicy::Server(_), _) => wire::Verification::None,
        (PinPolicy::Token(_), Biometric::Ready) => wire::Verification::FingerOrPin,
        (PinPolicy::Token(_) | PinPolicy::InPasscode, _) => wire::Verification::Pin,
    });
    token.origins = summary.origins.iter().map(Binding::to_string).collect();
    token.issuer = summary.issuer;
    token.user = summary.user;
    token
}
