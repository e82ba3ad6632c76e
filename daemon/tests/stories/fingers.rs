//! Fingers in the place of PINs, and their limits.

use core::time::Duration;

use countersign_core::pskc::BiometricPin;
use countersign_proto::agent::v1::Reason;
use countersignd::{
    agent::{
        explain::Explain as _,
        ports::{FingerprintError, Scan, SessionEvent},
        unlocking::{Opening, UnlockWish},
        verification::Biometric,
    },
    vault::FingerUnlock,
};

use crate::pin_rig::{
    AGENT_PIN, PIN, code, fingers, giving, nobody, touch, waits, with_agent_pin, with_token_pin,
};
use crate::stage::Stage;

#[tokio::test]
async fn a_finger_stands_for_the_pin_after_the_pin_and_within_its_limits() {
    let stage = with_token_pin(BiometricPin::Allowed).await;
    let on = FingerUnlock::On;
    let agent = &stage.agent;
    let refused = agent
        .set_token_biometric("work", on, &giving(PIN))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::FingerprintUnavailable);
    fingers(&stage, &["left-thumb"]);
    let refused = agent
        .set_token_biometric("work", on, &nobody())
        .await
        .unwrap_err();
    assert_eq!(
        refused.reason(),
        Reason::PinRequired,
        "activation needs the PIN"
    );
    agent
        .set_token_biometric("work", on, &giving(PIN))
        .await
        .unwrap();

    // The finger is asked beside the dialog, which goes when the finger was right.
    stage.outside.world.lock().unwrap().dialogs.clear();
    waits(&stage);
    touch(&stage, &[Scan::NoMatch, Scan::Match]);
    code(&stage, &nobody()).await.unwrap();
    let said = || stage.outside.dialogs().pop().unwrap().0;
    assert!(said().contains("Touch the fingerprint"), "{}", said());

    // Other fingers: the PIN is due.
    fingers(&stage, &["left-thumb", "right-thumb"]);
    touch(&stage, &[Scan::Match]);
    stage.outside.types(&[PIN]);
    code(&stage, &nobody()).await.unwrap();
    assert!(!said().contains("Touch"), "{}", said());
    stage.outside.world.lock().unwrap().scans.clear();

    // Five wrong ones: the PIN is due, and the dialog goes on.
    touch(&stage, &[Scan::NoMatch; 5]);
    stage.outside.types(&[]);
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    let biometric = |stage: &Stage, row: &countersignd::vault::TokenRow| {
        stage
            .agent
            .biometric_of(row.id, row.secrets.as_ref().unwrap())
    };
    let row = agent.tokens().await.unwrap().remove(0);
    assert_eq!(biometric(&stage, &row), Biometric::PinDue);
    code(&stage, &giving(PIN)).await.unwrap();
    assert_eq!(biometric(&stage, &row), Biometric::Ready);

    // Three days later.
    stage.outside.pass(Duration::from_hours(72));
    touch(&stage, &[Scan::Match]);
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
}

#[tokio::test]
async fn a_restart_asks_for_the_pin_before_the_finger() {
    let stage = with_token_pin(BiometricPin::Allowed).await;
    fingers(&stage, &["left-thumb"]);
    stage
        .agent
        .set_token_biometric("work", FingerUnlock::On, &giving(PIN))
        .await
        .unwrap();
    let stage = stage.restarted().await;
    touch(&stage, &[Scan::Match]);
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    code(&stage, &giving(PIN)).await.unwrap();
    code(&stage, &nobody()).await.unwrap();
}

#[tokio::test]
async fn a_policy_without_finger_lets_none_stand() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    fingers(&stage, &["left-thumb"]);
    let refused = stage
        .agent
        .set_token_biometric("work", FingerUnlock::On, &giving(PIN))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::BiometricRefused);
}

#[tokio::test]
async fn a_reader_that_fails_leaves_the_dialog() {
    let stage = with_token_pin(BiometricPin::Allowed).await;
    fingers(&stage, &["left-thumb"]);
    stage
        .agent
        .set_token_biometric("work", FingerUnlock::On, &giving(PIN))
        .await
        .unwrap();
    stage.outside.world.lock().unwrap().fingers = Err(FingerprintError::NoReader);
    stage.outside.types(&[PIN]);
    code(&stage, &nobody()).await.unwrap();
}

#[tokio::test]
async fn a_finger_unlocks_after_the_pin_was_given_once() {
    let stage = with_agent_pin().await;
    fingers(&stage, &["left-thumb"]);
    let agent = &stage.agent;
    agent
        .set_agent_biometric(FingerUnlock::On, &giving(AGENT_PIN))
        .await
        .unwrap();
    agent.lock().await;
    waits(&stage);
    touch(&stage, &[Scan::Match]);
    let opening = agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap();
    assert_eq!(opening, Opening::Finger);
    agent.lock().await;
    touch(&stage, &[Scan::NoMatch; 5]);
    let refused = agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    // The PIN is due now, whatever finger comes.
    touch(&stage, &[Scan::Match]);
    let refused = agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_finger_for_the_screen_lock_is_not_taken_for_ours() {
    let stage = with_token_pin(BiometricPin::Allowed).await;
    fingers(&stage, &["left-thumb"]);
    stage
        .agent
        .set_token_biometric("work", FingerUnlock::On, &giving(PIN))
        .await
        .unwrap();
    // The reader waits for a finger, then the screen is locked, then a finger comes.
    let caller = nobody();
    let asked = code(&stage, &caller);
    waits(&stage);
    tokio::pin!(asked);
    tokio::select! {
        _ = &mut asked => unreachable!("nobody has touched the reader"),
        () = async { while stage.outside.dialogs().is_empty() { tokio::task::yield_now().await } } => {}
    }
    stage.session(SessionEvent::ScreenLocked).await;
    let (done, locked) = tokio::sync::oneshot::channel();
    stage.session(SessionEvent::Suspending(done)).await;
    locked.await.unwrap();
    touch(&stage, &[Scan::Match]);
    tokio::select! {
        _ = &mut asked => unreachable!("the finger was not for this"),
        () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
    }
    caller.gone.cancel();
    assert_eq!(asked.await.unwrap_err().reason(), Reason::Cancelled);
    assert_eq!(stage.outside.world.lock().unwrap().scans.len(), 1);
}
