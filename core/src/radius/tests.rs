//! The packets that the RFCs print.

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::{
    AccessRequest, Code, MessageAuthenticator, Packet,
    authenticator::{header, response_authenticator},
};
use crate::secret::SecretBytes;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    secret: String,
    exchanges: Vec<Exchange>,
    status: Status,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    source: String,
    request: String,
    user: String,
    password: String,
    reply: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    source: String,
    request: String,
    reply: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn vectors() -> (Vectors, SecretBytes) {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../tests/vectors/radius.json")).unwrap();
    let secret = SecretBytes::from(vectors.secret.as_bytes());
    (vectors, secret)
}

/// The printed answer has the authenticator that we would give it.
fn is_answer(reply: &[u8], request: &Packet<'_>, secret: &SecretBytes) -> bool {
    let answer = Packet::parse(reply).unwrap();
    let attributes = &reply[20..];
    let head = header(
        answer.code().number(),
        answer.identifier(),
        attributes.len(),
        request.authenticator(),
    );
    response_authenticator(&head, attributes, secret) == *answer.authenticator()
}

#[test]
fn the_rfcs_access_requests_are_read_and_their_answers_recognised() {
    let (vectors, secret) = vectors();
    for exchange in vectors.exchanges {
        let request = bytes(&exchange.request);
        let packet = Packet::parse(&request).unwrap();
        assert_eq!(packet.code(), Code::AccessRequest);
        let asked = AccessRequest::read(&packet, &secret).unwrap();
        assert_eq!(asked.user, exchange.user, "{}", exchange.source);
        assert_eq!(
            asked.password.expose(),
            exchange.password,
            "{}",
            exchange.source
        );
        assert_eq!(
            packet.message_authenticator(&secret),
            MessageAuthenticator::Absent
        );
        assert!(
            is_answer(&bytes(&exchange.reply), &packet, &secret),
            "{}",
            exchange.source
        );
    }
}

#[test]
fn the_rfcs_status_server_is_authentic() {
    let (vectors, secret) = vectors();
    let request = bytes(&vectors.status.request);
    let packet = Packet::parse(&request).unwrap();
    assert_eq!(packet.code(), Code::StatusServer);
    assert_eq!(
        packet.message_authenticator(&secret),
        MessageAuthenticator::Right,
        "{}",
        vectors.status.source
    );
    let other = SecretBytes::from(*b"another secret");
    assert_eq!(
        packet.message_authenticator(&other),
        MessageAuthenticator::Wrong
    );
    assert!(is_answer(&bytes(&vectors.status.reply), &packet, &secret));
}
