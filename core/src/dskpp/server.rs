//! The server's side of a run.
//!
//! [`read`] sorts what comes in. [`ReceivedClientHello::answer`] > [`AwaitingClientNonce`] (kept under its session
//! id) > [`AwaitingClientNonce::on_client_nonce`] > [`Authenticated::finish`] > [`Provisioned`]. Each step takes the
//! state before, so one session gives one try. Every refusal is a [`Refusal`]: a status with its body.

use data_encoding::{BASE64, HEXLOWER};
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq as _};

use super::{
    AuthenticationCode, DskppError, NAMESPACE, NonceEncryption, Status,
    authentication::{self, ITERATIONS, MAX_ITERATIONS, ProofInput},
    body_mac,
    keys::{
        MAX_NONCE_LEN, MIN_NONCE_LEN, NONCE_LEN, ProvisionedKeys, Transcript, final_mac,
        provisioned_len,
    },
    message::{self, Extensions, MAX_IDENTIFIER, PRF_SHA256, PSKC_FORMAT, VERSION},
    public_key,
};
use crate::{
    otp::OtpMode,
    pskc::{KeyAlgorithm, KeyPackage},
    secret::{SecretBytes, SecretText},
    xml::{self, Element, Node, XmlError},
};

/// What the server has at the end: the seed, and the key that proves the device's registration.
#[derive(Debug)]
pub struct Provisioned {
    /// The seed of the token, as long as its hash asks for.
    pub k_token: SecretBytes,
    /// `K_MAC`, for [`crate::signing::verify_register_mac`].
    pub k_mac: SecretBytes,
}

/// A message of a client.
#[derive(Debug)]
pub enum ClientMessage {
    /// The first one.
    Hello(ReceivedClientHello),
    /// The second one; its session id says to which run it belongs.
    Nonce(ReceivedClientNonce),
}

/// Why a body is no message to go on with.
#[derive(Debug)]
pub enum ReadError {
    /// No DSKPP message at all: HTTP 400 (RFC 6063, section 7.2.5).
    NotDskpp(Option<XmlError>),
    /// A DSKPP message that is refused: HTTP 200 with the body of the refusal.
    Refused(Refusal),
}

/// Which of the two responses carries a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    ServerHello,
    ServerFinished,
}

/// The end of a run: a status, and the message that says it. All secrets of the run are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: Status,
    answer: Answer,
    session_id: Option<String>,
}

impl Refusal {
    /// What is said.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The body that says it: a response with attributes only.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let name = match self.answer {
            Answer::ServerHello => "dskpp:KeyProvServerHello",
            Answer::ServerFinished => "dskpp:KeyProvServerFinished",
        };
        response(name, self.session_id.as_deref(), self.status)
            .document()
            .into_bytes()
    }

    const fn to_hello(status: Status) -> Self {
        Self {
            status,
            answer: Answer::ServerHello,
            session_id: None,
        }
    }

    fn to_nonce(status: Status, session_id: &str) -> Self {
        Self {
            status,
            answer: Answer::ServerFinished,
            session_id: Some(session_id.to_owned()),
        }
    }
}

fn response(name: &'static str, session_id: Option<&str>, status: Status) -> Node {
    let node = message::root(name);
    let node = match session_id {
        Some(session_id) => node.with("SessionID", session_id),
        None => node,
    };
    node.with("Status", status.word())
}

