//! Writing a key package.

use super::{
    BiometricPin, EXTENSION_NAMESPACE, Exportable, KeyAlgorithm, KeyPackage, NAMESPACE,
    NumberMatching, PinPlace, PinPolicy, PskcError, user_id,
};
use crate::{
    otp::{
        HashAlgorithm, OtpKind, OtpMode,
        ocra::{ChallengeKind, CheckDigit},
    },
    token::{PushPolicy, VerificationLevel},
    xml::Node,
};

impl KeyPackage {
    /// The package as a document: a `KeyContainer` of RFC 6030 with this one key, always written in the same way.
    ///
    /// # Errors
    /// Those of [`KeyPackage::check`].
    pub fn to_xml(&self) -> Result<String, PskcError> {
        self.check()?;
        Ok(self
            .container("pskc:KeyContainer")
            .with("xmlns:pskc", NAMESPACE)
            .with("xmlns:cs", EXTENSION_NAMESPACE)
            .document())
    }

    /// The container under the name `element`; the prefixes `pskc` and `cs` are declared by the caller.
    pub(crate) fn container(&self, element: &'static str) -> Node {
        Node::new(element)
            .with("Version", "1.0")
            .add(self.package(None))
    }

    /// The package, with its secret where it is for a file.
    pub(super) fn package(&self, secret: Option<Node>) -> Node {
        let device = Node::new("pskc:DeviceInfo")
            .add_if(filled("pskc:Manufacturer", &self.manufacturer))
            .add(Node::text("pskc:SerialNo", self.serial.as_str()));
        Node::new("pskc:KeyPackage")
            .add(device)
            .add(self.key(secret))
            .add(Node::new("pskc:Extensions").add(self.token_policy()))
    }

    fn key(&self, secret: Option<Node>) -> Node {
        let user = match self.user.as_str() {
            "" => None,
            user => Some(Node::text("pskc:UserId", user_id::to_name(user))),
        };
        Node::new("pskc:Key")
            .with("Id", self.serial.as_str())
            .with("Algorithm", KeyAlgorithm::of(&self.mode).uri())
            .add_if(filled("pskc:Issuer", &self.issuer))
            .add(self.parameters())
            .add_if(filled("pskc:FriendlyName", &self.friendly_name))
            .add_if(self.data(secret))
            .add_if(user)
            .add(self.policy())
    }

    fn parameters(&self) -> Node {
        let node = Node::new("pskc:AlgorithmParameters");
        match &self.mode {
            OtpMode::Time { hash, digits, .. } | OtpMode::Event { hash, digits } => node
                .add_if(hmac_suite(*hash).map(|suite| Node::text("pskc:Suite", suite)))
                .add(response("DECIMAL", usize::from(digits.count()))),
            OtpMode::Challenge { suite } => {
                let format = suite.challenge_format();
                let challenge = Node::new("pskc:ChallengeFormat")
                    .with("Encoding", challenge_encoding(format.kind))
                    .with("Min", format.min.to_string())
                    .with("Max", format.max.to_string());
                let challenge = match format.check_digit {
                    CheckDigit::Absent => challenge,
                    CheckDigit::Luhn => challenge.with("CheckDigits", "true"),
                };
                let response = suite.response().digits().map_or_else(
                    || response("HEXADECIMAL", suite.hash().output_len().saturating_mul(2)),
                    |digits| response("DECIMAL", usize::from(digits.count())),
                );
                node.add(Node::text("pskc:Suite", suite.as_str()))
                    .add(challenge)
                    .add(response)
            }
        }
    }

    fn data(&self, secret: Option<Node>) -> Option<Node> {
        let plain = |name, value: String| Node::new(name).add(Node::text("pskc:PlainValue", value));
        let is_there = secret.is_some();
        let node = Node::new("pskc:Data").add_if(secret);
        match &self.mode {
            OtpMode::Time { period, .. } => Some(
                node.add(plain("pskc:Time", "0".to_owned()))
                    .add(plain("pskc:TimeInterval", period.secs().to_string())),
            ),
            OtpMode::Event { .. } | OtpMode::Challenge { .. } if self.mode.uses_counter() => {
                Some(node.add(plain("pskc:Counter", self.counter.to_string())))
            }
            OtpMode::Event { .. } | OtpMode::Challenge { .. } => is_there.then_some(node),
        }
    }

