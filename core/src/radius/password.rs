//! User-Password (RFC 2865 section 5.2): hidden under a chain of MD5 over secret and authenticator.

use zeroize::Zeroizing;

use super::authenticator::{Digest, md5};
use crate::secret::SecretBytes;

/// Length of one block, in bytes.
const BLOCK: usize = 16;
/// The longest hidden password, in bytes.
const LONGEST: usize = 128;

/// The password behind a `User-Password`, without the zeros that fill its last block. `None`: the value
/// is not 1 to 8 blocks of 16 bytes.
pub(super) fn reveal(
    hidden: &[u8],
    secret: &SecretBytes,
    authenticator: &Digest,
) -> Option<SecretBytes> {
    let (blocks, []) = hidden.as_chunks::<BLOCK>() else {
        return None;
    };
    if blocks.is_empty() || hidden.len() > LONGEST {
        return None;
    }
    let mut revealed = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut before = authenticator;
    for block in blocks {
        let mask = Zeroizing::new(md5(&[secret.expose(), before]));
        revealed.extend(
            block
                .iter()
                .zip(mask.iter())
                .map(|(byte, mask)| byte ^ mask),
        );
        before = block;
    }
    let filled = revealed.iter().rposition(|byte| *byte != 0);
    let length = filled.map_or(0, |last| last.saturating_add(1));
    Some(revealed.get(..length)?.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a client does.
    fn hidden(password: &[u8], secret: &SecretBytes, authenticator: &Digest) -> Vec<u8> {
        let mut padded = password.to_vec();
        padded.resize(password.len().max(1).next_multiple_of(BLOCK), 0);
        let mut before = *authenticator;
        for block in padded.chunks_mut(BLOCK) {
            for (byte, mask) in block.iter_mut().zip(md5(&[secret.expose(), &before])) {
                *byte ^= mask;
            }
            before.copy_from_slice(block);
        }
        padded
    }

    #[test]
    fn only_whole_blocks_are_read() {
        let secret = SecretBytes::from(*b"xyzzy5461");
        for length in [0, 1, 15, 17, 127, 129, 144, 253] {
            assert!(
                reveal(&vec![7; length], &secret, &[1; 16]).is_none(),
                "{length}"
            );
        }
        for length in [16, 32, 128] {
            assert!(
                reveal(&vec![7; length], &secret, &[1; 16]).is_some(),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_hidden_is_revealed(
            password in prop::collection::vec(1_u8.., 0..=128),
            secret in prop::collection::vec(any::<u8>(), 1..80),
            authenticator in any::<[u8; 16]>(),
        ) {
            let secret = SecretBytes::from(secret);
            let hidden = hidden(&password, &secret, &authenticator);
            let revealed = reveal(&hidden, &secret, &authenticator).unwrap();
            prop_assert_eq!(revealed.expose(), password.as_slice());
        }
    }
}
