//! A server PIN beside passcodes, pushed and typed.

use countersign_core::{
    otp::OtpMode,
    pskc::{PinPlace, PinPolicy},
};
use countersign_gateway::service::{FailReason, LoginState, PasscodeVerdict, Subject, Way};
use countersign_proto::push::v1 as push;

use crate::{
    device::{Channel, Device},
    stage::{Stage, USER, challenge, event, time},
};

const PIN: &str = "4711";
const PREPEND: PinPolicy = PinPolicy::Server(PinPlace::Prepend);
const APPEND: PinPolicy = PinPolicy::Server(PinPlace::Append);

async fn typed(stage: &Stage, text: String) -> PasscodeVerdict {
    let subject = Subject::User(USER.to_owned());
    stage.check(subject, text, None).await
}

fn accepted(device: &Device) -> PasscodeVerdict {
    PasscodeVerdict::Accepted {
        serial: Some(device.serial().to_owned()),
    }
}

async fn stage_and_device(mode: OtpMode, policy: PinPolicy) -> (Stage, Device) {
    let stage = Stage::new().await;
    let device = stage.device_with_pin(mode, policy, PIN).await;
    (stage, device)
}

/// Approves a new login with this PIN; what the agent is told, and where the login stands.
async fn push_with(
    stage: &Stage,
    device: &Device,
    channel: &mut Channel,
    pin: &str,
) -> (push::Result, LoginState) {
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    let decision = push::Decision {
        server_pin: pin.to_owned(),
        ..device.approve(&device.approval(stage, &request))
    };
    let told = channel.decide(decision.clone()).await;
    // Sent again it is answered as before, and not counted again.
    assert_eq!(channel.decide(decision).await, told);
    (told, stage.state(&opened.transaction_id).await)
}

const WRONG_PIN: (push::Result, LoginState) = (
    push::Result::RefusedServerPin,
    LoginState::Failed(FailReason::ServerPin),
);
const APPROVED: (push::Result, LoginState) = (push::Result::Approved, LoginState::Approved);

#[tokio::test]
async fn an_approval_needs_the_server_pin() {
    let (stage, device) = stage_and_device(time(), PREPEND).await;
    let mut channel = device.connect(&stage).await;
    for pin in ["", "471", "47111", "0815"] {
        assert_eq!(
            push_with(&stage, &device, &mut channel, pin).await,
            WRONG_PIN
        );
    }
    assert_eq!(
        push_with(&stage, &device, &mut channel, PIN).await,
        APPROVED
    );
    assert_eq!(stage.audited("server_pin_refused").await, 4);
}

#[tokio::test]
async fn a_wrong_passcode_beside_the_right_pin_is_a_wrong_passcode() {
    let (stage, device) = stage_and_device(event(), PREPEND).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    let mut approval = device.approval(&stage, &request);
    approval.body.moving_factor = 1;
    let told = channel.decide(device.approve(&approval)).await;
    assert_eq!(told, push::Result::RefusedPasscode);
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Failed(FailReason::Passcode)
    );
    assert_eq!(stage.audited("server_pin_refused").await, 0);
}

#[tokio::test]
async fn a_passcode_that_was_pushed_with_a_wrong_pin_is_used_up() {
    let (stage, device) = stage_and_device(event(), PREPEND).await;
    let mut channel = device.connect(&stage).await;
    assert_eq!(
        push_with(&stage, &device, &mut channel, "0815").await,
        WRONG_PIN
    );
    let first = device.passcode(0);
    assert_eq!(
        typed(&stage, format!("{PIN}{}", first.expose())).await,
        PasscodeVerdict::Wrong
    );
    let second = device.passcode(1);
    assert_eq!(
        typed(&stage, format!("{PIN}{}", second.expose())).await,
        accepted(&device)
    );
}

