//! The audit log of a gateway as a chain: what a link is made of, and the signed marks that leave the machine.
//!
//! Rows are numbered from 1 without gaps. Each batch of rows that became durable together has one link, numbered from 1
//! too: a hash over the link before and every row of the batch. Who changes, removes or adds a row has to make every
//! later link anew; a mark that was signed and taken away before shows that they did. A log that was cut off
//! behind a link is whole in itself: only a mark shows it.

use core::fmt;

use data_encoding::HEXLOWER;
use p256::ecdsa::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::{
    ids::ServiceId,
    signing::{self, Label},
    time::UnixMillis,
};

/// What comes before the first link.
pub const START: Hash = Hash([0; 32]);
/// The longest mark that is read, in bytes.
const LONGEST_MARK: usize = 1024;
/// r and s of P-256, in bytes.
const SIGNATURE: usize = 64;

/// A link's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// One row of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'r> {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: UnixMillis,
    /// What, to whom, in which way.
    pub texts: [&'r str; 3],
}

/// A link in the making.
#[derive(Clone, Debug)]
pub struct Link(Sha256);

impl Link {
    /// Link `number`, after the one whose hash is `before`.
    #[must_use]
    pub fn after(before: Hash, number: u64) -> Self {
        let hash = Sha256::new()
            .chain_update(b"countersign/audit/1 link\0")
            .chain_update(before.0)
            .chain_update(number.to_be_bytes());
        Self(hash)
    }

    /// The next row of the batch.
    pub fn add(&mut self, row: Row<'_>) {
        self.0.update(row.number.to_be_bytes());
        self.0.update(row.at.0.to_be_bytes());
        for text in row.texts {
            // Lengths first, so that no two rows hash the same bytes.
            self.0
                .update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            self.0.update(text.as_bytes());
        }
    }

    /// The link's hash.
    #[must_use]
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// A place in a log, to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose log.
    pub service: ServiceId,
    /// The number of a link; 0: before the first.
    pub link: u64,
    /// The last row of it.
    pub row: u64,
    /// Its hash.
    pub hash: Hash,
    /// When the mark was made.
    pub at: UnixMillis,
}

/// What a mark is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Up to here the log is whole: taken away from the machine.
    Head,
    /// Up to here the log was whole, and has been pruned.
    Checkpoint,
}

impl MarkKind {
    const fn label(self) -> Label {
        match self {
            Self::Head => Label::AuditHead,
            Self::Checkpoint => Label::AuditCheckpoint,
        }
    }

    const fn first_line(self) -> &'static str {
        match self {
            Self::Head => "countersign-audit-head 1",
            Self::Checkpoint => "countersign-audit-checkpoint 1",
        }
    }
}

/// Why a mark is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// Not the text of a mark of this kind.
    #[error("this is not a mark of an audit log as the gateway prints it")]
    Malformed,
    /// It was not signed by this key, or was changed afterwards.
    #[error("the mark was not signed by this gateway, or was changed")]
    Signature,
}

/// The text of a mark: a line each fact, its signature as the last one.
#[must_use]
pub fn sign(key: &SigningKey, kind: MarkKind, mark: &Mark) -> String {
    let body = format!(
        "{}\nservice {}\nlink {}\nrow {}\nhash {:?}\nat {}\n",
        kind.first_line(),
        mark.service,
        mark.link,
        mark.row,
        mark.hash,
        mark.at.0
    );
    let signature = signing::sign(key, kind.label(), body.as_bytes());
    format!("{body}signature {}\n", HEXLOWER.encode(&signature))
}

/// The mark of a text, after its signature has been checked.
///
/// # Errors
/// Every variant of [`MarkError`].
pub fn read(key: &VerifyingKey, kind: MarkKind, text: &str) -> Result<Mark, MarkError> {
    if text.len() > LONGEST_MARK {
        return Err(MarkError::Malformed);
    }
    let end = text.rfind("signature ").ok_or(MarkError::Malformed)?;
    let (body, signature) = text.split_at_checked(end).ok_or(MarkError::Malformed)?;
    let signature = signature
        .strip_prefix("signature ")
        .and_then(|hex| HEXLOWER.decode(hex.trim_end().as_bytes()).ok())
        .filter(|signature| signature.len() == SIGNATURE)
        .ok_or(MarkError::Malformed)?;
    signing::verify(key, kind.label(), body.as_bytes(), &signature)
        .map_err(|_not_signed| MarkError::Signature)?;
    parse(kind, body).ok_or(MarkError::Malformed)
}

