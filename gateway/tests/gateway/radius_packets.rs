//! RADIUS packets that somebody made up, changed, repeated or left incomplete.

use countersign_gateway::{
    radius::Dropped,
    service::Service,
    store::{FirstFactor, MessageAuthenticatorPolicy},
};
use proptest::{
    prelude::{Strategy as _, any},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};

use crate::{
    radius_client::{
        Listener, MESSAGE_AUTHENTICATOR, PROXY_STATE, Peer, REPLY_MESSAGE, STATE, USER_NAME,
        USER_PASSWORD, registration,
    },
    stage::{Stage, USER},
};

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

fn dropped(service: &Service, why: Dropped) -> u64 {
    service.metrics().radius_packets(why.as_str())
}

async fn stage() -> (Stage, Listener, Peer) {
    let stage = Stage::new().await;
    let listener = Listener::serve(&stage.service, vec![registration("vpn", HERE)]).await;
    let peer = Peer::new(&listener, HERE).await;
    (stage, listener, peer)
}

#[tokio::test]
async fn nothing_is_answered_that_does_not_show_the_secret() {
    let (stage, listener, mut peer) = stage().await;
    let pap = [
        (USER_NAME, USER.as_bytes()),
        (USER_PASSWORD, b"x".as_slice()),
    ];
    let unsigned = peer.unsigned(1, &pap);
    peer.is_silent(&unsigned).await;
    assert_eq!(dropped(&stage.service, Dropped::NotAuthentic), 1);

    let unsigned_status = peer.unsigned(12, &[]);
    peer.is_silent(&unsigned_status).await;
    assert_eq!(dropped(&stage.service, Dropped::NotAuthentic), 2);

    let mut wrong = 0;
    peer.secret = b"another-secret-of-sixteen".to_vec();
    let other_secret = peer.request(&pap);
    peer.secret = crate::radius_client::SECRET.as_bytes().to_vec();
    let mut changed_name = peer.request(&pap);
    changed_name[22] ^= 1;
    let mut changed_mac = peer.request(&pap);
    *changed_mac.last_mut().unwrap() ^= 1;
    let zeros = (MESSAGE_AUTHENTICATOR, [0; 16].as_slice());
    let twice = peer.unsigned(1, &[pap[0], pap[1], zeros, zeros]);
    let twice = peer.signed(twice);
    let short = peer.unsigned(1, &[pap[0], pap[1], (MESSAGE_AUTHENTICATOR, &[0; 15])]);
    for forged in [other_secret, changed_name, changed_mac, twice, short] {
        peer.is_silent(&forged).await;
        wrong += 1;
        assert_eq!(dropped(&stage.service, Dropped::WrongSecret), wrong);
    }

    let stranger = Peer::new(&listener, ELSEWHERE).await;
    let request = peer.request(&pap);
    stranger.send(&request).await;
    peer.is_there().await;
    assert_eq!(dropped(&stage.service, Dropped::UnknownClient), 1);
}

#[tokio::test]
async fn lengths_that_lie_get_no_answer() {
    let (stage, _listener, mut peer) = stage().await;
    let pap = [
        (USER_NAME, USER.as_bytes()),
        (USER_PASSWORD, b"x".as_slice()),
    ];
    let good = peer.request(&pap);
    let with_length = |length: u16| {
        let mut datagram = good.clone();
        datagram[2..4].copy_from_slice(&length.to_be_bytes());
        datagram
    };
    let whole = u16::try_from(good.len()).unwrap();
    let mut attribute_lies = good.clone();
    attribute_lies[21] = 255;
    let mut endless = good.clone();
    endless[21] = 0;
    let mut too_long = good.clone();
    too_long.resize(4097, 0);
    let reply = peer.unsigned(2, &pap);
    let accounting = peer.unsigned(4, &pap);
    let hostile = [
        vec![],
        vec![1],
        good[..19].to_vec(),
        good[..20].to_vec(),
        with_length(0),
        with_length(19),
        with_length(whole - 1),
        with_length(whole + 1),
        with_length(u16::MAX),
        attribute_lies,
        endless,
        too_long,
        reply,
        accounting,
    ];
    let all = u64::try_from(hostile.len()).unwrap();
    for datagram in hostile {
        peer.is_silent(&datagram).await;
    }
    assert_eq!(dropped(&stage.service, Dropped::Malformed), all);
    // What stands behind a packet is padding.
    let mut padded = good;
    padded.resize(4096, 7);
    assert_eq!(
        peer.exchange(&padded).await.refusal(),
        "Wrong password or passcode."
    );
}

