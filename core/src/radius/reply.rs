//! What goes back to a client (RFC 2865 sections 4.2 to 4.4).

use super::{
    authenticator::{header, hmac_md5, response_authenticator},
    packet::{AUTHENTICATOR, Code, HEADER, Kind, LONGEST, LONGEST_VALUE, Packet},
};
use crate::secret::SecretBytes;

/// The head of a Message-Authenticator: type and length.
const MESSAGE_AUTHENTICATOR: [u8; 2] = [80, 18];
/// Where it ends, behind the header.
const MESSAGE_AUTHENTICATOR_END: usize = 18;

/// May what the user types be seen (RFC 2869 section 5.10)?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// No.
    NoEcho,
    /// Yes.
    Echo,
}

/// The answer with the attributes of the request that must come back would be longer than 4096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer would be longer than a packet can be")]
pub struct ReplyTooLong;

/// An answer in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    attributes: Vec<u8>,
}

impl Reply {
    /// Access-Accept; also the answer to Status-Server.
    #[must_use]
    pub const fn accept() -> Self {
        Self::new(Code::AccessAccept)
    }

    /// Access-Reject.
    #[must_use]
    pub const fn reject() -> Self {
        Self::new(Code::AccessReject)
    }

    /// Access-Challenge.
    #[must_use]
    pub const fn challenge() -> Self {
        Self::new(Code::AccessChallenge)
    }

    const fn new(code: Code) -> Self {
        Self {
            code,
            attributes: Vec::new(),
        }
    }

