//! One PIN comes along with a wish, and the vault may be locked: it belongs to whatever is asked for first.

use countersign_core::{
    pskc::{PinPolicy, TokenPin},
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::{
    agent::{
        caller::Caller,
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector},
        passcode::PasscodeWish,
        ports::PushInput,
        setup::{Recovery, SetupWish},
    },
    config::VaultKey,
    vault::UnlockMode,
};

use crate::{
    outside::Done,
    pin_rig::{AGENT_PIN, PIN, TIME, giving},
    stage::Stage,
};

/// A vault that opens with a PIN, locked, with one token.
async fn locked(unlock: UnlockMode, policy: PinPolicy, chosen: Option<&str>) -> Stage {
    let mut stage = Stage::bare().await;
    let wish = SetupWish {
        key: Some(VaultKey::SecretService),
        unlock: Some(unlock),
        recovery: Recovery::None,
    };
    let pin = match unlock {
        UnlockMode::Pin => giving(AGENT_PIN),
        UnlockMode::Session => Caller::default(),
    };
    stage.agent.setup(wish, &pin).await.unwrap();
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    stage
        .add_with("work", "CS1", TIME, push, policy, chosen)
        .await;
    stage.agent.lock().await;
    stage
}

async fn asked(stage: &mut Stage) {
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
}

async fn approve(stage: &Stage, secret: &str) -> Reason {
    let wish = AnswerWish::Approve { number: None };
    let caller = giving(secret);
    let answer = stage.agent.answer(RequestSelector::Only, wish, &caller);
    answer.await.unwrap_err().reason()
}

async fn code(stage: &Stage, secret: &str) -> Result<String, (Reason, String)> {
    stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, &giving(secret))
        .await
        .map(|generated| generated.typed.expose().to_owned())
        .map_err(|error| (error.reason(), error.to_string()))
}

#[tokio::test]
async fn it_opens_the_vault_and_is_the_agents_pin_for_the_approval() {
    let mut stage = locked(UnlockMode::Pin, PinPolicy::None, None).await;
    asked(&mut stage).await;
    assert_eq!(approve(&stage, "0").await, Reason::WrongPassphrase);
    assert!(!stage.agent.is_unlocked().await);
    let answer = stage.approving(giving(AGENT_PIN));
    let (_, body) = stage.decision().await;
    assert_eq!(body.level(), push::Level::Pin);
    answer.abort();
    assert!(stage.outside.dialogs().is_empty());
}

#[tokio::test]
async fn a_token_with_a_pin_of_its_own_needs_another_one() {
    let own = PinPolicy::Token(TokenPin::default());
    let mut stage = locked(UnlockMode::Pin, own, Some(PIN)).await;
    asked(&mut stage).await;
    assert_eq!(approve(&stage, AGENT_PIN).await, Reason::PinRequired);
    // Nobody is asked in a dialog: the caller said that it brings what is needed.
    assert!(stage.outside.dialogs().is_empty());
    assert!(stage.agent.is_unlocked().await);
    // It was no try of the token's PIN, and the request is still there.
    let tries = stage.agent.token("work").await.unwrap().tries_left;
    assert_eq!(tries, Some(TokenPin::default().max_failed_attempts.into()));
    let (reason, said) = {
        stage.agent.lock().await;
        code(&stage, AGENT_PIN).await.unwrap_err()
    };
    assert_eq!(reason, Reason::PinRequired);
    assert!(said.contains("has unlocked the vault"), "{said}");
    code(&stage, PIN).await.unwrap();
}

#[tokio::test]
async fn a_passcode_takes_it_too_and_it_is_no_server_pin_then() {
    let server = PinPolicy::Server(countersign_core::pskc::PinPlace::Append);
    for policy in [PinPolicy::None, server] {
        let stage = locked(UnlockMode::Pin, policy, None).await;
        let passcode = code(&stage, AGENT_PIN).await.unwrap();
        assert_eq!(passcode.len(), 6);
    }
}

#[tokio::test]
async fn a_vault_that_opens_with_the_session_stays_locked() {
    let stage = locked(UnlockMode::Session, PinPolicy::None, None).await;
    let (reason, _) = code(&stage, AGENT_PIN).await.unwrap_err();
    assert_eq!(reason, Reason::VaultLocked);
    assert!(!stage.agent.is_unlocked().await);
}
