//! The client's side of a run.
//!
//! [`start`] > [`AwaitingServerHello::on_server_hello`] > [`NeedsEncryption::client_nonce`] >
//! [`AwaitingServerFinished::on_server_finished`] > [`Provisioned`]. Each step takes the state before; where one fails,
//! the state is gone and its secrets are wiped.

mod two_pass;

pub use two_pass::{AwaitingKey, start_two_pass};

use data_encoding::BASE64;
use rand_core::CryptoRng;

use super::{
    AuthenticationCode, DskppError, NAMESPACE, NonceEncryption, Prf, Status,
    authentication::{ITERATIONS, ProofInput},
    body_mac,
    keys::{
        MAX_NONCE_LEN, MIN_NONCE_LEN, PROVISIONED_LENGTHS, ProvisionedKeys, Transcript, final_mac,
        mac_is, provisioned_len,
    },
    message::{self, BodyMac, Extensions, PSKC_FORMAT, VERSION},
    public_key,
};
use crate::{
    pskc::{KeyAlgorithm, KeyPackage},
    secret::SecretBytes,
    xml::{self, Element, Node},
};

/// What the client has at the end: the seed, the key that proves the device's registration, and the key package.
#[derive(Debug)]
pub struct Provisioned {
    /// The seed of the token, as long as its hash asks for.
    pub k_token: SecretBytes,
    /// `K_MAC`, for [`crate::signing::register_mac`].
    pub k_mac: SecretBytes,
    /// Everything else about the token.
    pub package: KeyPackage,
}

/// Begins a run: the state, and the body of `KeyProvClientHello` to be posted to `url`.
///
/// `url` is the enrollment URL exactly as it was given to the user; it becomes part of the proof.
#[must_use]
pub fn start(url: &str) -> (AwaitingServerHello, Vec<u8>) {
    start_with(url, &Prf::ALL)
}

/// As [`start`], with the pseudorandom functions that the client can, the preferred one first.
#[must_use]
pub fn start_with(url: &str, prfs: &[Prf]) -> (AwaitingServerHello, Vec<u8>) {
    let body = message::root("dskpp:KeyProvClientHello")
        .add(message::algorithms(
            "dskpp:SupportedKeyTypes",
            KeyAlgorithm::ALL.map(KeyAlgorithm::uri),
        ))
        .add(message::algorithms(
            "dskpp:SupportedEncryptionAlgorithms",
            NonceEncryption::ALL.map(NonceEncryption::uri),
        ))
        .add(message::algorithms(
            "dskpp:SupportedMacAlgorithms",
            prfs.iter().map(|prf| prf.uri()),
        ))
        .add(Node::new("dskpp:SupportedProtocolVariants").add(Node::new("dskpp:FourPass")))
        .add(
            Node::new("dskpp:SupportedKeyPackages")
                .add(Node::text("dskpp:KeyPackageFormat", PSKC_FORMAT)),
        )
        .document()
        .into_bytes();
    let mut transcript = Transcript::default();
    transcript.add(&body);
    (
        AwaitingServerHello {
            url: url.to_owned(),
            prfs: prfs.to_vec(),
            transcript,
        },
        body,
    )
}

/// The hello is sent.
#[derive(Debug)]
pub struct AwaitingServerHello {
    url: String,
    prfs: Vec<Prf>,
    transcript: Transcript,
}

