//! The server's side of a run.
//!
//! [`read`] sorts what comes in. [`ReceivedClientHello::answer`] > [`AwaitingClientNonce`] (kept under its session
//! id) > [`AwaitingClientNonce::on_client_nonce`] > [`Authenticated::finish`] > [`Provisioned`]. Each step takes the
//! state before, so one session gives one try. Every refusal is a [`Refusal`]: a status with its body.

mod received;
mod refusal;
mod two_pass;

use data_encoding::{BASE64, HEXLOWER};
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq as _};

use self::refusal::response;
pub use self::{
    received::{ClientMessage, ReadError, ReceivedClientHello, ReceivedClientNonce, read},
    refusal::Refusal,
    two_pass::{AuthenticatedHello, TwoPassOffer},
};
use super::{
    AuthenticationCode, NonceEncryption, Prf, Status,
    authentication::{self, ProofInput},
    body_mac,
    keys::{
        MAX_NONCE_LEN, MIN_NONCE_LEN, NONCE_LEN, ProvisionedKeys, Transcript, final_mac,
        provisioned_len,
    },
    message::{self, MAX_IDENTIFIER, PSKC_FORMAT},
    public_key,
};
use crate::{
    otp::OtpMode,
    pskc::{KeyAlgorithm, KeyPackage},
    secret::{SecretBytes, SecretText},
    xml::Node,
};

/// What the server has at the end: the seed, and the key that proves the device's registration.
#[derive(Debug)]
pub struct Provisioned {
    /// The seed of the token, as long as its hash asks for.
    pub k_token: SecretBytes,
    /// `K_MAC`, for [`crate::signing::verify_register_mac`].
    pub k_mac: SecretBytes,
}

impl ReceivedClientHello {
    /// Answers with the server's hello: the state to keep under [`AwaitingClientNonce::session_id`], and the body.
    ///
    /// `mode` is that of the token to be made (for an unknown short code any mode: the refusal comes with the
    /// client's nonce). `encryptions` are those that the server decrypts, the preferred one first. `public_key` is
    /// DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// A refusal if the client cannot hold such a key or has none of the encryptions.
    pub fn answer(
        self,
        mode: &OtpMode,
        encryptions: &[NonceEncryption],
        public_key: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(AwaitingClientNonce, Vec<u8>), Refusal> {
        let key_type = KeyAlgorithm::of(mode);
        if !self.four_pass {
            return Err(self.refuse(Status::NoProtocolVariants));
        }
        if !self.key_types.contains(&key_type) {
            return Err(self.refuse(Status::NoSupportedKeyTypes));
        }
        let Some(encryption) = encryptions
            .iter()
            .find(|encryption| self.encryptions.contains(encryption))
            .copied()
        else {
            return Err(self.refuse(Status::NoSupportedEncryptionAlgorithms));
        };
        let Self {
            prf,
            client_info,
            mut transcript,
            ..
        } = self;
        let mut session_id = [0; 16];
        rng.fill_bytes(&mut session_id);
        let session_id = HEXLOWER.encode(&session_id);
        let mut r_s = vec![0; NONCE_LEN];
        rng.fill_bytes(&mut r_s);

        let extensions = client_info
            .as_deref()
            .map(|info| message::info_extension("dskpp:ClientInfoType", info))
            .into_iter()
            .chain([body_mac::announcement()])
            .collect();
        let body = response(
            "dskpp:KeyProvServerHello",
            Some(&session_id),
            Status::Continue,
        )
        .add(Node::text("dskpp:KeyType", key_type.uri()))
        .add(Node::text("dskpp:EncryptionAlgorithm", encryption.uri()))
        .add(Node::text("dskpp:MacAlgorithm", prf.uri()))
        .add(public_key::write(public_key))
        .add(Node::text("dskpp:KeyPackageFormat", PSKC_FORMAT))
        .add(Node::new("dskpp:Payload").add(Node::text("dskpp:Nonce", BASE64.encode(&r_s))))
        .add_if(message::extensions(extensions))
        .document()
        .into_bytes();
        transcript.add(&body);
        let state = AwaitingClientNonce {
            session_id,
            key_type,
            prf,
            encryption,
            public_key: public_key.to_vec(),
            r_s,
            client_info,
            transcript,
        };
        Ok((state, body))
    }

    /// Ends the run before it has begun.
    #[must_use]
    pub fn refuse(self, status: Status) -> Refusal {
        Refusal::to_hello(status)
    }
}

/// The server's hello is sent. Kept in memory for a short time.
#[derive(Debug)]
pub struct AwaitingClientNonce {
    session_id: String,
    key_type: KeyAlgorithm,
    prf: Prf,
    encryption: NonceEncryption,
    public_key: Vec<u8>,
    r_s: Vec<u8>,
    client_info: Option<Vec<u8>>,
    transcript: Transcript,
}

impl AwaitingClientNonce {
    /// The name of the run: 32 hex digits, random.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The encryption that was chosen.
    #[must_use]
    pub const fn encryption(&self) -> NonceEncryption {
        self.encryption
    }

