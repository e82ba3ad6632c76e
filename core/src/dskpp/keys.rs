//! What is derived with the pseudorandom function (RFC 6063, sections 4.2 and 4.3).

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Prf;
use crate::secret::SecretBytes;

/// Length of the MACs that prove knowledge of `K_MAC`, in bytes.
pub(super) const MAC_LEN: usize = 32;
/// Fewest bytes of a nonce (RFC 6063, section 4.2).
pub(super) const MIN_NONCE_LEN: usize = 16;
/// Most bytes of a nonce that we take.
pub(super) const MAX_NONCE_LEN: usize = 64;
/// Bytes of the server's nonce that we make.
pub(super) const NONCE_LEN: usize = 32;

/// Lengths of `K_PROV` that a server may have used: ours for keys up to 32 bytes and for 64 bytes, and that of a 20-byte key
/// with AES, which the examples of the RFC have for the other function too.
pub(super) const PROVISIONED_LENGTHS: [usize; 3] = [64, 128, 40];

/// Length of `K_PROV` for a seed: two equal halves, each as long as the longer of a MAC key and the seed.
pub(super) fn provisioned_len(prf: Prf, seed_len: usize) -> usize {
    seed_len.max(prf.key_len()).saturating_mul(2)
}

/// `K_PROV` in its halves.
#[derive(Debug)]
pub(super) struct ProvisionedKeys {
    pub(super) k_mac: SecretBytes,
    k_token: SecretBytes,
}

impl ProvisionedKeys {
    /// `K_PROV` = DSKPP-PRF(`R_C`, `"Key generation" || K || R_S`, len).
    pub(super) fn derive(prf: Prf, r_c: &SecretBytes, k: &[u8], r_s: &[u8], len: usize) -> Self {
        Self::split(
            prf,
            &prf.compute(r_c.expose(), &[b"Key generation", k, r_s], len),
        )
    }

    /// The first half is `K_MAC`, of which AES takes the first 16 bytes.
    pub(super) fn split(prf: Prf, k_prov: &SecretBytes) -> Self {
        let (k_mac, k_token) = k_prov.expose().split_at(k_prov.len().div_euclid(2));
        let k_mac = match prf {
            Prf::Sha256 => k_mac,
            Prf::Aes128 => k_mac.get(..prf.key_len()).unwrap_or(k_mac),
        };
        Self {
            k_mac: k_mac.into(),
            k_token: k_token.into(),
        }
    }

    /// The seed: the first bytes of `K_TOKEN`; none if it is shorter.
    pub(super) fn seed(&self, len: usize) -> Option<SecretBytes> {
        self.k_token.expose().get(..len).map(SecretBytes::from)
    }
}

/// The hash over all bodies, in order, exactly as they travelled.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(Sha256);