impl AwaitingServerHello {
    /// Takes the server's hello and draws the client's nonce.
    ///
    /// # Errors
    /// [`DskppError::Refused`] if the server ends the run; else what is wrong with the message.
    pub fn on_server_hello(
        self,
        body: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<NeedsEncryption, DskppError> {
        let Self {
            url,
            prfs,
            mut transcript,
        } = self;
        let hello = response(body, "KeyProvServerHello", Status::Continue)?;
        let session_id = message::identifier(&hello, "SessionID")?.to_owned();
        let key_type = message::required(&hello, "KeyType")?
            .trimmed()
            .parse()
            .map_err(|_unknown| DskppError::NotOffered("key type"))?;
        let encryption = message::required(&hello, "EncryptionAlgorithm")?
            .trimmed()
            .parse()?;
        let prf: Prf = message::required(&hello, "MacAlgorithm")?
            .trimmed()
            .parse()?;
        if !prfs.contains(&prf) {
            return Err(DskppError::NotOffered("MAC algorithm"));
        }
        if message::required(&hello, "KeyPackageFormat")?.trimmed() != PSKC_FORMAT {
            return Err(DskppError::NotOffered("key package format"));
        }
        let public_key = public_key::read(message::required(&hello, "EncryptionKey")?)?;
        let payload = message::required(&hello, "Payload")?;
        let r_s = message::base64(message::required(payload, "Nonce")?, "Nonce")?;
        if !(MIN_NONCE_LEN..=MAX_NONCE_LEN).contains(&r_s.len()) {
            return Err(DskppError::Invalid("Nonce"));
        }
        let extensions = Extensions::read(&hello)?;
        transcript.add(body);

        let mut r_c = vec![0; prf.key_len()];
        rng.fill_bytes(&mut r_c);
        Ok(NeedsEncryption {
            run: Run {
                session_id,
                key_type,
                prf,
                public_key,
                r_s,
                r_c: SecretBytes::new(r_c),
                body_mac_announced: extensions.body_mac.is_some(),
                transcript,
            },
            url,
            encryption,
            server_info: extensions.server_info,
        })
    }
}

/// What is known of a run from the server's hello on.
#[derive(Debug)]
struct Run {
    session_id: String,
    key_type: KeyAlgorithm,
    prf: Prf,
    public_key: Vec<u8>,
    r_s: Vec<u8>,
    r_c: SecretBytes,
    body_mac_announced: bool,
    transcript: Transcript,
}

/// The server's hello is read; the nonce must now be encrypted with the server's key.
#[derive(Debug)]
pub struct NeedsEncryption {
    run: Run,
    url: String,
    encryption: NonceEncryption,
    server_info: Option<Vec<u8>>,
}

impl NeedsEncryption {
    /// How to encrypt.
    #[must_use]
    pub const fn encryption(&self) -> NonceEncryption {
        self.encryption
    }

    /// The server's RSA key, DER `SubjectPublicKeyInfo`. Not checked here: refuse it if it is no RSA key of at least
    /// 2048 bits.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.run.public_key
    }

    /// `R_C`, the nonce to encrypt: 32 bytes, or 16 where AES is the pseudorandom function.
    #[must_use]
    pub const fn nonce(&self) -> &SecretBytes {
        &self.run.r_c
    }

    /// With the encrypted nonce: the body of `KeyProvClientNonce` to be posted.
    ///
    /// Takes 100,000 rounds of PBKDF2, some ten milliseconds: not on a thread that must not block.
    #[must_use]
    pub fn client_nonce(
        self,
        encrypted: &[u8],
        code: &AuthenticationCode,
    ) -> (AwaitingServerFinished, Vec<u8>) {
        let Self {
            mut run,
            url,
            encryption: _,
            server_info,
        } = self;
        let proof = ProofInput {
            url: &url,
            r_c: &run.r_c,
            r_s: &run.r_s,
            k: &run.public_key,
        };
        let mac = code.mac(run.prf, ITERATIONS, &proof);
        let info = server_info
            .map(|info| message::info_extension("dskpp:ServerInfoType", &info))
            .into_iter()
            .collect();
        let body = message::root("dskpp:KeyProvClientNonce")
            .with("SessionID", run.session_id.as_str())
            .add(Node::text("dskpp:EncryptedNonce", BASE64.encode(encrypted)))
            .add(
                Node::new("dskpp:AuthenticationData")
                    .add(Node::text("dskpp:ClientID", code.client_id()))
                    .add(
                        Node::new("dskpp:AuthenticationCodeMac")
                            .add(Node::text("dskpp:IterationCount", ITERATIONS.to_string()))
                            .add(
                                Node::text("dskpp:Mac", BASE64.encode(mac.expose()))
                                    .with("MacAlgorithm", run.prf.uri()),
                            ),
                    ),
            )
            .add_if(message::extensions(info))
            .document()
            .into_bytes();
        run.transcript.add(&body);
        (AwaitingServerFinished { run }, body)
    }
}

