//! Session cookies, and the secret in each form that only the pages of one cookie know.

use core::{fmt, marker::PhantomData};

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::random::SystemRandom;

/// 32 random bytes as text.
pub(super) const COOKIE_LENGTH: usize = 43;
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

/// The SHA-256 of a session's cookie.
pub(super) type SessionKey = [u8; 32];

/// Whose cookie it is.
pub(super) trait CookieOf {
    /// Its name. The prefix `__Host-` binds it to this very origin: a neighbour cannot plant one (RFC 6265bis section
    /// 4.1.3.2).
    const NAME: &'static str;
    /// What keeps its secrets apart from those of other cookies.
    const PURPOSE: &'static str;
}

/// The value of a cookie: a secret. Its holder is the session.
pub(super) struct Cookie<S>(String, PhantomData<fn() -> S>);

impl<S> Clone for Cookie<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<S> PartialEq for Cookie<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<S> fmt::Debug for Cookie<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<S: CookieOf> Cookie<S> {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(
            BASE64URL_NOPAD.encode(&SystemRandom::bytes::<32>()),
            PhantomData,
        )
    }

    /// The one that the browser sent.
    pub(super) fn in_headers(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == S::NAME && value.len() == COOKIE_LENGTH)
            .map(|(_, value)| Self(value.to_owned(), PhantomData))
    }

    /// Under which its session is kept: the memory holds no cookies.
    pub(super) fn key(&self) -> SessionKey {
        self.derived("session")
    }

    /// The secret of this cookie's forms.
    pub(super) fn form_secret(&self) -> String {
        BASE64URL_NOPAD.encode(&self.derived("form"))
    }

    /// The name of an attempt of this session, from the name that its form carries.
    pub(super) fn attempt(&self, name: &str) -> String {
        let name = Sha256::digest(name);
        BASE64URL_NOPAD.encode(&Sha256::digest(
            [&self.derived("attempt"), &name[..]].concat(),
        ))
    }

    fn derived(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(S::PURPOSE)
            .chain_update(" ")
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(&self.0)
            .finalize()
            .into()
    }

    /// Gives it to the browser.
    pub(super) fn set(&self, response: &mut Response) {
        put(response, &format!("{}={}; {ATTRIBUTES}", S::NAME, self.0));
    }

    /// Takes it from the browser.
    pub(super) fn clear(response: &mut Response) {
        put(response, &format!("{}=; Max-Age=0; {ATTRIBUTES}", S::NAME));
    }
}

fn put(response: &mut Response, cookie: &str) {
    // Base64 and the constants above are always a valid value.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Test;

    impl CookieOf for Test {
        const NAME: &'static str = "__Host-test";
        const PURPOSE: &'static str = "test/1";
    }

    struct Other;

    impl CookieOf for Other {
        const NAME: &'static str = "__Host-test";
        const PURPOSE: &'static str = "other/1";
    }

    #[test]
    fn a_cookie_is_found_among_others_and_only_whole() {
        let cookie = Cookie::<Test>::random();
        assert_eq!(cookie.0.len(), COOKIE_LENGTH);
        let found = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(&text).unwrap());
            Cookie::<Test>::in_headers(&headers)
        };
        let name = Test::NAME;
        assert_eq!(
            found(format!("a=b; {name}={}; c=d", cookie.0)),
            Some(cookie.clone())
        );
        assert_eq!(found(format!("x{name}={}", cookie.0)), None);
        assert_eq!(found(format!("{name}={}x", cookie.0)), None);
        assert_ne!(cookie.form_secret(), BASE64URL_NOPAD.encode(&cookie.key()));
        assert_ne!(cookie.form_secret(), Cookie::<Test>::random().form_secret());
        // The same value under another purpose has other secrets.
        let other = Cookie::<Other>(cookie.0.clone(), PhantomData);
        assert_ne!(cookie.form_secret(), other.form_secret());
    }
}
