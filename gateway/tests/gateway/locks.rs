//! Locks of typing: whom they hold for, and who ends them.

use countersign_core::secret::SecretText;
use countersign_gateway::service::{PasscodeVerdict, ResyncError, Subject, TokenError};

use crate::stage::{ADDRESS, Stage, USER, event, time};

const STRANGER: &str = "203.0.113.200";

async fn check_from(
    stage: &Stage,
    address: &str,
    subject: Subject,
    passcode: impl Into<SecretText>,
) -> PasscodeVerdict {
    let mut attempt = stage.typed(subject, passcode, None);
    address.clone_into(&mut attempt.client_address);
    stage.service.check_passcode(attempt).await.unwrap()
}

fn user() -> Subject {
    Subject::User(USER.to_owned())
}

async fn guess(stage: &Stage, address: &str, times: usize) {
    for _ in 0..times {
        let verdict = check_from(stage, address, user(), "000000x").await;
        assert_eq!(verdict, PasscodeVerdict::Wrong);
    }
}

#[tokio::test]
async fn who_guesses_elsewhere_does_not_lock_a_known_address() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let passcode = |counter| device.passcode(counter);
    let accepted = PasscodeVerdict::Accepted {
        serial: Some(device.serial().to_owned()),
    };
    let good = check_from(&stage, ADDRESS, user(), passcode(0)).await;
    assert_eq!(good, accepted);
    // Ten guesses, each from another address.
    for n in 0..10 {
        guess(&stage, &format!("203.0.113.{n}"), 1).await;
    }
    for address in ["203.0.113.77", ""] {
        let locked = check_from(&stage, address, user(), passcode(1)).await;
        assert!(
            matches!(locked, PasscodeVerdict::Locked { .. }),
            "{address}"
        );
    }
    let good = check_from(&stage, ADDRESS, user(), passcode(1)).await;
    assert_eq!(good, accepted);
    // Its own wrong ones lock it, until then and no longer.
    guess(&stage, ADDRESS, 10).await;
    let until = stage.service.now().plus_ms(600_000);
    let locked = check_from(&stage, ADDRESS, user(), passcode(2)).await;
    assert_eq!(locked, PasscodeVerdict::Locked { until });
    stage.clock.advance_ms(600_000);
    let good = check_from(&stage, ADDRESS, user(), passcode(2)).await;
    assert_eq!(good, accepted);
    // After 90 days it is an address like others.
    guess(&stage, STRANGER, 10).await;
    stage.clock.advance_ms(91 * 86_400_000);
    guess(&stage, STRANGER, 10).await;
    let locked = check_from(&stage, ADDRESS, user(), passcode(3)).await;
    assert!(matches!(locked, PasscodeVerdict::Locked { .. }));
}

#[tokio::test]
async fn a_lock_grows_up_to_an_hour_and_counts_over_all_tokens_of_a_user() {
    let stage = Stage::new().await;
    let (one, two) = (stage.device(event()).await, stage.device(event()).await);
    let wrong = async |serial: &str, n: u32| {
        // Each guess from an address of its own.
        let address = format!("10.0.{}.{}", n / 200, n % 200);
        let subject = Subject::Serial(serial.to_owned());
        check_from(&stage, &address, subject, "000000x").await
    };
    for n in 0..9 {
        assert_eq!(wrong(one.serial(), n).await, PasscodeVerdict::Wrong);
        assert_eq!(wrong(two.serial(), n + 9).await, PasscodeVerdict::Wrong);
    }
    // Neither token is locked yet; the user is at the twentieth.
    assert_eq!(wrong(one.serial(), 20).await, PasscodeVerdict::Wrong);
    assert_eq!(wrong(two.serial(), 21).await, PasscodeVerdict::Wrong);
    assert_eq!(stage.audited("typing_locked").await, 3);
    let mut n = 30;
    let minutes = [10, 20, 40, 60, 60];
    for (round, minutes) in minutes.into_iter().enumerate() {
        let until = stage.service.now().plus_ms(minutes * 60_000);
        assert_eq!(
            wrong(one.serial(), n).await,
            PasscodeVerdict::Locked { until },
            "round {round}"
        );
        stage.clock.advance_ms(minutes * 60_000);
        for _ in 0..10 {
            n += 1;
            assert_eq!(wrong(one.serial(), n).await, PasscodeVerdict::Wrong);
        }
    }
}

#[tokio::test]
async fn an_administrator_unlocks_all_of_it() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let refused = stage.operator().unlock_token(device.serial()).await;
    assert!(matches!(refused, Err(TokenError::NotLocked)));
    guess(&stage, STRANGER, 10).await;
    let info = stage.service.token(device.serial()).await.unwrap().unwrap();
    let until = stage.service.now().plus_ms(600_000);
    assert_eq!(info.typing_locked_until_ms, Some(until.0));
    stage
        .operator()
        .unlock_token(device.serial())
        .await
        .unwrap();
    let good = check_from(&stage, STRANGER, user(), device.passcode(4)).await;
    assert!(matches!(good, PasscodeVerdict::Accepted { .. }));
    let info = stage.service.token(device.serial()).await.unwrap().unwrap();
    assert_eq!(info.typing_locked_until_ms, None);
    assert_eq!(info.next_counter, 5);
    assert_eq!(info.last_used_ms, Some(stage.service.now().0));
    assert_eq!(stage.audited("token_unlocked").await, 1);
}

#[tokio::test]
async fn a_passcode_that_comes_again_is_an_alarm_and_no_wrong_one() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let passcode = || device.passcode(device.step(&stage));
    check_from(&stage, ADDRESS, user(), passcode()).await;
    for _ in 0..12 {
        let again = check_from(&stage, STRANGER, user(), passcode()).await;
        assert_eq!(again, PasscodeVerdict::UsedBefore);
    }
    assert_eq!(stage.audited("passcode_reused").await, 12);
    assert_eq!(stage.audited("typing_locked").await, 0);
    let text = stage.service.metrics_text().await.unwrap();
    for line in [
        "countersign_validations_total{result=\"used_before\"} 12",
        "countersign_validations_total{result=\"accepted\"} 1",
        "countersign_events_total{event=\"passcode_reused\"} 12",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn pairs_for_a_resynchronisation_are_guesses_too() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let grace = stage.operator();
    let resync = |first: SecretText, second: SecretText| {
        grace.resynchronise_token(device.serial(), first, second)
    };
    for _ in 0..10 {
        let wrong = resync("00000000".into(), "00000000".into()).await;
        assert!(matches!(wrong, Err(ResyncError::NotFound)));
    }
    let good = || resync(device.passcode(200), device.passcode(201));
    assert!(matches!(good().await, Err(ResyncError::Locked { .. })));
    stage
        .operator()
        .unlock_token(device.serial())
        .await
        .unwrap();
    good().await.unwrap();
}
