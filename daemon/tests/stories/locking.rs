//! The vault's own PIN and its other ways to open; what a locked session holds back.

use core::time::Duration;

use countersign_core::{
    pskc::{BiometricPin, PinPolicy},
    secret::SecretBytes,
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::{
    agent::{
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector},
        ports::{Approval, PushInput, SessionEvent},
        setup::{Recovery, SetupWish},
        slots::NewSlot,
        unlocking::{Opening, UnlockWish},
    },
    config::VaultKey,
    vault::{SlotId, UnlockMode},
};

use crate::pin_rig::{
    AGENT_PIN, TIME, code, giving, nobody, waits, with_agent_pin, with_token_pin,
};
use crate::{outside::Done, stage::Stage};

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
    let answer = stage.approving(nobody());
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
        let answer = stage.answering(
            RequestSelector::Newest,
            AnswerWish::Approve { number: None },
            nobody(),
        );
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
    let answer = stage.approving(nobody());
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
async fn the_machine_sleeps_only_after_the_vault_is_locked() {
    let stage = Stage::enrolled().await;
    let (done, answered) = tokio::sync::oneshot::channel();
    stage.session(SessionEvent::Suspending(done)).await;
    answered.await.unwrap();
    assert!(!stage.agent.is_unlocked().await);
}