#[tokio::test]
async fn the_pin_is_typed_before_or_behind_the_passcode_as_the_policy_says() {
    for (policy, before) in [(PREPEND, true), (APPEND, false)] {
        let (stage, device) = stage_and_device(event(), policy).await;
        let text = |pin: &str, counter, before| {
            let passcode = device.passcode(counter);
            let passcode = passcode.expose();
            if before {
                format!("{pin}{passcode}")
            } else {
                format!("{passcode}{pin}")
            }
        };
        for (pin, counter, place) in [
            (PIN, 0, !before),
            ("", 0, before),
            ("0815", 0, before),
            ("471", 1, before),
            ("47111", 2, before),
        ] {
            let verdict = typed(&stage, text(pin, counter, place)).await;
            assert_eq!(verdict, PasscodeVerdict::Wrong, "{pin} {counter}");
        }
        for short in [PIN.to_owned(), "4711ä".to_owned(), "ä".repeat(200)] {
            assert_eq!(typed(&stage, short).await, PasscodeVerdict::Wrong);
        }
        let right = text(PIN, 3, before);
        assert_eq!(typed(&stage, right.clone()).await, accepted(&device));
        // "Used before" would say that the PIN is right.
        assert_eq!(typed(&stage, right).await, PasscodeVerdict::Wrong);
    }
}

#[tokio::test]
async fn a_passcode_typed_with_a_wrong_pin_is_not_good_for_a_second_guess() {
    let (stage, device) = stage_and_device(time(), PREPEND).await;
    let passcode = device.passcode(device.step(&stage));
    let with = |pin: &str| format!("{pin}{}", passcode.expose());
    assert_eq!(typed(&stage, with("0815")).await, PasscodeVerdict::Wrong);
    assert_eq!(typed(&stage, with(PIN)).await, PasscodeVerdict::Wrong);
    stage.clock.advance_ms(30_000);
    let next = device.passcode(device.step(&stage));
    assert_eq!(
        typed(&stage, format!("{PIN}{}", next.expose())).await,
        accepted(&device)
    );
}

#[tokio::test]
async fn an_answered_challenge_is_not_good_for_a_second_guess() {
    let (stage, device) = stage_and_device(challenge(), PREPEND).await;
    let _channel = device.connect(&stage).await;
    let answer = async |pins: &[&str]| {
        let opened = stage.open().await.unwrap();
        let Some(Way::Challenge { challenge, .. }) = opened.ways.last() else {
            panic!("{:?}", opened.ways);
        };
        let passcode = device.answer_to(challenge);
        let mut verdicts = Vec::new();
        for pin in pins {
            let text = format!("{pin}{}", passcode.expose());
            let subject = Subject::User(USER.to_owned());
            let id = Some(opened.transaction_id.clone());
            verdicts.push(stage.check(subject, text, id).await);
        }
        // Whoever waits on the login learns nothing from it.
        let login = stage.state(&opened.transaction_id).await;
        if login == LoginState::Pending {
            stage
                .service
                .cancel_login(stage.front, &opened.transaction_id)
                .await
                .unwrap();
        }
        (verdicts, login)
    };
    let wrong = PasscodeVerdict::Wrong;
    assert_eq!(
        answer(&["0815", PIN]).await,
        (vec![wrong.clone(), wrong], LoginState::Pending)
    );
    assert_eq!(
        answer(&[PIN]).await,
        (vec![accepted(&device)], LoginState::Consumed)
    );
}

