//! Which packets came before (RFC 5080 section 2.2.2): the same one gets the same answer, byte for byte, or waits
//! for the one that is being made. It is never looked at twice.

use core::fmt;
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_core::time::UnixMillis;

use super::{Dropped, rate::Rate};
use crate::store::FrontId;

/// An answer is kept for those who did not get it, for so long, in milliseconds.
const KEPT_MS: i64 = 30_000;
/// Exchanges that are remembered; beyond it nothing new is taken.
const KNOWN: usize = 50_000;
/// Packets whose answers are being made: in all, and of one client. A held login is one.
const WAITING: usize = 4096;
const WAITING_OF_CLIENT: usize = 1024;

/// Where a packet came from, and its identifier there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Which of our sockets.
    pub(super) socket: usize,
    /// Whose.
    pub(super) peer: SocketAddr,
    /// Of the packet.
    pub(super) identifier: u8,
}

/// What becomes of a packet that has come.
#[derive(Debug)]
pub(super) enum Admission {
    /// It is new: make the answer.
    New(Place),
    /// Its answer is being made.
    Waiting,
    /// It was answered: send this again.
    Answered(Arc<[u8]>),
    /// There is no room for it.
    Dropped(Dropped),
}

/// The packets of late.
#[derive(Clone, Default)]
pub(super) struct Exchanges(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    exchanges: HashMap<Origin, Exchange>,
    /// Answered ones in the order in which they are forgotten.
    ends: VecDeque<(UnixMillis, Origin, u64)>,
    clients: HashMap<FrontId, Client>,
    waiting: usize,
    next: u64,
}

struct Exchange {
    number: u64,
    authenticator: [u8; 16],
    answer: Option<Arc<[u8]>>,
}

struct Client {
    rate: Rate,
    waiting: usize,
}

/// A packet whose answer is being made. Dropped without one, the packet is forgotten: the next one is new.
pub(super) struct Place {
    exchanges: Exchanges,
    origin: Origin,
    client: FrontId,
    number: u64,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.number).finish()
    }
}

