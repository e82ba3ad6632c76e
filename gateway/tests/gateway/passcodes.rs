//! Typed passcodes.

use countersign_core::secret::SecretText;
use countersign_gateway::service::{LoginState, PasscodeVerdict, Subject, Way};
use countersign_proto::push::v1 as push;

use crate::stage::{Stage, USER, challenge, event, time};

async fn check(stage: &Stage, passcode: SecretText) -> PasscodeVerdict {
    let subject = Subject::User(USER.to_owned());
    stage.check(subject, passcode, None).await
}

fn accepted(serial: &str) -> PasscodeVerdict {
    PasscodeVerdict::Accepted {
        serial: Some(serial.to_owned()),
    }
}

#[tokio::test]
async fn a_time_based_passcode_is_good_once_within_its_window() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let now = device.step(&stage);
    assert_eq!(
        check(&stage, device.passcode(now - 2)).await,
        PasscodeVerdict::Wrong
    );
    assert_eq!(
        check(&stage, device.passcode(now - 1)).await,
        accepted(device.serial())
    );
    assert_eq!(
        check(&stage, device.passcode(now - 1)).await,
        PasscodeVerdict::UsedBefore
    );
    assert_eq!(
        check(&stage, device.passcode(now)).await,
        accepted(device.serial())
    );
    // An older one is not good after a newer one.
    assert_eq!(
        check(&stage, device.passcode(now - 1)).await,
        PasscodeVerdict::UsedBefore
    );
}

#[tokio::test]
async fn the_drift_of_a_clock_is_learnt() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    // The device's clock falls behind by one step more each day.
    for behind in 1..5 {
        stage.clock.advance_ms(86_400_000);
        let step = device.step(&stage) - behind;
        assert_eq!(
            check(&stage, device.passcode(step)).await,
            accepted(device.serial())
        );
    }
    let step = device.step(&stage) + 5;
    assert_eq!(
        check(&stage, device.passcode(step)).await,
        PasscodeVerdict::Wrong
    );
}

#[tokio::test]
async fn an_event_based_passcode_is_good_once_within_the_look_ahead() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    assert_eq!(
        check(&stage, device.passcode(11)).await,
        PasscodeVerdict::Wrong
    );
    assert_eq!(
        check(&stage, device.passcode(10)).await,
        accepted(device.serial())
    );
    for used in [10, 9, 0] {
        assert_eq!(
            check(&stage, device.passcode(used)).await,
            PasscodeVerdict::UsedBefore
        );
    }
    assert_eq!(
        check(&stage, device.passcode(11)).await,
        accepted(device.serial())
    );
}

#[tokio::test]
async fn what_the_agent_says_of_its_counter_widens_the_look_ahead_and_refuses_nothing() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let ahead = |hello: &mut push::HelloBody| {
        hello.counters.push(push::EventCounter {
            serial: hello.tokens[0].serial.clone(),
            next: 100,
        });
    };
    let (_channel, welcome) = device.connect_as(&stage, ahead).await.unwrap();
    assert_eq!(welcome.counters[0].next, 0);
    // Shown before the stream came back, typed after it.
    assert_eq!(
        check(&stage, device.passcode(99)).await,
        accepted(device.serial())
    );
    assert_eq!(
        check(&stage, device.passcode(105)).await,
        accepted(device.serial())
    );
    let (_channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
    assert_eq!(welcome.counters[0].next, 106);
}

#[tokio::test]
async fn ten_wrong_passcodes_lock_typing_and_nothing_else() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    for _ in 0..10 {
        assert_eq!(
            check(&stage, "000000x".into()).await,
            PasscodeVerdict::Wrong
        );
    }
    let until = stage.service.now().plus_ms(600_000);
    let good = || device.passcode(device.step(&stage));
    assert_eq!(
        check(&stage, good()).await,
        PasscodeVerdict::Locked { until }
    );

    let mut channel = device.connect(&stage).await;
    stage.open().await.unwrap();
    let request = channel.request().await;
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);

    stage.clock.advance_ms(600_000);
    assert_eq!(check(&stage, good()).await, accepted(device.serial()));
}

#[tokio::test]
async fn failures_survive_a_restart() {
    let mut stage = Stage::new().await;
    let device = stage.device(time()).await;
    for _ in 0..10 {
        stage = stage.restarted().await;
        assert_eq!(
            check(&stage, "000000x".into()).await,
            PasscodeVerdict::Wrong
        );
    }
    let good = device.passcode(device.step(&stage));
    assert!(matches!(
        check(&stage, good).await,
        PasscodeVerdict::Locked { .. }
    ));
}

#[tokio::test]
async fn many_at_once_accept_a_passcode_once() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let passcode = device.passcode(device.step(&stage));
    let mut tries = Vec::new();
    for _ in 0..30 {
        let subject = Subject::User(USER.to_owned());
        let attempt = stage.typed(subject, passcode.clone(), None);
        let service = stage.service.clone();
        tries.push(tokio::spawn(async move {
            service.check_passcode(attempt).await.unwrap()
        }));
    }
    let mut good = 0;
    for verdict in tries {
        match verdict.await.unwrap() {
            PasscodeVerdict::Accepted { .. } => good += 1,
            other => assert_eq!(other, PasscodeVerdict::UsedBefore),
        }
    }
    assert_eq!(good, 1);
    stage.service.verify_audit(None).await.unwrap();
}

#[tokio::test]
async fn a_challenge_is_answered_in_its_login_and_ends_it() {
    let stage = Stage::new().await;
    let device = stage.device(challenge()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    channel.request().await;
    let Some(Way::Challenge { challenge, .. }) = opened.ways.last() else {
        panic!("{:?}", opened.ways);
    };
    let answer = device.answer_to(challenge);
    assert_eq!(check(&stage, answer.clone()).await, PasscodeVerdict::Wrong);
    let subject = || Subject::User(USER.to_owned());
    let id = Some(opened.transaction_id.clone());
    let verdict = stage.check(subject(), answer.clone(), id.clone()).await;
    assert_eq!(verdict, accepted(device.serial()));
    assert_eq!(
        channel.cancel().await,
        push::CancelReason::AnsweredElsewhere
    );
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Consumed
    );
    let again = stage.check(subject(), answer, id).await;
    assert_eq!(again, PasscodeVerdict::Wrong);
}

#[tokio::test]
async fn who_has_no_token_is_told_so() {
    let stage = Stage::new().await;
    assert_eq!(
        check(&stage, "123456".into()).await,
        PasscodeVerdict::NoToken
    );
    let device = stage.device(time()).await;
    stage
        .operator()
        .suspend_token(device.serial())
        .await
        .unwrap();
    let good = device.passcode(device.step(&stage));
    assert_eq!(
        check(&stage, good.clone()).await,
        PasscodeVerdict::Suspended
    );
    stage
        .operator()
        .resume_token(device.serial())
        .await
        .unwrap();
    assert_eq!(check(&stage, good).await, accepted(device.serial()));
}
