//! A state, and what it is made of, for the tests.

use core::time::Duration;

use countersign_proto::agent::v1::{self as api, OtpMode};
use jiff::Timestamp;

use super::{
    event::{Event, News, Now, PasscodeOf},
    shown::Shown,
    state::{State, passcode::Passcode},
    update::update,
};

/// 2026-11-24 02:38:27 UTC.
const BEGUN: i64 = 1_795_487_907_000;

/// So many milliseconds after the screen was opened.
pub(crate) fn at(millis: u64) -> Now {
    let wall = BEGUN.checked_add_unsigned(millis).unwrap();
    Now {
        at: Duration::from_millis(millis),
        wall: Timestamp::from_millisecond(wall).unwrap(),
    }
}

/// A login request that has just come, with a minute left.
pub(crate) fn api_request(id: &str, resource: &str) -> api::LoginRequest {
    api::LoginRequest {
        id: id.to_owned(),
        token: "Work".to_owned(),
        service: "Example".to_owned(),
        resource: resource.to_owned(),
        user: "alice".to_owned(),
        client_address: "203.0.113.7".to_owned(),
        place: "Berlin".to_owned(),
        program: "Firefox".to_owned(),
        created_ms: BEGUN,
        left_ms: 60_000,
        state: api::LoginRequestState::Pending.into(),
        ..api::LoginRequest::default()
    }
}

pub(crate) fn api_token(id: &str, name: &str, mode: OtpMode) -> api::Token {
    api::Token {
        id: id.to_owned(),
        name: name.to_owned(),
        serial: format!("CS{id}"),
        state: api::TokenState::Active.into(),
        autosend: true,
        mode: mode.into(),
        issuer: "Example".to_owned(),
        user: "alice".to_owned(),
        digits: 6,
        period: 30,
        pin_type: api::PinType::None.into(),
        push: mode == OtpMode::Time,
        push_verification: api::Verification::Click.into(),
        service: "gateway.example:8443".to_owned(),
        ..api::Token::default()
    }
}

pub(crate) fn api_status() -> api::StatusReply {
    api::StatusReply {
        version: "0.1.0".to_owned(),
        vault: api::VaultState::Unlocked.into(),
        slots: vec![api::VaultKey::Passphrase.into()],
        unlock: api::UnlockMode::Pin.into(),
        autosend: true,
        tokens: 3,
        services: vec![api::ServiceStatus {
            name: "Example".to_owned(),
            host: "gateway.example:8443".to_owned(),
            connected: true,
            ..api::ServiceStatus::default()
        }],
        ..api::StatusReply::default()
    }
}

/// An agent that is there, with an open vault, three tokens and no login request.
pub(crate) fn state() -> State {
    let mut state = State::new();
    for news in [
        News::Snapshot(Vec::new()),
        News::Status(Box::new(api_status())),
        News::Tokens(vec![
            api_token("1", "Work", OtpMode::Time),
            api_token("2", "Door", OtpMode::Event),
            api_token("3", "Bank", OtpMode::Challenge),
        ]),
    ] {
        update(&mut state, Event::News(news), at(0));
    }
    state
}

pub(crate) fn passcode(digits: &str) -> Passcode {
    let of = PasscodeOf {
        id: "1".to_owned(),
        name: Shown::name("Work"),
        challenge: String::new(),
    };
    let reply = api::GeneratePasscodeReply {
        passcode: digits.to_owned(),
        name: "Work".to_owned(),
        mode: OtpMode::Time.into(),
        valid_for_ms: Some(17_500),
        period: 30,
        clock_offset_ms: None,
    };
    Passcode::new(&of, reply, at(0))
}
