//! The MAC over plain columns: readable without a key, not changeable without one.
//!
//! What it cannot show: an older row put back together with its older MAC (a restored backup). The
//! gateway's highest accepted counter is the remedy for that.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{FORMAT, MacKey, SealError};

/// Length of a MAC, in bytes.
pub const MAC_LEN: usize = 32;

/// A MAC in the making: the table first, then every column in a fixed order. Each column goes in with
/// its kind and length, so that no two rows have the same input.
pub struct ColumnsMac(Hmac<Sha256>);

impl core::fmt::Debug for ColumnsMac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ColumnsMac")
    }
}

impl MacKey {
    /// Begins the MAC of one row of `table`.
    ///
    /// # Errors
    ///
    /// None is expected: HMAC takes keys of any length.
    pub fn columns(&self, table: &str) -> Result<ColumnsMac, SealError> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose())
            .map_err(|_wrong_length| SealError::KeyLength)?;
        Ok(ColumnsMac(mac)
            .number(i64::from(FORMAT))
            .bytes(table.as_bytes()))
    }
}

impl ColumnsMac {
    /// A number column.
    #[must_use]
    pub fn number(mut self, value: i64) -> Self {
        self.0.update(b"n");
        self.0.update(&value.to_be_bytes());
        self
    }

    /// A number column that may be NULL.
    #[must_use]
    pub fn optional_number(self, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.number(value),
            None => self.null(),
        }
    }

    /// A text or blob column.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.0.update(b"b");
        self.0
            .update(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(value);
        self
    }

    /// A text or blob column that may be NULL.
    #[must_use]
    pub fn optional_bytes(self, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.bytes(value),
            None => self.null(),
        }
    }

    fn null(mut self) -> Self {
        self.0.update(b"0");
        self
    }

    /// The MAC.
    #[must_use]
    pub fn finish(self) -> [u8; MAC_LEN] {
        self.0.finalize().into_bytes().into()
    }

    /// Compares with a stored MAC in constant time.
    ///
    /// # Errors
    ///
    /// [`SealError::Refused`]: the row was changed, or the key is another vault's.
    pub fn check(self, stored: &[u8]) -> Result<(), SealError> {
        if bool::from(self.finish().as_slice().ct_eq(stored)) {
            Ok(())
        } else {
            Err(SealError::Refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        seal::{DataKey, KEY_LEN},
        secret::SecretBytes,
    };

    fn key(byte: u8) -> MacKey {
        DataKey::new(SecretBytes::from([byte; KEY_LEN]))
            .unwrap()
            .mac_key()
            .unwrap()
    }

    #[test]
    fn every_part_of_a_row_counts() {
        let key = key(1);
        let row = |table, name: &[u8], counter, blob| {
            key.columns(table)
                .unwrap()
                .bytes(name)
                .optional_number(counter)
                .optional_bytes(blob)
        };
        let mac = row("tokens", b"vpn", Some(7), None).finish();
        assert_eq!(row("tokens", b"vpn", Some(7), None).check(&mac), Ok(()));
        for other in [
            row("services", b"vpn", Some(7), None),
            row("tokens", b"vpm", Some(7), None),
            row("tokens", b"vpn", Some(8), None),
            row("tokens", b"vpn", None, None),
            row("tokens", b"vpn", Some(7), Some(b"")),
        ] {
            assert_eq!(other.check(&mac), Err(SealError::Refused));
        }
        assert_eq!(
            row("tokens", b"vpn", Some(7), None).check(mac.get(..31).unwrap()),
            Err(SealError::Refused)
        );
    }

    #[test]
    fn columns_do_not_run_together() {
        let key = key(1);
        let two = |a: &[u8], b: &[u8]| key.columns("t").unwrap().bytes(a).bytes(b).finish();
        assert_ne!(two(b"ab", b"c"), two(b"a", b"bc"));
        assert_ne!(two(b"abc", b""), two(b"", b"abc"));
    }

    #[test]
    fn another_key_is_refused() {
        let mac = key(1).columns("t").unwrap().number(1).finish();
        assert_eq!(
            key(2).columns("t").unwrap().number(1).check(&mac),
            Err(SealError::Refused)
        );
    }
}
