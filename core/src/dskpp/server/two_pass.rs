//! Two passes: the hello carries the proof, and the one answer the key. [`ReceivedClientHello::two_pass`] >
//! [`ReceivedClientHello::authenticate`] > [`AuthenticatedHello::finish`] > [`Provisioned`].

use data_encoding::{BASE64, HEXLOWER};
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq as _};

use super::{Provisioned, ReceivedClientHello, Refusal, refusal::response, stranger};
use crate::{
    dskpp::{
        AuthenticationCode, KeyProtection, Prf, SharedSecret, Status,
        authentication::ProofInput,
        body_mac,
        keys::{ProvisionedKeys, Transcript, final_mac, provisioned_len},
        message::{self, MAX_IDENTIFIER},
        two_pass::PROOF_ROUNDS,
    },
    pskc::{KeyAlgorithm, KeyPackage, delivery::wrapped},
    secret::{SecretBytes, SecretText},
    xml::Node,
};

/// What a hello says about two passes; read, but not believed.
#[derive(Debug)]
pub struct TwoPassOffer {
    pub(super) r_c: Vec<u8>,
    pub(super) protections: Vec<KeyProtection>,
    pub(super) proof: Option<OfferedProof>,
}

#[derive(Debug)]
pub(super) struct OfferedProof {
    pub(super) client_id: String,
    pub(super) rounds: u32,
    pub(super) prf: Option<Prf>,
    pub(super) mac: Vec<u8>,
}

impl TwoPassOffer {
    /// How the client can take a key, its preferred way first.
    #[must_use]
    pub fn protections(&self) -> &[KeyProtection] {
        &self.protections
    }
}

impl ReceivedClientHello {
    /// Can the client do four passes?
    #[must_use]
    pub const fn offers_four_passes(&self) -> bool {
        self.four_pass
    }

    /// What it offers for two passes.
    #[must_use]
    pub const fn two_pass(&self) -> Option<&TwoPassOffer> {
        self.two_pass.as_ref()
    }

    /// Checks the client's proof. `url` is the enrollment URL exactly as it was issued, `code` the code that it was issued with
    /// and `secret` what both sides have (none of both: the activation is unknown, over or used up).
    ///
    /// A wrong code and an unknown activation take the same way, through the whole computation, to the same refusal. With a
    /// passphrase it takes 100,000 rounds of PBKDF2, some ten milliseconds: not on a thread that must not block.
    ///
    /// # Errors
    /// A refusal with [`Status::AuthenticationDataMissing`], [`Status::AuthenticationDataInvalid`],
    /// [`Status::NoProtocolVariants`] without an offer, [`Status::NoSupportedEncryptionAlgorithms`] without AES key wrap.
    pub fn authenticate(
        self,
        url: &str,
        known: Option<(&AuthenticationCode, &SharedSecret)>,
        rng: &mut impl CryptoRng,
    ) -> Result<AuthenticatedHello, Refusal> {
        let Self {
            key_types,
            key_wrap,
            prf,
            two_pass,
            client_info,
            transcript,
            ..
        } = self;
        let refuse = |status| Err(Refusal::to_hello(status));
        let Some(offer) = two_pass else {
            return refuse(Status::NoProtocolVariants);
        };
        let Some(proof) = offer.proof else {
            return refuse(Status::AuthenticationDataMissing);
        };
        if !key_wrap {
            return refuse(Status::NoSupportedEncryptionAlgorithms);
        }
        // Drawn always, so that a failure does nothing more than a success.
        let nobody = (
            stranger(rng),
            SharedSecret::Passphrase(SecretText::new(random_text(rng))),
        );
        let (code, secret, is_known) = match (known, &nobody) {
            (Some((code, secret)), _) => (Some(code), secret, Choice::from(1)),
            (None, (code, secret)) => (code.as_ref(), secret, Choice::from(0)),
        };
        let r_c = SecretBytes::new(offer.r_c);
        let k = secret.proof_key(r_c.expose());
        let input = ProofInput {
            url,
            r_c: &r_c,
            r_s: &[],
            k: k.expose(),
        };
        let proven = code.map_or_else(
            || Choice::from(0),
            |code| {
                let expected = code.mac(prf, PROOF_ROUNDS, &input);
                expected.expose().ct_eq(&proof.mac)
                    & code
                        .client_id()
                        .as_bytes()
                        .ct_eq(proof.client_id.as_bytes())
            },
        );
        let well_made = proof.rounds == PROOF_ROUNDS
            && proof.prf.is_none_or(|named| named == prf)
            && offer.protections.contains(&secret.protection());
        let right = proven & is_known & Choice::from(u8::from(well_made));
        if !bool::from(right) {
            return refuse(Status::AuthenticationDataInvalid);
        }
        Ok(AuthenticatedHello {
            key_types,
            prf,
            secret: secret.clone(),
            client_info,
            transcript,
        })
    }
}

