//! A seed: made here, or read.

use countersign_core::{
    otp::{OtpKind, OtpMode},
    otpauth::OtpauthUri,
    pam_passcode::Record,
    secret::{SecretBytes, SecretText},
};
use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{cli::Add, error::Failure};

/// What passcodes are made of.
pub(crate) struct Source {
    pub(crate) mode: OtpMode,
    pub(crate) seed: SecretBytes,
    pub(crate) counter: u64,
}

impl Source {
    /// A new seed, as long as the hash's output.
    pub(crate) fn random(add: &Add) -> Result<Self, Failure> {
        let mode = mode(add);
        let mut seed = vec![0; mode.hash().output_len()];
        if getrandom::fill(&mut seed).is_err() {
            seed.zeroize();
            return Err(Failure::Random);
        }
        Ok(Self {
            mode,
            seed: SecretBytes::new(seed),
            counter: add.counter,
        })
    }

    /// What was typed.
    pub(crate) fn typed(add: &Add, text: &SecretText) -> Result<Self, Failure> {
        let text = text.expose();
        if text.starts_with("otpauth:") {
            let link = OtpauthUri::parse(text)?;
            if link.two_step.is_some() {
                return Err(Failure::Link(
                    countersign_core::otpauth::OtpauthError::TwoStep,
                ));
            }
            return Ok(Self {
                mode: link.mode,
                seed: link.secret,
                counter: link.counter,
            });
        }
        let seed = if let Some(hex) = text.strip_prefix("hex:") {
            HEXLOWER_PERMISSIVE.decode(hex.as_bytes())
        } else {
            let mut plain = Zeroizing::new(String::with_capacity(text.len()));
            plain.extend(
                text.chars()
                    .filter(|c| !matches!(c, ' ' | '-' | '='))
                    .map(|c| c.to_ascii_uppercase()),
            );
            BASE32_NOPAD.decode(plain.as_bytes())
        };
        Ok(Self {
            mode: mode(add),
            seed: seed
                .map(SecretBytes::new)
                .map_err(|_damaged| Failure::Seed)?,
            counter: add.counter,
        })
    }
}

fn mode(add: &Add) -> OtpMode {
    let (hash, digits) = (add.hash, add.digits);
    match add.mode {
        OtpKind::Time => OtpMode::Time {
            hash,
            digits,
            period: add.period,
        },
        OtpKind::Event => OtpMode::Event { hash, digits },
        OtpKind::Challenge => OtpMode::Challenge {
            suite: add.suite.clone(),
        },
    }
}

/// The link that adds these passcodes to a phone or to the agent.
pub(crate) fn link(
    record: &Record,
    account: &str,
    host: &str,
    counter: u64,
) -> Result<SecretText, Failure> {
    let uri = OtpauthUri {
        mode: record.mode(),
        secret: record.seed().clone(),
        issuer: host.to_owned(),
        account: account.to_owned(),
        serial: String::new(),
        counter,
        two_step: None,
        demand: countersign_core::otpauth::UnlockDemand::None,
    };
    Ok(uri.to_own_uri()?)
}
