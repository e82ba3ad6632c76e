//! Services that are asked for login requests, not connected to: privacyIDEA.

use std::borrow::Cow;

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::Verdict,
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use super::{Delivery, TransportError};

/// What makes a server the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The system's certificate authorities vouch for it.
    Authorities,
    /// It has this key (SHA-256 of its `SubjectPublicKeyInfo`), whatever its certificate says.
    Key([u8; 32]),
    /// Whoever answers with TLS; the key is told. The user has accepted that.
    FirstUse,
    /// Nothing, without TLS. The user has accepted that.
    Nothing,
}

/// One service that is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollProfile {
    /// The service.
    pub service: ServiceId,
    /// What makes its server the right one.
    pub trust: Trust,
}

/// What is to be done next at a service; asked before each poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollWish {
    /// Ask it.
    Ask {
        /// The address, signed.
        address: String,
        /// How soon after it the next one is due.
        pace: Pace,
    },
    /// Not before [`Polls::now`]; one display-safe sentence says why.
    NotNow {
        /// Why.
        why: String,
    },
}

/// How often a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The user is about to log in, as far as anybody knows.
    Quick,
    /// Nobody has done anything for a while.
    Calm,
}

/// Asked by the adapter before each poll: the agent signs.
#[async_trait]
pub trait PollSigner: Send + Sync {
    /// What to do at `service` now.
    async fn next_poll(&self, service: ServiceId) -> PollWish;
}

/// An answer to one login request, signed. It is sent as it is until the service has said what it thinks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushAnswer {
    /// To this request.
    pub request: LoginRequestId,
    /// What it says.
    pub verdict: Verdict,
    /// Where it goes.
    pub url: String,
    /// The form.
    pub form: SecretText,
}

/// What the vault keeps of an answer. No frame of a gateway begins with a brace.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    request: LoginRequestId,
    approve: bool,
    url: Cow<'a, str>,
    form: Cow<'a, str>,
}

impl PushAnswer {
    pub(super) fn kept(&self) -> SecretBytes {
        let kept = Kept {
            request: self.request,
            approve: self.verdict == Verdict::Approve,
            url: Cow::Borrowed(&self.url),
            form: Cow::Borrowed(self.form.expose()),
        };
        // Texts and numbers have a JSON.
        SecretBytes::new(serde_json::to_vec(&kept).unwrap_or_default())
    }

    pub(super) fn looks_like_one(bytes: &SecretBytes) -> bool {
        bytes.expose().first() == Some(&b'{')
    }

    pub(super) fn from_kept(bytes: &SecretBytes) -> Option<Self> {
        let kept: Kept<'_> = serde_json::from_slice(bytes.expose()).ok()?;
        Some(Self {
            request: kept.request,
            verdict: if kept.approve {
                Verdict::Approve
            } else {
                Verdict::Deny
            },
            url: kept.url.into_owned(),
            form: SecretText::new(kept.form.into_owned()),
        })
    }
}

/// What a server answered over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// The body, bounded.
    pub body: Vec<u8>,
    /// The server's clock, to the second, if it told it.
    pub date: Option<UnixMillis>,
}

/// What happened at a service that is polled.
#[derive(Debug)]
pub enum PollInput {
    /// It answered a poll.
    Polled {
        /// With this.
        reply: HttpReply,
        /// Until the next poll.
        next_in: Duration,
    },
    /// It answered an answer.
    Answered {
        /// Of this request.
        request: LoginRequestId,
        /// That was this.
        verdict: Verdict,
        /// With this.
        reply: HttpReply,
    },
    /// It was not reached, or is not asked now.
    Away {
        /// One display-safe sentence.
        why: String,
        /// Until the next try; [`Duration::MAX`]: not before [`Polls::now`].
        retry_in: Duration,
    },
}

/// Login requests are asked for and answered through it.
#[async_trait]
pub trait Polls: Send + Sync {
    /// Asks a service now, and again and again until [`Polls::close`]. The user's doing is what begins it.
    async fn open(&self, profile: PollProfile);
    /// Asks it no more.
    async fn close(&self, service: ServiceId);
    /// Sends an answer. Nothing is kept: what must not be lost is durable in the vault and sent again after a
    /// [`PollInput::Away`].
    async fn send(&self, service: ServiceId, answer: PushAnswer) -> Delivery;
    /// Asks every service at once.
    fn now(&self);
    /// POSTs a form of an enrollment, once.
    ///
    /// # Errors
    ///
    /// [`TransportError::Unreachable`], [`TransportError::Untrusted`], [`TransportError::Protocol`].
    async fn post(
        &self,
        url: &str,
        trust: &Trust,
        form: SecretText,
    ) -> Result<Posted, TransportError>;
}

/// What became of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The answer, whatever its status.
    pub reply: HttpReply,
    /// The key that the server showed, SHA-256 of its `SubjectPublicKeyInfo`; nothing without TLS.
    pub key: Option<[u8; 32]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_the_vault_and_is_no_frame() {
        for verdict in [Verdict::Approve, Verdict::Deny] {
            let answer = PushAnswer {
                request: LoginRequestId([7; 16]),
                verdict,
                url: "https://pi.example/ttype/push".to_owned(),
                form: SecretText::from("serial=A&nonce=\"B\""),
            };
            let kept = answer.kept();
            assert!(PushAnswer::looks_like_one(&kept));
            assert_eq!(PushAnswer::from_kept(&kept), Some(answer));
        }
        assert!(!PushAnswer::looks_like_one(&SecretBytes::from(
            *b"\x0a\x02"
        )));
    }
}