/// Reads what a client posted.
///
/// # Errors
/// [`ReadError`] says which HTTP status belongs to it.
pub fn read(body: &[u8]) -> Result<ClientMessage, ReadError> {
    let root = xml::read(body).map_err(|error| ReadError::NotDskpp(Some(error)))?;
    if root.is(NAMESPACE, "KeyProvClientHello") {
        return ReceivedClientHello::read(&root, body)
            .map(ClientMessage::Hello)
            .map_err(|status| ReadError::Refused(Refusal::to_hello(status)));
    }
    if root.is(NAMESPACE, "KeyProvClientNonce") {
        let Ok(session_id) = message::identifier(&root, "SessionID") else {
            return Err(ReadError::Refused(Refusal {
                status: Status::MalformedRequest,
                answer: Answer::ServerFinished,
                session_id: None,
            }));
        };
        return ReceivedClientNonce::read(&root, session_id, body)
            .map(ClientMessage::Nonce)
            .map_err(|status| ReadError::Refused(Refusal::to_nonce(status, session_id)));
    }
    if root.name.namespace == NAMESPACE {
        return Err(ReadError::Refused(Refusal::to_hello(
            Status::UnknownRequest,
        )));
    }
    Err(ReadError::NotDskpp(None))
}

/// `KeyProvClientHello`, as far as we can serve it.
#[derive(Debug)]
pub struct ReceivedClientHello {
    key_types: Vec<KeyAlgorithm>,
    encryptions: Vec<NonceEncryption>,
    client_info: Option<Vec<u8>>,
    transcript: Transcript,
}

impl ReceivedClientHello {
    fn read(hello: &Element, body: &[u8]) -> Result<Self, Status> {
        version(hello)?;
        let key_types: Vec<KeyAlgorithm> = listed(hello, "SupportedKeyTypes")?;
        let encryptions: Vec<NonceEncryption> = listed(hello, "SupportedEncryptionAlgorithms")?;
        let macs: Vec<String> = listed(hello, "SupportedMacAlgorithms")?;
        if key_types.is_empty() {
            return Err(Status::NoSupportedKeyTypes);
        }
        if encryptions.is_empty() {
            return Err(Status::NoSupportedEncryptionAlgorithms);
        }
        if !macs.iter().any(|uri| uri == PRF_SHA256) {
            return Err(Status::NoSupportedMacAlgorithms);
        }
        if let Some(variants) = malformed(message::optional(hello, "SupportedProtocolVariants"))?
            && malformed(message::optional(variants, "FourPass"))?.is_none()
        {
            return Err(Status::NoProtocolVariants);
        }
        if let Some(formats) = malformed(message::optional(hello, "SupportedKeyPackages"))?
            && !formats.children.iter().any(|format| {
                format.is(NAMESPACE, "KeyPackageFormat") && format.trimmed() == PSKC_FORMAT
            })
        {
            return Err(Status::NoSupportedKeyPackages);
        }
        let extensions = malformed(Extensions::read(hello))?;
        let mut transcript = Transcript::default();
        transcript.add(body);
        Ok(Self {
            key_types,
            encryptions,
            client_info: extensions.client_info,
            transcript,
        })
    }

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
        .add(Node::text("dskpp:MacAlgorithm", PRF_SHA256))
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

/// `KeyProvClientNonce`, read but not believed.
#[derive(Debug)]
pub struct ReceivedClientNonce {
    session_id: String,
    encrypted: Vec<u8>,
    client_id: String,
    rounds: u32,
    mac: Vec<u8>,
    body: Vec<u8>,
}

impl ReceivedClientNonce {
    fn read(nonce: &Element, session_id: &str, body: &[u8]) -> Result<Self, Status> {
        version(nonce)?;
        malformed(Extensions::read(nonce))?;
        let encrypted = malformed(message::required(nonce, "EncryptedNonce"))?;
        let encrypted = malformed(message::base64(encrypted, "EncryptedNonce"))?;
        let authentication = malformed(message::optional(nonce, "AuthenticationData"))?
            .ok_or(Status::AuthenticationDataMissing)?;
        let client_id = malformed(message::required(authentication, "ClientID"))?
            .text
            .clone();
        let proof = malformed(message::optional(authentication, "AuthenticationCodeMac"))?
            .ok_or(Status::AuthenticationDataMissing)?;
        let rounds = match malformed(message::optional(proof, "IterationCount"))? {
            None => ITERATIONS,
            Some(count) => count
                .trimmed()
                .parse()
                .map_err(|_not_a_number| Status::MalformedRequest)?,
        };
        let mac = malformed(message::required(proof, "Mac"))?;
        if mac
            .attribute("MacAlgorithm")
            .is_some_and(|uri| uri.trim() != PRF_SHA256)
        {
            return Err(Status::AuthenticationDataInvalid);
        }
        let mac = malformed(message::base64(mac, "Mac"))?;
        if client_id.chars().nth(MAX_IDENTIFIER).is_some() {
            return Err(Status::MalformedRequest);
        }
        // Fewer rounds are not what the RFC asks for, many more would be work for a stranger.
        if !(ITERATIONS..=MAX_ITERATIONS).contains(&rounds) {
            return Err(Status::AuthenticationDataInvalid);
        }
        Ok(Self {
            session_id: session_id.to_owned(),
            encrypted,
            client_id,
            rounds,
            mac,
            body: body.to_vec(),
        })
    }

