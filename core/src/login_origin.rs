//! Where a login comes from, seen from this computer: the cheap check of proximity that a desktop has and a phone lacks.
//!
//! A hint for the user's eyes, never a reason to approve: whoever shares an address is told as the same.

use core::net::{IpAddr, Ipv4Addr};

/// The login's address beside this computer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOrigin {
    /// The service gave no address, or none that can be compared.
    Unknown,
    /// One of this computer's own addresses.
    ThisComputer,
    /// The address that the service sees this computer's connection come from: this computer, or another one
    /// behind the same router.
    SameNetwork,
    /// Any other.
    OtherAddress,
}

impl LoginOrigin {
    /// One word of the closed list that D-Bus and `--json` use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::ThisComputer => "this_computer",
            Self::SameNetwork => "same_network",
            Self::OtherAddress => "other_address",
        }
    }

    /// In the words of a notification or dialog; empty: nothing is known. `address` and `place` are the service's, display-safe.
    /// The address is repeated where it tells more: this computer's own says nothing new.
    #[must_use]
    pub fn sentence(self, address: &str, place: &str) -> String {
        let there = match (address.is_empty(), place.is_empty()) {
            (true, _) => place.to_owned(),
            (false, true) => address.to_owned(),
            (false, false) => format!("{address} ({place})"),
        };
        match self {
            Self::Unknown if there.is_empty() => there,
            Self::Unknown => format!("from {there}"),
            Self::ThisComputer => "from this computer".to_owned(),
            Self::SameNetwork => format!("from your network: {there}"),
            Self::OtherAddress => format!("from another address: {there}"),
        }
    }
}

/// Compares the address that the service gives with `own` addresses and with `seen`, where the service sees this
/// computer's connection come from.
#[must_use]
pub fn login_origin(client_address: &str, own: &[IpAddr], seen: Option<IpAddr>) -> LoginOrigin {
    let Some(client) = address(client_address) else {
        return LoginOrigin::Unknown;
    };
    let is = |other: &IpAddr| plain(*other) == client;
    if own.iter().any(is) {
        return LoginOrigin::ThisComputer;
    }
    match seen.map(plain) {
        Some(seen) if seen == client && !client.is_loopback() => LoginOrigin::SameNetwork,
        // A service on this very computer sees its own users come from the loopback, and no others.
        Some(seen) if seen.is_loopback() && client.is_loopback() => LoginOrigin::ThisComputer,
        // Somebody else's loopback says nothing.
        Some(_) | None if client.is_loopback() || client.is_unspecified() => LoginOrigin::Unknown,
        Some(_) | None => LoginOrigin::OtherAddress,
    }
}

/// As services write addresses: bare, in brackets, with a port behind.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let parsed = bare.map_or(text, |(inside, _port)| inside).parse();
    let parsed = parsed.or_else(|_| {
        let (host, _port) = text.rsplit_once(':').unwrap_or((text, ""));
        host.parse::<Ipv4Addr>().map(IpAddr::V4)
    });
    parsed.ok().map(plain)
}

/// An IPv4 address in the clothes of an IPv6 one is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_apart() {
        use LoginOrigin::{OtherAddress, SameNetwork, ThisComputer, Unknown};
        let own: Vec<IpAddr> = ["192.168.1.7", "2001:db8::7"]
            .map(|a| a.parse().unwrap())
            .to_vec();
        let outside = Some("203.0.113.9".parse().unwrap());
        let local = Some("127.0.0.1".parse().unwrap());
        for (client, seen, expected) in [
            ("", outside, Unknown),
            ("laptop.example", outside, Unknown),
            ("192.168.1.7", outside, ThisComputer),
            ("192.168.1.7:51000", outside, ThisComputer),
            ("::ffff:192.168.1.7", outside, ThisComputer),
            ("[2001:db8::7]:443", outside, ThisComputer),
            ("2001:db8::7", None, ThisComputer),
            ("2001:db8::8", None, OtherAddress),
            ("203.0.113.9", outside, SameNetwork),
            ("::ffff:203.0.113.9", outside, SameNetwork),
            ("203.0.113.9", None, OtherAddress),
            ("198.51.100.1", outside, OtherAddress),
            ("192.168.1.8", outside, OtherAddress),
            ("127.0.0.1", local, ThisComputer),
            ("::1", local, ThisComputer),
            ("127.0.0.1", outside, Unknown),
            ("127.0.0.1", None, Unknown),
            ("0.0.0.0", outside, Unknown),
        ] {
            assert_eq!(
                login_origin(client, &own, seen),
                expected,
                "{client} {seen:?}"
            );
        }
    }
}
