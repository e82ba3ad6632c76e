//! HMAC (RFC 2104) with the three hashes of the passcode RFCs.

use hmac::{
    Hmac, KeyInit, Mac,
    digest::{Digest, common::Key},
};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

use super::HashAlgorithm;

/// HMAC over the concatenation of `parts`; as long as the hash.
pub(super) fn hmac(hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    match hash {
        HashAlgorithm::Sha1 => keyed::<Hmac<Sha1>, Sha1>(key, parts),
        HashAlgorithm::Sha256 => keyed::<Hmac<Sha256>, Sha256>(key, parts),
        HashAlgorithm::Sha512 => keyed::<Hmac<Sha512>, Sha512>(key, parts),
    }
}

/// The key is brought to one block here (RFC 2104 section 2), so that no length of key is an error.
fn keyed<M: KeyInit + Mac, H: Digest>(key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut block = Key::<M>::default();
    if key.len() > block.len() {
        let digest = H::digest(key);
        copy(&digest, &mut block);
    } else {
        copy(key, &mut block);
    }
    let mut mac = <M as KeyInit>::new(&block);
    block.as_mut_slice().zeroize();
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 2202 case 6 and RFC 4231 case 6: a key longer than a block is hashed first.
    #[test]
    fn long_keys_are_hashed() {
        let message: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            HEXLOWER.encode(&hmac(HashAlgorithm::Sha1, &[0xaa; 80], &[message])),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112"
        );
        assert_eq!(
            HEXLOWER.encode(&hmac(HashAlgorithm::Sha256, &[0xaa; 131], &[message])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn parts_are_concatenated() {
        let whole = hmac(HashAlgorithm::Sha512, b"key", &[b"one two"]);
        assert_eq!(
            hmac(HashAlgorithm::Sha512, b"key", &[b"one", b"", b" two"]),
            whole
        );
    }
}