impl Exchanges {
    /// A packet of `client` has come, and is authentic.
    pub(super) fn admit(
        &self,
        origin: Origin,
        authenticator: &[u8; 16],
        client: FrontId,
        now: UnixMillis,
    ) -> Admission {
        let mut known = self.lock();
        known.forget_old(now);
        let of_client = known.clients.entry(client).or_insert_with(|| Client {
            rate: Rate::new(now),
            waiting: 0,
        });
        if !of_client.rate.take(now) {
            return Admission::Dropped(Dropped::TooFast);
        }
        let full = of_client.waiting >= WAITING_OF_CLIENT;
        if let Some(exchange) = known.exchanges.get(&origin)
            && exchange.authenticator == *authenticator
        {
            return exchange
                .answer
                .clone()
                .map_or(Admission::Waiting, Admission::Answered);
        }
        if full || known.waiting >= WAITING || known.exchanges.len() >= KNOWN {
            return Admission::Dropped(Dropped::TooMany);
        }
        let number = known.next;
        known.next = known.next.wrapping_add(1);
        known.waiting = known.waiting.saturating_add(1);
        if let Some(of_client) = known.clients.get_mut(&client) {
            of_client.waiting = of_client.waiting.saturating_add(1);
        }
        // Another packet with this identifier: the client has given up the one before.
        known.exchanges.insert(
            origin,
            Exchange {
                number,
                authenticator: *authenticator,
                answer: None,
            },
        );
        Admission::New(Place {
            exchanges: self.clone(),
            origin,
            client,
            number,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget_old(&mut self, now: UnixMillis) {
        while let Some((until, origin, number)) = self.ends.front().copied() {
            if until > now {
                break;
            }
            self.ends.pop_front();
            self.forget(origin, number);
        }
    }

    fn forget(&mut self, origin: Origin, number: u64) {
        if self
            .exchanges
            .get(&origin)
            .is_some_and(|exchange| exchange.number == number)
        {
            self.exchanges.remove(&origin);
        }
    }
}

impl Place {
    /// The answer is made, and is kept for a while. `None`: the client has given the packet up.
    pub(super) fn answered(self, answer: Vec<u8>, now: UnixMillis) -> Option<Arc<[u8]>> {
        let mut known = self.exchanges.lock();
        let exchange = known.exchanges.get_mut(&self.origin)?;
        if exchange.number != self.number {
            return None;
        }
        let answer: Arc<[u8]> = answer.into();
        exchange.answer = Some(Arc::clone(&answer));
        known
            .ends
            .push_back((now.plus_ms(KEPT_MS), self.origin, self.number));
        drop(known);
        Some(answer)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.exchanges.lock();
        known.waiting = known.waiting.saturating_sub(1);
        if let Some(of_client) = known.clients.get_mut(&self.client) {
            of_client.waiting = of_client.waiting.saturating_sub(1);
        }
        let unanswered = known
            .exchanges
            .get(&self.origin)
            .is_some_and(|exchange| exchange.answer.is_none());
        if unanswered {
            known.forget(self.origin, self.number);
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test fails, whatever else came"
)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);
    const CLIENT: FrontId = FrontId(1);

    fn origin(port: u16, identifier: u8) -> Origin {
        Origin {
            socket: 0,
            peer: SocketAddr::from(([192, 0, 2, 1], port)),
            identifier,
        }
    }

    fn new(exchanges: &Exchanges, origin: Origin, authenticator: u8) -> Place {
        match exchanges.admit(origin, &[authenticator; 16], CLIENT, NOW) {
            Admission::New(place) => place,
            other => panic!("not new but {other:?}"),
        }
    }

    #[test]
    fn the_same_packet_waits_and_then_gets_the_same_answer_for_a_while() {
        let exchanges = Exchanges::default();
        let again = |now| exchanges.admit(origin(1, 7), &[1; 16], CLIENT, now);
        let place = new(&exchanges, origin(1, 7), 1);
        assert!(matches!(again(NOW), Admission::Waiting));
        let sent = place.answered(vec![1, 2, 3], NOW).unwrap();
        let last = NOW.plus_ms(KEPT_MS - 1);
        assert!(matches!(again(last), Admission::Answered(kept) if kept == sent));
        assert!(matches!(again(last.plus_ms(1)), Admission::New(_)));
    }

    #[test]
    fn another_port_identifier_or_authenticator_is_another_packet() {
        let exchanges = Exchanges::default();
        let first = new(&exchanges, origin(1, 7), 1);
        let _second = new(&exchanges, origin(2, 7), 1);
        let _third = new(&exchanges, origin(1, 8), 1);
        let newer = new(&exchanges, origin(1, 7), 2);
        assert!(first.answered(vec![1], NOW).is_none(), "it was given up");
        assert!(newer.answered(vec![2], NOW).is_some());
    }

    #[test]
    fn a_packet_without_an_answer_is_forgotten() {
        let exchanges = Exchanges::default();
        drop(new(&exchanges, origin(1, 7), 1));
        let _again = new(&exchanges, origin(1, 7), 1);
    }

    #[test]
    fn one_client_cannot_take_every_place() {
        let exchanges = Exchanges::default();
        let mut places = Vec::new();
        let mut now = NOW;
        let dropped = loop {
            now = now.plus_ms(5);
            let port = u16::try_from(places.len()).unwrap();
            match exchanges.admit(origin(port, 0), &[0; 16], CLIENT, now) {
                Admission::New(place) => places.push(place),
                Admission::Dropped(why) => break why,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            (dropped, places.len()),
            (Dropped::TooMany, WAITING_OF_CLIENT)
        );
        let other = exchanges.admit(origin(1, 1), &[0; 16], FrontId(2), now);
        assert!(matches!(other, Admission::New(_)));
        drop(places);
        assert_eq!(exchanges.lock().waiting, 1);
    }

    #[test]
    fn a_flood_is_slowed_down() {
        let exchanges = Exchanges::default();
        let place = new(&exchanges, origin(1, 7), 1);
        let flood = (0..1000).map(|_| exchanges.admit(origin(1, 7), &[1; 16], CLIENT, NOW));
        let dropped = flood
            .filter(|admission| matches!(admission, Admission::Dropped(Dropped::TooFast)))
            .count();
        assert!(dropped > 500, "{dropped}");
        drop(place);
    }
}
