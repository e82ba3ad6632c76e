//! What clients post, read and sorted.

use super::{
    refusal::{Answer, Refusal},
    two_pass::{OfferedProof, TwoPassOffer},
};
use crate::{
    dskpp::{
        DskppError, KeyProtection, NAMESPACE, NonceEncryption, Prf, Status,
        authentication::{ITERATIONS, MAX_ITERATIONS},
        keys::{MAX_NONCE_LEN, MIN_NONCE_LEN, Transcript},
        message::{self, Extensions, MAX_IDENTIFIER, PSKC_FORMAT, VERSION},
        two_pass::{PASSPHRASE_WRAP, WRAP},
    },
    pskc::{KeyAlgorithm, delivery::KW_AES_128},
    xml::{self, Child, Element, XmlError},
};

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
    pub(super) key_types: Vec<KeyAlgorithm>,
    pub(super) encryptions: Vec<NonceEncryption>,
    /// Does it take AES key wrap?
    pub(super) key_wrap: bool,
    pub(super) prf: Prf,
    pub(super) four_pass: bool,
    pub(super) two_pass: Option<TwoPassOffer>,
    pub(super) client_info: Option<Vec<u8>>,
    pub(super) transcript: Transcript,
}

impl ReceivedClientHello {
    fn read(hello: &Element, body: &[u8]) -> Result<Self, Status> {
        version(hello)?;
        let key_types: Vec<KeyAlgorithm> = listed(hello, "SupportedKeyTypes")?;
        let encryptions: Vec<NonceEncryption> = listed(hello, "SupportedEncryptionAlgorithms")?;
        let prfs: Vec<Prf> = listed(hello, "SupportedMacAlgorithms")?;
        if key_types.is_empty() {
            return Err(Status::NoSupportedKeyTypes);
        }
        let key_wrap = listed::<String>(hello, "SupportedEncryptionAlgorithms")?
            .iter()
            .any(|uri| uri == KW_AES_128);
        if encryptions.is_empty() && !key_wrap {
            return Err(Status::NoSupportedEncryptionAlgorithms);
        }
        let prf = Prf::ALL
            .into_iter()
            .find(|prf| prfs.contains(prf))
            .ok_or(Status::NoSupportedMacAlgorithms)?;
        let (four_pass, two_pass) =
            match malformed(message::optional(hello, "SupportedProtocolVariants"))? {
                None => (true, None),
                Some(variants) => {
                    let four_pass = malformed(message::optional(variants, "FourPass"))?;
                    let two_pass = malformed(message::optional(variants, "TwoPass"))?;
                    let offer = two_pass.map(|offer| TwoPassOffer::read(hello, offer, prf));
                    (four_pass.is_some(), offer.transpose()?)
                }
            };
        if !four_pass && two_pass.is_none() {
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
            key_wrap,
            prf,
            four_pass,
            two_pass,
            client_info: extensions.client_info,
            transcript,
        })
    }
}

/// Most ways of taking a key that are looked at.
const MAX_PROTECTIONS: usize = 8;
/// XML Signature.
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

impl TwoPassOffer {
    /// `TwoPass` holds the methods, each with its payload behind it. Methods that we do not know are passed over.
    fn read(hello: &Element, offer: &Element, prf: Prf) -> Result<Self, Status> {
        let mut protections = Vec::new();
        let mut children = offer.children.iter().take(2 * MAX_PROTECTIONS).peekable();
        while let Some(child) = children.next() {
            if !child.is(NAMESPACE, "SupportedKeyProtectionMethod") {
                continue;
            }
            let payload = children.next_if(|next| next.is(NAMESPACE, "Payload"));
            match child.trimmed() {
                PASSPHRASE_WRAP => protections.push(KeyProtection::PassphraseWrap),
                WRAP => {
                    let name = payload.and_then(key_name).ok_or(Status::MalformedRequest)?;
                    protections.push(KeyProtection::Wrap(name));
                }
                _ => {}
            }
        }
        if protections.is_empty() {
            return Err(Status::NoProtocolVariants);
        }
        let Some(nonce) = malformed(message::optional(hello, "ClientNonce"))? else {
            return Err(Status::MalformedRequest);
        };
        let r_c = malformed(message::base64(nonce, "ClientNonce"))?;
        if !(MIN_NONCE_LEN..=MAX_NONCE_LEN).contains(&r_c.len()) || !prf.takes(r_c.len()) {
            return Err(Status::MalformedRequest);
        }
        let proof = match malformed(message::optional(hello, "AuthenticationData"))? {
            None => None,
            Some(data) => OfferedProof::read(data)?,
        };
        Ok(Self {
            r_c,
            protections,
            proof,
        })
    }
}

impl OfferedProof {
    /// Without a MAC of the code there is no proof.
    fn read(data: &Element) -> Result<Option<Self>, Status> {
        let client_id = malformed(message::required(data, "ClientID"))?.text.clone();
        if client_id.chars().nth(MAX_IDENTIFIER).is_some() {
            return Err(Status::MalformedRequest);
        }
        let Some(proof) = malformed(message::optional(data, "AuthenticationCodeMac"))? else {
            return Ok(None);
        };
        let rounds = match malformed(message::optional(proof, "IterationCount"))? {
            None => 1,
            Some(count) => count
                .trimmed()
                .parse()
                .map_err(|_not_a_number| Status::MalformedRequest)?,
        };
        let mac = malformed(message::required(proof, "Mac"))?;
        let prf = mac.attribute("MacAlgorithm").map(|uri| uri.trim().parse());
        let prf = prf
            .transpose()
            .map_err(|_unknown: DskppError| Status::AuthenticationDataInvalid)?;
        Ok(Some(Self {
            client_id,
            rounds,
            prf,
            mac: malformed(message::base64(mac, "Mac"))?,
        }))
    }
}

/// The name of a key, 1 to 128 characters.
fn key_name(payload: &Element) -> Option<String> {
    let Child::One(info) = payload.child(DS, "KeyInfo") else {
        return None;
    };
    let Child::One(name) = info.child(DS, "KeyName") else {
        return None;
    };
    let fits = !name.text.is_empty() && name.text.chars().nth(MAX_IDENTIFIER).is_none();
    fits.then(|| name.text.clone())
}

/// `KeyProvClientNonce`, read but not believed.
#[derive(Debug)]
pub struct ReceivedClientNonce {
    pub(super) session_id: String,
    pub(super) encrypted: Vec<u8>,
    pub(super) client_id: String,
    pub(super) rounds: u32,
    /// None: that of the run.
    pub(super) prf: Option<Prf>,
    pub(super) mac: Vec<u8>,
    pub(super) body: Vec<u8>,
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
        let prf = mac.attribute("MacAlgorithm").map(|uri| uri.trim().parse());
        let prf = prf
            .transpose()
            .map_err(|_unknown: DskppError| Status::AuthenticationDataInvalid)?;
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
            prf,
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
