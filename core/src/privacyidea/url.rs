//! Addresses of servers as links carry them.

use serde::{Deserialize, Serialize};
use url::Url;

use super::LinkError;

/// Longest address, in bytes.
const MAX_URL: usize = 1024;

/// An absolute `http` or `https` address with a host, without user name and fragment; kept as it was given, because
/// it is signed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    parsed: Url,
}

impl ServerUrl {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`LinkError::Url`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_URL || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(LinkError::Url);
        }
        let parsed = Url::parse(text).map_err(|_malformed| LinkError::Url)?;
        let plain = parsed.username().is_empty() && parsed.password().is_none();
        if !matches!(parsed.scheme(), "http" | "https")
            || parsed.host().is_none()
            || !plain
            || parsed.fragment().is_some()
        {
            return Err(LinkError::Url);
        }
        Ok(Self {
            text: text.to_owned(),
            parsed,
        })
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, parsed.
    #[must_use]
    pub const fn as_url(&self) -> &Url {
        &self.parsed
    }

    /// host:port, as it is shown and confirmed.
    #[must_use]
    pub fn host_port(&self) -> String {
        let host = self.parsed.host_str().unwrap_or_default();
        let port = self.parsed.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// The same scheme, host and port?
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.parsed.scheme() == other.parsed.scheme()
            && self.parsed.host() == other.parsed.host()
            && self.parsed.port_or_known_default() == other.parsed.port_or_known_default()
    }
}

/// How well the server behind the address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TLS, and an authority of the system vouches for the name.
    Verified,
    /// TLS, and the link says that nobody vouches for the server (`sslverify=0`).
    UnverifiedTls,
    /// No TLS at all.
    PlainHttp,
}