    /// Checks the client's proof. `url` is the enrollment URL exactly as it was issued, `code` the code that it was
    /// issued with (none: the activation is unknown, over or used up), `decrypt` the RSA operation.
    ///
    /// A nonce that cannot be decrypted, a wrong code and an unknown activation take the same way: with random bytes
    /// for the nonce or for the code, through the whole computation, to the same refusal. Takes 100,000 rounds of
    /// PBKDF2, some ten milliseconds: not on a thread that must not block.
    ///
    /// # Errors
    /// A refusal with [`Status::AuthenticationDataInvalid`], or [`Status::UnknownRequest`] for another run's message.
    pub fn on_client_nonce(
        self,
        message: &ReceivedClientNonce,
        url: &str,
        code: Option<&AuthenticationCode>,
        rng: &mut impl CryptoRng,
        decrypt: impl FnOnce(&[u8]) -> Result<SecretBytes, ()>,
    ) -> Result<Authenticated, Refusal> {
        let Self {
            session_id,
            key_type,
            prf,
            public_key,
            r_s,
            client_info,
            mut transcript,
            ..
        } = self;
        if session_id != message.session_id {
            return Err(Refusal::to_nonce(
                Status::UnknownRequest,
                &message.session_id,
            ));
        }
        transcript.add(&message.body);

        // Both are drawn always, so that a failure does nothing more than a success.
        let mut substitute = vec![0; prf.key_len()];
        rng.fill_bytes(&mut substitute);
        let substitute = SecretBytes::new(substitute);
        let stranger = stranger(rng);

        let (r_c, decrypted) = match decrypt(&message.encrypted) {
            Ok(r_c)
                if (MIN_NONCE_LEN..=MAX_NONCE_LEN).contains(&r_c.len()) && prf.takes(r_c.len()) =>
            {
                (r_c, Choice::from(1))
            }
            Ok(_) | Err(()) => (substitute, Choice::from(0)),
        };
        let (code, known) = match (code, &stranger) {
            (Some(code), _) => (Some(code), Choice::from(1)),
            (None, stranger) => (stranger.as_ref(), Choice::from(0)),
        };
        let proof = ProofInput {
            url,
            r_c: &r_c,
            r_s: &r_s,
            k: &public_key,
        };
        let proven = code.map_or_else(
            || Choice::from(0),
            |code| {
                let expected = code.mac(prf, message.rounds, &proof);
                expected.expose().ct_eq(&message.mac)
                    & code
                        .client_id()
                        .as_bytes()
                        .ct_eq(message.client_id.as_bytes())
            },
        );
        let same_prf = Choice::from(u8::from(message.prf.is_none_or(|named| named == prf)));
        if !bool::from(decrypted & known & proven & same_prf) {
            return Err(Refusal::to_nonce(
                Status::AuthenticationDataInvalid,
                &session_id,
            ));
        }
        Ok(Authenticated {
            session_id,
            key_type,
            prf,
            public_key,
            r_s,
            r_c,
            client_info,
            transcript,
        })
    }

    /// Ends the run.
    #[must_use]
    pub fn refuse(self, status: Status) -> Refusal {
        Refusal::to_nonce(status, &self.session_id)
    }
}

/// A code that nobody has, to compute with where there is none.
fn stranger(rng: &mut impl CryptoRng) -> Option<AuthenticationCode> {
    let mut bytes = [0; authentication::MAC_LEN];
    rng.fill_bytes(&mut bytes);
    let text = HEXLOWER.encode(&bytes);
    AuthenticationCode::new("UNKNOWN", &SecretText::new(text)).ok()
}

/// The client has proven its code: the token can be made.
#[derive(Debug)]
pub struct Authenticated {
    session_id: String,
    key_type: KeyAlgorithm,
    prf: Prf,
    public_key: Vec<u8>,
    r_s: Vec<u8>,
    r_c: SecretBytes,
    client_info: Option<Vec<u8>>,
    transcript: Transcript,
}

impl Authenticated {
    /// The last message, and the keys to be kept before it is sent. `server_id` names the server, at most 128
    /// characters, usually its URL.
    ///
    /// # Errors
    /// A refusal with [`Status::InitializationFailed`] if the package is not valid or not of the agreed key type.
    pub fn finish(
        self,
        package: &KeyPackage,
        server_id: &str,
    ) -> Result<(Vec<u8>, Provisioned), Refusal> {
        let fits = KeyAlgorithm::of(&package.mode) == self.key_type
            && package.check().is_ok()
            && server_id.chars().nth(MAX_IDENTIFIER).is_none();
        if !fits {
            return Err(self.refuse(Status::InitializationFailed));
        }
        let seed_len = package.seed_len();
        let prf = self.prf;
        let keys = ProvisionedKeys::derive(
            prf,
            &self.r_c,
            &self.public_key,
            &self.r_s,
            provisioned_len(prf, seed_len),
        );
        let Some(k_token) = keys.seed(seed_len) else {
            return Err(self.refuse(Status::InitializationFailed));
        };
        let mac = final_mac(prf, &keys.k_mac, &self.transcript, "");
        let extensions = self
            .client_info
            .as_deref()
            .map(|info| message::info_extension("dskpp:ClientInfoType", info))
            .into_iter()
            .chain([body_mac::unsealed()])
            .collect();
        let body = response(
            "dskpp:KeyProvServerFinished",
            Some(&self.session_id),
            Status::Success,
        )
        .add(
            Node::new("dskpp:KeyPackage")
                .add(Node::text("dskpp:ServerID", server_id))
                .add(package.container("dskpp:KeyContainer")),
        )
        .add_if(message::extensions(extensions))
        .add(Node::text("dskpp:Mac", BASE64.encode(mac.expose())).with("MacAlgorithm", prf.uri()))
        .document();
        let body = body_mac::seal(prf, &keys.k_mac, &body).into_bytes();
        Ok((
            body,
            Provisioned {
                k_token,
                k_mac: keys.k_mac,
            },
        ))
    }

    /// Ends the run.
    #[must_use]
    pub fn refuse(self, status: Status) -> Refusal {
        Refusal::to_nonce(status, &self.session_id)
    }
}
