//! Logins by RADIUS: passwords, passcodes, pushes and challenges, against real devices.

use countersign_core::{
    pskc::{PinPlace, PinPolicy},
    token::PushPolicy,
};
use countersign_gateway::{
    service::NewRadiusClient,
    store::{Caller, FirstFactor},
};
use countersign_proto::push::v1::{self as push, gateway_frame::Frame};

use crate::{
    device::{Channel, Device, request_body},
    radius_client::{
        Answer, Listener, Peer, STATE, USER_NAME, USER_PASSWORD, registration, with_passcode,
    },
    stage::{Stage, USER, challenge, event, time},
};

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];
const PASSWORD: &str = "correct horse";
const OVER: &str = "This login is over. Please start again.";
const WRONG: &str = "Wrong password or passcode.";

/// A client that has checked a first factor itself.
fn second_factor_only(name: &str, at: [u8; 4]) -> NewRadiusClient {
    NewRadiusClient {
        first_factor: FirstFactor::Client,
        ..registration(name, at)
    }
}

/// A gateway that matches numbers, or does not.
async fn stage(number_matching: bool) -> Stage {
    Stage::with(|config| config.push.number_matching = number_matching).await
}

/// The user's device, connected, and a peer of the client.
async fn scene(stage: &Stage, client: NewRadiusClient) -> (Device, Channel, Listener, Peer) {
    let device = stage.device(time()).await;
    let channel = device.connect(stage).await;
    let listener = Listener::serve(&stage.service, vec![client]).await;
    let peer = Peer::new(&listener, HERE).await;
    (device, channel, listener, peer)
}

/// Approves the request that has come, with this number.
async fn approve(
    stage: &Stage,
    device: &Device,
    channel: &mut Channel,
    number: &str,
) -> push::Result {
    let request = channel.request().await;
    let mut approval = device.approval(stage, &request);
    number.clone_into(&mut approval.body.number);
    channel.decide(device.approve(&approval)).await
}

/// The number in a challenge's text.
fn number(challenge: &Answer) -> String {
    let message = challenge.message();
    let (_, rest) = message.split_once("Enter ").unwrap();
    rest.split_once(' ').unwrap().0.to_owned()
}

#[tokio::test]
async fn password_and_passcode_let_in_once() {
    let stage = stage(false).await;
    let device = stage.device(event()).await;
    let listener = Listener::serve(&stage.service, vec![registration("vpn", HERE)]).await;
    let mut peer = Peer::new(&listener, HERE).await;
    let typed = with_passcode(PASSWORD, &device.passcode(0));
    assert!(peer.ask(USER, &typed).await.is_accept());
    let again = peer.ask(USER, &typed).await.refusal();
    assert!(again.contains("used before"), "{again}");
    for wrong in [
        device.passcode(1).expose().to_owned(),
        with_passcode("wrong horse", &device.passcode(1)),
        format!("{PASSWORD}00000000"),
        format!("{}{PASSWORD}", device.passcode(1).expose()),
    ] {
        assert_eq!(peer.ask(USER, &wrong).await.refusal(), WRONG, "{wrong}");
    }
    let empty = peer.ask(USER, "").await.refusal();
    assert!(empty.contains("password"), "{empty}");
    assert!(
        peer.ask(USER, &with_passcode(PASSWORD, &device.passcode(1)))
            .await
            .is_accept()
    );
    assert_eq!(stage.audited("password_refused").await, 3);
    assert_eq!(stage.audited("login_opened").await, 0, "nobody was asked");
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down_also_for_names_that_do_not_exist() {
    let stage = stage(false).await;
    let listener = Listener::serve(&stage.service, vec![registration("vpn", HERE)]).await;
    let mut peer = Peer::new(&listener, HERE).await;
    for user in [USER, "nobody"] {
        for _ in 0..5 {
            assert_eq!(peer.ask(user, "wrong horse 123456").await.refusal(), WRONG);
        }
        let slowed = peer.ask(user, PASSWORD).await.refusal();
        assert!(slowed.contains("Too many wrong passwords"), "{slowed}");
    }
    stage.clock.advance_ms(60_000);
    peer.ask(USER, PASSWORD).await.state();
}

#[tokio::test]
async fn the_right_password_asks_the_desktop_and_the_answer_waits_for_it() {
    let stage = stage(false).await;
    let client = NewRadiusClient {
        resource: Some("Office VPN".to_owned()),
        ..registration("vpn", HERE)
    };
    let (device, mut channel, _listener, mut peer) = scene(&stage, client).await;
    let request = peer.pap(USER, PASSWORD, None);
    peer.send(&request).await;
    let asked = channel.request().await;
    let shown = request_body(&stage, &asked);
    assert_eq!(
        [
            &shown.resource,
            &shown.user,
            &shown.client_address,
            &shown.program
        ],
        ["Office VPN", USER, "unknown, through 127.0.0.1", "RADIUS"]
    );
    let approval = device.approve(&device.approval(&stage, &asked));
    assert_eq!(channel.decide(approval).await, push::Result::Approved);
    assert!(peer.receive(&request).await.is_accept());
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);

    // The next one is denied.
    let request = peer.pap(USER, PASSWORD, None);
    peer.send(&request).await;
    let asked = channel.request().await;
    channel.decide(device.deny(&stage, &asked)).await;
    let denied = peer.receive(&request).await.refusal();
    assert!(denied.contains("denied"), "{denied}");
}