fn parse(kind: MarkKind, body: &str) -> Option<Mark> {
    let mut lines = body.lines();
    if lines.next()? != kind.first_line() {
        return None;
    }
    let mut fact = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    Some(Mark {
        service: fact("service")?.parse().ok()?,
        link: fact("link")?.parse().ok()?,
        row: fact("row")?.parse().ok()?,
        hash: Hash(
            HEXLOWER
                .decode(fact("hash")?.as_bytes())
                .ok()?
                .try_into()
                .ok()?,
        ),
        at: UnixMillis(fact("at")?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{secret::SecretBytes, signing::key_from_bytes};

    fn key(byte: u8) -> SigningKey {
        key_from_bytes(&SecretBytes::from([byte; 32])).unwrap()
    }

    fn mark() -> Mark {
        Mark {
            service: ServiceId([7; 16]),
            link: 12,
            row: 345,
            hash: Hash([0xab; 32]),
            at: UnixMillis(1_800_000_000_000),
        }
    }

    fn link(rows: &[(u64, i64, [&str; 3])]) -> Hash {
        let mut link = Link::after(START, 1);
        for (number, at, texts) in rows {
            link.add(Row {
                number: *number,
                at: UnixMillis(*at),
                texts: *texts,
            });
        }
        link.finish()
    }

    #[test]
    fn a_link_depends_on_everything_before_and_in_it() {
        let one = link(&[(1, 5, ["a", "b", "c"])]);
        for other in [
            link(&[(2, 5, ["a", "b", "c"])]),
            link(&[(1, 6, ["a", "b", "c"])]),
            link(&[(1, 5, ["ab", "", "c"])]),
            link(&[(1, 5, ["a", "bc", ""])]),
            link(&[(1, 5, ["a", "b", "c"]), (2, 5, ["", "", ""])]),
            Link::after(START, 1).finish(),
            Link::after(one, 1).finish(),
            Link::after(one, 2).finish(),
        ] {
            assert_ne!(one, other);
        }
    }

    /// Also computed with Python's hashlib.
    #[test]
    fn the_published_value_of_a_link() {
        let one = link(&[
            (1, 5, ["user_added", "ada", ""]),
            (2, -6, ["\u{e4}", "", "x"]),
        ]);
        assert_eq!(
            format!("{one:?}"),
            "1bbe800abc154f160df9fe3d6de7b88f4f4cb80b205ada2c4600cdd7512d12cb"
        );
    }

    #[test]
    fn a_mark_is_read_as_it_was_signed_and_by_nobody_else() {
        for kind in [MarkKind::Head, MarkKind::Checkpoint] {
            let text = sign(&key(1), kind, &mark());
            let reader = VerifyingKey::from(&key(1));
            assert_eq!(read(&reader, kind, &text), Ok(mark()));
            assert_eq!(read(&reader, kind, text.trim_end()), Ok(mark()));
            let stranger = VerifyingKey::from(&key(2));
            assert_eq!(read(&stranger, kind, &text), Err(MarkError::Signature));
        }
        let head = sign(&key(1), MarkKind::Head, &mark());
        let reader = VerifyingKey::from(&key(1));
        assert_eq!(
            read(&reader, MarkKind::Checkpoint, &head),
            Err(MarkError::Signature)
        );
        for text in ["", "signature ", "signature zz", &"x".repeat(5000)] {
            assert_eq!(
                read(&reader, MarkKind::Head, text),
                Err(MarkError::Malformed)
            );
        }
    }

    proptest! {
        #[test]
        fn a_changed_mark_is_refused(place in 0_usize..400, byte in any::<u8>()) {
            let text = sign(&key(1), MarkKind::Head, &mark());
            let mut bytes = text.clone().into_bytes();
            let place = place.checked_rem(bytes.len()).unwrap();
            bytes[place] = byte;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            prop_assume!(changed.trim_end() != text.trim_end());
            prop_assert!(read(&VerifyingKey::from(&key(1)), MarkKind::Head, &changed).is_err());
        }
    }
}
