//! The vault is made, opened and locked: by command, by the keyring, by time.

use core::time::Duration;

use countersign_core::secret::SecretBytes;
use countersign_proto::agent::v1::Reason;
use countersignd::{
    agent::{
        explain::Explain as _,
        passcode::PasscodeWish,
        ports::KeyringError,
        setup::SetupWish,
        state::LockAfter,
        unlocking::{Opening, UnlockWish},
    },
    vault::UnlockMode,
};

use crate::{
    pin_rig::{giving, nobody},
    stage::Stage,
};

const OTPAUTH: &str = "otpauth://hotp/ev?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&counter=0";

fn wish() -> UnlockWish {
    UnlockWish::default()
}

#[tokio::test]
async fn a_first_enrollment_makes_the_vault_with_the_keyring() {
    let stage = Stage::bare().await;
    let text = SecretBytes::from(OTPAUTH.as_bytes());
    let enrolled = stage.agent.enroll(&text, "", "", &nobody()).await.unwrap();
    assert!(enrolled.vault_created);
    assert_eq!(enrolled.token().unwrap().name, "ev");
    assert_eq!(stage.outside.world.lock().unwrap().keys.len(), 1);
    let again = stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap_err();
    assert_eq!(again.reason(), Reason::VaultExists);
    assert_eq!(
        stage.outside.world.lock().unwrap().keys.len(),
        1,
        "no second key"
    );
}

#[tokio::test]
async fn a_keyring_that_does_not_answer_makes_no_vault() {
    for (error, reason) in [
        (KeyringError::Absent, Reason::KeySourceAbsent),
        (KeyringError::Locked, Reason::KeySourceLocked),
    ] {
        let stage = Stage::bare().await;
        stage.outside.world.lock().unwrap().keyring = Err(error);
        let text = SecretBytes::from(OTPAUTH.as_bytes());
        let refused = stage
            .agent
            .enroll(&text, "ev", "", &nobody())
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), reason);
        let state = stage.agent.status().await.vault;
        assert_eq!(state, countersignd::vault::VaultState::Absent);
    }
}

#[tokio::test]
async fn a_passphrase_opens_and_a_wrong_one_does_not() {
    let stage = Stage::bare().await;
    let made = stage
        .agent
        .setup(SetupWish::default(), &giving("correct horse"))
        .await
        .unwrap();
    assert_eq!(made.unlock, UnlockMode::Pin);
    stage.agent.lock().await;
    let nothing = stage.agent.unlock(wish(), &nobody()).await.unwrap_err();
    assert_eq!(nothing.reason(), Reason::PinRequired);
    let wrong = stage
        .agent
        .unlock(wish(), &giving("wrong horse"))
        .await
        .unwrap_err();
    assert_eq!(wrong.reason(), Reason::WrongPassphrase);
    let right = stage
        .agent
        .unlock(wish(), &giving("correct horse"))
        .await
        .unwrap();
    assert_eq!(right, Opening::Typed);
    assert_eq!(
        stage.agent.unlock(wish(), &nobody()).await.unwrap(),
        Opening::WasOpen
    );
}

#[tokio::test]
async fn a_short_passphrase_makes_no_vault() {
    let stage = Stage::bare().await;
    let refused = stage
        .agent
        .setup(SetupWish::default(), &giving("short"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinMalformed);
    assert_eq!(
        stage.agent.status().await.vault,
        countersignd::vault::VaultState::Absent
    );
}

#[tokio::test]
async fn nothing_is_generated_while_locked() {
    let stage = Stage::enrolled().await;
    stage.agent.lock().await;
    let refused = stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::VaultLocked);
    stage.agent.unlock(wish(), &nobody()).await.unwrap();
    stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, &nobody())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_idle_vault_locks_and_a_used_one_later() {
    let after = LockAfter {
        idle: Some(Duration::from_secs(2)),
        age: None,
    };
    let stage = Stage::with(after).await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let text = SecretBytes::from(OTPAUTH.as_bytes());
    stage
        .agent
        .enroll(&text, "ev", "", &nobody())
        .await
        .unwrap();
    stage.outside.pass(Duration::from_secs(1));
    stage
        .agent
        .generate_passcode("ev", PasscodeWish::Next, None, &nobody())
        .await
        .unwrap();
    stage.outside.pass(Duration::from_secs(1));
    assert!(stage.agent.is_unlocked().await, "it was used a second ago");
    stage.outside.pass(Duration::from_secs(2));
    let locked = async {
        while stage.agent.is_unlocked().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), locked)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_that_demands_a_pin_gets_one_or_is_not_enrolled() {
    let stage = Stage::bare().await;
    let text = SecretBytes::from(format!("{OTPAUTH}&pin=True").into_bytes());
    let refused = stage
        .agent
        .enroll(&text, "ev", "", &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    assert!(refused.to_string().contains("6 to 64 letters and digits"));
    stage.outside.types(&["short", "246802"]);
    stage
        .agent
        .enroll(&text, "ev", "", &nobody())
        .await
        .unwrap();
    let dialogs = stage.outside.dialogs();
    let (_, error) = dialogs.last().unwrap();
    assert_eq!(
        error.as_deref(),
        Some("This PIN is not allowed: it must have 6 to 64 letters and digits.")
    );
    let asked = stage
        .agent
        .generate_passcode("ev", PasscodeWish::Next, None, &nobody())
        .await
        .unwrap_err();
    assert_eq!(asked.reason(), Reason::PinRequired);
}

#[tokio::test]
async fn a_host_that_was_not_confirmed_is_not_contacted() {
    let stage = Stage::bare().await;
    let string = "RW5yb2xsbWVudFVSTD1odHRwczovL3NlLmV4YW1wbGUuY29tL3NlbGZlbnJvbGxtZW50L2Rza3BwLmFzcHg/c2M9QWJDZEVmMTIzNApVc2VySUQ9YWxpY2UKUGFzc3BocmFzZT00ODIxCg==";
    let text = SecretBytes::from(string.as_bytes());
    let preview = stage.agent.inspect_enrollment(&text).await.unwrap();
    assert_eq!(
        (preview.host.as_str(), preview.user.as_str()),
        ("se.example.com:443", "alice")
    );
    let refused = stage
        .agent
        .enroll(&text, "", "other.example.com:443", &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::EnrollmentNotConfirmed);
    let unreachable = stage
        .agent
        .enroll(&text, "", "se.example.com:443", &nobody())
        .await
        .unwrap_err();
    assert_eq!(unreachable.reason(), Reason::GatewayUnreachable);
    assert!(stage.agent.tokens().await.unwrap().is_empty());
}
