//! Google Authenticator's export: `otpauth-migration://offline?data=`, one link a QR code, a protobuf message in
//! each. The message has few fields, so it is read here: core has no protobuf.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64_NOPAD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{
    Entry, Format, ImportError,
    bounded::Number,
    draft::{Draft, Kind},
    uri_list::begins_with,
};
use crate::secret::SecretBytes;

const FORMAT: Format = Format::Google;
const DAMAGED: ImportError = ImportError::Damaged(FORMAT);
/// The scheme of the links.
pub(super) const SCHEME: &str = "otpauth-migration:";
/// Longest link, in bytes: more than any QR code holds.
const MAX_LINK: usize = 16 * 1024;
/// The most QR codes of one export.
const MAX_PARTS: u64 = 100;

/// An export in several QR codes of which some were not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingParts {
    /// How many there are.
    pub of: u64,
    /// Those that are not there, from 1 on.
    pub missing: Vec<u64>,
}

/// The parts that were read, by export. Each counts once, however often it is given.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<u64, Seen>);

#[derive(Debug)]
struct Seen {
    of: u64,
    indices: BTreeSet<u64>,
}

impl Parts {
    /// The entries of a link; none if the same part was there before.
    pub(super) fn take(&mut self, link: &str) -> Result<Vec<Entry>, ImportError> {
        let payload = Payload::read(&message(link)?)?;
        let of = payload.of.max(1);
        if of > MAX_PARTS || payload.index >= of {
            return Err(DAMAGED);
        }
        let seen = self.0.entry(payload.id).or_insert_with(|| Seen {
            of,
            indices: BTreeSet::new(),
        });
        if seen.of != of {
            return Err(DAMAGED);
        }
        Ok(if seen.indices.insert(payload.index) {
            payload.entries
        } else {
            Vec::new()
        })
    }

    pub(super) fn missing(&self) -> Vec<MissingParts> {
        self.0
            .values()
            .map(|seen| MissingParts {
                of: seen.of,
                missing: (0..seen.of)
                    .filter(|index| !seen.indices.contains(index))
                    .map(|index| index.saturating_add(1))
                    .collect(),
            })
            .filter(|parts| !parts.missing.is_empty())
            .collect()
    }
}

/// The message inside a link. Base64 of either alphabet; a plus sign that became a space is one again.
fn message(link: &str) -> Result<SecretBytes, ImportError> {
    if link.len() > MAX_LINK || !begins_with(link, SCHEME) {
        return Err(DAMAGED);
    }
    let (_before, query) = link.split_once('?').ok_or(DAMAGED)?;
    let data = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("data="))
        .ok_or(DAMAGED)?;
    let data: Zeroizing<Vec<u8>> = Zeroizing::new(
        percent_decode_str(data)
            .filter(|byte| *byte != b'=')
            .map(|byte| match byte {
                b'-' | b' ' => b'+',
                b'_' => b'/',
                other => other,
            })
            .collect(),
    );
    BASE64_NOPAD
        .decode(&data)
        .map(SecretBytes::new)
        .map_err(|_not_base64| DAMAGED)
}

#[derive(Default)]
struct Payload {
    entries: Vec<Entry>,
    of: u64,
    index: u64,
    id: u64,
}

impl Payload {
    fn read(message: &SecretBytes) -> Result<Self, ImportError> {
        let mut payload = Self::default();
        let mut fields = Fields(message.expose());
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(token)) => payload.entries.push(entry(token)?),
                (3, Value::Number(of)) => payload.of = of,
                (4, Value::Number(index)) => payload.index = index,
                (5, Value::Number(id)) => payload.id = id,
                _ => {}
            }
        }
        Ok(payload)
    }
}

fn entry(token: &[u8]) -> Result<Entry, ImportError> {
    let (mut secret, mut name, mut issuer) = (SecretBytes::default(), "", "");
    let (mut algorithm, mut digits, mut kind, mut counter) = (0, 0, 0, 0);
    let mut fields = Fields(token);
    while let Some((number, value)) = fields.next()? {
        let text = |bytes| core::str::from_utf8(bytes).map_err(|_not_utf8| DAMAGED);
        match (number, value) {
            (1, Value::Bytes(bytes)) => secret = SecretBytes::from(bytes),
            (2, Value::Bytes(bytes)) => name = text(bytes)?,
            (3, Value::Bytes(bytes)) => issuer = text(bytes)?,
            (4, Value::Number(number)) => algorithm = number,
            (5, Value::Number(number)) => digits = number,
            (6, Value::Number(number)) => kind = number,
            (7, Value::Number(number)) => counter = number,
            _ => {}
        }
    }
    Ok(Draft {
        kind: match kind {
            1 => Kind::Event,
            0 | 2 => Kind::Time,
            _ => Kind::Unknown,
        },
        issuer,
        account: name,
        secret: Ok(secret),
        hash: match algorithm {
            0 | 1 => "SHA1",
            2 => "SHA256",
            3 => "SHA512",
            _ => "unknown",
        },
        digits: match digits {
            0 | 1 => Number::Is(6),
            2 => Number::Is(8),
            _ => Number::Invalid,
        },
        period: Number::Is(30),
        counter: Number::Is(counter),
    }
    .finish())
}

/// A value of the wire format of protobuf. Those of fixed length have no field here.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, ImportError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 0b111 {
            0 => Value::Number(self.varint()?),
            1 => self.bytes(8).map(|_ignored| Value::Fixed)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.bytes(usize::try_from(len).map_err(|_over| DAMAGED)?)?)
            }
            5 => self.bytes(4).map(|_ignored| Value::Fixed)?,
            _ => return Err(DAMAGED),
        };
        Ok(Some((key >> 3, value)))
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], ImportError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u64, ImportError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(DAMAGED)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DAMAGED)
    }
}
