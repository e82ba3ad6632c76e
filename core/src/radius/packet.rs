//! A datagram as a packet: header, length, attributes (RFC 2865 sections 3 and 5).

/// Code, identifier, length and authenticator, in bytes.
pub const HEADER: usize = 20;
/// The longest packet, in bytes.
pub const LONGEST: usize = 4096;
/// Length of the authenticator in the header, in bytes.
pub(super) const AUTHENTICATOR: usize = 16;
/// The longest value of an attribute, in bytes.
pub(super) const LONGEST_VALUE: usize = 253;

/// What a packet is for. Others (accounting, changes of authorization) are not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A user wants in.
    AccessRequest,
    /// Let the user in.
    AccessAccept,
    /// Do not.
    AccessReject,
    /// Ask the user for something.
    AccessChallenge,
    /// Are you there? (RFC 5997)
    StatusServer,
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::AccessRequest => 1,
            Self::AccessAccept => 2,
            Self::AccessReject => 3,
            Self::AccessChallenge => 11,
            Self::StatusServer => 12,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::AccessRequest),
            2 => Some(Self::AccessAccept),
            3 => Some(Self::AccessReject),
            11 => Some(Self::AccessChallenge),
            12 => Some(Self::StatusServer),
            _ => None,
        }
    }
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

#[expect(missing_docs, reason = "the names are those of the RFCs")]
impl Kind {
    pub const USER_NAME: Self = Self(1);
    pub const USER_PASSWORD: Self = Self(2);
    pub const CHAP_PASSWORD: Self = Self(3);
    pub const SERVICE_TYPE: Self = Self(6);
    pub const REPLY_MESSAGE: Self = Self(18);
    pub const STATE: Self = Self(24);
    pub const VENDOR_SPECIFIC: Self = Self(26);
    pub const SESSION_TIMEOUT: Self = Self(27);
    pub const CALLING_STATION_ID: Self = Self(31);
    pub const NAS_IDENTIFIER: Self = Self(32);
    pub const PROXY_STATE: Self = Self(33);
    pub const CHAP_CHALLENGE: Self = Self(60);
    pub const ARAP_PASSWORD: Self = Self(70);
    pub const PROMPT: Self = Self(76);
    pub const EAP_MESSAGE: Self = Self(79);
    pub const MESSAGE_AUTHENTICATOR: Self = Self(80);
    pub const DIGEST_RESPONSE: Self = Self(103);
}

/// Why a datagram is no packet: it is to be discarded without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Fewer than 20 bytes, or more than 4096.
    #[error("a packet has 20 to 4096 bytes")]
    Size,
    /// The length in the header is below 20, above 4096, or more than what came.
    #[error("the length in the header is not that of the packet")]
    Length,
    /// A code that is not known here.
    #[error("code {0} is not known here")]
    Code(u8),
    /// The attributes do not fill the packet, each with its length.
    #[error("the attributes do not fill the packet")]
    Attributes,
}

/// An attribute that may be there once is there more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute {} is there more than once", .0.0)]
pub struct Repeated(pub Kind);

/// One attribute of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'d> {
    /// Its type.
    pub kind: Kind,
    /// Its value, 0 to 253 bytes.
    pub value: &'d [u8],
}

/// A datagram whose shape holds. Borrowed: nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'d> {
    code: Code,
    identifier: u8,
    authenticator: &'d [u8; AUTHENTICATOR],
    attributes: &'d [u8],
}

impl<'d> Packet<'d> {
    /// Reads a datagram. What stands behind the packet's own length is padding and ignored.
    ///
    /// # Errors
    ///
    /// Every variant of [`PacketError`].
    pub fn parse(datagram: &'d [u8]) -> Result<Self, PacketError> {
        if !(HEADER..=LONGEST).contains(&datagram.len()) {
            return Err(PacketError::Size);
        }
        let (&[code, identifier, high, low], rest) =
            datagram.split_first_chunk().ok_or(PacketError::Size)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = length
            .checked_sub(HEADER)
            .and_then(|attributes| attributes.checked_add(AUTHENTICATOR))
            .and_then(|body| rest.get(..body))
            .ok_or(PacketError::Length)?;
        let code = Code::of(code).ok_or(PacketError::Code(code))?;
        let (authenticator, attributes) = body.split_first_chunk().ok_or(PacketError::Length)?;
        let packet = Self {
            code,
            identifier,
            authenticator,
            attributes,
        };
        let filled: usize = packet
            .attributes()
            .map(|attribute| attribute.value.len().saturating_add(2))
            .sum();
        if filled == attributes.len() {
            Ok(packet)
        } else {
            Err(PacketError::Attributes)
        }
    }

    /// What it is for.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// With which the client finds the answer.
    #[must_use]
    pub const fn identifier(&self) -> u8 {
        self.identifier
    }

