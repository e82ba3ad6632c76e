//! PINs, fingers, locking: what is asked, what it costs, what ends a question.

use core::time::Duration;

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{BiometricPin, PinPlace, PinPolicy, TokenPin},
    secret::SecretBytes,
    token::{PinAsking, PushPolicy, VerificationLevel},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::{
    agent::{
        caller::Caller,
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector},
        passcode::{Generated, PasscodeError, PasscodeWish},
        ports::{Approval, FingerprintError, PushInput, Scan, SessionEvent},
        setup::{Recovery, SetupWish},
        slots::NewSlot,
        unlocking::{Opening, UnlockWish},
        verification::Biometric,
    },
    config::VaultKey,
    vault::{FingerUnlock, SlotId, TokenState, UnlockMode},
};

use crate::{
    outside::{Done, Typing},
    stage::Stage,
};

const PIN: &str = "246802";
const AGENT_PIN: &str = "my own pin";
const TIME: OtpMode = OtpMode::Time {
    hash: HashAlgorithm::Sha1,
    digits: Digits::SIX,
    period: Period::THIRTY,
};

fn nobody() -> Caller {
    Caller::default()
}

fn giving(secret: &str) -> Caller {
    nobody().with(Some(SecretBytes::from(secret.as_bytes())))
}

fn pin_policy(biometric: BiometricPin) -> PinPolicy {
    PinPolicy::Token(TokenPin {
        max_failed_attempts: 3,
        biometric,
        ..TokenPin::default()
    })
}

/// A vault whose keyring key needs a PIN beside it.
async fn with_agent_pin() -> Stage {
    let stage = Stage::bare().await;
    let wish = SetupWish {
        key: Some(VaultKey::SecretService),
        unlock: Some(UnlockMode::Pin),
        recovery: Recovery::None,
    };
    stage.agent.setup(wish, &giving(AGENT_PIN)).await.unwrap();
    stage
}

async fn with_token_pin(biometric: BiometricPin) -> Stage {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    stage
        .add_with("work", "CS1", TIME, push, pin_policy(biometric), Some(PIN))
        .await;
    stage
}

async fn code(stage: &Stage, caller: &Caller) -> Result<Generated, PasscodeError> {
    stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, caller)
        .await
}

fn fingers(stage: &Stage, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    stage.outside.world.lock().unwrap().fingers = Ok(names);
}

fn touch(stage: &Stage, scans: &[Scan]) {
    stage.outside.world.lock().unwrap().scans.extend(scans);
}

fn waits(stage: &Stage) {
    let mut world = stage.outside.world.lock().unwrap();
    world.typed.push_back(Typing::Waits);
}

#[tokio::test]
async fn a_token_pin_is_asked_for_and_a_wrong_one_says_how_many_tries_are_left() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let refused = code(&stage, &giving("135791")).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    assert_eq!(refused.tries_left(), Some(2));
    stage.outside.types(&["135792", PIN]);
    code(&stage, &nobody()).await.unwrap();
    let dialogs = stage.outside.dialogs();
    assert!(
        dialogs[0].0.contains("PIN of the token work"),
        "{dialogs:?}"
    );
    assert_eq!(
        dialogs[1].1.as_deref(),
        Some("This PIN is wrong; 1 try is left.")
    );
    // All tries are back.
    let refused = code(&stage, &giving("135793")).await.unwrap_err();
    assert_eq!(refused.tries_left(), Some(2));
}

#[tokio::test]
async fn the_last_wrong_pin_erases_the_token() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    for reason in [Reason::PinWrong, Reason::PinWrong, Reason::PinExhausted] {
        let refused = code(&stage, &giving("135791")).await.unwrap_err();
        assert_eq!(refused.reason(), reason);
    }
    let refused = code(&stage, &giving(PIN)).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinExhausted);
    assert!(refused.hint().contains("enroll"), "{}", refused.hint());
    let token = stage.agent.token("work").await.unwrap();
    assert_eq!(token.state, TokenState::PinExhausted);
}

#[tokio::test]
async fn two_clients_at_once_share_no_try() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let (first, second) = (giving("135791"), giving("135792"));
    let (first, second) = tokio::join!(code(&stage, &first), code(&stage, &second));
    let mut left: Vec<_> = [first, second]
        .into_iter()
        .map(|refused| refused.unwrap_err().tries_left().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, [1, 2]);
}