#[tokio::test]
async fn only_a_first_factor_has_the_desktop_asked() {
    let stage = stage(false).await;
    let (_device, mut channel, listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    for typed in ["", "x", "wrong horse"] {
        assert_eq!(peer.ask(USER, typed).await.code, 3, "{typed}");
    }
    // A client that has checked one itself is registered as such.
    stage
        .service
        .operator("grace")
        .add_radius_client(
            NewRadiusClient {
                push: false,
                ..second_factor_only("no-push", ELSEWHERE)
            },
            Some(crate::radius_client::SECRET.into()),
        )
        .await
        .unwrap();
    drop(listener);
    let listener = Listener::serve(
        &stage.service,
        vec![second_factor_only("pam", [127, 0, 0, 3])],
    )
    .await;
    let mut no_push = Peer::new(&listener, ELSEWHERE).await;
    let typing = no_push.ask(USER, "").await;
    assert_eq!(
        (typing.code, typing.message().as_str()),
        (11, "Type a passcode.")
    );
    assert_eq!(stage.audited("login_opened").await, 0);

    let mut pam = Peer::new(&listener, [127, 0, 0, 3]).await;
    let empty = pam.pap(USER, "", None);
    pam.send(&empty).await;
    assert_eq!(
        request_body(&stage, &channel.request().await).resource,
        "pam"
    );
    stage.clock.advance_ms(60_000);
    assert_eq!(channel.cancel().await, push::CancelReason::Expired);
    // The clock may have passed the wait as well: then the user is asked to come back, in vain.
    let answer = pam.receive(&empty).await;
    if answer.code == 11 {
        let late = pam.answer(USER, "", &answer.state()).await.refusal();
        assert!(late.contains("not approved in time"), "{late}");
    }
    let one = pam.pap(USER, "1", None);
    pam.send(&one).await;
    channel.request().await;
    // Microsoft's CHAP has no User-Password either, and is no empty one.
    let other_method = pam.request(&[(USER_NAME, USER.as_bytes()), (26, &[0, 0, 1, 55, 25, 52])]);
    let refused = pam.exchange(&other_method).await.refusal();
    assert!(refused.contains("PAP"), "{refused}");
    assert_eq!(stage.audited("login_opened").await, 2);
}

#[tokio::test]
async fn a_number_is_shown_by_the_client_and_typed_into_the_desktop() {
    let stage = stage(true).await;
    let (device, mut channel, _listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let challenge = peer.ask(USER, PASSWORD).await;
    let shown = number(&challenge);
    assert_eq!(shown.len(), 2, "{challenge:?}");
    assert_eq!(challenge.values(76), [vec![0; 4]], "Prompt: No-Echo");
    assert_eq!(
        approve(&stage, &device, &mut channel, &shown).await,
        push::Result::Approved
    );
    assert!(peer.answer(USER, "", &challenge.state()).await.is_accept());
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);

    let challenge = peer.ask(USER, PASSWORD).await;
    let result = approve(&stage, &device, &mut channel, "1").await;
    assert_eq!(result, push::Result::RefusedNumber);
    let refused = peer.answer(USER, "", &challenge.state()).await.refusal();
    assert!(refused.contains("number"), "{refused}");
}

#[tokio::test]
async fn who_waits_too_long_is_asked_to_come_back_and_the_same_login_goes_on() {
    let stage = stage(false).await;
    let (device, mut channel, _listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let request = peer.pap(USER, PASSWORD, None);
    peer.send(&request).await;
    let asked = channel.request().await;
    stage.clock.advance_ms(20_000);
    let first = peer.receive(&request).await;
    assert!(first.message().contains("press Enter"), "{first:?}");
    let second = peer.pap(USER, "", Some(&first.state()));
    peer.send(&second).await;
    let approval = device.approve(&device.approval(&stage, &asked));
    assert_eq!(channel.decide(approval).await, push::Result::Approved);
    assert!(peer.receive(&second).await.is_accept());
    assert_eq!(stage.audited("login_opened").await, 1);
}

#[tokio::test]
async fn a_passcode_answers_a_challenge_and_takes_the_question_off_the_desktop() {
    let stage = stage(true).await;
    let (device, mut channel, _listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let challenge = peer.ask(USER, PASSWORD).await;
    channel.request().await;
    let passcode = device.passcode(device.step(&stage));
    let answer = peer
        .answer(USER, passcode.expose(), &challenge.state())
        .await;
    assert!(answer.is_accept());
    assert_eq!(
        channel.cancel().await,
        push::CancelReason::AnsweredElsewhere
    );

    let challenge = peer.ask(USER, PASSWORD).await;
    channel.request().await;
    let refused = peer.answer(USER, "000000", &challenge.state()).await;
    assert_eq!(refused.refusal(), WRONG);
    assert_eq!(channel.cancel().await, push::CancelReason::ByResource);
}

#[tokio::test]
async fn a_state_is_good_once_and_for_its_client_its_user_and_its_time_only() {
    let stage = stage(true).await;
    stage
        .service
        .operator("grace")
        .add_user("bob", "battery".into())
        .await
        .unwrap();
    stage
        .service
        .operator("grace")
        .add_radius_client(
            registration("mail", ELSEWHERE),
            Some(crate::radius_client::SECRET.into()),
        )
        .await
        .unwrap();
    let (device, mut channel, listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let challenge = peer.ask(USER, PASSWORD).await;
    let given = challenge.state();
    let result = approve(&stage, &device, &mut channel, &number(&challenge)).await;
    assert_eq!(result, push::Result::Approved);

    let mut other = Peer::new(&listener, ELSEWHERE).await;
    assert_eq!(other.answer(USER, "", &given).await.refusal(), OVER);
    assert_eq!(peer.answer("bob", "", &given).await.refusal(), OVER);
    let mut guessed = given.clone();
    guessed[0] ^= 1;
    assert_eq!(peer.answer(USER, "", &guessed).await.refusal(), OVER);
    assert!(peer.answer(USER, "", &given).await.is_accept());
    assert_eq!(
        peer.answer(USER, "", &given).await.refusal(),
        OVER,
        "replayed"
    );

    let challenge = peer.ask(USER, PASSWORD).await;
    stage.clock.advance_ms(300_000);
    assert_eq!(
        peer.answer(USER, "", &challenge.state()).await.refusal(),
        OVER
    );
}

#[tokio::test]
async fn the_same_packet_again_never_asks_twice_and_gets_the_same_answer() {
    let stage = stage(false).await;
    let (device, mut channel, listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let request = peer.pap(USER, PASSWORD, None);
    for _ in 0..5 {
        peer.send(&request).await;
    }
    let asked = channel.request().await;
    peer.send(&request).await;
    let approval = device.approve(&device.approval(&stage, &asked));
    assert_eq!(channel.decide(approval).await, push::Result::Approved);
    let first = peer.receive(&request).await;
    assert!(first.is_accept());
    // One answer to all of them, and the same bytes to who asks again.
    let again = peer.exchange(&request).await;
    assert_eq!(again, first);
    assert_eq!(stage.audited("login_opened").await, 1);

    // A recorded packet, once the answer is forgotten, and from another port.
    stage.clock.advance_ms(30_000);
    assert_eq!(peer.exchange(&request).await.refusal(), OVER);
    let elsewhere = Peer::new(&listener, HERE).await;
    assert_eq!(elsewhere.exchange(&request).await.refusal(), OVER);
    assert_eq!(stage.audited("login_opened").await, 1);
    assert!(
        matches!(channel.next().await, Ok(Frame::Outcome(_))),
        "no second question"
    );
}

#[tokio::test]
async fn a_second_login_does_not_join_the_first() {
    let stage = stage(false).await;
    let (device, mut channel, listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let request = peer.pap(USER, PASSWORD, None);
    peer.send(&request).await;
    let asked = channel.request().await;
    let mut second = Peer::new(&listener, HERE).await;
    let refused = second.ask(USER, PASSWORD).await;
    assert!(refused.message().contains("open already"), "{refused:?}");
    let approval = device.approve(&device.approval(&stage, &asked));
    assert_eq!(channel.decide(approval).await, push::Result::Approved);
    assert!(peer.receive(&request).await.is_accept());
    let nothing = second.answer(USER, "", &refused.state()).await;
    assert_eq!(nothing.refusal(), "No passcode was typed.");
}

#[tokio::test]
async fn who_cannot_be_asked_types_and_who_does_not_exist_looks_the_same() {
    let stage = stage(false).await;
    stage
        .service
        .operator("grace")
        .add_user("bob", "battery".into())
        .await
        .unwrap();
    let device = stage.device(event()).await;
    let listener = Listener::serve(&stage.service, vec![second_factor_only("pam", HERE)]).await;
    let mut peer = Peer::new(&listener, HERE).await;
    let said = |answer: &Answer| (answer.code, answer.message());
    let away = peer.ask(USER, "").await;
    assert!(away.message().contains("not connected"), "{away:?}");
    let answer = peer
        .answer(USER, device.passcode(0).expose(), &away.state())
        .await;
    assert!(answer.is_accept());
    let no_token = peer.ask("bob", "").await;
    let no_user = peer.ask("nobody", "").await;
    assert_eq!(said(&no_token), said(&no_user));
    for (user, asked) in [("bob", no_token), ("nobody", no_user)] {
        let typed = peer.answer(user, "12345678", &asked.state()).await;
        assert_eq!(typed.refusal(), WRONG);
        assert_eq!(peer.ask(user, "12345678").await.refusal(), WRONG);
    }
    assert!(
        peer.ask(USER, device.passcode(1).expose())
            .await
            .is_accept()
    );
}

#[tokio::test]
async fn server_pins_and_challenges_are_typed() {
    let stage = stage(false).await;
    let policy = PinPolicy::Server(PinPlace::Prepend);
    let pinned = stage.device_with_pin(event(), policy, "4711").await;
    let listener = Listener::serve(&stage.service, vec![second_factor_only("pam", HERE)]).await;
    let mut peer = Peer::new(&listener, HERE).await;
    let typed = with_passcode("4711", &pinned.passcode(0));
    assert!(peer.ask(USER, &typed).await.is_accept());
    assert_eq!(
        peer.ask(USER, &with_passcode("0815", &pinned.passcode(1)))
            .await
            .refusal(),
        WRONG
    );

    let ocra = stage.device_with(challenge(), PushPolicy::Off).await;
    let asked = peer.ask(USER, "").await;
    let message = asked.message();
    let question = message.trim_end_matches('.').rsplit(' ').next().unwrap();
    let answer = ocra.answer_to(question);
    assert!(
        peer.answer(USER, answer.expose(), &asked.state())
            .await
            .is_accept()
    );
}

#[tokio::test]
async fn what_a_client_says_is_shown_safely_and_only_where_it_is_trusted() {
    let stage = stage(true).await;
    let trusted = NewRadiusClient {
        client_address: Caller::CallingStationId,
        ..registration("trusted", ELSEWHERE)
    };
    stage
        .service
        .operator("grace")
        .add_radius_client(trusted, Some(crate::radius_client::SECRET.into()))
        .await
        .unwrap();
    let (_device, mut channel, listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let hostile = "198.51.100.4\n\u{202E}<b>\u{1B}[2J";
    let attributes = [
        (USER_NAME, USER.as_bytes()),
        (USER_PASSWORD, PASSWORD.as_bytes()),
        (31, hostile.as_bytes()),
        (32, hostile.as_bytes()),
    ];
    let request = peer.request(&attributes);
    peer.exchange(&request).await.state();
    let shown = request_body(&stage, &channel.request().await);
    assert_eq!(shown.client_address, "unknown, through 127.0.0.1");
    assert_eq!(shown.program, "RADIUS, 198.51.100.4 \u{FFFD}<b>\u{FFFD}[2J");

    let mut peer = Peer::new(&listener, ELSEWHERE).await;
    let request = peer.request(&attributes);
    peer.exchange(&request).await.state();
    let shown = request_body(&stage, &channel.request().await);
    assert_eq!(shown.client_address, "198.51.100.4 \u{FFFD}<b>\u{FFFD}[2J");
    assert_eq!(shown.user, USER);
}

#[tokio::test]
async fn a_client_that_is_removed_gets_no_answer_at_once() {
    let stage = stage(true).await;
    let (_device, _channel, _listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let given = peer.ask(USER, PASSWORD).await.state();
    stage.operator().remove_radius_client("vpn").await.unwrap();
    let typed = peer.pap(USER, PASSWORD, None);
    let answered = peer.request(&[(USER_NAME, USER.as_bytes()), (STATE, &given)]);
    for request in [typed, answered] {
        peer.send(&request).await;
    }
    let unanswered = || {
        let unanswered = countersign_gateway::radius::Dropped::Unanswered.as_str();
        stage.service.metrics().radius_packets(unanswered)
    };
    while unanswered() < 2 {
        peer.is_there().await;
    }
    assert_eq!(stage.audited("front_removed").await, 1);
}

#[tokio::test]
async fn a_login_by_radius_is_its_clients_own() {
    let stage = stage(true).await;
    let (_device, mut channel, _listener, mut peer) =
        scene(&stage, registration("vpn", HERE)).await;
    peer.ask(USER, PASSWORD).await.state();
    let id = request_body(&stage, &channel.request().await).transaction_id;
    // The web front of the stage did not open it.
    assert!(stage.service.login(stage.front, &id).await.is_err());
    let entries = stage.service.audit_after(0, 10_000).await.unwrap();
    let opened: Vec<_> = entries
        .iter()
        .filter(|entry| entry.event == "login_opened")
        .map(|entry| entry.detail.as_str())
        .collect();
    assert_eq!(opened, ["vpn from unknown, through 127.0.0.1"]);
}

#[tokio::test]
async fn a_shared_secret_lies_sealed_in_the_database() {
    let stage = stage(true).await;
    let secret = "a-secret-that-is-looked-for";
    stage
        .service
        .operator("grace")
        .add_radius_client(registration("vpn", HERE), Some(secret.into()))
        .await
        .unwrap();
    for file in ["gateway.db", "gateway.db-wal"] {
        let bytes = std::fs::read(stage.folder.path().join(file)).unwrap_or_default();
        let found = bytes
            .windows(secret.len())
            .any(|at| at == secret.as_bytes());
        assert!(!found, "{file}");
    }
    let network = b"127.0.0.1/32";
    let wal = std::fs::read(stage.folder.path().join("gateway.db-wal")).unwrap();
    assert!(
        wal.windows(network.len()).any(|at| at == network),
        "looked in the wrong file"
    );
}

#[tokio::test]
async fn a_packet_from_before_a_restart_is_still_the_same_login() {
    let stage = stage(true).await;
    let (_device, mut channel, listener, mut peer) = scene(&stage, registration("vpn", HERE)).await;
    let request = peer.pap(USER, PASSWORD, None);
    let before = peer.exchange(&request).await;
    channel.request().await;
    drop(listener);
    let stage = stage.restarted().await;
    let listener = Listener::serve(&stage.service, Vec::new()).await;
    let mut peer = Peer::new(&listener, HERE).await;
    // Its State is forgotten; the login goes on with the same number.
    let over = peer.answer(USER, "", &before.state()).await;
    assert_eq!(over.refusal(), OVER);
    let after = peer.exchange(&request).await;
    assert_eq!(number(&after), number(&before));
    assert_ne!(after.state(), before.state());
    assert_eq!(stage.audited("login_opened").await, 1);
}
