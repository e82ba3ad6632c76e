//! What the tests have in common: a sandbox, and the device of its user.

use countersign_core::{
    otp::{HashAlgorithm, OtpMode, hotp, ocra::Inputs, time_step},
    otpauth::OtpauthUri,
    secret::SecretBytes,
};
use countersign_tests::sandbox::{Sandbox, USER, said};

/// The user's token, as the link of `passcode add` says it.
#[derive(Debug)]
pub(crate) struct Device(OtpauthUri);

impl Device {
    /// Gives [`USER`] passcodes.
    pub(crate) fn added(sandbox: &Sandbox, words: &[&str]) -> Self {
        let mut all = vec!["passcode", "add", USER];
        all.extend_from_slice(words);
        let output = sandbox.run_own("countersign-pam", &all, "").unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let link = String::from_utf8(output.stdout).unwrap();
        assert_eq!(link.lines().count(), 1, "the bare link: {link}");
        Self(OtpauthUri::parse(link.trim()).unwrap())
    }

    pub(crate) fn seed(&self) -> &SecretBytes {
        &self.0.secret
    }

    /// The passcode of a counter or step.
    pub(crate) fn at(&self, value: u64) -> String {
        let digits = self.0.mode.digits().unwrap();
        hotp(self.seed(), value, self.0.mode.hash(), digits)
            .expose()
            .to_owned()
    }

    /// The passcode of so many steps from now.
    pub(crate) fn steps_from_now(&self, steps: i64) -> String {
        let OtpMode::Time { period, .. } = self.0.mode else {
            panic!("a time-based token");
        };
        let step = time_step(now(), period);
        self.at(step.checked_add_signed(steps).unwrap())
    }

    /// The answer to a challenge.
    pub(crate) fn answer(&self, challenge: &str) -> String {
        let OtpMode::Challenge { suite } = &self.0.mode else {
            panic!("a challenge-response token");
        };
        let inputs = Inputs {
            challenge,
            ..Inputs::default()
        };
        suite
            .compute(self.seed(), &inputs)
            .unwrap()
            .expose()
            .to_owned()
    }

    /// A passcode that is none of the token's around here.
    pub(crate) fn wrong(&self) -> String {
        let near: Vec<String> = match self.0.mode {
            OtpMode::Time { .. } => (-40..40).map(|steps| self.steps_from_now(steps)).collect(),
            OtpMode::Event { .. } => (0..2000).map(|counter| self.at(counter)).collect(),
            OtpMode::Challenge { .. } => Vec::new(),
        };
        (0..3000_u32)
            .map(|number| format!("{number:06}"))
            .find(|passcode| !near.contains(passcode))
            .unwrap()
    }
}

/// Unix seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock that the module goes by"
)]
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A token whose seed is known.
pub(crate) const SEED: [u8; 20] = *b"12345678901234567890";

/// [`SEED`] as it is typed.
pub(crate) const SEED_TYPED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";

/// The passcode of a counter of [`SEED`].
pub(crate) fn passcode_of_seed(counter: u64) -> String {
    let digits = countersign_core::otp::Digits::SIX;
    hotp(
        &SecretBytes::from(SEED),
        counter,
        HashAlgorithm::Sha1,
        digits,
    )
    .expose()
    .to_owned()
}

/// One command of the administrator: what it says, and whether it went well.
pub(crate) fn administrator(sandbox: &Sandbox, words: &[&str], input: &str) -> (String, bool) {
    let mut all = vec!["passcode"];
    all.extend_from_slice(words);
    let output = sandbox.run_own("countersign-pam", &all, input).unwrap();
    (said(&output), output.status.success())
}

/// Tries a passcode with the administrator's command.
pub(crate) fn tried(sandbox: &Sandbox, passcode: &str) -> (String, bool) {
    administrator(sandbox, &["test", USER], &format!("{passcode}\n"))
}
