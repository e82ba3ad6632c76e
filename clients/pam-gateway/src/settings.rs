//! `gateway.toml`: which gateway, and what if it is away.

use std::path::{Path, PathBuf};

use countersign_core::secret::SecretText;
use countersign_passcodes::{gateway, read_secret};
use countersign_pinned_tls::Pin;
use data_encoding::HEXLOWER_PERMISSIVE;
use rustix::process::geteuid;
use rustls::ClientConfig;
use serde::Deserialize;
use url::Url;

use crate::tls;

/// Why there are no settings. The module's log says that there is a fault; started by hand, the program says which. Nothing of the
/// file is repeated: it holds a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{0} is not there, or not root's alone (0600)")]
    File(&'static str),
    #[error(
        "a key is missing, unknown or of the wrong type: url, pin or ca_file, front, fail, realm"
    )]
    Form(#[from] toml::de::Error),
    #[error("url must be https, with a host")]
    Url,
    #[error("pin must be the 64 hex digits that `countersign-gateway status` shows")]
    Pin,
    #[error("pin and ca_file exclude each other")]
    TwoAuthorities,
    #[error("the certificates cannot be used")]
    Certificates(#[from] tls::TlsError),
    #[error("front must be the key that `countersign-gateway front add` has printed")]
    Front,
}

/// What stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The gateway: `https://host:port`.
    url: String,
    /// SHA-256 of its identity key, in hex.
    pin: Option<String>,
    /// Or who vouches for it; neither: the system's authorities.
    ca_file: Option<PathBuf>,
    /// The key of this computer's front.
    front: String,
    /// What if it is away. There is no default: both have their price.
    fail: Fail,
    /// Passed on, for services that want one.
    #[serde(default)]
    realm: String,
}

/// What becomes of a login while the gateway is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fail {
    /// The stack goes on: to the password, or to passcodes that are checked here.
    Unavailable,
    /// Nobody is let in.
    Deny,
}

/// Settings that can be used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) url: Url,
    pub(crate) tls: ClientConfig,
    pub(crate) front: SecretText,
    pub(crate) realm: String,
    fail: Fail,
}

impl Settings {
    /// Reads the file, which must be this user's (root's) alone.
    pub(crate) fn read() -> Result<Self, SettingsError> {
        let text = read_secret(Path::new(gateway::SETTINGS), geteuid());
        let text = text.ok().flatten();
        Self::parse(&text.ok_or(SettingsError::File(gateway::SETTINGS))?)
    }

    fn parse(text: &SecretText) -> Result<Self, SettingsError> {
        let file: Written = toml::from_str(text.expose())?;
        let url = Url::parse(&file.url).map_err(|_no_url| SettingsError::Url)?;
        if url.scheme() != "https" || url.host().is_none() {
            return Err(SettingsError::Url);
        }
        let front = SecretText::new(file.front);
        let plain = (1..=256).contains(&front.expose().len())
            && front.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            return Err(SettingsError::Front);
        }
        let tls = match (file.pin, file.ca_file) {
            (Some(_), Some(_)) => return Err(SettingsError::TwoAuthorities),
            (Some(pin), None) => tls::pinned(pin_of(&pin)?)?,
            (None, Some(path)) => tls::vouched_by(&path)?,
            (None, None) => tls::vouched_by_the_systems()?,
        };
        Ok(Self {
            url,
            tls,
            front,
            realm: file.realm,
            fail: file.fail,
        })
    }

    /// What to say where the gateway is away.
    pub(crate) const fn when_away(&self) -> gateway::Word {
        match self.fail {
            Fail::Unavailable => gateway::Word::Unavailable,
            Fail::Deny => gateway::Word::NotAsked,
        }
    }
}

fn pin_of(text: &str) -> Result<Pin, SettingsError> {
    let bytes = HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .map_err(|_no_hex| SettingsError::Pin)?;
    bytes.try_into().map_err(|_length| SettingsError::Pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(&SecretText::from(text))
    }

    #[test]
    fn what_is_away_is_said_as_the_settings_say() {
        let pin = "ab".repeat(32);
        for (word, said) in [
            ("unavailable", gateway::Word::Unavailable),
            ("deny", gateway::Word::NotAsked),
        ] {
            let text = format!(
                "url = \"https://gw:8443\"\npin = \"{pin}\"\nfront = \"K\"\nfail = \"{word}\""
            );
            assert_eq!(parse(&text).unwrap().when_away(), said);
        }
    }

    #[test]
    fn settings_without_a_word_on_failures_or_without_tls_are_none() {
        let pin = "ab".repeat(32);
        let good =
            format!("url = \"https://gw:8443\"\npin = \"{pin}\"\nfront = \"K\"\nfail = \"deny\"");
        assert!(parse(&good).is_ok());
        for (from, to) in [
            ("fail = \"deny\"", ""),
            ("fail = \"deny\"", "fail = \"allow\""),
            ("https:", "http:"),
            ("front = \"K\"", "front = \"\""),
            ("front = \"K\"", "front = \"K\\r\\nX: y\""),
            ("abab", "ab"),
            ("fail", "ca_file = \"/x\"\nfail"),
            ("fail", "other = 1\nfail"),
        ] {
            assert!(parse(&good.replacen(from, to, 1)).is_err(), "{from} {to}");
        }
    }
}
