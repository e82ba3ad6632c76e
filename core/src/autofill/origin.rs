//! An origin (RFC 6454): scheme, host and port of a page, as the browser reports it.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The longest origin, in bytes: a host has at most 253.
pub(super) const MAX_LEN: usize = 300;

/// How the page came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// From whom the certificate names.
    Https,
    /// From this computer; for no other host.
    Http,
}

/// The origin of a page that may get a passcode.
///
/// There is one text for each: lower case, Punycode, no port that goes without saying. Only that one is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    text: String,
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

/// Why a text is no origin that a passcode is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// `null`: a sandboxed frame, a `data:` page, a local file.
    #[error("the page has no origin of its own")]
    Opaque,
    /// Neither the form that browsers report nor one that is read anyway.
    #[error("this is no origin as a browser reports it")]
    Malformed,
    /// Everybody on the way could be the page.
    #[error("the page did not come over https")]
    Insecure,
    /// No page of the web.
    #[error("only pages of the web are filled")]
    Scheme,
}

impl Origin {
    /// Reads what a browser reports: `https://host`, `https://host:port`; http for this computer only.
    ///
    /// # Errors
    ///
    /// Every variant of [`OriginError`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text == "null" {
            return Err(OriginError::Opaque);
        }
        if text.len() > MAX_LEN {
            return Err(OriginError::Malformed);
        }
        let url = Url::parse(text).map_err(|_no_url| OriginError::Malformed)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(OriginError::Scheme),
        };
        let origin = url.origin();
        // User names, paths, capitals, a port too many: what is read is not what was written.
        if origin.ascii_serialization() != text {
            return Err(OriginError::Malformed);
        }
        let url::Origin::Tuple(_, host, port) = origin else {
            return Err(OriginError::Opaque);
        };
        match &host {
            // Another name than without the dot, and no page is served under it on purpose.
            Host::Domain(name) if name.ends_with('.') => return Err(OriginError::Malformed),
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => {}
        }
        if scheme == Scheme::Http && !is_loopback(&host) {
            return Err(OriginError::Insecure);
        }
        Ok(Self {
            text: text.to_owned(),
            scheme,
            host,
            port,
        })
    }

    /// The one text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How the page came.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port, also where it goes without saying.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host in ASCII.
    #[must_use]
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The host as people read it, where that is another text than [`Origin::host`].
    #[must_use]
    pub fn unicode_host(&self) -> Option<String> {
        let Host::Domain(ascii) = &self.host else {
            return None;
        };
        // What cannot be decoded stays as it is, and that is what is shown.
        let (unicode, _) = idna::domain_to_unicode(ascii);
        (unicode != *ascii).then_some(unicode)
    }

    /// The shortest domain that one registers: a name below a public suffix. Nothing for addresses, for suffixes
    /// themselves and for names below no suffix that is known.
    #[must_use]
    pub fn registrable_domain(&self) -> Option<&str> {
        let Host::Domain(name) = &self.host else {
            return None;
        };
        psl::suffix(name.as_bytes()).filter(psl::Suffix::is_known)?;
        psl::domain_str(name)
    }

    /// The port, where it has to be said.
    pub(super) const fn said_port(&self) -> Option<u16> {
        match (self.scheme, self.port) {
            (Scheme::Https, 443) | (Scheme::Http, 80) => None,
            (_, port) => Some(port),
        }
    }
}