    /// The run that the message says it belongs to.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The client ID that the message gives; not proven.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Refuses the message, for a run that is unknown or over.
    #[must_use]
    pub fn refuse(self, status: Status) -> Refusal {
        Refusal::to_nonce(status, &self.session_id)
    }
}

/// The server's hello is sent. Kept in memory for a short time.
#[derive(Debug)]
pub struct AwaitingClientNonce {
    session_id: String,
    key_type: KeyAlgorithm,
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
        let mut substitute = [0; NONCE_LEN];
        rng.fill_bytes(&mut substitute);
        let substitute = SecretBytes::from(substitute);
        let stranger = stranger(rng);

        let (r_c, decrypted) = match decrypt(&message.encrypted) {
            Ok(r_c) if (MIN_NONCE_LEN..=MAX_NONCE_LEN).contains(&r_c.len()) => {
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
                let expected = code.mac(message.rounds, &proof);
                expected.expose().ct_eq(&message.mac)
                    & code
                        .client_id()
                        .as_bytes()
                        .ct_eq(message.client_id.as_bytes())
            },
        );
        if !bool::from(decrypted & known & proven) {
            return Err(Refusal::to_nonce(
                Status::AuthenticationDataInvalid,
                &session_id,
            ));
        }
        Ok(Authenticated {
            session_id,
            key_type,
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
        let keys = ProvisionedKeys::derive(
            &self.r_c,
            &self.public_key,
            &self.r_s,
            provisioned_len(seed_len),
        );
        let Some(k_token) = keys.seed(seed_len) else {
            return Err(self.refuse(Status::InitializationFailed));
        };
        let mac = final_mac(&keys.k_mac, &self.transcript);
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
        .add(Node::text("dskpp:Mac", BASE64.encode(mac.expose())).with("MacAlgorithm", PRF_SHA256))
        .document();
        let body = body_mac::seal(&keys.k_mac, &body).into_bytes();
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

fn version(message: &Element) -> Result<(), Status> {
    match message.attribute("Version").map(str::trim) {
        Some(VERSION) => Ok(()),
        Some(_) => Err(Status::UnsupportedVersion),
        None => Err(Status::MalformedRequest),
    }
}

/// The status for what is wrong with a message.
fn malformed<T>(result: Result<T, DskppError>) -> Result<T, Status> {
    result.map_err(|error| {
        if error == DskppError::CriticalExtension {
            Status::UnknownCriticalExtension
        } else {
            Status::MalformedRequest
        }
    })
}

/// The entries of a list that we know, in the client's order.
fn listed<T: core::str::FromStr>(hello: &Element, list: &'static str) -> Result<Vec<T>, Status> {
    let list = malformed(message::required(hello, list))?;
    Ok(list
        .children
        .iter()
        .filter(|entry| entry.is(NAMESPACE, "Algorithm"))
        .filter_map(|entry| entry.trimmed().parse().ok())
        .collect())
}
