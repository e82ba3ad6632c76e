//! The HTTP API's answers, in privacyIDEA's form.

use countersign_core::{
    otp::OtpMode,
    pskc::{PinPlace, PinPolicy},
    signing::Label,
    token::PushPolicy,
};
use countersign_proto::push::v1::{self as push, agent_frame};
use http::Method;
use prost::Message as _;

use crate::{
    device::{request_body, sign},
    stage::{Stage, USER, challenge, event, time},
    web::{Client, Reply},
};

async fn front(stage: &Stage) -> Client {
    let key = stage.operator().add_front("vpn", true).await.unwrap();
    Client::new(stage).await.with("authorization", key.expose())
}

async fn check(front: &mut Client, pass: &str, id: Option<&str>) -> Reply {
    let mut fields = vec![("user", USER), ("pass", pass), ("realm", "ignored")];
    fields.extend(id.map(|id| ("transaction_id", id)));
    front.post("/validate/check", &fields).await
}

/// `result.value`, `result.authentication` and `detail.challenge_status`.
async fn poll(front: &mut Client, id: &str) -> (bool, String, String) {
    let in_query = front
        .get(&format!("/validate/polltransaction?transaction_id={id}"))
        .await;
    let in_path = front.get(&format!("/validate/polltransaction/{id}")).await;
    assert_eq!(in_query.json()["result"], in_path.json()["result"]);
    let json = in_path.json();
    assert_eq!(json["detail"]["transaction_id"], id);
    (
        json["result"]["value"].as_bool().unwrap(),
        in_path.said().0,
        json["detail"]["challenge_status"]
            .as_str()
            .unwrap()
            .to_owned(),
    )
}

fn as_polled(value: bool, authentication: &str, status: &str) -> (bool, String, String) {
    (value, authentication.to_owned(), status.to_owned())
}

async fn triggered(front: &mut Client) -> (String, Reply) {
    let reply = front
        .post(
            "/validate/triggerchallenge",
            &[("user", USER), ("client", "198.51.100.4")],
        )
        .await;
    let id = reply.json()["detail"]["transaction_id"]
        .as_str()
        .unwrap()
        .to_owned();
    (id, reply)
}

#[tokio::test]
async fn pass_holds_the_server_pin_and_what_was_wrong_is_not_told() {
    let stage = Stage::new().await;
    let policy = PinPolicy::Server(PinPlace::Append);
    let device = stage.device_with_pin(event(), policy, "4711").await;
    let mut front = front(&stage).await;
    let pass = |counter, pin: &str| format!("{}{pin}", device.passcode(counter).expose());
    let accepted = check(&mut front, &pass(0, "4711"), None).await;
    assert_eq!(accepted.json()["result"]["authentication"], "ACCEPT");
    let mut told = Vec::new();
    for wrong in [
        pass(1, "0815"),
        pass(1, "4711"),
        pass(0, "4711"),
        pass(2, ""),
        "000000004711".to_owned(),
        "000000000815".to_owned(),
    ] {
        let mut reply = check(&mut front, &wrong, None).await.json();
        reply["time"].take();
        told.push(reply);
    }
    assert_eq!(told[0]["detail"]["message"], "wrong otp value");
    assert!(told.iter().all(|reply| *reply == told[0]), "{told:?}");
}

#[tokio::test]
async fn a_passcode_is_accepted_once() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let mut front = front(&stage).await;
    let passcode = |counter| device.passcode(counter).expose().to_owned();
    let accepted = check(&mut front, &passcode(0), None).await;
    let json = accepted.json();
    assert_eq!(json["result"]["value"], true);
    assert_eq!(json["result"]["authentication"], "ACCEPT");
    assert_eq!(json["detail"]["serial"], device.serial());
    let again = check(&mut front, &passcode(0), None).await;
    assert_eq!(again.json()["result"]["value"], false);
    assert_eq!(again.said().1, "wrong otp value. previous otp used again");

    let query = format!(
        "/validate/check?serial={}&pass={}",
        device.serial(),
        passcode(1)
    );
    assert_eq!(front.get(&query).await.said().0, "ACCEPT");
    let json = format!(
        r#"{{"user":"{USER}","pass":"{}","otponly":1}}"#,
        passcode(2)
    );
    let reply = front
        .send(
            Method::POST,
            "/validate/check",
            Some("application/json"),
            json,
        )
        .await;
    assert_eq!(reply.said().0, "ACCEPT");
}