    /// What it says.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// With a text for the user, in as many `Reply-Message` attributes as it needs.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        let mut rest = text;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.floor_char_boundary(LONGEST_VALUE));
            self.put(Kind::REPLY_MESSAGE, part.as_bytes());
            rest = behind;
        }
        self
    }

    /// With a `State`, which comes back with the user's answer.
    #[must_use]
    pub fn state(mut self, state: &[u8]) -> Self {
        self.put(Kind::STATE, state);
        self
    }

    /// With how the client shows what the user types.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        let number: u32 = match prompt {
            Prompt::NoEcho => 0,
            Prompt::Echo => 1,
        };
        self.put(Kind::PROMPT, &number.to_be_bytes());
        self
    }

    /// With the time that the user has to answer a challenge, in seconds.
    #[must_use]
    pub fn session_timeout(mut self, secs: u32) -> Self {
        self.put(Kind::SESSION_TIMEOUT, &secs.to_be_bytes());
        self
    }

    /// Longer values than an attribute holds are cut: none of ours is.
    fn put(&mut self, kind: Kind, value: &[u8]) {
        let value = value.get(..LONGEST_VALUE).unwrap_or(value);
        let length = u8::try_from(value.len().saturating_add(2)).unwrap_or(u8::MAX);
        self.attributes.extend_from_slice(&[kind.0, length]);
        self.attributes.extend_from_slice(value);
    }

    /// The bytes of the answer to this request: Message-Authenticator first, so that nobody can push it out of
    /// its place, and every `Proxy-State` of the request last, unchanged and in order.
    ///
    /// # Errors
    ///
    /// [`ReplyTooLong`].
    pub fn seal(
        &self,
        request: &Packet<'_>,
        secret: &SecretBytes,
    ) -> Result<Vec<u8>, ReplyTooLong> {
        let mut behind = self.attributes.clone();
        for attribute in request.attributes() {
            if attribute.kind == Kind::PROXY_STATE {
                let length = u8::try_from(attribute.value.len().saturating_add(2));
                behind.extend_from_slice(&[attribute.kind.0, length.unwrap_or(u8::MAX)]);
                behind.extend_from_slice(attribute.value);
            }
        }
        let mut attributes = [
            &MESSAGE_AUTHENTICATOR,
            [0; AUTHENTICATOR].as_slice(),
            &behind,
        ]
        .concat();
        if attributes.len().saturating_add(HEADER) > LONGEST {
            return Err(ReplyTooLong);
        }
        let (code, length) = (self.code.number(), attributes.len());
        let head = |authenticator| header(code, request.identifier(), length, authenticator);
        let asked = head(request.authenticator());
        let mac = hmac_md5(secret, &[&asked, &attributes]).ok_or(ReplyTooLong)?;
        let place = attributes.get_mut(MESSAGE_AUTHENTICATOR.len()..MESSAGE_AUTHENTICATOR_END);
        place.ok_or(ReplyTooLong)?.copy_from_slice(&mac);
        let response = response_authenticator(&asked, &attributes, secret);
        Ok([&head(&response), attributes.as_slice()].concat())
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::radius::{MessageAuthenticator, authenticator::md5};

    fn request(attributes: &[u8]) -> Vec<u8> {
        [&header(1, 3, attributes.len(), &[5; 16]), attributes].concat()
    }

    /// What a client checks (RFC 2865 section 3, RFC 3579 section 3.2).
    fn is_genuine(reply: &[u8], request: &[u8], secret: &SecretBytes) -> bool {
        let asked = &request[4..20];
        let response = md5(&[&reply[..4], asked, &reply[20..], secret.expose()]);
        let mut as_signed = reply.to_vec();
        as_signed[4..20].copy_from_slice(asked);
        let packet = Packet::parse(&as_signed).unwrap();
        response == reply[4..20]
            && packet.message_authenticator(secret) == MessageAuthenticator::Right
    }

    #[test]
    fn an_answer_begins_with_its_message_authenticator_and_ends_with_the_proxies_states() {
        let secret = SecretBytes::from(*b"xyzzy5461");
        let bytes = request(&[33, 4, 1, 2, 1, 3, b'a', 33, 3, 9]);
        let packet = Packet::parse(&bytes).unwrap();
        let reply = Reply::challenge()
            .message("Enter 42")
            .state(b"state")
            .prompt(Prompt::NoEcho)
            .session_timeout(60);
        let sealed = reply.seal(&packet, &secret).unwrap();
        assert!(is_genuine(&sealed, &bytes, &secret));
        let read = Packet::parse(&sealed).unwrap();
        assert_eq!((read.code(), read.identifier()), (Code::AccessChallenge, 3));
        let kinds: Vec<_> = read
            .attributes()
            .map(|attribute| attribute.kind.0)
            .collect();
        assert_eq!(kinds, [80, 18, 24, 76, 27, 33, 33]);
        let values: Vec<_> = read.attributes().map(|attribute| attribute.value).collect();
        assert_eq!(values[1..3], [b"Enter 42".as_slice(), b"state"]);
        assert_eq!(values[3..5], [[0; 4], [0, 0, 0, 60]]);
        assert_eq!(values[5..], [[1, 2].as_slice(), &[9]]);
    }

    #[test]
    fn a_long_text_goes_in_several_parts_and_no_character_is_cut() {
        let text = "ä".repeat(200);
        let bytes = request(&[]);
        let packet = Packet::parse(&bytes).unwrap();
        let sealed = Reply::reject()
            .message(&text)
            .seal(&packet, &SecretBytes::from(*b"x"));
        let sealed = sealed.unwrap();
        let parts: Vec<_> = Packet::parse(&sealed)
            .unwrap()
            .attributes()
            .skip(1)
            .map(|attribute| core::str::from_utf8(attribute.value).unwrap().to_owned())
            .collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts.concat(), text);
    }

    #[test]
    fn an_answer_that_does_not_fit_is_none() {
        let full: Vec<u8> = [[33, 255].as_slice(), &[7; 253]].concat().repeat(15);
        let bytes = request(&full);
        let packet = Packet::parse(&bytes).unwrap();
        let secret = SecretBytes::from(*b"x");
        assert!(Reply::accept().seal(&packet, &secret).is_ok());
        let long = Reply::accept().message(&"x".repeat(1000));
        assert_eq!(long.seal(&packet, &secret), Err(ReplyTooLong));
    }

    proptest! {
        #[test]
        fn every_answer_is_genuine_and_a_changed_one_is_not(
            text in ".{0,300}",
            secret in prop::collection::vec(any::<u8>(), 1..80),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let secret = SecretBytes::from(secret);
            let bytes = request(&[33, 3, 1]);
            let packet = Packet::parse(&bytes).unwrap();
            let mut sealed = Reply::reject().message(&text).seal(&packet, &secret).unwrap();
            prop_assert!(is_genuine(&sealed, &bytes, &secret));
            // Neither length nor heads: those are no packet any more.
            let at = 4 + at.index(16);
            sealed[at] ^= 1 << bit;
            prop_assert!(!is_genuine(&sealed, &bytes, &secret));
        }
    }
}
