//! Where a token is filled.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Origin, Scheme};

/// How far a binding reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// That origin.
    Origin,
    /// All hosts of its registrable domain, with the same scheme and port.
    Domain,
}

/// A token is filled here. Kept inside the token's seal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Binding {
    origin: Origin,
    scope: Scope,
}

/// Why a token cannot be bound so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// There is no domain that belongs to one owner.
    #[error(
        "this host belongs to no registered domain, so the token can be bound to its origin only"
    )]
    NoDomain,
}

impl Binding {
    /// A binding to `origin`, or to all of its domain.
    ///
    /// # Errors
    ///
    /// [`BindingError::NoDomain`].
    pub fn new(origin: Origin, scope: Scope) -> Result<Self, BindingError> {
        let reaches = match scope {
            Scope::Origin => true,
            Scope::Domain => {
                origin.scheme() == Scheme::Https && origin.registrable_domain().is_some()
            }
        };
        if reaches {
            Ok(Self { origin, scope })
        } else {
            Err(BindingError::NoDomain)
        }
    }

    /// The origin that it was made at.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How far it reaches.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Is the token filled at `here`?
    #[must_use]
    pub fn fits(&self, here: &Origin) -> bool {
        match self.scope {
            Scope::Origin => self.origin == *here,
            // Both by the list as it is now: a domain that has become a suffix since reaches no further than its host.
            Scope::Domain => {
                let (bound, domain) = (self.origin.registrable_domain(), here.registrable_domain());
                bound.is_some()
                    && bound == domain
                    && self.origin.scheme() == here.scheme()
                    && self.origin.port() == here.port()
            }
        }
    }
}

/// As people read it: `https://login.example.com`, `https://*.example.com`.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scope, self.origin.registrable_domain()) {
            (Scope::Domain, Some(domain)) => {
                write!(f, "https://*.{domain}")?;
                match self.origin.said_port() {
                    Some(port) => write!(f, ":{port}"),
                    None => Ok(()),
                }
            }
            (Scope::Domain, None) | (Scope::Origin, _) => self.origin.fmt(f),
        }
    }
}

/// Is a token with these bindings filled at `here`?
#[must_use]
pub fn bound_to(bindings: &[Binding], here: &Origin) -> bool {
    bindings.iter().any(|binding| binding.fits(here))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    fn bound(text: &str, scope: Scope) -> Binding {
        Binding::new(origin(text), scope).unwrap()
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let binding = bound("https://login.example.com", Scope::Origin);
        assert!(binding.fits(&origin("https://login.example.com")));
        for other in [
            "https://example.com",
            "https://login.example.com:8443",
            "https://a.login.example.com",
            "https://evil-login.example.com",
            "https://login.example.com.evil.example",
            "https://login.example.co",
            "https://xn--login-.example.com",
        ] {
            if let Ok(other) = Origin::parse(other) {
                assert!(!binding.fits(&other), "{other}");
            }
        }
    }

    #[test]
    fn a_domain_ends_at_a_dot_and_keeps_scheme_and_port() {
        let binding = bound("https://login.example.com", Scope::Domain);
        for same in [
            "https://example.com",
            "https://login.example.com",
            "https://a.b.example.com",
        ] {
            assert!(binding.fits(&origin(same)), "{same}");
        }
        for other in [
            "https://notexample.com",
            "https://example.com.evil.example",
            "https://example.org",
            "https://example.com:8443",
            "https://com",
        ] {
            assert!(!binding.fits(&origin(other)), "{other}");
        }
        assert_eq!(binding.to_string(), "https://*.example.com");
        let with_port = bound("https://login.example.com:8443", Scope::Domain);
        assert_eq!(with_port.to_string(), "https://*.example.com:8443");
    }

    #[test]
    fn neighbours_below_a_public_suffix_are_strangers() {
        let binding = bound("https://alice.github.io", Scope::Domain);
        assert!(!binding.fits(&origin("https://mallory.github.io")));
        let binding = bound("https://shop.example.co.uk", Scope::Domain);
        assert!(!binding.fits(&origin("https://evil.co.uk")));
    }

    #[test]
    fn what_has_no_domain_is_bound_to_its_origin_only() {
        for text in [
            "https://192.0.2.7",
            "https://co.uk",
            "https://intranet",
            "http://localhost:8124",
            "http://app.localhost",
        ] {
            assert_eq!(
                Binding::new(origin(text), Scope::Domain),
                Err(BindingError::NoDomain),
                "{text}"
            );
            assert!(bound(text, Scope::Origin).fits(&origin(text)));
        }
    }

    proptest! {
        #[test]
        fn a_wide_binding_fits_whatever_a_narrow_one_does(
            host in "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}\\.(com|co\\.uk|github\\.io)",
            other in "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}\\.(com|co\\.uk|github\\.io)",
        ) {
            let (here, there) = (origin(&format!("https://{host}")), origin(&format!("https://{other}")));
            let narrow = Binding::new(here.clone(), Scope::Origin).unwrap();
            prop_assert_eq!(narrow.fits(&there), here == there);
            if let Ok(wide) = Binding::new(here.clone(), Scope::Domain) {
                prop_assert!(wide.fits(&here));
                prop_assert_eq!(
                    wide.fits(&there),
                    here.registrable_domain() == there.registrable_domain()
                );
            }
        }
    }
}