    fn policy(&self) -> Node {
        let usage = match self.mode.kind() {
            OtpKind::Time | OtpKind::Event => "OTP",
            OtpKind::Challenge => "CR",
        };
        let pin = |mode: &str| Node::new("pskc:PINPolicy").with("PINUsageMode", mode);
        let pin = match self.pin {
            PinPolicy::None => None,
            PinPolicy::Token(limits) => Some(
                pin("Local")
                    .with("MaxFailedAttempts", limits.max_failed_attempts.to_string())
                    .with("MinLength", limits.min_length.to_string())
                    .with("MaxLength", limits.max_length.to_string())
                    .with("PINEncoding", limits.encoding.word()),
            ),
            PinPolicy::Server(PinPlace::Prepend) => Some(pin("Prepend")),
            PinPolicy::Server(PinPlace::Append) => Some(pin("Append")),
            PinPolicy::InPasscode => Some(pin("Algorithmic")),
        };
        Node::new("pskc:Policy")
            .add_if(pin)
            .add(Node::text("pskc:KeyUsage", usage))
    }

    fn token_policy(&self) -> Node {
        let biometric = match self.pin {
            PinPolicy::Token(limits) => limits.biometric,
            PinPolicy::None | PinPolicy::Server(_) | PinPolicy::InPasscode => BiometricPin::Refused,
        };
        Node::new("cs:TokenPolicy")
            .with("push", push_word(self.push))
            .with("numberMatching", number_matching_word(self.number_matching))
            .with("biometricPin", biometric_word(biometric))
            .with("exportable", exportable_word(self.exportable))
            .with("name", self.policy_name.as_str())
            .with("level", self.policy_level.as_str())
    }
}

fn filled(name: &'static str, text: &str) -> Option<Node> {
    (!text.is_empty()).then(|| Node::text(name, text))
}

fn response(encoding: &'static str, length: usize) -> Node {
    Node::new("pskc:ResponseFormat")
        .with("Encoding", encoding)
        .with("Length", length.to_string())
}

/// The spelling of python-pskc and pskctool; SHA-1 is the default and is not written.
const fn hmac_suite(hash: HashAlgorithm) -> Option<&'static str> {
    match hash {
        HashAlgorithm::Sha1 => None,
        HashAlgorithm::Sha256 => Some("HMAC-SHA256"),
        HashAlgorithm::Sha512 => Some("HMAC-SHA512"),
    }
}

pub(super) const fn challenge_encoding(kind: ChallengeKind) -> &'static str {
    match kind {
        ChallengeKind::Numeric => "DECIMAL",
        ChallengeKind::Alphanumeric => "ALPHANUMERIC",
        ChallengeKind::Hex => "HEXADECIMAL",
    }
}

pub(super) const fn push_word(push: PushPolicy) -> &'static str {
    match push {
        PushPolicy::Off => "off",
        PushPolicy::Allowed(VerificationLevel::Click) => "click",
        PushPolicy::Allowed(VerificationLevel::Pin) => "pin",
        PushPolicy::Allowed(VerificationLevel::Finger) => "finger",
        PushPolicy::Allowed(VerificationLevel::Tpm) => "tpm",
    }
}

pub(super) const fn number_matching_word(matching: NumberMatching) -> &'static str {
    match matching {
        NumberMatching::Required => "required",
        NumberMatching::Off => "off",
    }
}

pub(super) const fn biometric_word(biometric: BiometricPin) -> &'static str {
    match biometric {
        BiometricPin::Allowed => "allowed",
        BiometricPin::Refused => "refused",
    }
}

pub(super) const fn exportable_word(exportable: Exportable) -> &'static str {
    match exportable {
        Exportable::Yes => "yes",
        Exportable::No => "no",
    }
}
