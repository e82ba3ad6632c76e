//! What the user wants declined without a question: blocked resources and addresses, and a time of quiet.

use core::{fmt, net::IpAddr, time::Duration};

use crate::login_origin;

/// The longest time of quiet: longer is what switching autosend off is for.
pub const LONGEST_MUTE: Duration = Duration::from_hours(7 * 24);
/// The longest name of a blocked resource, in bytes.
pub const RESOURCE_BYTES: usize = 256;
/// The most rules that are kept.
pub const BLOCKS: usize = 200;

/// One thing that is declined by rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Login requests for the resource of this name, without regard to case and outer spaces.
    Resource(String),
    /// Login requests from this network.
    Address(Network),
}

/// An IP network, one address included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// 0 to 32 or 128.
    bits: u8,
}

/// Why a rule was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// No name, or one of more than [`RESOURCE_BYTES`].
    #[error("the name of a resource has 1 to {RESOURCE_BYTES} bytes")]
    Resource,
    /// Neither an address nor a network.
    #[error(
        "an address is written like 203.0.113.7, a network like 203.0.113.0/24 or 2001:db8::/32"
    )]
    Address,
    /// Everything at once is what autosend is for.
    #[error(
        "a network of every address would block every login request: switch autosend off instead"
    )]
    Everything,
}

impl Block {
    /// A resource, by the name that its login requests carry.
    ///
    /// # Errors
    ///
    /// [`BlockError::Resource`].
    pub fn resource(name: &str) -> Result<Self, BlockError> {
        let name = name.trim();
        if name.is_empty() || name.len() > RESOURCE_BYTES {
            return Err(BlockError::Resource);
        }
        Ok(Self::Resource(name.to_owned()))
    }

    /// An address, or a network in CIDR form.
    ///
    /// # Errors
    ///
    /// [`BlockError::Address`], [`BlockError::Everything`].
    pub fn address(text: &str) -> Result<Self, BlockError> {
        let text = text.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => {
                // No sign and no spaces, which `parse` would take.
                let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
                let bits = bits.parse::<u8>().ok().filter(|_| digits);
                (address, Some(bits.ok_or(BlockError::Address)?))
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_malformed| BlockError::Address)?;
        let longest = width(address);
        let bits = bits.unwrap_or(longest);
        // An IPv4 address in the clothes of an IPv6 one is the IPv4 address.
        let mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
        let (address, bits, longest) = match bits.checked_sub(96) {
            Some(bits) if mapped => (address.to_canonical(), bits, 32),
            Some(_) | None => (address, bits, longest),
        };
        match bits {
            0 => Err(BlockError::Everything),
            bits if bits > longest => Err(BlockError::Address),
            bits => Ok(Self::Address(Network { address, bits }.masked())),
        }
    }

    /// Does it decline a login for `resource` from `client_address`?
    #[must_use]
    pub fn declines(&self, resource: &str, client_address: &str) -> bool {
        match self {
            Self::Resource(name) => name.to_lowercase() == resource.trim().to_lowercase(),
            Self::Address(network) => {
                login_origin::address(client_address).is_some_and(|client| network.contains(client))
            }
        }
    }
}

impl fmt::Display for Block {
    /// As [`Block::resource`] and [`Block::address`] read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(name) => f.write_str(name),
            Self::Address(network) if network.bits == width(network.address) => {
                write!(f, "{}", network.address)
            }
            Self::Address(network) => write!(f, "{}/{}", network.address, network.bits),
        }
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Network {
    fn contains(self, other: IpAddr) -> bool {
        // An IPv4 address fits a wide IPv6 network in its mapped form.
        let address = match (self.address, other) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => IpAddr::V6(v4.to_ipv6_mapped()),
            (_, other) => other,
        };
        let other = Self {
            address,
            bits: self.bits,
        };
        width(other.address) == width(self.address) && other.masked().address == self.address
    }

    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let host = 32_u32.saturating_sub(self.bits.into());
                let mask = u32::MAX.checked_shl(host).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let host = 128_u32.saturating_sub(self.bits.into());
                let mask = u128::MAX.checked_shl(host).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Self { address, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_and_addresses() {
        for (text, shown, inside, outside) in [
            (
                "203.0.113.7",
                "203.0.113.7",
                "203.0.113.7:443",
                "203.0.113.8",
            ),
            (
                "203.0.113.77/24",
                "203.0.113.0/24",
                "::ffff:203.0.113.255",
                "203.0.114.0",
            ),
            (" 10.0.0.0/8 ", "10.0.0.0/8", "10.255.0.1", "2001:db8::1"),
            (
                "2001:db8::1/32",
                "2001:db8::/32",
                "[2001:db8:1::5]:80",
                "2001:db9::",
            ),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.1.2.3", "11.0.0.0"),
            ("::/8", "::/8", "10.1.2.3", "2001:db8::1"),
            ("0.0.0.0/1", "0.0.0.0/1", "127.0.0.1", "128.0.0.1"),
        ] {
            let block = Block::address(text).unwrap();
            assert_eq!(block.to_string(), shown);
            assert!(block.declines("any", inside), "{text} {inside}");
            assert!(!block.declines("any", outside), "{text} {outside}");
            assert!(!block.declines("any", ""));
        }
        for text in [
            "",
            "host",
            "1.2.3",
            "1.2.3.4/33",
            "1.2.3.4/+8",
            "1.2.3.4/",
            "::1/129",
            "1.2.3.4/8/8",
        ] {
            assert_eq!(Block::address(text), Err(BlockError::Address), "{text}");
        }
        assert_eq!(Block::address("0.0.0.0/0"), Err(BlockError::Everything));
        assert_eq!(Block::address("::/0"), Err(BlockError::Everything));
    }

    #[test]
    fn resources_by_name() {
        let block = Block::resource(" Example Portal ").unwrap();
        assert!(block.declines("example portal", ""));
        assert!(!block.declines("example portal 2", ""));
        assert!(!block.declines("", ""));
        assert_eq!(Block::resource("  "), Err(BlockError::Resource));
        assert_eq!(Block::resource(&"x".repeat(257)), Err(BlockError::Resource));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(address: IpAddr, bits in 1_u8..=128) {
            if let Ok(block) = Block::address(&format!("{address}/{bits}")) {
                prop_assert_eq!(Block::address(&block.to_string()), Ok(block.clone()));
                prop_assert!(block.declines("", &address.to_string()));
            }
        }

        #[test]
        fn no_text_is_taken_by_mistake(text: String, client: String) {
            if let Ok(block) = Block::address(&text) {
                let _either = block.declines("", &client);
            }
        }
    }
}