#[tokio::test]
async fn who_is_not_there_looks_like_who_mistypes() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    stage.operator().add_user("bob", "x".into()).await.unwrap();
    let mut front = front(&stage).await;
    let mut answers = Vec::new();
    for user in [USER, "bob", "nobody"] {
        let typed = [("user", user), ("pass", "00000000")];
        let reply = front.post("/validate/check", &typed).await;
        answers.push((reply.status, reply.said()));
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    let mut answers = Vec::new();
    for user in ["bob", "nobody"] {
        for path in ["/validate/check", "/validate/triggerchallenge"] {
            let reply = front.post(path, &[("user", user), ("pass", "")]).await;
            answers.push((reply.status, reply.said()));
        }
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );

    for _ in 0..9 {
        check(&mut front, "00000000", None).await;
    }
    let locked = check(&mut front, device.passcode(0).expose(), None).await;
    assert_eq!(
        locked.said(),
        ("REJECT".to_owned(), "Failcounter exceeded".to_owned())
    );
    stage
        .operator()
        .suspend_token(device.serial())
        .await
        .unwrap();
    let suspended = check(&mut front, device.passcode(0).expose(), None).await;
    assert_eq!(suspended.said().1, "Token is disabled");
}

#[tokio::test]
async fn an_approved_login_is_finished_once_by_its_own_front_for_its_own_user() {
    let stage = Stage::new().await;
    stage.operator().add_user("bob", "x".into()).await.unwrap();
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let mut front = front(&stage).await;
    let other_key = stage.operator().add_front("mail", true).await.unwrap();
    let mut other = front.other().with("authorization", other_key.expose());

    let (id, reply) = triggered(&mut front).await;
    let json = reply.json();
    assert_eq!(json["result"]["value"], 1);
    assert_eq!(json["result"]["authentication"], "CHALLENGE");
    assert_eq!(json["detail"]["client_mode"], "poll");
    assert_eq!(json["detail"]["multi_challenge"][0]["type"], "push");
    assert_eq!(
        json["detail"]["multi_challenge"][0]["transaction_id"],
        id.as_str()
    );
    let request = channel.request().await;
    let shown = request_body(&stage, &request);
    assert_eq!(
        (shown.resource.as_str(), shown.client_address.as_str()),
        ("vpn", "198.51.100.4")
    );

    assert_eq!(
        poll(&mut front, &id).await,
        as_polled(false, "REJECT", "pending")
    );
    let early = check(&mut front, "", Some(&id)).await;
    assert_eq!(
        early.said(),
        (
            "REJECT".to_owned(),
            "Response did not match the challenge.".to_owned()
        )
    );
    let waiting = {
        let mut front = front.clone();
        let path = format!("/validate/polltransaction/{id}?wait=30");
        tokio::spawn(async move { front.get(&path).await })
    };
    let approve = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(approve).await, push::Result::Approved);
    assert_eq!(waiting.await.unwrap().said().0, "ACCEPT");
    assert_eq!(
        poll(&mut front, &id).await,
        as_polled(true, "ACCEPT", "accept")
    );

    assert_eq!(
        poll(&mut other, &id).await,
        as_polled(false, "REJECT", "pending")
    );
    assert_eq!(check(&mut other, "", Some(&id)).await.said().0, "REJECT");
    let as_bob = [
        ("user", "bob"),
        ("pass", ""),
        ("transaction_id", id.as_str()),
    ];
    assert_eq!(
        front.post("/validate/check", &as_bob).await.said().0,
        "REJECT"
    );

    let finished = check(&mut front, "", Some(&id)).await;
    assert_eq!(finished.json()["result"]["value"], true);
    assert_eq!(
        finished.said(),
        ("ACCEPT".to_owned(), "Found matching challenge".to_owned())
    );
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);
    let again = check(&mut front, "", Some(&id)).await;
    assert_eq!(
        again.said(),
        ("REJECT".to_owned(), "wrong otp pin".to_owned())
    );
    assert_eq!(
        poll(&mut front, &id).await,
        as_polled(false, "REJECT", "pending")
    );
}

