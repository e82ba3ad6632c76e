//! A token and a login request as agents describe them.

use countersign_proto::agent::v1 as api;

pub(crate) fn token(name: &str) -> api::Token {
    api::Token {
        id: "7".to_owned(),
        name: name.to_owned(),
        serial: "CS01".to_owned(),
        state: api::TokenState::Active.into(),
        autosend: true,
        mode: api::OtpMode::Time.into(),
        issuer: "Example".to_owned(),
        user: "alice".to_owned(),
        algorithm: "SHA1".to_owned(),
        digits: 6,
        period: 30,
        pin_type: api::PinType::None.into(),
        push: true,
        push_verification: api::Verification::Click.into(),
        created: 1_795_487_907,
        service: "gateway.example:8443".to_owned(),
        ..api::Token::default()
    }
}

pub(crate) fn login_request(id: &str, resource: &str) -> api::LoginRequest {
    api::LoginRequest {
        id: id.to_owned(),
        token: "Work".to_owned(),
        service: "Example".to_owned(),
        resource: resource.to_owned(),
        user: "alice".to_owned(),
        client_address: "203.0.113.7".to_owned(),
        place: "Berlin".to_owned(),
        created_ms: 1_795_487_907_000,
        left_ms: 55_000,
        state: api::LoginRequestState::Pending.into(),
        ..api::LoginRequest::default()
    }
}
