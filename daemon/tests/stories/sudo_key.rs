//! What opens the sudo key: its PIN, a finger, a click after a PIN; and how it comes and goes.

use std::sync::Arc;

use countersign_core::{sudo::Least, token::VerificationLevel};
use countersign_proto::{
    agent::v1::Reason,
    sudo::v1::{Ending, Level, Why},
};
use countersignd::{
    agent::{
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector},
        ports::{NoticeChoice, Scan},
    },
    vault::FingerUnlock,
};

use crate::{
    outside::Typing,
    pin_rig::{fingers, giving, nobody, touch},
    stage::Stage,
};

use crate::sudo_rig::{PIN, ask, asked, challenge, checked, clicks, refused, with_sudo_key};

#[tokio::test]
async fn the_key_does_not_open_from_the_vault_alone() {
    let (stage, key) = with_sudo_key().await;
    let id = key.token.id;
    let secrets = stage
        .vault
        .call(move |vault| vault.token_secrets(id))
        .await
        .unwrap();
    assert!(secrets.keys.open().is_none());
    assert!(secrets.keys.lock().is_some());
    assert!(!secrets.exportable);
}

#[tokio::test]
async fn presence_takes_a_click_only_after_a_pin_in_this_unlock() {
    let (mut stage, key) = with_sudo_key().await;
    let question = |nonce: u8| {
        let mut challenge = challenge(&stage);
        challenge.least = Level::Presence.into();
        challenge.nonce = vec![nonce; 32];
        ask(&challenge, &key)
    };
    let (first, second, third) = (question(1), question(2), question(3));
    let pending = asked(&mut stage, &first).await;
    stage.outside.types(&[PIN]);
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    assert_eq!(
        checked(word, &first, &key, Least::Presence).0,
        VerificationLevel::Pin
    );
    stage
        .agent
        .sudo_ended(pending.id, Some(Ending::Accepted))
        .await;

    let pending = asked(&mut stage, &second).await;
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    let (level, verdict, _) = checked(word, &second, &key, Least::Presence);
    assert_eq!((level, verdict), (VerificationLevel::Click, Ok(())));
    stage
        .agent
        .sudo_ended(pending.id, Some(Ending::Accepted))
        .await;

    // The lock wipes what the PIN had opened.
    stage.agent.lock().await;
    stage
        .agent
        .unlock(
            countersignd::agent::unlocking::UnlockWish::default(),
            &nobody(),
        )
        .await
        .unwrap();
    let pending = asked(&mut stage, &third).await;
    stage.outside.types(&[PIN]);
    let before = stage.outside.dialogs().len();
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    assert_eq!(
        checked(word, &third, &key, Least::Presence).0,
        VerificationLevel::Pin
    );
    assert_eq!(stage.outside.dialogs().len(), before + 1);
}

#[tokio::test]
async fn a_finger_counts_as_one_and_not_as_a_pin() {
    let (mut stage, key) = with_sudo_key().await;
    fingers(&stage, &["left-thumb"]);
    stage
        .agent
        .set_token_biometric("sudo", FingerUnlock::On, &giving(PIN))
        .await
        .unwrap();
    let question = |least: Level, nonce: u8| {
        let mut challenge = challenge(&stage);
        challenge.least = least.into();
        challenge.nonce = vec![nonce; 32];
        ask(&challenge, &key)
    };
    let (by_finger, by_pin) = (question(Level::Finger, 1), question(Level::Pin, 2));
    let pending = asked(&mut stage, &by_finger).await;
    stage
        .outside
        .world
        .lock()
        .unwrap()
        .typed
        .push_back(Typing::Waits);
    touch(&stage, &[Scan::Match]);
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    let (level, verdict, _) = checked(word, &by_finger, &key, Least::User);
    assert_eq!((level, verdict), (VerificationLevel::Finger, Ok(())));
    stage
        .agent
        .sudo_ended(pending.id, Some(Ending::Accepted))
        .await;

    // Where a PIN is due no finger is asked for.
    let pending = asked(&mut stage, &by_pin).await;
    touch(&stage, &[Scan::Match]);
    stage.outside.types(&[PIN]);
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    let (level, verdict, _) = checked(word, &by_pin, &key, Least::Pin);
    assert_eq!((level, verdict), (VerificationLevel::Pin, Ok(())));
    let (said, _) = stage.outside.dialogs().pop().unwrap();
    assert!(!said.contains("Touch"), "{said}");
}

#[tokio::test]
async fn one_key_a_vault_and_a_deleted_one_answers_nothing() {
    let (stage, key) = with_sudo_key().await;
    let second = stage.agent.make_sudo_key(&giving(PIN)).await.unwrap_err();
    assert_eq!(second.reason(), Reason::SudoKeyExists);
    stage.agent.delete_token("sudo").await.unwrap();
    assert!(stage.agent.sudo_keys().await.unwrap().is_empty());
    assert_eq!(
        refused(&stage, ask(&challenge(&stage), &key)).await,
        Why::NotEnrolled
    );
    let services = stage.vault.call(|vault| vault.services()).await.unwrap();
    assert_eq!(services.len(), 1);
    let fresh = stage.agent.make_sudo_key(&giving(PIN)).await.unwrap();
    assert_ne!(fresh.fingerprint, key.fingerprint);
}

#[tokio::test]
async fn the_fingerprint_is_confirmed_before_the_key_is_kept() {
    let stage = Stage::enrolled().await;
    stage.outside.types(&[PIN]);
    stage
        .outside
        .world
        .lock()
        .unwrap()
        .typed
        .push_back(Typing::Cancels);
    let refused = stage.agent.make_sudo_key(&nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::NotConfirmed);
    assert!(stage.agent.sudo_keys().await.unwrap().is_empty());
    let asked = stage.outside.world.lock().unwrap().questions.pop().unwrap();
    assert!(
        asked.description.contains("Fingerprint: "),
        "{}",
        asked.description
    );
}

#[tokio::test]
async fn a_wrong_pin_is_counted_and_the_last_one_ends_the_key() {
    let (mut stage, key) = with_sudo_key().await;
    let ask = ask(&challenge(&stage), &key);
    let pending = asked(&mut stage, &ask).await;
    stage
        .outside
        .types(&["000000", "000000", "000000", "000000", "000000"]);
    let id = RequestSelector::Id(pending.id.to_string());
    let approve = AnswerWish::Approve { number: None };
    let refused = Arc::clone(&stage.agent)
        .answer(id, approve, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinExhausted);
    stage.agent.sudo_ended(pending.id, None).await;
    let mut other = challenge(&stage);
    other.nonce = vec![8; 32];
    let ask = crate::sudo_rig::ask(&other, &key);
    let refused = stage
        .agent
        .ask_for_sudo(ask)
        .await
        .map(|pending| pending.id)
        .unwrap_err();
    assert_eq!(refused, Why::NotEnrolled);
}
