//! Reading what an administrator has decided: `Policy`, and our extension `TokenPolicy`.

use super::{
    BiometricPin, EXTENSION_NAMESPACE, Exportable, KeyAlgorithm, NAMESPACE, NumberMatching,
    PinEncoding, PinPlace, PinPolicy, PskcError, TokenPin, read::number, write,
};
use crate::{
    token::{PushPolicy, VerificationLevel},
    xml::Element,
};

/// Reads `Policy`: every item is understood, or the key may not be used.
pub(super) fn policy_of(
    policy: Option<&Element>,
    algorithm: KeyAlgorithm,
    biometric: BiometricPin,
) -> Result<PinPolicy, PskcError> {
    let Some(policy) = policy else {
        return Ok(PinPolicy::None);
    };
    let needed = match algorithm {
        KeyAlgorithm::Hotp | KeyAlgorithm::Totp => "OTP",
        KeyAlgorithm::Ocra1 => "CR",
    };
    let mut pin = None;
    let mut usages = Vec::new();
    for item in &policy.children {
        if item.is(NAMESPACE, "KeyUsage") {
            usages.push(item.trimmed());
        } else if item.is(NAMESPACE, "PINPolicy") {
            if pin.replace(item).is_some() {
                return Err(PskcError::Repeated("PINPolicy"));
            }
        } else {
            return Err(PskcError::policy_item(&item.name.local));
        }
    }
    if let Some(attribute) = policy.attributes.first() {
        return Err(PskcError::policy_item(&attribute.name.local));
    }
    for usage in &usages {
        if !USAGES.contains(usage) {
            return Err(PskcError::policy_item(usage));
        }
    }
    if !usages.is_empty() && !usages.contains(&needed) {
        return Err(PskcError::Usage);
    }
    pin.map_or(Ok(PinPolicy::None), |pin| pin_policy(pin, biometric))
}

/// The uses of RFC 6030, section 5. A key may be allowed more than we do with it.
const USAGES: [&str; 11] = [
    "OTP",
    "CR",
    "Encrypt",
    "Integrity",
    "Verify",
    "Unlock",
    "Decrypt",
    "KeyWrap",
    "Unwrap",
    "Derive",
    "Generate",
];

fn pin_policy(pin: &Element, biometric: BiometricPin) -> Result<PinPolicy, PskcError> {
    if let Some(item) = pin.children.first() {
        return Err(PskcError::policy_item(&item.name.local));
    }
    let mut usage = None;
    let mut limits = TokenPin {
        biometric,
        ..TokenPin::default()
    };
    for attribute in &pin.attributes {
        let value = attribute.value.trim();
        if !attribute.name.namespace.is_empty() {
            return Err(PskcError::policy_item(&attribute.name.local));
        }
        match attribute.name.local.as_str() {
            "PINUsageMode" => usage = Some(value),
            "MaxFailedAttempts" => limits.max_failed_attempts = number(value, "MaxFailedAttempts")?,
            "MinLength" => limits.min_length = number(value, "MinLength")?,
            "MaxLength" => limits.max_length = number(value, "MaxLength")?,
            "PINEncoding" => {
                limits.encoding = PinEncoding::ALL
                    .into_iter()
                    .find(|encoding| encoding.word() == value)
                    .ok_or(PskcError::Unsupported("this PINEncoding"))?;
            }
            other => return Err(PskcError::policy_item(other)),
        }
    }
    match usage {
        Some("Local") => Ok(PinPolicy::Token(limits)),
        Some("Prepend") => Ok(PinPolicy::Server(PinPlace::Prepend)),
        Some("Append") => Ok(PinPolicy::Server(PinPlace::Append)),
        Some("Algorithmic") => Ok(PinPolicy::InPasscode),
        Some(_) => Err(PskcError::Invalid("PINUsageMode")),
        None => Err(PskcError::Missing("PINUsageMode")),
    }
}

/// Our extension `TokenPolicy`. Without it: no push, no number, no finger, not exportable.
pub(super) struct TokenPolicy {
    pub(super) push: PushPolicy,
    pub(super) number_matching: NumberMatching,
    pub(super) biometric: BiometricPin,
    pub(super) exportable: Exportable,
    pub(super) name: String,
    pub(super) level: String,
}

impl TokenPolicy {
    pub(super) fn read(package: &Element) -> Result<Self, PskcError> {
        let mut policy = Self {
            push: PushPolicy::Off,
            number_matching: NumberMatching::Off,
            biometric: BiometricPin::Refused,
            exportable: Exportable::No,
            name: String::new(),
            level: String::new(),
        };
        let mut ours = package
            .children
            .iter()
            .filter(|child| child.is(NAMESPACE, "Extensions"))
            .flat_map(|extensions| &extensions.children)
            .filter(|item| item.name.namespace == EXTENSION_NAMESPACE);
        let Some(element) = ours.next() else {
            return Ok(policy);
        };
        if ours.next().is_some() {
            return Err(PskcError::Repeated("TokenPolicy"));
        }
        if element.name.local != "TokenPolicy" {
            return Err(PskcError::policy_item(&element.name.local));
        }
        if let Some(item) = element.children.first() {
            return Err(PskcError::policy_item(&item.name.local));
        }
        for attribute in &element.attributes {
            let value = attribute.value.as_str();
            if !attribute.name.namespace.is_empty() {
                return Err(PskcError::policy_item(&attribute.name.local));
            }
            match attribute.name.local.as_str() {
                "push" => policy.push = push(value)?,
                "numberMatching" => {
                    policy.number_matching = [NumberMatching::Required, NumberMatching::Off]
                        .into_iter()
                        .find(|matching| write::number_matching_word(*matching) == value)
                        .ok_or(PskcError::Invalid("numberMatching"))?;
                }
                "biometricPin" => {
                    policy.biometric = [BiometricPin::Allowed, BiometricPin::Refused]
                        .into_iter()
                        .find(|biometric| write::biometric_word(*biometric) == value)
                        .ok_or(PskcError::Invalid("biometricPin"))?;
                }
                "exportable" => {
                    policy.exportable = [Exportable::Yes, Exportable::No]
                        .into_iter()
                        .find(|exportable| write::exportable_word(*exportable) == value)
                        .ok_or(PskcError::Invalid("exportable"))?;
                }
                "name" => value.clone_into(&mut policy.name),
                "level" => value.clone_into(&mut policy.level),
                other => return Err(PskcError::policy_item(other)),
            }
        }
        Ok(policy)
    }
}

fn push(word: &str) -> Result<PushPolicy, PskcError> {
    [
        PushPolicy::Off,
        PushPolicy::Allowed(VerificationLevel::Click),
        PushPolicy::Allowed(VerificationLevel::Pin),
        PushPolicy::Allowed(VerificationLevel::Finger),
        PushPolicy::Allowed(VerificationLevel::Tpm),
    ]
    .into_iter()
    .find(|push| write::push_word(*push) == word)
    .ok_or(PskcError::Invalid("push"))
}
