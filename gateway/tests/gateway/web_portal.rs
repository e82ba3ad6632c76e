//! The sample resource, as a browser without scripts meets it.

use countersign_core::{
    pskc::{PinPlace, PinPolicy},
    token::PushPolicy,
};
use countersign_gateway::service::DenyReason;
use countersign_proto::push::v1 as push;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::{
    device::{Channel, Device, request_body},
    stage::{Stage, USER, challenge, event, time},
    web::{Client, FORM, Reply},
};

const PASSWORD: [(&str, &str); 2] = [("user", USER), ("password", "correct horse")];

async fn half_way(client: &mut Client) -> Reply {
    let page = client.fill("password", &PASSWORD).await;
    assert!(page.body.contains("confirm it is you"), "{}", page.body);
    page
}

async fn asked(client: &mut Client) -> Reply {
    half_way(client).await;
    client.fill("push", &[("push", "1")]).await
}

async fn status(client: &mut Client) -> Value {
    client.get("/example/status").await.json()
}

async fn state(client: &mut Client) -> String {
    status(client).await["state"].as_str().unwrap().to_owned()
}

async fn with_device(stage: &Stage) -> (Device, Channel, Client) {
    let device = stage.device(time()).await;
    let channel = device.connect(stage).await;
    (device, channel, Client::new(stage).await)
}

fn is_in(page: &Reply) -> bool {
    page.body.contains("You are logged in as")
}

#[tokio::test]
async fn a_typed_passcode_lets_in_once_and_logging_out_ends_it() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let mut client = Client::new(&stage).await;
    assert_eq!(state(&mut client).await, "signed_out");
    let choice = half_way(&mut client).await;
    assert!(choice.body.contains("Send a login request to my desktop"));
    assert_eq!(state(&mut client).await, "choosing");
    let half = client.cookies().to_vec();

    let wrong = client.fill("passcode", &[("passcode", "0000 0000")]).await;
    assert!(wrong.body.contains("This passcode is not right"));
    let passcode = device.passcode(0);
    let (head, tail) = passcode.expose().split_at(4);
    let typed = format!(" {head} {tail}");
    let page = client.fill("passcode", &[("passcode", &typed)]).await;
    assert!(is_in(&page), "{}", page.body);
    assert!(page.body.contains("ada") && page.body.contains("so was the passcode"));
    assert_eq!(state(&mut client).await, "logged_in");

    let full = client.cookies().to_vec();
    assert_ne!(full, half, "the cookie changes with the step up");
    let mut thief = client.other();
    thief.use_cookies(&half);
    assert_eq!(state(&mut thief).await, "signed_out");

    let out = client.fill("sign-out", &[]).await;
    assert!(out.body.contains("name=\"password\""));
    assert!(client.cookies() != full.as_slice());
    thief.use_cookies(&full);
    assert_eq!(state(&mut thief).await, "signed_out");

    half_way(&mut client).await;
    let again = client
        .fill("passcode", &[("passcode", passcode.expose())])
        .await;
    assert!(!is_in(&again));
    assert!(again.body.contains("used before"));
}

#[tokio::test]
async fn the_server_pin_is_typed_with_the_passcode_and_the_page_says_where() {
    for (place, sentence) in [
        (PinPlace::Prepend, "Type your server PIN before it"),
        (PinPlace::Append, "Type your server PIN behind it"),
    ] {
        let stage = Stage::new().await;
        let device = stage
            .device_with_pin(event(), PinPolicy::Server(place), "Amsel7")
            .await;
        let mut client = Client::new(&stage).await;
        let choice = half_way(&mut client).await;
        assert!(choice.body.contains(sentence), "{}", choice.body);
        assert!(choice.body.contains("inputmode=\"text\""));
        assert!(choice.body.contains("type=\"password\" id=\"passcode\""));
        let typed = |pin: &str, counter| match place {
            PinPlace::Prepend => format!("{pin}{}", device.passcode(counter).expose()),
            PinPlace::Append => format!("{}{pin}", device.passcode(counter).expose()),
        };
        for wrong in [typed("Amsel8", 0), typed("Amsel7", 0)] {
            let page = client.fill("passcode", &[("passcode", &wrong)]).await;
            assert!(page.body.contains("This passcode is not right"));
        }
        let page = client
            .fill("passcode", &[("passcode", &typed("Amsel7", 1))])
            .await;
        assert!(is_in(&page), "{}", page.body);
    }
}

