//! Message-Authenticator and Response Authenticator: HMAC-MD5 and MD5 with the shared secret.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use super::packet::{AUTHENTICATOR, HEADER, Kind, Packet};
use crate::secret::SecretBytes;

/// A digest.
pub(super) type Digest = [u8; AUTHENTICATOR];

/// What the Message-Authenticator of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageAuthenticator {
    /// Who sent it knows the shared secret, and nothing was changed on the way.
    Right,
    /// It is not: another secret, changed bytes, another length, or there is more than one.
    Wrong,
    /// There is none: anybody could have sent it.
    Absent,
}

impl Packet<'_> {
    /// Holds a request against its Message-Authenticator (RFC 3579 section 3.2).
    #[must_use]
    pub fn message_authenticator(&self, secret: &SecretBytes) -> MessageAuthenticator {
        let given = match self.single(Kind::MESSAGE_AUTHENTICATOR) {
            Ok(Some(given)) => given,
            Ok(None) => return MessageAuthenticator::Absent,
            Err(_repeated) => return MessageAuthenticator::Wrong,
        };
        // It is computed with zeros in its own place.
        let before = self
            .attributes()
            .take_while(|attribute| attribute.kind != Kind::MESSAGE_AUTHENTICATOR)
            .map(|attribute| attribute.value.len().saturating_add(2))
            .sum::<usize>()
            .saturating_add(2);
        let after = before.saturating_add(given.len());
        let body = self.body();
        let parts = (body.get(..before), body.get(after..));
        let (Some(before), Some(after)) = parts else {
            return MessageAuthenticator::Wrong;
        };
        let header = header(
            self.code().number(),
            self.identifier(),
            body.len(),
            self.authenticator(),
        );
        let computed = hmac_md5(secret, &[&header, before, &[0; AUTHENTICATOR], after]);
        if computed.is_some_and(|computed| computed.ct_eq(given).into()) {
            MessageAuthenticator::Right
        } else {
            MessageAuthenticator::Wrong
        }
    }
}

/// The header of a packet with so many bytes of attributes.
pub(super) fn header(
    code: u8,
    identifier: u8,
    attributes: usize,
    authenticator: &Digest,
) -> [u8; HEADER] {
    let length = attributes.saturating_add(HEADER);
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = [0; HEADER];
    let filled = [code, identifier, high, low]
        .into_iter()
        .chain(*authenticator);
    header
        .iter_mut()
        .zip(filled)
        .for_each(|(to, from)| *to = from);
    header
}

/// Binds an answer to its request (RFC 2865 section 3). `header` is the answer's with the request's authenticator.
pub(super) fn response_authenticator(
    header: &[u8; HEADER],
    attributes: &[u8],
    secret: &SecretBytes,
) -> Digest {
    md5(&[header, attributes, secret.expose()])
}

/// HMAC-MD5 over the concatenation of `parts`.
pub(super) fn hmac_md5(secret: &SecretBytes, parts: &[&[u8]]) -> Option<Digest> {
    // No length of key is an error of HMAC; should one be, nothing is authentic.
    let mut mac = Hmac::<Md5>::new_from_slice(secret.expose()).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// MD5 over the concatenation of `parts`.
pub(super) fn md5(parts: &[&[u8]]) -> Digest {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Signs what is a packet with 16 zeros as its Message-Authenticator at `at`.
    fn signed(mut datagram: Vec<u8>, at: usize, secret: &SecretBytes) -> Vec<u8> {
        let mac = hmac_md5(secret, &[&datagram]).unwrap();
        datagram[at..at + 16].copy_from_slice(&mac);
        datagram
    }

    fn request(attributes: &[u8]) -> Vec<u8> {
        [&header(1, 3, attributes.len(), &[5; 16]), attributes].concat()
    }

    fn checked(datagram: &[u8], secret: &SecretBytes) -> MessageAuthenticator {
        Packet::parse(datagram)
            .unwrap()
            .message_authenticator(secret)
    }

    /// RFC 2202 section 2, cases 1 and 2.
    #[test]
    fn hmac_md5_is_the_one_of_the_rfc() {
        let hex = |key: &[u8], text: &[u8]| {
            data_encoding::HEXLOWER.encode(&hmac_md5(&key.into(), &[text]).unwrap())
        };
        assert_eq!(
            hex(&[0x0b; 16], b"Hi There"),
            "9294727a3638bb1c13f48ef8158bfc9d"
        );
        assert_eq!(
            hex(b"Jefe", b"what do ya want for nothing?"),
            "750c783e6ab0b503eaa86e310a5db738"
        );
    }

    #[test]
    fn one_that_is_short_long_missing_or_there_twice_is_not_right() {
        let secret = SecretBytes::from(*b"xyzzy5461");
        assert_eq!(
            checked(&request(&[1, 3, b'a']), &secret),
            MessageAuthenticator::Absent
        );
        let short = [[80, 17].as_slice(), &[0; 15]].concat();
        let long = [[80, 19].as_slice(), &[0; 17]].concat();
        for attributes in [short, long, vec![80, 2]] {
            assert_eq!(
                checked(&request(&attributes), &secret),
                MessageAuthenticator::Wrong
            );
        }
        let one = [[80, 18].as_slice(), &[0; 16]].concat();
        let right = signed(request(&one), 22, &secret);
        assert_eq!(checked(&right, &secret), MessageAuthenticator::Right);
        let other = SecretBytes::from(*b"xyzzy5462");
        assert_eq!(checked(&right, &other), MessageAuthenticator::Wrong);
        let twice = signed(request(&[one.clone(), one].concat()), 22, &secret);
        assert_eq!(checked(&twice, &secret), MessageAuthenticator::Wrong);
    }

    proptest! {
        #[test]
        fn wherever_it_stands_a_changed_bit_is_seen(
            before in prop::collection::vec(any::<u8>(), 0..50),
            after in prop::collection::vec(any::<u8>(), 0..50),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let secret = SecretBytes::from(*b"xyzzy5461");
            let attribute = |value: &[u8]| {
                [&[33, u8::try_from(value.len() + 2).unwrap()], value].concat()
            };
            let first = attribute(&before);
            let place = HEADER + first.len() + 2;
            let attributes = [first, [[80, 18].as_slice(), &[0; 16]].concat(), attribute(&after)].concat();
            let mut datagram = signed(request(&attributes), place, &secret);
            prop_assert_eq!(checked(&datagram, &secret), MessageAuthenticator::Right);
            let at = at.index(datagram.len());
            datagram[at] ^= 1 << bit;
            if let Ok(packet) = Packet::parse(&datagram) {
                prop_assert_ne!(packet.message_authenticator(&secret), MessageAuthenticator::Right);
            }
        }
    }
}