#[tokio::test]
async fn nobody_is_asked_in_vain_and_a_cancelled_dialog_is_no_try() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let refused = stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, Some("123456"), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::ChallengeInvalid);
    assert!(stage.outside.dialogs().is_empty());
    stage
        .outside
        .world
        .lock()
        .unwrap()
        .typed
        .push_back(Typing::Cancels);
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Cancelled);
    let refused = code(&stage, &giving("135791")).await.unwrap_err();
    assert_eq!(refused.tries_left(), Some(2));
}

#[tokio::test]
async fn once_per_unlock_lasts_until_the_lock_and_never_for_approvals() {
    let mut stage = with_token_pin(BiometricPin::Refused).await;
    let once = PinAsking::OncePerUnlock;
    let refused = stage
        .agent
        .set_pin_asking("work", once, &giving("135791"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    stage
        .agent
        .set_pin_asking("work", once, &giving(PIN))
        .await
        .unwrap();
    code(&stage, &giving(PIN)).await.unwrap();
    code(&stage, &nobody()).await.unwrap();
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    let approve = AnswerWish::Approve { number: None };
    let refused = stage
        .agent
        .answer(RequestSelector::Only, approve, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    stage.agent.lock().await;
    stage
        .agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap();
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
}

#[tokio::test]
async fn a_changed_pin_shuts_the_old_one_out() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let new = SecretBytes::from(b"975310".as_slice());
    let short = SecretBytes::from(b"97531".as_slice());
    let agent = &stage.agent;
    let refused = agent
        .change_token_pin("work", Some(&short), &giving(PIN))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinMalformed);
    agent
        .change_token_pin("work", Some(&new), &giving(PIN))
        .await
        .unwrap();
    let refused = code(&stage, &giving(PIN)).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    code(&stage, &giving("975310")).await.unwrap();
    // In dialogs: the present one, a new one against the rules, a new one.
    stage.outside.types(&["975310", "1", "864200"]);
    agent
        .change_token_pin("work", None, &nobody())
        .await
        .unwrap();
    code(&stage, &giving("864200")).await.unwrap();
}

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
async fn the_agents_pin_unlocks_and_guessing_becomes_slow() {
    let stage = with_agent_pin().await;
    let agent = &stage.agent;
    agent.lock().await;
    let nobody_there = agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(nobody_there.reason(), Reason::PinRequired);
    for _ in 0..5 {
        let wrong = agent
            .unlock(UnlockWish::default(), &giving("wrong one"))
            .await
            .unwrap_err();
        assert_eq!(wrong.reason(), Reason::WrongPassphrase);
    }
    let slow = agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap_err();
    assert_eq!(slow.reason(), Reason::TooManyTries);
    stage.outside.pass(Duration::from_secs(29));
    let slow = agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap_err();
    assert_eq!(slow.reason(), Reason::TooManyTries);
    stage.outside.pass(Duration::from_secs(1));
    let opening = agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap();
    assert_eq!(opening, Opening::Typed);
}

#[tokio::test]
async fn a_clock_set_back_or_a_dead_keyring_unlocks_nothing() {
    let stage = with_agent_pin().await;
    let agent = &stage.agent;
    agent.lock().await;
    for _ in 0..5 {
        agent
            .unlock(UnlockWish::default(), &giving("wrong one"))
            .await
            .unwrap_err();
    }
    stage.outside.world.lock().unwrap().wall = countersign_core::time::UnixMillis(0);
    let slow = agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap_err();
    assert_eq!(slow.reason(), Reason::TooManyTries);
    stage.outside.pass(Duration::from_secs(30));
    stage.outside.world.lock().unwrap().keyring =
        Err(countersignd::agent::ports::KeyringError::Absent);
    let dead = agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap_err();
    assert_eq!(dead.reason(), Reason::KeySourceAbsent);
    assert!(!agent.is_unlocked().await);
    // That was no try: nothing was looked at.
    stage.outside.world.lock().unwrap().keyring = Ok(());
    agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap();
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
async fn a_first_pin_ends_session_mode_and_another_one_replaces_it() {
    let stage = Stage::enrolled().await;
    let agent = &stage.agent;
    let pin = SecretBytes::from(AGENT_PIN.as_bytes());
    agent.change_agent_pin(Some(&pin), &nobody()).await.unwrap();
    assert_eq!(agent.status().await.unlock, Some(UnlockMode::Pin));
    agent.lock().await;
    let refused = agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    agent
        .unlock(UnlockWish::default(), &giving(AGENT_PIN))
        .await
        .unwrap();
    let other = SecretBytes::from(b"another pin".as_slice());
    let refused = agent
        .change_agent_pin(Some(&other), &giving("not the one"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::WrongPassphrase);
    agent
        .change_agent_pin(Some(&other), &giving(AGENT_PIN))
        .await
        .unwrap();
    agent.lock().await;
    agent
        .unlock(UnlockWish::default(), &giving("another pin"))
        .await
        .unwrap();
    code(&stage, &nobody()).await.unwrap();
}

#[tokio::test]
async fn the_recovery_code_brings_every_token_back_after_a_reset_keyring() {
    let mut stage = Stage::bare().await;
    let wish = SetupWish {
        recovery: Recovery::Printed,
        ..SetupWish::default()
    };
    let made = stage.agent.setup(wish, &nobody()).await.unwrap();
    let printed = made.recovery_code.unwrap().text();
    let printed = SecretBytes::from(printed.expose().as_bytes());
    stage.add("work", "CS1", TIME).await;
    stage.agent.lock().await;
    stage.outside.world.lock().unwrap().keys.clear();
    let agent = &stage.agent;
    let lost = agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(lost.reason(), Reason::KeySourceAbsent);
    assert!(
        stage.outside.world.lock().unwrap().keys.is_empty(),
        "no second key because the first was not found"
    );
    let recover = || UnlockWish {
        recovery_code: Some(printed.clone()),
    };
    let opening = agent.unlock(recover(), &nobody()).await.unwrap();
    assert_eq!(opening, Opening::RecoveryCode);
    code(&stage, &nobody()).await.unwrap();
    // A new key in the keyring, the dead way removed, and all is as before.
    let keyring = NewSlot::Machine(VaultKey::SecretService);
    let added = agent
        .add_slot(keyring, Some(printed.clone()), &nobody())
        .await
        .unwrap();
    assert!(added.recovery_code.is_none());
    agent
        .remove_slot(SlotId(1), Some(printed.clone()), &nobody())
        .await
        .unwrap();
    agent.lock().await;
    agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap();
    code(&stage, &nobody()).await.unwrap();
    // What is left is the last way that needs no paper.
    let refused = agent
        .remove_slot(added.slot.id, Some(printed), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::Usage);
}

#[tokio::test]
async fn a_credential_opens_the_vault_and_its_absence_makes_no_other() {
    let stage = Stage::bare().await;
    stage.outside.world.lock().unwrap().credential = Some([7; 32].into());
    let wish = SetupWish {
        key: Some(VaultKey::Credential),
        ..SetupWish::default()
    };
    stage.agent.setup(wish, &nobody()).await.unwrap();
    stage.agent.lock().await;
    stage.outside.world.lock().unwrap().credential = None;
    let refused = stage
        .agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::KeySourceAbsent);
    stage.outside.world.lock().unwrap().credential = Some([7; 32].into());
    stage
        .agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_request_that_comes_while_locked_is_shown_and_its_verification_unlocks() {
    let mut stage = with_agent_pin().await;
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    stage
        .add_with("work", "CS1", TIME, push, PinPolicy::None, None)
        .await;
    stage.agent.lock().await;
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    let approval = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice.approval),
            _ => None,
        })
        .await;
    assert_eq!(approval, Approval::Unlocked);
    // One question for both: unlocking with the PIN is what the approval asks for.
    stage.outside.types(&["wrong one", AGENT_PIN]);
    let agent = std::sync::Arc::clone(&stage.agent);
    let answer = tokio::spawn(async move {
        agent
            .answer(
                RequestSelector::Only,
                AnswerWish::Approve { number: None },
                &nobody(),
            )
            .await
    });
    let (_, body) = stage.decision().await;
    assert_eq!(body.level(), push::Level::Pin);
    assert!(stage.agent.is_unlocked().await);
    let dialogs = stage.outside.dialogs();
    assert_eq!(dialogs.len(), 2, "{dialogs:?}");
    assert!(dialogs[0].0.contains("Log in to Example Portal as alice?"));
    assert!(dialogs[0].0.contains("203.0.113.7"));
    answer.abort();
}