#[tokio::test]
async fn an_approval_on_the_desktop_lets_in_once() {
    let stage = Stage::new().await;
    let (device, mut channel, mut client) = with_device(&stage).await;
    client = client.with(
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    );
    let waiting = asked(&mut client).await;
    assert!(waiting.body.contains("Look at your desktop"));
    assert!(
        waiting
            .body
            .contains("<noscript><meta http-equiv=\"refresh\"")
    );
    assert!(waiting.body.contains("60 seconds left"));
    let request = channel.request().await;
    let shown = request_body(&stage, &request);
    assert_eq!(shown.resource, "Example Portal");
    assert_eq!(shown.client_address, "192.0.2.7");
    assert_eq!(shown.program, "Firefox on Linux");
    let pending = status(&mut client).await;
    assert_eq!(pending["state"], "pending");
    assert_eq!(pending["left_ms"], 60_000);
    assert_eq!(pending["transaction_id"], shown.transaction_id);
    assert!(!is_in(&client.get("/example/").await));

    let following = {
        let mut client = client.clone();
        tokio::spawn(async move { client.get("/example/status?wait=25").await })
    };
    let approve = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(approve).await, push::Result::Approved);
    assert_eq!(following.await.unwrap().json()["state"], "approved");
    assert_eq!(state(&mut client).await, "approved");

    let waiting_cookies = client.cookies().to_vec();
    let page = client.get("/example/").await;
    assert!(is_in(&page) && page.body.contains("approved the login on your desktop"));
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);
    assert_eq!(state(&mut client).await, "logged_in");
    let mut second = client.other();
    second.use_cookies(&waiting_cookies);
    assert!(!is_in(&second.get("/example/").await));
    // An hour later it is over.
    stage.clock.advance_ms(3_600_000);
    assert_eq!(state(&mut client).await, "signed_out");
}

#[tokio::test]
async fn a_denied_login_says_so_and_can_be_tried_again() {
    let stage = Stage::new().await;
    let (device, mut channel, mut client) = with_device(&stage).await;
    asked(&mut client).await;
    let request = channel.request().await;
    channel.decide(device.deny(&stage, &request)).await;
    let denied = status(&mut client).await;
    assert_eq!(
        (&denied["state"], &denied["reason"]),
        (&"denied".into(), &"user".into())
    );
    let page = client.get("/example/").await;
    assert!(page.body.contains("The login was denied"));
    assert!(!page.body.contains("logged in") && page.body.contains("Try again"));
    assert_eq!(status(&mut client).await["state"], "denied");
    let page = client.fill("again", &[]).await;
    assert!(page.body.contains("confirm it is you"));
    client.fill("push", &[("push", "1")]).await;
    assert_eq!(state(&mut client).await, "pending");
}