/// A page that this computer serves to itself: nobody else can be it. What browsers count as such (W3C Secure Contexts).
fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, OriginError> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_browsers_report_is_read_as_it_stands() {
        for text in [
            "https://login.example.com",
            "https://login.example.com:8443",
            "https://xn--bcher-kva.example",
            "https://192.0.2.7",
            "https://[2001:db8::1]:444",
            "https://intranet",
            "http://localhost",
            "http://localhost:8124",
            "http://app.localhost:3000",
            "http://127.0.0.1:8080",
            "http://127.8.9.10",
            "http://[::1]:8080",
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use OriginError::{Insecure, Malformed, Opaque, Scheme};
        for (text, error) in [
            ("null", Opaque),
            ("", Malformed),
            ("example.com", Malformed),
            ("http://example.com", Insecure),
            ("http://localhost.example.com", Insecure),
            ("http://notlocalhost", Insecure),
            ("http://128.0.0.1", Insecure),
            ("http://[::2]", Insecure),
            ("file:///etc/passwd", Scheme),
            (
                "chrome-extension://bjlogcdgcokdmghonoemnaepfnljjakm",
                Scheme,
            ),
            ("javascript:alert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("blob:https://example.com/1", Scheme),
            ("ws://localhost", Scheme),
            ("https://example.com/", Malformed),
            ("https://example.com/login", Malformed),
            ("https://example.com?x", Malformed),
            ("https://example.com#x", Malformed),
            ("https://example.com:443", Malformed),
            ("http://localhost:80", Malformed),
            ("https://EXAMPLE.com", Malformed),
            ("HTTPS://example.com", Malformed),
            ("https://example.com.", Malformed),
            ("https://bücher.example", Malformed),
            ("https://alice@example.com", Malformed),
            ("https://example.com@evil.example", Malformed),
            ("https://example.com:password@evil.example", Malformed),
            ("https://example.com\\@evil.example", Malformed),
            ("https://127.1", Malformed),
            ("https://2130706433", Malformed),
            ("https://[::ffff:127.0.0.1]", Malformed),
            ("https://[::1%25lo]", Malformed),
            ("https://example.com:99999", Malformed),
            ("https://exa mple.com", Malformed),
            (" https://example.com", Malformed),
            ("https://example.com\n", Malformed),
            ("https://ex\u{ad}ample.com", Malformed),
            ("https://example\u{3002}com", Malformed),
            ("https://xn--a.example", Malformed),
            ("https://", Malformed),
        ] {
            assert_eq!(Origin::parse(text), Err(error), "{text:?}");
        }
        let long = format!("https://{}.example", "a.".repeat(200));
        assert_eq!(Origin::parse(&long), Err(Malformed));
    }

    #[test]
    fn the_registrable_domain_is_that_of_the_public_suffix_list() {
        for (text, domain) in [
            ("https://login.example.com", Some("example.com")),
            ("https://example.com", Some("example.com")),
            ("https://a.b.example.co.uk", Some("example.co.uk")),
            ("https://alice.github.io", Some("alice.github.io")),
            ("https://x.alice.github.io", Some("alice.github.io")),
            ("https://github.io", None),
            ("https://co.uk", None),
            ("https://com", None),
            ("https://host.corp-without-suffix", None),
            ("https://intranet", None),
            ("https://192.0.2.7", None),
            ("https://[2001:db8::1]", None),
            ("http://app.localhost", None),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.registrable_domain(), domain, "{text}");
        }
    }

    #[test]
    fn a_punycode_host_has_a_second_text() {
        let shown = |text| Origin::parse(text).unwrap().unicode_host();
        assert_eq!(
            shown("https://xn--bcher-kva.example").as_deref(),
            Some("bücher.example")
        );
        assert_eq!(shown("https://login.example.com"), None);
        assert_eq!(shown("https://192.0.2.7"), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(text in any::<String>()) {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(origin.as_str(), &text);
            }
        }

        #[test]
        fn near_origins_are_read_the_same_or_not_at_all(
            scheme in "(https?|HTTPS|ftp|null)",
            user in "([a-z]{1,3}(:[a-z]{0,2})?@)?",
            host in "([a-zA-Z0-9.\\-äа]{1,12}|localhost|127\\.0\\.0\\.1|\\[::1\\])",
            port in "(:[0-9]{0,5})?",
            rest in "([/?#][a-z@.]{0,4})?",
        ) {
            let text = format!("{scheme}://{user}{host}{port}{rest}");
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(origin.as_str(), &text);
                prop_assert!(user.is_empty() && rest.is_empty() && text.is_ascii());
                let again: Origin = serde_json::from_str(&serde_json::to_string(&origin).unwrap()).unwrap();
                prop_assert_eq!(again, origin);
            }
        }

        #[test]
        fn a_registrable_domain_ends_the_host_at_a_dot(host in "[a-z]{1,5}(\\.[a-z]{1,5}){0,3}\\.(com|co\\.uk|io|github\\.io)") {
            let origin = Origin::parse(&format!("https://{host}")).unwrap();
            if let Some(domain) = origin.registrable_domain() {
                let below = format!(".{domain}");
                prop_assert!(host == domain || host.ends_with(&below));
            }
        }
    }
}
