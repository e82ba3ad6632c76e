//! What an Access-Request asks, and who for.

use super::{
    packet::{Kind, Packet, Repeated},
    password::reveal,
};
use crate::secret::{SecretBytes, SecretText};

/// An Access-Request with a password (PAP), or with the `State` of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest<'d> {
    /// Who wants in; 1 to 253 bytes.
    pub user: &'d str,
    /// What was typed; empty where nothing was, or where the packet has no password.
    pub password: SecretText,
    /// The `State` of the challenge that this answers.
    pub state: Option<&'d [u8]>,
    /// What the client calls the user's place: an address, a telephone number. Its own word.
    pub calling_station: Option<&'d str>,
    /// What the client calls itself. Its own word.
    pub nas_identifier: Option<&'d str>,
}

/// Why an Access-Request is rejected without a look at what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessRequestError {
    /// An attribute that must be there is not.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// An attribute that may be there once is there more than once.
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// An attribute has a value that it cannot have.
    #[error("{0} has a value that it cannot have")]
    Malformed(&'static str),
    /// Only passwords are understood.
    #[error("{0} is not understood here: let the client use PAP")]
    Method(&'static str),
}

impl<'d> AccessRequest<'d> {
    /// Reads a packet and opens its password.
    ///
    /// # Errors
    ///
    /// Every variant of [`AccessRequestError`].
    pub fn read(packet: &Packet<'d>, secret: &SecretBytes) -> Result<Self, AccessRequestError> {
        if let Some(method) = other_method(packet) {
            return Err(AccessRequestError::Method(method));
        }
        let state = packet.single(Kind::STATE)?;
        let password = match packet.single(Kind::USER_PASSWORD)? {
            // Many clients leave an empty password out, or send no block for it.
            None | Some([]) => SecretText::default(),
            Some(hidden) => reveal(hidden, secret, packet.authenticator())
                .as_ref()
                .and_then(SecretBytes::as_text)
                .map(SecretText::from)
                .ok_or(AccessRequestError::Malformed("User-Password"))?,
        };
        let user = text(packet, Kind::USER_NAME, "User-Name")?
            .ok_or(AccessRequestError::Missing("User-Name"))?;
        if user.is_empty() {
            return Err(AccessRequestError::Malformed("User-Name"));
        }
        Ok(Self {
            user,
            password,
            state,
            calling_station: text(packet, Kind::CALLING_STATION_ID, "Calling-Station-Id")?,
            nas_identifier: text(packet, Kind::NAS_IDENTIFIER, "NAS-Identifier")?,
        })
    }
}

/// What the packet asks for that is no login with a password. It must not pass for an empty one.
fn other_method(packet: &Packet<'_>) -> Option<&'static str> {
    packet.attributes().find_map(|attribute| {
        match (attribute.kind, attribute.value) {
            (Kind::EAP_MESSAGE, _) => Some("EAP"),
            (Kind::CHAP_PASSWORD | Kind::CHAP_CHALLENGE, _) => Some("CHAP"),
            (Kind::ARAP_PASSWORD, _) => Some("ARAP"),
            (Kind::DIGEST_RESPONSE, _) => Some("HTTP Digest"),
            // RFC 2548: Microsoft's number, then MS-CHAP-Response, MS-CHAP-Challenge or MS-CHAP2-Response.
            (Kind::VENDOR_SPECIFIC, [0, 0, 1, 55, 1 | 11 | 25, ..]) => Some("MS-CHAP"),
            (Kind::SERVICE_TYPE, [0, 0, 0, 10]) => Some("Call-Check"),
            (Kind::SERVICE_TYPE, [0, 0, 0, 17]) => Some("Authorize-Only"),
            (_other, _) => None,
        }
    })
}

fn text<'d>(
    packet: &Packet<'d>,
    kind: Kind,
    name: &'static str,
) -> Result<Option<&'d str>, AccessRequestError> {
    packet
        .single(kind)?
        .map(|value| {
            core::str::from_utf8(value).map_err(|_latin| AccessRequestError::Malformed(name))
        })
        .transpose()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::{AccessRequestError as E, *};
    use crate::radius::authenticator::{header, md5};

    const SECRET: &[u8] = b"xyzzy5461";

    /// `password` has 16 bytes.
    fn hidden(password: &[u8; 16]) -> [u8; 16] {
        let mask = md5(&[SECRET, &[5; 16]]);
        core::array::from_fn(|at| password[at] ^ mask[at])
    }

    fn datagram(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&[*kind, u8::try_from(value.len() + 2).unwrap()]);
            body.extend_from_slice(value);
        }
        [&header(1, 0, body.len(), &[5; 16]), body.as_slice()].concat()
    }

    fn read(packet: &Packet<'_>) -> Result<(String, String), E> {
        AccessRequest::read(packet, &SECRET.into())
            .map(|asked| (asked.user.to_owned(), asked.password.expose().to_owned()))
    }

    #[test]
    fn every_attribute_that_cannot_be_is_refused() {
        let password = hidden(b"secret\0\0\0\0\0\0\0\0\0\0");
        let (name, password) = ((1, b"ada".as_slice()), (2, password.as_slice()));
        let state = (24, b"s".as_slice());
        for (attributes, typed) in [
            (vec![name, password], "secret"),
            (vec![name, state], ""),
            (vec![name], ""),
            (vec![name, (2, b"".as_slice())], ""),
            // Framed, and another vendor's.
            (vec![name, (6, &[0, 0, 0, 2]), (26, &[0, 0, 0, 9, 1])], ""),
        ] {
            let bytes = datagram(&attributes);
            let read = read(&Packet::parse(&bytes).unwrap()).unwrap();
            assert_eq!(read, ("ada".to_owned(), typed.to_owned()));
        }
        let latin = hidden(b"\xe4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        for (attributes, refused) in [
            (vec![password], E::Missing("User-Name")),
            (
                vec![(1, b"".as_slice()), password],
                E::Malformed("User-Name"),
            ),
            (
                vec![(1, b"\xff".as_slice()), password],
                E::Malformed("User-Name"),
            ),
            (vec![name, (2, &[0; 15])], E::Malformed("User-Password")),
            (vec![name, (2, &[0; 144])], E::Malformed("User-Password")),
            (vec![name, (2, &latin)], E::Malformed("User-Password")),
            (
                vec![name, name, password],
                E::Repeated(Repeated(Kind::USER_NAME)),
            ),
            (
                vec![name, password, password],
                E::Repeated(Repeated(Kind::USER_PASSWORD)),
            ),
            (vec![name, state, state], E::Repeated(Repeated(Kind::STATE))),
            (
                vec![name, password, (31, b"\xff")],
                E::Malformed("Calling-Station-Id"),
            ),
            (
                vec![name, password, (32, b"\xff")],
                E::Malformed("NAS-Identifier"),
            ),
            (vec![name, password, (79, b"x")], E::Method("EAP")),
            (vec![name, (3, &[0; 17])], E::Method("CHAP")),
            (vec![name, (60, &[0; 16])], E::Method("CHAP")),
            (vec![name, (70, &[0; 16])], E::Method("ARAP")),
            (vec![name, (103, b"x")], E::Method("HTTP Digest")),
            (
                vec![name, (26, &[0, 0, 1, 55, 25, 52])],
                E::Method("MS-CHAP"),
            ),
            (
                vec![name, (26, &[0, 0, 1, 55, 11, 18])],
                E::Method("MS-CHAP"),
            ),
            (
                vec![name, password, (6, &[0, 0, 0, 10])],
                E::Method("Call-Check"),
            ),
            (vec![name, (6, &[0, 0, 0, 17])], E::Method("Authorize-Only")),
        ] {
            let bytes = datagram(&attributes);
            let read = read(&Packet::parse(&bytes).unwrap());
            assert_eq!(read, Err(refused), "{attributes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_attributes_make_it_panic(
            attributes in prop::collection::vec(
                (prop::sample::select(vec![1_u8, 2, 3, 24, 31, 32, 33, 79, 80]),
                 prop::collection::vec(any::<u8>(), 0..=40)), 0..8),
        ) {
            let borrowed: Vec<_> = attributes.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
            let bytes = datagram(&borrowed);
            drop(read(&Packet::parse(&bytes).unwrap()));
        }
    }
}
