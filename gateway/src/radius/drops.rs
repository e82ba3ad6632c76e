//! Packets that get no answer: counted, and logged now and then.

use core::{
    net::IpAddr,
    sync::atomic::{AtomicI64, Ordering},
};

use crate::service::Service;

/// The log says so at most this often for each reason, in milliseconds.
const SAID_EVERY_MS: i64 = 10_000;

/// Why a packet gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// No client sends from there.
    UnknownClient,
    /// It is no packet, or none that is asked of a server.
    Malformed,
    /// It has no Message-Authenticator: let the client send one.
    NotAuthentic,
    /// Its Message-Authenticator is wrong: another secret, or changed on the way.
    WrongSecret,
    /// The client sends too much.
    TooFast,
    /// Too many logins wait, of the client or in all.
    TooMany,
    /// The gateway could not decide, or the reply would not fit.
    Unanswered,
}

impl Dropped {
    /// Every reason, for tables.
    pub const ALL: [Self; 7] = [
        Self::UnknownClient,
        Self::Malformed,
        Self::NotAuthentic,
        Self::WrongSecret,
        Self::TooFast,
        Self::TooMany,
        Self::Unanswered,
    ];

    /// The label of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::Malformed => "malformed",
            Self::NotAuthentic => "no_message_authenticator",
            Self::WrongSecret => "wrong_message_authenticator",
            Self::TooFast => "too_fast",
            Self::TooMany => "too_many",
            Self::Unanswered => "unanswered",
        }
    }
}

/// When the log last said that a packet gets no answer, for each reason.
#[derive(Debug, Default)]
pub(super) struct DropLog([AtomicI64; Dropped::ALL.len()]);

impl DropLog {
    /// One more.
    pub(super) fn dropped(&self, why: Dropped, from: IpAddr, service: &Service) {
        service.metrics().radius_packet(why.as_str());
        let mut all = Dropped::ALL.iter().zip(&self.0);
        let Some((_, said_ms)) = all.find(|(reason, _)| **reason == why) else {
            return;
        };
        let now = service.now().0;
        let said = said_ms.load(Ordering::Relaxed);
        if now.saturating_sub(said).saturating_abs() >= SAID_EVERY_MS {
            said_ms.store(now, Ordering::Relaxed);
            tracing::warn!(why = why.as_str(), %from, "a RADIUS packet gets no answer");
        }
    }
}
