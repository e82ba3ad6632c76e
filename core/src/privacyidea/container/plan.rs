//! What has to be done here so that it is as the server says.

use std::collections::BTreeSet;

use super::{Addition, LeftOut, Package};
use crate::{
    ids::TokenId,
    privacyidea::{PushLink, ServerUrl, Transport},
};

/// The server as the user has confirmed it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its base address.
    pub url: &'a ServerUrl,
    /// How it was accepted.
    pub transport: Transport,
}

/// A token of the container that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which one.
    pub id: TokenId,
    /// Its serial.
    pub serial: String,
}

/// What has to be done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Not in the container any more.
    pub remove: Vec<TokenId>,
    /// Counters that are behind the server's.
    pub raise: Vec<(TokenId, u64)>,
    /// To be enrolled; the one that is here with the same serial goes with it, its secret is good no more.
    pub add: Vec<(Addition, Option<TokenId>)>,
    /// Not taken, and why.
    pub left_out: Vec<LeftOut>,
}

impl Package {
    /// Compares it with what is here.
    #[must_use]
    pub fn plan(self, origin: Origin<'_>, held: &[Held]) -> Plan {
        let mut left_out = self.left_out;
        let mut raise = Vec::new();
        let mut named = BTreeSet::new();
        for known in &self.known {
            named.insert(known.serial.clone());
            let here = held.iter().find(|held| held.serial == known.serial);
            if let (Some(held), Some(counter)) = (here, known.counter) {
                raise.push((held.id, counter));
            }
        }
        let mut add = Vec::new();
        for addition in self.add {
            let serial = addition.serial().to_owned();
            let refusal = if named.contains(&serial) {
                Some("the service names it twice")
            } else if let Addition::Push(link) = &addition {
                foreign(origin, link)
            } else {
                None
            };
            if let Some(why) = refusal {
                let (token, why) = (serial, why.to_owned());
                left_out.push(LeftOut { token, why });
                continue;
            }
            let same = held.iter().find(|held| held.serial == serial);
            add.push((addition, same.map(|held| held.id)));
            named.insert(serial);
        }
        let gone = held.iter().filter(|held| !named.contains(&held.serial));
        Plan {
            remove: gone.map(|held| held.id).collect(),
            raise,
            add,
            left_out,
        }
    }
}

/// Why a push token may not be enrolled without a question of its own; its link leads elsewhere than the user has
/// confirmed.
fn foreign(origin: Origin<'_>, link: &PushLink) -> Option<&'static str> {
    if !link.url.same_origin(origin.url) {
        return Some("it leads to another server; enroll it by a link of its own");
    }
    let weaker =
        link.transport == Transport::UnverifiedTls && origin.transport == Transport::Verified;
    weaker
        .then_some("it asks not to check the server's certificate; enroll it by a link of its own")
}