#[tokio::test]
async fn an_approval_that_asks_for_a_pin_is_not_given_by_a_click() {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    stage
        .add_with("work", "CS1", TIME, push, PinPolicy::None, None)
        .await;
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    let approval = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice.approval),
            _ => None,
        })
        .await;
    assert_eq!(approval, Approval::Verified);
    let refused = stage
        .agent
        .answer(
            RequestSelector::Only,
            AnswerWish::Approve { number: None },
            &nobody(),
        )
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::VerificationUnavailable);
    assert!(refused.hint().contains("pin change"));
}

#[tokio::test]
async fn a_denial_and_the_end_of_its_time_withdraw_the_dialog() {
    let mut stage = with_token_pin(BiometricPin::Refused).await;
    for (id, reason) in [
        (1, Reason::LoginRequestAnswered),
        (2, Reason::LoginRequestExpired),
    ] {
        let request = stage.request(id, |_| {});
        stage.push(PushInput::Request(request)).await;
        stage
            .until(|done| matches!(done, Done::Asked(_)).then_some(()))
            .await;
        waits(&stage);
        let agent = std::sync::Arc::clone(&stage.agent);
        let answer = tokio::spawn(async move {
            agent
                .answer(
                    RequestSelector::Newest,
                    AnswerWish::Approve { number: None },
                    &nobody(),
                )
                .await
        });
        let shown = usize::from(id);
        while stage.outside.dialogs().len() < shown {
            tokio::task::yield_now().await;
        }
        if id == 1 {
            let denier = nobody();
            let deny = stage
                .agent
                .answer(RequestSelector::Newest, AnswerWish::Deny, &denier);
            // The denial waits for the service's word; the dialog does not.
            tokio::select! {
                refused = answer => {
                    assert_eq!(refused.unwrap().unwrap_err().reason(), reason);
                }
                _ = deny => unreachable!("the service says nothing"),
            }
        } else {
            stage.outside.pass(Duration::from_mins(1));
            stage.session(SessionEvent::Watched).await;
            assert_eq!(answer.await.unwrap().unwrap_err().reason(), reason);
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_takes_its_dialog_along() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    waits(&stage);
    let caller = nobody();
    let gone = caller.gone.clone();
    let asked = code(&stage, &caller);
    tokio::pin!(asked);
    tokio::select! {
        _ = &mut asked => unreachable!("nobody types"),
        () = async { while stage.outside.dialogs().is_empty() { tokio::task::yield_now().await } } => {}
    }
    gone.cancel();
    assert_eq!(asked.await.unwrap_err().reason(), Reason::Cancelled);
}

#[tokio::test]
async fn while_the_screen_is_locked_a_request_is_held_without_its_text() {
    let mut stage = Stage::enrolled().await;
    stage.session(SessionEvent::ScreenLocked).await;
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    let mut acknowledged = None;
    let notice = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!(notice.approval, Approval::SessionLocked);
    assert!(notice.resource.is_empty() && notice.user.is_empty());
    assert!(notice.client_address.is_empty());
    let refused = stage
        .agent
        .answer(
            RequestSelector::Only,
            AnswerWish::Approve { number: None },
            &nobody(),
        )
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::SessionLocked);
    stage.session(SessionEvent::ScreenUnlocked).await;
    loop {
        match stage.next().await {
            Done::Sent(push::AgentFrame {
                frame: Some(push::agent_frame::Frame::Ack(ack)),
            }) => {
                let kinds: &mut Vec<push::AckKind> = acknowledged.get_or_insert_default();
                kinds.push(ack.kind());
            }
            Done::Sent(push::AgentFrame {
                frame: Some(push::agent_frame::Frame::Availability(signed)),
            }) => {
                let body =
                    <push::AvailabilityBody as prost::Message>::decode(signed.body.as_slice());
                match body.unwrap().availability() {
                    push::Availability::On => break,
                    other => assert_eq!(other, push::Availability::SessionLocked),
                }
            }
            Done::Asked(notice) => {
                assert_eq!(notice.approval, Approval::Click);
                assert_eq!(notice.resource, "Example Portal");
            }
            _ => {}
        }
    }
    assert_eq!(
        acknowledged.unwrap(),
        [push::AckKind::Held, push::AckKind::Shown]
    );
}

#[tokio::test]
async fn a_locked_screen_ends_an_approval_that_is_being_verified() {
    let mut stage = with_token_pin(BiometricPin::Refused).await;
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    waits(&stage);
    let agent = std::sync::Arc::clone(&stage.agent);
    let answer = tokio::spawn(async move {
        agent
            .answer(
                RequestSelector::Only,
                AnswerWish::Approve { number: None },
                &nobody(),
            )
            .await
    });
    while stage.outside.dialogs().is_empty() {
        tokio::task::yield_now().await;
    }
    stage.session(SessionEvent::ScreenLocked).await;
    let refused = answer.await.unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::SessionLocked);
    let (done, locked) = tokio::sync::oneshot::channel();
    stage.session(SessionEvent::Suspending(done)).await;
    locked.await.unwrap();
    assert!(!stage.agent.is_unlocked().await);
}