#[tokio::test]
async fn arbitrary_bytes_end_nothing() {
    let (stage, _listener, mut peer) = stage().await;
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    for _ in 0..300 {
        let datagram = bytes.new_tree(&mut runner).unwrap().current();
        peer.is_silent(&datagram).await;
    }
    let all = Dropped::ALL.map(|why| dropped(&stage.service, why));
    assert_eq!(all.iter().sum::<u64>(), 300, "{all:?}");
    // Signed by a client that has gone mad.
    let attribute = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60));
    let mad = proptest::collection::vec(attribute, 0..8);
    for _ in 0..100 {
        let attributes = mad.new_tree(&mut runner).unwrap().current();
        let attributes: Vec<_> = attributes
            .iter()
            .filter(|(kind, _)| *kind != MESSAGE_AUTHENTICATOR)
            .map(|(kind, value)| (*kind, value.as_slice()))
            .collect();
        let request = peer.request(&attributes);
        assert_eq!(peer.exchange(&request).await.code, 3, "{attributes:?}");
    }
}

#[tokio::test]
async fn an_authentic_request_that_makes_no_sense_is_rejected() {
    let (_stage, _listener, mut peer) = stage().await;
    let name = (USER_NAME, USER.as_bytes());
    let password = (USER_PASSWORD, b"x".as_slice());
    let state = (STATE, [7; 16].as_slice());
    for (attributes, said) in [
        (vec![password], "The request was malformed."),
        (vec![name, name, password], "The request was malformed."),
        (vec![name, password, password], "The request was malformed."),
        (vec![name, state, state], "The request was malformed."),
        (
            vec![name, password, (31, b"\xff")],
            "The request was malformed.",
        ),
        (
            vec![name, (3, &[0; 17])],
            "This server understands passwords (PAP) only.",
        ),
        (
            vec![name, password, (79, b"eap")],
            "This server understands passwords (PAP) only.",
        ),
        (
            vec![name, password, state],
            "This login is over. Please start again.",
        ),
        (vec![name, state], "This login is over. Please start again."),
        (
            vec![name, (STATE, b"")],
            "This login is over. Please start again.",
        ),
    ] {
        let request = peer.request(&attributes);
        assert_eq!(
            peer.exchange(&request).await.refusal(),
            said,
            "{attributes:?}"
        );
    }
}

#[tokio::test]
async fn proxy_states_come_back_unchanged_and_in_order() {
    let (_stage, _listener, mut peer) = stage().await;
    let request = peer.request(&[
        (PROXY_STATE, b"first"),
        (USER_NAME, USER.as_bytes()),
        (PROXY_STATE, b""),
        (USER_PASSWORD, b"x"),
        (PROXY_STATE, b"\0\xff"),
    ]);
    let answer = peer.exchange(&request).await;
    let kinds: Vec<_> = answer.attributes.iter().map(|(kind, _)| *kind).collect();
    let last = [
        MESSAGE_AUTHENTICATOR,
        REPLY_MESSAGE,
        PROXY_STATE,
        PROXY_STATE,
        PROXY_STATE,
    ];
    assert_eq!(kinds, last);
    assert_eq!(
        answer.values(PROXY_STATE),
        [b"first".to_vec(), b"".to_vec(), b"\0\xff".to_vec()]
    );
}

#[tokio::test]
async fn an_old_client_may_be_excused_and_still_nobody_forges_through_a_proxy() {
    let stage = Stage::new().await;
    let mut old = registration("old", HERE);
    old.message_authenticator = MessageAuthenticatorPolicy::Optional;
    old.first_factor = FirstFactor::Client;
    let listener = Listener::serve(&stage.service, vec![old]).await;
    let mut peer = Peer::new(&listener, HERE).await;
    let pap = [
        (USER_NAME, USER.as_bytes()),
        (USER_PASSWORD, b"123456".as_slice()),
    ];
    let unsigned = peer.unsigned(1, &pap);
    assert_eq!(
        peer.exchange(&unsigned).await.refusal(),
        "Wrong password or passcode."
    );

    let through_proxy = peer.unsigned(1, &[pap[0], pap[1], (PROXY_STATE, b"x")]);
    peer.is_silent(&through_proxy).await;
    let mut wrong = peer.request(&pap);
    *wrong.last_mut().unwrap() ^= 1;
    peer.is_silent(&wrong).await;
    let status = peer.unsigned(12, &[]);
    peer.is_silent(&status).await;
    assert_eq!(dropped(&stage.service, Dropped::NotAuthentic), 2);
    assert_eq!(dropped(&stage.service, Dropped::WrongSecret), 1);
}

#[tokio::test]
async fn the_longest_prefix_says_whose_secret_counts() {
    let stage = Stage::new().await;
    let wide = countersign_gateway::service::NewRadiusClient {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..registration("wide", HERE)
    };
    let narrow = registration("narrow", ELSEWHERE);
    let secret = "another-secret-of-sixteen";
    stage
        .service
        .operator("grace")
        .add_radius_client(narrow, Some(secret.into()))
        .await
        .unwrap();
    let listener = Listener::serve(&stage.service, vec![wide]).await;
    Peer::new(&listener, HERE).await.is_there().await;
    let mut peer = Peer::new(&listener, ELSEWHERE).await;
    peer.secret = secret.as_bytes().to_vec();
    peer.is_there().await;
}