    /// Of a request: random. Hides the password.
    #[must_use]
    pub const fn authenticator(&self) -> &'d [u8; AUTHENTICATOR] {
        self.authenticator
    }

    /// The attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'d>> + use<'d> {
        let mut rest = self.attributes;
        core::iter::from_fn(move || {
            let (&[kind, length], _) = rest.split_first_chunk()?;
            let (attribute, behind) = rest.split_at_checked(usize::from(length))?;
            // A length below 2 does not hold the head: it would not end.
            let value = attribute.get(2..)?;
            rest = behind;
            Some(Attribute {
                kind: Kind(kind),
                value,
            })
        })
    }

    /// The value of an attribute that may be there once.
    ///
    /// # Errors
    ///
    /// It is there more than once.
    pub fn single(&self, kind: Kind) -> Result<Option<&'d [u8]>, Repeated> {
        let mut values = self
            .attributes()
            .filter(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value);
        let first = values.next();
        if values.next().is_some() {
            Err(Repeated(kind))
        } else {
            Ok(first)
        }
    }

    /// Is there such an attribute?
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.attributes().any(|attribute| attribute.kind == kind)
    }

    /// Everything behind the header.
    pub(super) const fn body(&self) -> &'d [u8] {
        self.attributes
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(code: u8, length: u16, attributes: &[u8]) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        [&[code, 7, high, low], [9; 16].as_slice(), attributes].concat()
    }

    fn refused(datagram: &[u8]) -> PacketError {
        Packet::parse(datagram).unwrap_err()
    }

    #[test]
    fn a_packet_is_read() {
        let bytes = datagram(1, 20 + 5 + 2, &[1, 5, b'a', b'd', b'a', 33, 2]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.code(), Code::AccessRequest);
        assert_eq!(packet.identifier(), 7);
        assert_eq!(packet.authenticator(), &[9; 16]);
        assert_eq!(packet.single(Kind::USER_NAME), Ok(Some(b"ada".as_slice())));
        assert_eq!(
            packet.single(Kind::PROXY_STATE),
            Ok(Some([].as_slice())),
            "an empty value is one"
        );
        assert_eq!(packet.single(Kind::STATE), Ok(None));
    }

    #[test]
    fn padding_is_ignored_and_never_read() {
        let mut bytes = datagram(1, 25, &[1, 5, b'a', b'd', b'a']);
        bytes.extend_from_slice(&[1, 5, b'e', b'v', b'e']);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.single(Kind::USER_NAME), Ok(Some(b"ada".as_slice())));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(refused(&[]), PacketError::Size);
        assert_eq!(refused(&datagram(1, 19, &[])[..19]), PacketError::Size);
        assert_eq!(refused(&[0; 4097]), PacketError::Size);
        for length in [0, 19, 21, 4097, u16::MAX] {
            assert_eq!(
                refused(&datagram(1, length, &[])),
                PacketError::Length,
                "{length}"
            );
        }
        for attributes in [
            [1].as_slice(),
            &[1, 0],
            &[1, 1],
            &[1, 3],
            &[1, 255, b'a'],
            &[1, 3, b'a', 1],
            &[1, 3, b'a', 1, 0],
        ] {
            let length = u16::try_from(20 + attributes.len()).unwrap();
            assert_eq!(
                refused(&datagram(1, length, attributes)),
                PacketError::Attributes,
                "{attributes:?}"
            );
        }
    }

    #[test]
    fn other_codes_are_refused() {
        for code in [0, 4, 5, 40, 43, 255] {
            assert_eq!(refused(&datagram(code, 20, &[])), PacketError::Code(code));
        }
    }

    #[test]
    fn an_attribute_that_is_there_twice_is_not_read() {
        let bytes = datagram(1, 26, &[24, 3, 1, 24, 3, 1]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.single(Kind::STATE), Err(Repeated(Kind::STATE)));
        assert!(packet.has(Kind::STATE));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_beyond(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                let filled: usize = packet.attributes().map(|a| a.value.len() + 2).sum();
                let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                prop_assert_eq!(filled + HEADER, length);
            }
        }

        #[test]
        fn attributes_come_back_in_order(
            attributes in prop::collection::vec(
                (any::<u8>(), prop::collection::vec(any::<u8>(), 0..=LONGEST_VALUE)), 0..15),
        ) {
            let mut body = Vec::new();
            for (kind, value) in &attributes {
                body.push(*kind);
                body.push(u8::try_from(value.len() + 2).unwrap());
                body.extend_from_slice(value);
            }
            let length = u16::try_from(body.len() + HEADER).unwrap();
            let bytes = datagram(12, length, &body);
            let packet = Packet::parse(&bytes).unwrap();
            let read: Vec<_> = packet.attributes().map(|a| (a.kind.0, a.value.to_vec())).collect();
            prop_assert_eq!(read, attributes);
        }
    }
}
