//! What is asked of the user before a token does something.

use crate::{
    pskc::{BiometricPin, PinPolicy},
    token::{PushPolicy, VerificationLevel},
};

/// What has to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Nothing more than the wish itself.
    Click,
    /// The token's PIN, checked here; it opens the token's keys. A finger may stand for it where that is switched on.
    TokenPin,
    /// The agent's own PIN, which also unlocks; or a finger where that is switched on.
    AgentPin,
    /// A finger, and nothing else.
    Finger,
    /// A PIN that only the service can check; it goes there in a field of its own.
    ServerPin,
    /// A PIN that enters the computation; a wrong one gives a wrong passcode, and nobody here can tell.
    PasscodePin,
}

/// Why nothing that can be shown would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// The token's policy has push switched off.
    #[error("this token does not answer login requests")]
    PushOff,
    /// The policy asks for a finger and forbids that one stands for the token's PIN.
    #[error("this token's policy asks for a finger and does not allow one")]
    Contradiction,
    /// The policy asks for a PIN that a TPM has checked; this token's is not.
    #[error("this token's policy asks for a PIN that the TPM checks")]
    Tpm,
}

/// Who checks the PIN of a token, and how well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinCheck {
    /// The agent, by the seal.
    Agent,
    /// The TPM, by its own count of tries.
    Tpm,
}

/// What a passcode for the user costs.
#[must_use]
pub const fn for_passcode(pin: &PinPolicy) -> Factor {
    match pin {
        // A server PIN is typed beside the passcode; the agent does not have it.
        PinPolicy::None | PinPolicy::Server(_) => Factor::Click,
        PinPolicy::Token(_) => Factor::TokenPin,
        PinPolicy::InPasscode => Factor::PasscodePin,
    }
}

/// What the approval of a login request costs, and the level that it must reach.
///
/// # Errors
///
/// Every variant of [`FactorError`].
pub fn for_push(
    push: PushPolicy,
    pin: &PinPolicy,
    check: PinCheck,
) -> Result<(Factor, VerificationLevel), FactorError> {
    let PushPolicy::Allowed(least) = push else {
        return Err(FactorError::PushOff);
    };
    let factor = match (pin, least) {
        (PinPolicy::Token(_), VerificationLevel::Click | VerificationLevel::Pin) => {
            Factor::TokenPin
        }
        (PinPolicy::Token(limits), VerificationLevel::Finger) => match limits.biometric {
            // The finger opens the token's keys in the PIN's place; the PIN alone is too little.
            BiometricPin::Allowed => Factor::TokenPin,
            BiometricPin::Refused => return Err(FactorError::Contradiction),
        },
        (PinPolicy::Token(_), VerificationLevel::Tpm) => match check {
            PinCheck::Tpm => Factor::TokenPin,
            PinCheck::Agent => return Err(FactorError::Tpm),
        },
        (_, VerificationLevel::Tpm) => return Err(FactorError::Tpm),
        // These PINs have to be given whatever else is asked for; no finger can stand for them.
        (PinPolicy::Server(_), VerificationLevel::Click | VerificationLevel::Pin) => {
            Factor::ServerPin
        }
        (PinPolicy::InPasscode, VerificationLevel::Click | VerificationLevel::Pin) => {
            Factor::PasscodePin
        }
        (PinPolicy::Server(_) | PinPolicy::InPasscode, VerificationLevel::Finger) => {
            return Err(FactorError::Contradiction);
        }
        (PinPolicy::None, VerificationLevel::Click) => Factor::Click,
        (PinPolicy::None, VerificationLevel::Pin) => Factor::AgentPin,
        (PinPolicy::None, VerificationLevel::Finger) => Factor::Finger,
    };
    Ok((factor, least))
}

/// May a typed PIN do, or only the finger?
#[must_use]
pub const fn pin_reaches(least: VerificationLevel) -> bool {
    match least {
        VerificationLevel::Click | VerificationLevel::Pin | VerificationLevel::Tpm => true,
        VerificationLevel::Finger => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pskc::{PinPlace, TokenPin};

    fn token_pin(biometric: BiometricPin) -> PinPolicy {
        PinPolicy::Token(TokenPin {
            biometric,
            ..TokenPin::default()
        })
    }

    /// Every policy with every kind of PIN: what is asked for. Nothing but "click" is approved by a click.
    #[test]
    fn each_policy_asks_for_what_it_says() {
        use VerificationLevel::{Click, Finger, Pin, Tpm};
        let refused = token_pin(BiometricPin::Refused);
        let allowed = token_pin(BiometricPin::Allowed);
        let server = PinPolicy::Server(PinPlace::Prepend);
        for (pin, least, wanted) in [
            (&PinPolicy::None, Click, Ok(Factor::Click)),
            (&PinPolicy::None, Pin, Ok(Factor::AgentPin)),
            (&PinPolicy::None, Finger, Ok(Factor::Finger)),
            (&PinPolicy::None, Tpm, Err(FactorError::Tpm)),
            (&refused, Click, Ok(Factor::TokenPin)),
            (&refused, Pin, Ok(Factor::TokenPin)),
            (&refused, Finger, Err(FactorError::Contradiction)),
            (&allowed, Finger, Ok(Factor::TokenPin)),
            (&allowed, Tpm, Err(FactorError::Tpm)),
            (&server, Click, Ok(Factor::ServerPin)),
            (&server, Pin, Ok(Factor::ServerPin)),
            (&server, Finger, Err(FactorError::Contradiction)),
            (&PinPolicy::InPasscode, Pin, Ok(Factor::PasscodePin)),
            (
                &PinPolicy::InPasscode,
                Finger,
                Err(FactorError::Contradiction),
            ),
        ] {
            let found = for_push(PushPolicy::Allowed(least), pin, PinCheck::Agent);
            assert_eq!(
                found,
                wanted.map(|factor| (factor, least)),
                "{pin:?} {least:?}"
            );
        }
        assert_eq!(
            for_push(PushPolicy::Allowed(Tpm), &refused, PinCheck::Tpm),
            Ok((Factor::TokenPin, Tpm))
        );
        for pin in [PinPolicy::None, allowed] {
            assert_eq!(
                for_push(PushPolicy::Off, &pin, PinCheck::Agent),
                Err(FactorError::PushOff)
            );
        }
    }

    #[test]
    fn a_pin_alone_is_too_little_where_a_finger_is_asked_for() {
        assert!(!pin_reaches(VerificationLevel::Finger));
        assert!(pin_reaches(VerificationLevel::Pin));
    }

    #[test]
    fn a_passcode_costs_the_pin_that_is_checked_here() {
        assert_eq!(for_passcode(&PinPolicy::None), Factor::Click);
        assert_eq!(
            for_passcode(&PinPolicy::Server(PinPlace::Append)),
            Factor::Click
        );
        assert_eq!(for_passcode(&PinPolicy::InPasscode), Factor::PasscodePin);
        assert_eq!(
            for_passcode(&token_pin(BiometricPin::Allowed)),
            Factor::TokenPin
        );
    }
}