fn random_text(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    HEXLOWER.encode(&bytes)
}

/// The client has proven its code: the token can be made.
#[derive(Debug)]
pub struct AuthenticatedHello {
    key_types: Vec<KeyAlgorithm>,
    prf: Prf,
    secret: SharedSecret,
    client_info: Option<Vec<u8>>,
    transcript: Transcript,
}

impl AuthenticatedHello {
    /// The only message, and the keys to be kept before it is sent: both are drawn here. `server_id` names the server, at most
    /// 128 characters, usually its URL; it is part of the MAC. With a passphrase it takes 100,000 rounds of PBKDF2.
    ///
    /// # Errors
    /// A refusal with [`Status::NoSupportedKeyTypes`] if the client cannot hold such a key, with
    /// [`Status::InitializationFailed`] if the package is not valid.
    pub fn finish(
        self,
        package: &KeyPackage,
        server_id: &str,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<u8>, Provisioned), Refusal> {
        if !self.key_types.contains(&KeyAlgorithm::of(&package.mode)) {
            return Err(self.refuse(Status::NoSupportedKeyTypes));
        }
        if package.check().is_err() || server_id.chars().nth(MAX_IDENTIFIER).is_some() {
            return Err(self.refuse(Status::InitializationFailed));
        }
        let prf = self.prf;
        let seed_len = package.seed_len();
        let mut k_prov = vec![0; provisioned_len(prf, seed_len)];
        rng.fill_bytes(&mut k_prov);
        let k_prov = SecretBytes::new(k_prov);
        let keys = ProvisionedKeys::split(prf, &k_prov);
        let container = self
            .secret
            .wrapping(|wrapping| wrapped("dskpp:KeyContainer", package, &k_prov, wrapping, rng));
        let (Ok(container), Some(k_token)) = (container, keys.seed(seed_len)) else {
            return Err(self.refuse(Status::InitializationFailed));
        };
        let mut session_id = [0; 16];
        rng.fill_bytes(&mut session_id);
        let session_id = HEXLOWER.encode(&session_id);
        let mac = final_mac(prf, &keys.k_mac, &self.transcript, server_id);
        let extensions = self
            .client_info
            .as_deref()
            .map(|info| message::info_extension("dskpp:ClientInfoType", info))
            .into_iter()
            .chain([body_mac::unsealed()])
            .collect();
        let body = response(
            "dskpp:KeyProvServerFinished",
            Some(&session_id),
            Status::Success,
        )
        .add(
            Node::new("dskpp:KeyPackage")
                .add(Node::text("dskpp:ServerID", server_id))
                .add(Node::text(
                    "dskpp:KeyProtectionMethod",
                    self.secret.protection().uri(),
                ))
                .add(container),
        )
        .add_if(message::extensions(extensions))
        .add(Node::text("dskpp:Mac", BASE64.encode(mac.expose())).with("MacAlgorithm", prf.uri()))
        .document();
        let body = body_mac::seal(prf, &keys.k_mac, &body).into_bytes();
        let provisioned = Provisioned {
            k_token,
            k_mac: keys.k_mac,
        };
        Ok((body, provisioned))
    }

    /// Ends the run.
    #[must_use]
    pub fn refuse(self, status: Status) -> Refusal {
        Refusal::to_hello(status)
    }
}
