//! Packets that get no answer: counted, and logged now and then.

use core::{
    net::IpAddr,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use countersign_core::time::UnixMillis;

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

    /// One word, for tables.
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

#[derive(Debug, Default)]
struct Drop {
    count: AtomicU64,
    said_ms: AtomicI64,
}

/// How many packets got no answer, by reason, since the start.
#[derive(Debug, Default)]
pub struct Drops([Drop; Dropped::ALL.len()]);

impl Drops {
    /// So many for this reason.
    #[must_use]
    pub fn count(&self, why: Dropped) -> u64 {
        self.of(why)
            .map_or(0, |drop| drop.count.load(Ordering::Relaxed))
    }

    /// One more.
    pub(super) fn add(&self, why: Dropped, from: IpAddr, now: UnixMillis) {
        let Some(drop) = self.of(why) else { return };
        let count = drop.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let said = drop.said_ms.load(Ordering::Relaxed);
        if now.0.saturating_sub(said).saturating_abs() >= SAID_EVERY_MS {
            drop.said_ms.store(now.0, Ordering::Relaxed);
            tracing::warn!(why = why.as_str(), %from, count, "a RADIUS packet gets no answer");
        }
    }

    fn of(&self, why: Dropped) -> Option<&Drop> {
        let mut all = Dropped::ALL.iter().zip(&self.0);
        all.find(|(reason, _)| **reason == why)
            .map(|(_, drop)| drop)
    }
}