#[tokio::test]
async fn an_empty_pass_triggers_and_a_denial_is_told() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let mut front = front(&stage).await;
    let opened = check(&mut front, "", None).await;
    assert_eq!(opened.json()["result"]["value"], false);
    assert_eq!(opened.said().0, "CHALLENGE");
    let id = opened.json()["detail"]["transaction_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = check(&mut front, "", None).await;
    assert_eq!(second.said().0, "REJECT");
    assert!(
        !second.body.contains(&id),
        "another window's login is not handed out"
    );
    let request = channel.request().await;
    channel.decide(device.deny(&stage, &request)).await;
    assert_eq!(
        poll(&mut front, &id).await,
        as_polled(false, "DECLINED", "declined")
    );
    assert_eq!(check(&mut front, "", Some(&id)).await.said().0, "REJECT");
}

#[tokio::test]
async fn an_expired_or_unknown_transaction_looks_pending_and_lets_nobody_in() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let _channel = device.connect(&stage).await;
    let mut front = front(&stage).await;
    let (id, _) = triggered(&mut front).await;
    stage.clock.advance_ms(60_000);
    for id in [id.as_str(), "0123456789"] {
        assert_eq!(
            poll(&mut front, id).await,
            as_polled(false, "REJECT", "pending")
        );
        assert_eq!(check(&mut front, "", Some(id)).await.said().0, "REJECT");
    }
    let missing = front.get("/validate/polltransaction").await;
    assert_eq!(missing.code(), (400, 905));
    let long = front.get("/validate/polltransaction/x?wait=3600").await;
    assert_eq!(long.code(), (400, 905));
}

#[tokio::test]
async fn a_challenge_is_answered_by_typing() {
    let stage = Stage::new().await;
    let mode: OtpMode = challenge();
    let device = stage.device_with(mode, PushPolicy::Off).await;
    let mut front = front(&stage).await;
    let (id, reply) = triggered(&mut front).await;
    let detail = reply.json()["detail"].clone();
    assert_eq!(detail["client_mode"], "interactive");
    assert_eq!(detail["serial"], device.serial());
    let question = detail["attributes"]["challenge"].as_str().unwrap();
    assert!(detail["message"].as_str().unwrap().contains(question));
    let answer = device.answer_to(question);
    assert_eq!(
        check(&mut front, "000000", Some(&id)).await.said().0,
        "REJECT"
    );
    // privacyIDEA's other name for the transaction.
    let fields = [("user", USER), ("pass", answer.expose()), ("state", &id)];
    assert_eq!(
        front.post("/validate/check", &fields).await.said().0,
        "ACCEPT"
    );
    assert_eq!(
        check(&mut front, answer.expose(), Some(&id)).await.said().0,
        "REJECT"
    );
}

#[tokio::test]
async fn the_number_to_match_is_in_the_answer_and_in_the_message() {
    let stage = Stage::with(|config| config.push.number_matching = true).await;
    let device = stage.device(time()).await;
    let _channel = device.connect(&stage).await;
    let mut front = front(&stage).await;
    let (_, reply) = triggered(&mut front).await;
    let detail = reply.json()["detail"].clone();
    let number = detail["presence_answer"].as_str().unwrap();
    assert_eq!(number.len(), 2);
    assert_eq!(detail["multi_challenge"][0]["presence_answer"], number);
    assert!(detail["message"].as_str().unwrap().ends_with(number));
}