/// The nonce is sent.
#[derive(Debug)]
pub struct AwaitingServerFinished {
    run: Run,
}

impl AwaitingServerFinished {
    /// Takes the server's last message.
    ///
    /// # Errors
    /// [`DskppError::Refused`] if the server ends the run, [`DskppError::Mac`] if it does not know the secret or a
    /// message was changed, [`DskppError::Package`] if the token cannot be used; else what is wrong with the message.
    pub fn on_server_finished(self, body: &[u8]) -> Result<Provisioned, DskppError> {
        let Self { run } = self;
        let finished = response(body, "KeyProvServerFinished", Status::Success)?;
        if message::identifier(&finished, "SessionID")? != run.session_id {
            return Err(DskppError::Session);
        }
        let mac = message::required(&finished, "Mac")?;
        if mac
            .attribute("MacAlgorithm")
            .is_some_and(|uri| uri.trim() != run.prf.uri())
        {
            return Err(DskppError::NotOffered("MAC algorithm"));
        }
        let mac = message::base64(mac, "Mac")?;
        let extensions = Extensions::read(&finished)?;

        // The package says how long the seed is, but it is not to be trusted yet. The MAC key tells the lengths apart, but with
        // AES, whose MAC key is the same at every length: there the package tells, once it is known to be the server's.
        let keys = PROVISIONED_LENGTHS
            .into_iter()
            .map(|len| ProvisionedKeys::derive(run.prf, &run.r_c, &run.public_key, &run.r_s, len))
            .find(|keys| mac_is(&final_mac(run.prf, &keys.k_mac, &run.transcript, ""), &mac))
            .ok_or(DskppError::Mac)?;
        match (run.body_mac_announced, &extensions.body_mac) {
            (_, Some(BodyMac::Present(text))) => body_mac::check(run.prf, &keys.k_mac, body, text)?,
            (false, None) => {}
            (true, None) | (_, Some(BodyMac::Announced)) => return Err(DskppError::Mac),
        }

        // From here on the message is known to come from the server.
        let package = message::required(&finished, "KeyPackage")?;
        let container = message::required(package, "KeyContainer")?;
        let package = KeyPackage::from_container(container)?;
        if KeyAlgorithm::of(&package.mode) != run.key_type {
            return Err(DskppError::PackageMismatch);
        }
        let keys = match run.prf {
            Prf::Sha256 => keys,
            Prf::Aes128 => {
                let len = provisioned_len(run.prf, package.seed_len());
                ProvisionedKeys::derive(run.prf, &run.r_c, &run.public_key, &run.r_s, len)
            }
        };
        let k_token = keys
            .seed(package.seed_len())
            .ok_or(DskppError::PackageMismatch)?;
        Ok(Provisioned {
            k_token,
            k_mac: keys.k_mac,
            package,
        })
    }
}

/// The response of that name with that status.
fn response(body: &[u8], name: &str, expected: Status) -> Result<Element, DskppError> {
    let root = xml::read(body)?;
    // Some servers refuse with the other response.
    let known = ["KeyProvServerHello", "KeyProvServerFinished"];
    if root.name.namespace != NAMESPACE || !known.contains(&root.name.local.as_str()) {
        return Err(DskppError::UnexpectedMessage);
    }
    if root.attribute("Version").map(str::trim) != Some(VERSION) {
        return Err(DskppError::Version);
    }
    let status = root
        .attribute("Status")
        .ok_or(DskppError::Missing("Status"))?;
    let status: Status = status
        .trim()
        .parse()
        .map_err(|_unknown| DskppError::Invalid("Status"))?;
    if !matches!(status, Status::Continue | Status::Success) {
        return Err(DskppError::Refused(status));
    }
    if root.name.local != name || status != expected {
        return Err(DskppError::UnexpectedMessage);
    }
    Ok(root)
}