#[tokio::test]
async fn the_number_is_shown_and_a_wrong_one_ends_the_login() {
    let stage = Stage::with(|config| config.push.number_matching = true).await;
    let (device, mut channel, mut client) = with_device(&stage).await;
    let page = asked(&mut client).await;
    let number = status(&mut client).await["number"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        page.body
            .contains(&format!("<output id=\"number\">{number}</output>"))
    );
    let request = channel.request().await;
    let mut approval = device.approval(&stage, &request);
    approval.body.number = if number == "10" { "11" } else { "10" }.to_owned();
    channel.decide(device.approve(&approval)).await;
    assert_eq!(status(&mut client).await["reason"], "wrong_number");
    let page = client.get("/example/").await;
    assert!(page.body.contains("The number did not match"));
    let id = status(&mut client).await["transaction_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let front = stage.service.settings().sample_front;
    let view = stage.service.login(front, &id).await.unwrap();
    assert_eq!(
        view.state,
        countersign_gateway::service::LoginState::Denied(DenyReason::WrongNumber)
    );
}

#[tokio::test]
async fn nobody_answers() {
    let stage = Stage::new().await;
    let (_device, _channel, mut client) = with_device(&stage).await;
    asked(&mut client).await;
    stage.clock.advance_ms(60_000);
    assert_eq!(state(&mut client).await, "expired");
    assert!(
        client
            .get("/example/")
            .await
            .body
            .contains("No answer in time")
    );
    // The password is remembered for ten minutes, and no longer.
    stage.clock.advance_ms(600_000);
    assert_eq!(state(&mut client).await, "signed_out");
    assert!(
        client
            .get("/example/")
            .await
            .body
            .contains("name=\"password\"")
    );
}

#[tokio::test]
async fn an_approval_that_the_page_does_not_take_lapses() {
    let stage = Stage::new().await;
    let (device, mut channel, mut client) = with_device(&stage).await;
    asked(&mut client).await;
    let request = channel.request().await;
    channel
        .decide(device.approve(&device.approval(&stage, &request)))
        .await;
    stage.clock.advance_ms(300_000);
    let page = client.get("/example/").await;
    assert!(page.body.contains("The approval came too long ago"));
    assert_eq!(status(&mut client).await["reason"], "lapsed");
}

#[tokio::test]
async fn while_the_desktop_is_asked_typing_works_and_cancelling_takes_the_question_back() {
    let stage = Stage::new().await;
    let (device, mut channel, mut client) = with_device(&stage).await;
    asked(&mut client).await;
    channel.request().await;
    let typing = client.get("/example/?way=passcode").await;
    assert!(
        !typing.body.contains("http-equiv"),
        "nothing reloads under the user's hands"
    );
    let wrong = client.fill("passcode", &[("passcode", "000000")]).await;
    assert!(wrong.body.contains("not right") && wrong.body.contains("Type a passcode"));
    client.fill("again", &[]).await;
    assert_eq!(channel.cancel().await, push::CancelReason::ByResource);
    assert_eq!(state(&mut client).await, "choosing");

    client.fill("push", &[("push", "1")]).await;
    channel.request().await;
    let passcode = device.passcode(device.step(&stage));
    let page = client
        .fill("passcode", &[("passcode", passcode.expose())])
        .await;
    assert!(is_in(&page));
    assert_eq!(
        channel.cancel().await,
        push::CancelReason::AnsweredElsewhere
    );
}

#[tokio::test]
async fn a_challenge_is_shown_and_answered() {
    let stage = Stage::new().await;
    let device = stage.device_with(challenge(), PushPolicy::Off).await;
    let mut client = Client::new(&stage).await;
    half_way(&mut client).await;
    let page = client.fill("push", &[("challenge", "1")]).await;
    assert!(page.body.contains("Answer the challenge"));
    let question = status(&mut client).await["challenge"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(page.body.contains(&format!(">{question}</output>")));
    let answer = device.answer_to(&question);
    let page = client
        .fill("passcode", &[("passcode", answer.expose())])
        .await;
    assert!(is_in(&page));
}

#[tokio::test]
async fn what_keeps_the_desktop_from_being_asked_is_said_and_typing_offered() {
    let stage = Stage::new().await;
    let mut client = Client::new(&stage).await;
    let none = asked(&mut client).await;
    assert!(
        none.body
            .contains("None of your tokens answers login requests")
    );
    let device = stage.device(time()).await;
    let away = client.fill("push", &[("push", "1")]).await;
    assert!(away.body.contains("not connected to the gateway"));
    assert!(away.body.contains("name=\"passcode\""));

    let channel = device.connect(&stage).await;
    let mut other = client.other();
    asked(&mut other).await;
    let busy = client.fill("push", &[("push", "1")]).await;
    assert!(busy.body.contains("open in another window"));
    assert_eq!(state(&mut client).await, "choosing");
    other.fill("sign-out", &[]).await;
    drop(channel);

    let (_off, _) = device
        .connect_as(&stage, |hello| {
            hello.availability = push::Availability::Off.into();
        })
        .await
        .unwrap();
    let refused = client.fill("push", &[("push", "1")]).await;
    assert!(refused.body.contains("autosend is off"));
    assert!(
        !client
            .get("/example/")
            .await
            .body
            .contains("autosend is off"),
        "said once"
    );
    let (_locked, _) = device
        .connect_as(&stage, |hello| {
            hello.availability = push::Availability::SessionLocked.into();
        })
        .await
        .unwrap();
    let locked = client.fill("push", &[("push", "1")]).await;
    assert!(
        locked.body.contains("Unlock your desktop"),
        "{}",
        locked.body
    );
}

#[tokio::test]
async fn forms_from_elsewhere_do_nothing() {
    let stage = Stage::new().await;
    let (_device, _channel, mut client) = with_device(&stage).await;
    let own = client.get("/example/").await.hidden("form_secret");
    let foreign = client.other().get("/example/").await.hidden("form_secret");
    for secret in [None, Some(""), Some("x"), Some(foreign.as_str())] {
        let mut fields = PASSWORD.to_vec();
        fields.extend(secret.map(|secret| ("form_secret", secret)));
        let reply = client.post("/example/password", &fields).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(reply.body.contains("This form was refused"));
    }
    let mut fields = PASSWORD.to_vec();
    fields.push(("form_secret", &own));
    let reply = client.other().post("/example/password", &fields).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "without the cookie");
    let mut framed = client.clone().with("sec-fetch-site", "cross-site");
    let reply = framed.post("/example/password", &fields).await;
    assert_eq!(
        reply.status,
        StatusCode::FORBIDDEN,
        "the browser says from elsewhere"
    );
    assert_eq!(state(&mut client).await, "signed_out");

    half_way(&mut client).await;
    for action in ["push", "passcode", "again", "sign-out"] {
        // The form of before the login is no good any more.
        let reply = client
            .post(&format!("/example/{action}"), &[("form_secret", &own)])
            .await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{action}");
    }
    assert_eq!(state(&mut client).await, "choosing");
}

#[tokio::test]
async fn a_wrong_password_tells_nothing_and_guessing_is_slowed_down() {
    let stage = Stage::new().await;
    let mut client = Client::new(&stage).await;
    let mut pages = Vec::new();
    for user in [USER, "nobody"] {
        let page = client
            .fill("password", &[("user", user), ("password", "x")])
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        pages.push(page.body.replace(user, "USER"));
    }
    assert_eq!(pages[0], pages[1]);
    for _ in 0..4 {
        client
            .fill("password", &[("user", USER), ("password", "x")])
            .await;
    }
    let slowed = client.fill("password", &PASSWORD).await;
    assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(slowed.body.contains("Too many wrong tries"));
    stage.clock.advance_ms(60_000);
    half_way(&mut client).await;
}

#[tokio::test]
async fn names_that_are_markup_stay_text() {
    let hostile = "<img src=x onerror=\"alert('1')\">";
    let stage = Stage::with(|config| config.name = "<b>&\"'\u{202e}".to_owned()).await;
    stage
        .operator()
        .add_user(hostile, "x".into())
        .await
        .unwrap();
    let mut client = Client::new(&stage).await;
    let wrong = client
        .fill("password", &[("user", hostile), ("password", "wrong")])
        .await;
    let right = client
        .fill("password", &[("user", hostile), ("password", "x")])
        .await;
    assert!(right.body.contains("confirm it is you"));
    let landing = client.get("/").await;
    for page in [wrong, right, landing] {
        assert!(!page.body.contains("<img") && !page.body.contains("<b>"));
        assert!(!page.body.contains('\u{202e}'));
        assert!(page.body.contains("&lt;"));
    }
}

#[tokio::test]
async fn every_page_is_guarded_and_large_forms_are_refused() {
    let stage = Stage::new().await;
    let mut client = Client::new(&stage).await;
    let large = client
        .send(
            Method::POST,
            "/example/password",
            Some(FORM),
            "x".repeat(70_000),
        )
        .await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut replies = vec![large];
    for path in ["/", "/example/", "/example", "/example/status", "/nowhere"] {
        replies.push(client.get(path).await);
    }
    for reply in replies {
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
        assert!(!reply.body.contains("style=") && !reply.body.contains("<script>"));
    }
    let fresh = client.other().get("/example/").await;
    let cookie = fresh.headers["set-cookie"].to_str().unwrap();
    for attribute in ["__Host-", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    for (path, media) in [
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/example/portal.js", "text/javascript; charset=utf-8"),
    ] {
        assert_eq!(client.get(path).await.headers["content-type"], media);
    }
}

#[tokio::test]
async fn without_the_sample_resource_there_is_nothing() {
    let stage = Stage::with(|config| config.sample_resource.enabled = false).await;
    let mut client = Client::new(&stage).await;
    for path in ["/example", "/example/", "/example/status"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert!(!client.get("/").await.body.contains("Example Portal"));
}

#[tokio::test]
async fn an_attempt_of_another_window_opens_nothing_for_this_one() {
    let stage = Stage::new().await;
    stage.operator().add_user("bob", "x".into()).await.unwrap();
    let (device, mut channel, mut client) = with_device(&stage).await;
    half_way(&mut client).await;
    let attempt = [("push", "1"), ("attempt", "ABCDEFGH")];
    client.fill("push", &attempt).await;
    let request = channel.request().await;
    let mut bob = client.other();
    bob.fill("password", &[("user", "bob"), ("password", "x")])
        .await;
    let page = bob.fill("push", &attempt).await;
    assert!(
        page.body
            .contains("None of your tokens answers login requests")
    );
    channel
        .decide(device.approve(&device.approval(&stage, &request)))
        .await;
    assert!(!is_in(&bob.get("/example/").await));
    assert!(is_in(&client.get("/example/").await));
}

#[tokio::test]
async fn a_form_that_is_sent_twice_opens_one_login() {
    let stage = Stage::new().await;
    let (_device, mut channel, mut client) = with_device(&stage).await;
    let choice = half_way(&mut client).await;
    let (secret, attempt) = (choice.hidden("form_secret"), choice.hidden("attempt"));
    let fields = [("form_secret", secret.as_str()), ("attempt", &attempt)];
    let mut again = client.clone();
    let (first, second) = tokio::join!(
        client.post("/example/push", &fields),
        again.post("/example/push", &fields)
    );
    assert_eq!(
        (first.status, second.status),
        (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER)
    );
    assert_eq!(state(&mut client).await, "pending");
    channel.request().await;
    client.fill("again", &[]).await;
    assert_eq!(channel.cancel().await, push::CancelReason::ByResource);
}

#[tokio::test]
async fn a_page_that_waits_offers_typing_when_the_desktop_takes_no_more_requests() {
    let stage = Stage::new().await;
    let (device, mut channel, mut client) = with_device(&stage).await;
    let page = asked(&mut client).await;
    assert!(
        page.body.contains("data-desktop=\"asked\""),
        "{}",
        page.body
    );
    channel.request().await;
    assert_eq!(status(&mut client).await["desktop"], "asked");
    let off = |hello: &mut push::HelloBody| hello.availability = push::Availability::Off.into();
    let (mut channel, _welcome) = device.connect_as(&stage, off).await.unwrap();
    channel.request().await;
    assert_eq!(status(&mut client).await["desktop"], "off");
    let page = client.get("/example/").await;
    assert!(page.body.contains("autosend is off"), "{}", page.body);
    assert!(page.body.contains("name=\"passcode\""));
    let passcode = device.passcode(device.step(&stage));
    let page = client
        .fill("passcode", &[("passcode", passcode.expose())])
        .await;
    assert!(is_in(&page), "{}", page.body);
}