#[tokio::test]
async fn a_front_without_push_and_a_desktop_that_is_away_get_a_sentence() {
    let stage = Stage::new().await;
    let _device = stage.device(time()).await;
    let mut front = front(&stage).await;
    let away = front
        .post("/validate/triggerchallenge", &[("user", USER)])
        .await;
    assert_eq!(away.json()["result"]["value"], 0);
    assert_eq!(away.said().0, "REJECT");
    assert!(away.said().1.contains("not connected"));
    let key = stage.operator().add_front("typing", false).await.unwrap();
    let mut typing = front.other().with("authorization", key.expose());
    let refused = check(&mut typing, "", None).await;
    assert!(refused.said().1.contains("type a passcode"));
    let no_user = front
        .post("/validate/triggerchallenge", &[("serial", "x")])
        .await;
    assert_eq!(no_user.code(), (400, 905));
}

#[tokio::test]
async fn a_poll_tells_how_the_desktop_can_be_reached_and_that_a_login_was_reported() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let mut front = front(&stage).await;
    let (id, _) = triggered(&mut front).await;
    let asked = front.get(&format!("/validate/polltransaction/{id}")).await;
    assert_eq!(asked.json()["detail"]["desktop"], "asked");
    let request = channel.request().await;
    // The same device again, with autosend off: it says so in its hello.
    let off = |hello: &mut push::HelloBody| hello.availability = push::Availability::Off.into();
    let (mut channel, _welcome) = device.connect_as(&stage, off).await.unwrap();
    channel.request().await;
    let turned_off = front.get(&format!("/validate/polltransaction/{id}")).await;
    assert_eq!(turned_off.json()["detail"]["desktop"], "off");
    assert_eq!(turned_off.said().0, "REJECT");

    let decision = device.decision_body(&stage, &request, push::Verdict::Deny);
    let report = push::ReportBody {
        service_id: decision.service_id,
        device_id: decision.device_id,
        request_id: decision.request_id,
        request_hash: decision.request_hash,
    };
    let signed = sign(&device.channel, Label::Report, report.encode_to_vec());
    channel.send(agent_frame::Frame::Report(signed)).await;
    assert_eq!(channel.outcome().await, push::Result::Reported);
    let reported = front.get(&format!("/validate/polltransaction/{id}")).await;
    assert_eq!(reported.json()["detail"]["reported"], true);
    assert_eq!(reported.said().0, "DECLINED");
}

#[tokio::test]
async fn a_lost_counter_is_found_again_over_http() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let mut front = front(&stage).await;
    let (first, second) = (device.passcode(300), device.passcode(301));
    let serial = device.serial();
    let pair = [
        ("serial", serial),
        ("otp1", first.expose()),
        ("otp2", second.expose()),
    ];
    let mut stranger = front.other();
    let refused = stranger.post("/token/resync", &pair).await;
    assert_eq!(refused.code(), (401, 4033));
    let wrong = [
        ("serial", serial),
        ("otp1", "00000000"),
        ("otp2", second.expose()),
    ];
    assert_eq!(
        front.post("/token/resync", &wrong).await.json()["result"]["value"],
        false
    );
    let missing = front.post("/token/resync", &[("serial", serial)]).await;
    assert_eq!(missing.code(), (400, 905));
    assert_eq!(
        front.post("/token/resync", &pair).await.json()["result"]["value"],
        true
    );
    let good = check(&mut front, device.passcode(302).expose(), None).await;
    assert_eq!(good.said().0, "ACCEPT");
}

#[tokio::test]
async fn a_code_of_the_helpdesk_is_typed_like_a_passcode() {
    let stage = Stage::new().await;
    let _device = stage.device(time()).await;
    let mut front = front(&stage).await;
    let code = stage.operator().issue_helpdesk_code(USER, 15).await;
    let code = code.unwrap().code;
    let good = check(&mut front, code.expose(), None).await;
    assert_eq!(good.said().0, "ACCEPT");
    let again = check(&mut front, code.expose(), None).await;
    assert_eq!(again.said().0, "REJECT");
}