#[tokio::test]
async fn wrong_pins_lock_the_pin_for_a_while_and_longer_each_time() {
    let stage = Stage::with(|config| config.server_pin.tries = 3).await;
    let device = stage.device_with_pin(time(), PREPEND, PIN).await;
    let mut channel = device.connect(&stage).await;
    let mut guess = async |pin: &str| push_with(&stage, &device, &mut channel, pin).await;
    for pin in ["0000", "0001", "0002"] {
        assert_eq!(guess(pin).await, WRONG_PIN);
    }
    assert_eq!(stage.audited("server_pin_locked").await, 1);
    assert_eq!(guess(PIN).await, WRONG_PIN);
    let passcode = device.passcode(device.step(&stage));
    let text = format!("{PIN}{}", passcode.expose());
    assert!(matches!(
        typed(&stage, text).await,
        PasscodeVerdict::Locked { .. }
    ));

    stage.clock.advance_ms(600_000);
    for pin in ["0000", "0001", "0002"] {
        assert_eq!(guess(pin).await, WRONG_PIN);
    }
    stage.clock.advance_ms(600_000);
    assert_eq!(guess(PIN).await, WRONG_PIN);
    stage.clock.advance_ms(600_000);
    assert_eq!(guess(PIN).await, APPROVED);

    // The right one has ended the row of wrong ones.
    for pin in ["0000", "0001"] {
        assert_eq!(guess(pin).await, WRONG_PIN);
    }
    stage.clock.advance_ms(30_000);
    let passcode = device.passcode(device.step(&stage));
    let text = format!("{PIN}{}", passcode.expose());
    assert_eq!(typed(&stage, text).await, accepted(&device));
}

#[tokio::test]
async fn a_stranger_locks_typing_and_not_the_pin() {
    let (stage, device) = stage_and_device(time(), PREPEND).await;
    for _ in 0..10 {
        // The PIN may be known; without the token nothing counts against it.
        let verdict = typed(&stage, "0815x00000".to_owned()).await;
        assert_eq!(verdict, PasscodeVerdict::Wrong);
    }
    let passcode = device.passcode(device.step(&stage));
    let text = format!("{PIN}{}", passcode.expose());
    assert!(matches!(
        typed(&stage, text).await,
        PasscodeVerdict::Locked { .. }
    ));
    let mut channel = device.connect(&stage).await;
    assert_eq!(
        push_with(&stage, &device, &mut channel, PIN).await,
        APPROVED
    );
    assert_eq!(stage.audited("server_pin_locked").await, 0);
}

#[tokio::test]
async fn wrong_pins_are_counted_across_restarts_and_an_administrator_unlocks() {
    let mut stage = Stage::with(|config| config.server_pin.tries = 2).await;
    let device = stage.device_with_pin(time(), PREPEND, PIN).await;
    for pin in ["0000", "0001", PIN] {
        stage = stage.restarted().await;
        let mut channel = device.connect(&stage).await;
        assert_eq!(
            push_with(&stage, &device, &mut channel, pin).await,
            WRONG_PIN
        );
    }
    let locked = stage.service.token(device.serial()).await.unwrap().unwrap();
    assert!(locked.pin.locked_until_ms().is_some());
    stage
        .operator()
        .resume_token(device.serial())
        .await
        .unwrap();
    let mut channel = device.connect(&stage).await;
    assert_eq!(
        push_with(&stage, &device, &mut channel, PIN).await,
        APPROVED
    );
}

#[tokio::test]
async fn the_audit_log_tells_apart_what_the_front_cannot() {
    let (stage, device) = stage_and_device(event(), PREPEND).await;
    let right = device.passcode(0);
    for text in [format!("0815{}", right.expose()), format!("{PIN}00000000")] {
        assert_eq!(typed(&stage, text).await, PasscodeVerdict::Wrong);
    }
    let entries = stage.service.audit_after(0, 1000).await.unwrap();
    let of_token: Vec<_> = entries
        .iter()
        .filter(|entry| entry.subject == device.serial() && entry.event.ends_with("_refused"))
        .map(|entry| (entry.event.as_str(), entry.detail.as_str()))
        .collect();
    assert_eq!(
        of_token,
        [
            ("server_pin_refused", "typed: wrong"),
            (
                "passcode_refused",
                "typed: wrong, or used before, beside the right PIN"
            ),
        ]
    );
    stage.service.verify_audit(None).await.unwrap();
}