impl Transcript {
    pub(super) fn add(&mut self, body: &[u8]) {
        self.0.update(body);
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// The MAC of the last message: DSKPP-PRF(`K_MAC`, `"MAC 1 computation" || msg_hash || ServerID`, 32). The server's name
/// enters it in two passes only.
pub(super) fn final_mac(
    prf: Prf,
    k_mac: &SecretBytes,
    transcript: &Transcript,
    server_id: &str,
) -> SecretBytes {
    prf.compute(
        k_mac.expose(),
        &[
            b"MAC 1 computation",
            &transcript.hash(),
            server_id.as_bytes(),
        ],
        MAC_LEN,
    )
}

/// In constant time over the content; the length is not secret.
pub(super) fn mac_is(expected: &SecretBytes, received: &[u8]) -> bool {
    expected.expose().ct_eq(received).into()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde::Deserialize;

    use super::*;
    use crate::{
        dskpp::{
            AuthenticationCode,
            authentication::{ProofInput, authentication_key_for_test},
        },
        otp::{self, Digits, HashAlgorithm},
        secret::SecretText,
    };

    #[derive(Deserialize)]
    struct Vectors {
        prf_sha256: Vec<PrfVector>,
        prf_aes_128: Vec<PrfVector>,
        authentication_codes: Vec<CodeVector>,
        four_pass: FourPass,
        two_pass: TwoPass,
    }

    #[derive(Deserialize)]
    struct PrfVector {
        key: String,
        text: String,
        output: String,
    }

    #[derive(Deserialize)]
    struct CodeVector {
        short_code: String,
        passphrase: String,
        text: String,
    }

    #[derive(Deserialize)]
    struct FourPass {
        k: String,
        r_s: String,
        r_c: String,
        client_id: String,
        password: String,
        url: String,
        rounds: u32,
        k_ac: String,
        authentication_mac: String,
        k_prov: String,
        bodies: Vec<String>,
        msg_hash: String,
        mac: String,
        seed_len: usize,
        hotp: Vec<String>,
    }

    #[derive(Deserialize)]
    struct TwoPass {
        k: String,
        r_c: String,
        client_id: String,
        password: String,
        url: String,
        rounds: u32,
        k_ac: String,
        authentication_mac: String,
        k_prov: String,
        body: String,
        server_id: String,
        msg_hash: String,
        mac: String,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../tests/vectors/dskpp.json")).unwrap()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    fn hex(secret: &SecretBytes) -> String {
        HEXLOWER.encode(secret.expose())
    }

    #[test]
    fn the_prf_gives_the_published_values_at_every_length() {
        let Vectors {
            prf_sha256,
            prf_aes_128,
            ..
        } = vectors();
        let sha256 = prf_sha256.into_iter().map(|vector| (Prf::Sha256, vector));
        let aes = prf_aes_128.into_iter().map(|vector| (Prf::Aes128, vector));
        for (prf, vector) in sha256.chain(aes) {
            let expected = bytes(&vector.output);
            for len in 0..=expected.len() {
                // Parts are joined, wherever they are cut.
                let (first, second) = vector.text.as_bytes().split_at(len % vector.text.len());
                let output = prf.compute(&bytes(&vector.key), &[first, second], len);
                assert_eq!(output.expose(), &expected[..len]);
            }
        }
    }

    #[test]
    fn authentication_codes_are_those_of_the_rfc() {
        for vector in vectors().authentication_codes {
            let code =
                AuthenticationCode::new(&vector.short_code, &SecretText::new(vector.passphrase))
                    .unwrap();
            assert_eq!(code.to_text().expose(), vector.text);
            assert_eq!(AuthenticationCode::from_text(&vector.text), Ok(code));
        }
    }

    #[test]
    fn a_whole_run_gives_the_published_values() {
        let run = vectors().four_pass;
        let (k, r_s, r_c) = (
            bytes(&run.k),
            bytes(&run.r_s),
            SecretBytes::new(bytes(&run.r_c)),
        );
        let code = AuthenticationCode::new(&run.client_id, &SecretText::new(run.password.clone()))
            .unwrap();
        let proof = ProofInput {
            url: &run.url,
            r_c: &r_c,
            r_s: &r_s,
            k: &k,
        };
        let k_ac = authentication_key_for_test(&run.password, run.rounds, &proof);
        assert_eq!(HEXLOWER.encode(&k_ac), run.k_ac);
        assert_eq!(
            hex(&code.mac(Prf::Sha256, run.rounds, &proof)),
            run.authentication_mac
        );

        let prf = Prf::Sha256;
        let len = provisioned_len(prf, run.seed_len);
        assert_eq!(len, 64);
        let keys = ProvisionedKeys::derive(prf, &r_c, &k, &r_s, len);
        assert_eq!([hex(&keys.k_mac), hex(&keys.k_token)].concat(), run.k_prov);
        let mut transcript = Transcript::default();
        run.bodies
            .iter()
            .for_each(|body| transcript.add(body.as_bytes()));
        assert_eq!(HEXLOWER.encode(&transcript.hash()), run.msg_hash);
        assert_eq!(hex(&final_mac(prf, &keys.k_mac, &transcript, "")), run.mac);

        let seed = keys.seed(run.seed_len).unwrap();
        for (counter, passcode) in (0..).zip(run.hotp) {
            let ours = otp::hotp(&seed, counter, HashAlgorithm::Sha1, Digits::SIX);
            assert_eq!(ours.expose(), passcode);
        }
    }

    #[test]
    fn two_passes_give_the_published_values() {
        let run = vectors().two_pass;
        let (k, r_c) = (bytes(&run.k), SecretBytes::new(bytes(&run.r_c)));
        let password = SecretText::new(run.password.clone());
        let code = AuthenticationCode::new(&run.client_id, &password).unwrap();
        let proof = ProofInput {
            url: &run.url,
            r_c: &r_c,
            r_s: &[],
            k: &k,
        };
        let k_ac = authentication_key_for_test(&run.password, run.rounds, &proof);
        assert_eq!(HEXLOWER.encode(&k_ac), run.k_ac);
        let prf = Prf::Sha256;
        assert_eq!(
            hex(&code.mac(prf, run.rounds, &proof)),
            run.authentication_mac
        );
        let keys = ProvisionedKeys::split(prf, &SecretBytes::new(bytes(&run.k_prov)));
        let mut transcript = Transcript::default();
        transcript.add(run.body.as_bytes());
        assert_eq!(HEXLOWER.encode(&transcript.hash()), run.msg_hash);
        let mac = final_mac(prf, &keys.k_mac, &transcript, &run.server_id);
        assert_eq!(hex(&mac), run.mac);
    }

    #[test]
    fn every_seed_fits_its_half_and_every_length_is_tried_by_the_client() {
        for prf in Prf::ALL {
            let r_c = SecretBytes::new(vec![1; prf.key_len()]);
            for hash in [
                HashAlgorithm::Sha1,
                HashAlgorithm::Sha256,
                HashAlgorithm::Sha512,
            ] {
                let len = provisioned_len(prf, hash.output_len());
                assert!(PROVISIONED_LENGTHS.contains(&len));
                let keys = ProvisionedKeys::derive(prf, &r_c, b"k", b"s", len);
                assert_eq!(
                    keys.seed(hash.output_len()).unwrap().len(),
                    hash.output_len()
                );
                assert!(prf.takes(keys.k_mac.len()));
            }
            let short = ProvisionedKeys::derive(prf, &r_c, b"k", b"s", 40);
            assert_eq!(short.seed(32), None);
        }
    }
}
