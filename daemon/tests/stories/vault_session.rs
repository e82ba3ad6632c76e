//! The vault is made, opened and locked: by command, by the keyring, by time.

use core::time::Duration;

use countersign_core::secret::SecretBytes;
use countersign_proto::agent::v1::Reason;
use countersignd::{
    agent::{
        explain::Explain as _,
        passcode::PasscodeWish,
        ports::KeyringError,
        session::{SetupWish, Unlocking},
        state::LockAfter,
    },
    vault::UnlockMode,
};

use crate::stage::Stage;

const OTPAUTH: &str = "otpauth://hotp/ev?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&counter=0";

fn passphrase(text: &str) -> SetupWish {
    SetupWish {
        passphrase: Some(SecretBytes::from(text.as_bytes())),
        ..SetupWish::default()
    }
}

#[tokio::test]
async fn a_first_enrollment_makes_the_vault_with_the_keyring() {
    let stage = Stage::bare().await;
    let text = SecretBytes::from(OTPAUTH.as_bytes());
    let enrolled = stage.agent.enroll(&text, "", "").await.unwrap();
    assert!(enrolled.vault_created);
    assert_eq!(enrolled.token.name, "ev");
    assert_eq!(stage.outside.world.lock().unwrap().keys.len(), 1);
    let again = stage.agent.setup(SetupWish::default()).await.unwrap_err();
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
        let refused = stage.agent.enroll(&text, "ev", "").await.unwrap_err();
        assert_eq!(refused.reason(), reason);
        let state = stage.agent.status().await.vault;
        assert_eq!(state, countersignd::vault::VaultState::Absent);
    }
}

#[tokio::test]
async fn a_passphrase_opens_and_a_wrong_one_does_not() {
    let stage = Stage::bare().await;
    let (_, unlock) = stage
        .agent
        .setup(passphrase("correct horse"))
        .await
        .unwrap();
    assert_eq!(unlock, UnlockMode::Pin);
    stage.agent.lock().await;
    let nothing = stage.agent.unlock(None).await.unwrap_err();
    assert_eq!(nothing.reason(), Reason::PinRequired);
    let wrong = stage
        .agent
        .unlock(Some(SecretBytes::from(*b"wrong horse")))
        .await
        .unwrap_err();
    assert_eq!(wrong.reason(), Reason::WrongPassphrase);
    let right = stage
        .agent
        .unlock(Some(SecretBytes::from(*b"correct horse")))
        .await
        .unwrap();
    assert_eq!(right, Unlocking::Opened);
    assert_eq!(stage.agent.unlock(None).await.unwrap(), Unlocking::WasOpen);
}

#[tokio::test]
async fn a_short_passphrase_makes_no_vault() {
    let stage = Stage::bare().await;
    let refused = stage.agent.setup(passphrase("short")).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Usage);
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
        .generate_passcode("work", PasscodeWish::Current, None)
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::VaultLocked);
    stage.agent.unlock(None).await.unwrap();
    stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None)
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
    stage.agent.setup(SetupWish::default()).await.unwrap();
    let text = SecretBytes::from(OTPAUTH.as_bytes());
    stage.agent.enroll(&text, "ev", "").await.unwrap();
    stage.outside.pass(Duration::from_secs(1));
    stage
        .agent
        .generate_passcode("ev", PasscodeWish::Next, None)
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
async fn a_link_that_demands_a_pin_is_refused() {
    let stage = Stage::bare().await;
    let text = SecretBytes::from(format!("{OTPAUTH}&pin=True").into_bytes());
    let refused = stage.agent.enroll(&text, "ev", "").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::EnrollmentUnsupported);
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
        .enroll(&text, "", "other.example.com:443")
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::EnrollmentNotConfirmed);
    let unreachable = stage
        .agent
        .enroll(&text, "", "se.example.com:443")
        .await
        .unwrap_err();
    assert_eq!(unreachable.reason(), Reason::GatewayUnreachable);
    assert!(stage.agent.tokens().await.unwrap().is_empty());
}