#[tokio::test]
async fn a_vault_that_opens_with_the_session_goes_and_comes_with_it() {
    let stage = Stage::enrolled().await;
    stage.session(SessionEvent::ScreenLocked).await;
    let (done, locked) = tokio::sync::oneshot::channel();
    stage.session(SessionEvent::Suspending(done)).await;
    locked.await.unwrap();
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::VaultLocked, "nobody is there");
    stage.session(SessionEvent::Resumed).await;
    stage.session(SessionEvent::ScreenUnlocked).await;
    while !stage.agent.is_unlocked().await {
        tokio::task::yield_now().await;
    }
    code(&stage, &nobody()).await.unwrap();
    // What the user has locked does not come back by itself.
    stage.agent.lock().await;
    stage.session(SessionEvent::ScreenLocked).await;
    stage.session(SessionEvent::ScreenUnlocked).await;
    let (done, seen) = tokio::sync::oneshot::channel();
    stage.session(SessionEvent::Suspending(done)).await;
    seen.await.unwrap();
    stage.session(SessionEvent::Resumed).await;
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::VaultLocked);
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

#[tokio::test]
async fn the_machine_sleeps_only_after_the_vault_is_locked() {
    let stage = Stage::enrolled().await;
    let (done, answered) = tokio::sync::oneshot::channel();
    stage.session(SessionEvent::Suspending(done)).await;
    answered.await.unwrap();
    assert!(!stage.agent.is_unlocked().await);
}

