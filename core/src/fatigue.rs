//! When login requests to a user stop, because too many of them were denied or ignored.
//!
//! Two limits: one for the source that the requests come from, and a higher one for the user, whatever the sources.
//! The second does not hold for a source that the user has logged in from before. So a stranger who knows a name stops
//! push for the stranger's own source, then for sources that the user never used, and never for the user's own. Typed
//! passcodes are not looked at here: no number of login requests touches them.

use core::{fmt, net::IpAddr};

/// Where a login comes from, as far as it can be told apart: what refusals are counted by.
///
/// Who has one IPv6 address has 2^64 of them, so their common prefix counts as one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// The source of a client address. What is no IP address counts as it stands: a station, a line.
    #[must_use]
    pub fn of(client_address: &str) -> Self {
        let address = client_address.trim();
        Self(
            match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
                Ok(IpAddr::V4(ip)) => ip.to_string(),
                Ok(IpAddr::V6(ip)) => {
                    let [a, b, c, d, ..] = ip.segments();
                    format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
                }
                Err(_other) => address.to_owned(),
            },
        )
    }

    /// As it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Has the user logged in from there before?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// Yes, lately.
    Known,
    /// Not that we know.
    Stranger,
}

/// What became of a user's login requests lately. Denied by the user, a wrong number, and ignored ones count; what a
/// rule of the user's has denied does not, nor what was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// From this source.
    pub from_source: u32,
    /// From every source.
    pub of_user: u32,
    /// Of those from this source the user has reported one: "It wasn't me!".
    pub reported: bool,
}

/// The administrator's limits; 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many refusals stop push from their source.
    pub from_source: u32,
    /// So many refusals stop push for the user.
    pub of_user: u32,
}

/// Push rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// From this source, for this user.
    #[error("too many login requests from there were denied or ignored, or one was reported")]
    Source,
    /// For this user, from sources that the user never logged in from.
    #[error("too many login requests of this user were denied or ignored")]
    User,
}

/// May the user be asked once more?
///
/// # Errors
///
/// [`Stopped`]: offer typing alone.
pub fn may_ask(
    refusals: Refusals,
    limits: Limits,
    acquaintance: Acquaintance,
) -> Result<(), Stopped> {
    if refusals.reported || refusals.from_source >= limits.from_source.max(1) {
        return Err(Stopped::Source);
    }
    match acquaintance {
        Acquaintance::Stranger if refusals.of_user >= limits.of_user.max(1) => Err(Stopped::User),
        Acquaintance::Stranger | Acquaintance::Known => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        from_source: 3,
        of_user: 10,
    };

    fn ask(from_source: u32, of_user: u32, acquaintance: Acquaintance) -> Result<(), Stopped> {
        let refusals = Refusals {
            from_source,
            of_user,
            reported: false,
        };
        may_ask(refusals, LIMITS, acquaintance)
    }

    #[test]
    fn the_source_is_stopped_first_and_the_user_never_where_it_is_known() {
        assert_eq!(ask(2, 9, Acquaintance::Stranger), Ok(()));
        assert_eq!(ask(3, 3, Acquaintance::Stranger), Err(Stopped::Source));
        assert_eq!(ask(0, 10, Acquaintance::Stranger), Err(Stopped::User));
        assert_eq!(ask(0, 1000, Acquaintance::Known), Ok(()));
        assert_eq!(ask(3, 3, Acquaintance::Known), Err(Stopped::Source));
        let reported = Refusals {
            from_source: 1,
            of_user: 1,
            reported: true,
        };
        assert_eq!(
            may_ask(reported, LIMITS, Acquaintance::Known),
            Err(Stopped::Source)
        );
    }

    #[test]
    fn one_host_is_one_source() {
        for (address, source) in [
            ("192.0.2.7", "192.0.2.7"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("line 7", "line 7"),
            ("", ""),
        ] {
            assert_eq!(Source::of(address).as_str(), source);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_others_do_stops_a_known_source(
            own in 0_u32..3, others in any::<u32>(),
        ) {
            let refusals = Refusals { from_source: own, of_user: own.saturating_add(others), reported: false };
            prop_assert_eq!(may_ask(refusals, LIMITS, Acquaintance::Known), Ok(()));
        }
    }
}
