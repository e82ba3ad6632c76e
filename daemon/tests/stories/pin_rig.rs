//! Tokens with PINs, vaults with PINs, and who answers for the user.

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{BiometricPin, PinPolicy, TokenPin},
    secret::SecretBytes,
    token::{PushPolicy, VerificationLevel},
};
use countersignd::{
    agent::{
        caller::Caller,
        passcode::{Generated, PasscodeError, PasscodeWish},
        ports::Scan,
        setup::{Recovery, SetupWish},
    },
    config::VaultKey,
    vault::UnlockMode,
};

use crate::{outside::Typing, stage::Stage};

pub(crate) const PIN: &str = "246802";
pub(crate) const AGENT_PIN: &str = "my own pin";
pub(crate) const TIME: OtpMode = OtpMode::Time {
    hash: HashAlgorithm::Sha1,
    digits: Digits::SIX,
    period: Period::THIRTY,
};

pub(crate) fn nobody() -> Caller {
    Caller::default()
}

pub(crate) fn giving(secret: &str) -> Caller {
    nobody().with(Some(SecretBytes::from(secret.as_bytes())))
}

pub(crate) fn pin_policy(biometric: BiometricPin) -> PinPolicy {
    PinPolicy::Token(TokenPin {
        max_failed_attempts: 3,
        biometric,
        ..TokenPin::default()
    })
}

/// A vault whose keyring key needs a PIN beside it.
pub(crate) async fn with_agent_pin() -> Stage {
    let stage = Stage::bare().await;
    let wish = SetupWish {
        key: Some(VaultKey::SecretService),
        unlock: Some(UnlockMode::Pin),
        recovery: Recovery::None,
    };
    stage.agent.setup(wish, &giving(AGENT_PIN)).await.unwrap();
    stage
}

pub(crate) async fn with_token_pin(biometric: BiometricPin) -> Stage {
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

pub(crate) async fn code(stage: &Stage, caller: &Caller) -> Result<Generated, PasscodeError> {
    stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, caller)
        .await
}

pub(crate) fn fingers(stage: &Stage, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    stage.outside.world.lock().unwrap().fingers = Ok(names);
}

pub(crate) fn touch(stage: &Stage, scans: &[Scan]) {
    stage.outside.world.lock().unwrap().scans.extend(scans);
}

pub(crate) fn waits(stage: &Stage) {
    let mut world = stage.outside.world.lock().unwrap();
    world.typed.push_back(Typing::Waits);
}