#[tokio::test]
async fn a_server_pin_goes_to_the_service_and_stands_in_what_is_typed() {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    let policy = PinPolicy::Server(PinPlace::Append);
    stage
        .add_with("work", "CS1", TIME, push, policy, None)
        .await;
    let plain = code(&stage, &nobody()).await.unwrap();
    let plain = plain.typed.expose();
    let both = code(&stage, &giving("4711")).await.unwrap();
    assert_eq!(both.typed.expose(), format!("{plain}4711"));
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    stage.outside.types(&["4711"]);
    let agent = std::sync::Arc::clone(&stage.agent);
    let answer = tokio::spawn(async move {
        agent
            .answer(
                RequestSelector::Only,
                AnswerWish::Approve { number: None },
                &nobody(),
            )
            .await
    });
    let (decision, body) = stage.decision().await;
    assert_eq!(decision.server_pin, "4711");
    assert_eq!(decision.passcode, plain);
    assert_eq!(body.level(), push::Level::Pin);
    answer.abort();
}

#[tokio::test]
async fn a_pin_in_the_computation_is_never_said_to_be_right() {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let suite = "OCRA-1:HOTP-SHA1-6:QN08-PSHA1".parse().unwrap();
    let mode = OtpMode::Challenge { suite };
    stage
        .add_with(
            "work",
            "CS1",
            mode,
            PushPolicy::Off,
            PinPolicy::InPasscode,
            None,
        )
        .await;
    let mut answers = Vec::new();
    for pin in ["1234", "1235", "1234"] {
        let generated = stage
            .agent
            .generate_passcode(
                "work",
                PasscodeWish::Current,
                Some("12345678"),
                &giving(pin),
            )
            .await
            .unwrap();
        answers.push(generated.typed.expose().to_owned());
    }
    assert_eq!(answers[0], answers[2]);
    assert_ne!(answers[0], answers[1]);
}
