//! Two passes: one message each way. [`start_two_pass`] > [`AwaitingKey::on_server_finished`] > [`Provisioned`].

use data_encoding::BASE64;
use rand_core::CryptoRng;

use super::{
    super::{
        AuthenticationCode, DskppError, NAMESPACE, Prf, SharedSecret, Status,
        authentication::ProofInput,
        body_mac,
        keys::{ProvisionedKeys, Transcript, final_mac, mac_is},
        message::{self, BodyMac, Extensions, MAX_IDENTIFIER, PSKC_FORMAT},
        two_pass::PROOF_ROUNDS,
    },
    Provisioned, response,
};
use crate::{
    pskc::{
        ContainerError, KeyAlgorithm, PskcError,
        delivery::{KW_AES_128, unwrapped},
    },
    secret::SecretBytes,
    xml::{Child, Node},
};

/// XML Signature.
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Begins a run of two passes: the state, and the body of `KeyProvClientHello` to be posted to `url`.
///
/// `url` is the enrollment URL exactly as it was given to the user; it becomes part of the proof. With a passphrase this takes
/// 100,000 rounds of PBKDF2, some ten milliseconds: not on a thread that must not block.
#[must_use]
pub fn start_two_pass(
    url: &str,
    prf: Prf,
    code: &AuthenticationCode,
    secret: SharedSecret,
    rng: &mut impl CryptoRng,
) -> (AwaitingKey, Vec<u8>) {
    let mut r_c = vec![0; prf.key_len()];
    rng.fill_bytes(&mut r_c);
    let r_c = SecretBytes::new(r_c);
    let k = secret.proof_key(r_c.expose());
    let proof = ProofInput {
        url,
        r_c: &r_c,
        r_s: &[],
        k: k.expose(),
    };
    let mac = code.mac(prf, PROOF_ROUNDS, &proof);
    let protection = secret.protection();
    let named = match &secret {
        SharedSecret::Passphrase(_) => "passphrase",
        SharedSecret::Key { name, .. } => name,
    };
    let payload = Node::new("dskpp:Payload").add(
        Node::new("ds:KeyInfo")
            .with("xmlns:ds", DS)
            .add(Node::text("ds:KeyName", named)),
    );
    let body = message::root("dskpp:KeyProvClientHello")
        .add(Node::text("dskpp:ClientNonce", BASE64.encode(r_c.expose())))
        .add(message::algorithms(
            "dskpp:SupportedKeyTypes",
            KeyAlgorithm::ALL.map(KeyAlgorithm::uri),
        ))
        .add(message::algorithms(
            "dskpp:SupportedEncryptionAlgorithms",
            [KW_AES_128],
        ))
        .add(message::algorithms(
            "dskpp:SupportedMacAlgorithms",
            [prf.uri()],
        ))
        .add(
            Node::new("dskpp:SupportedProtocolVariants").add(
                Node::new("dskpp:TwoPass")
                    .add(Node::text(
                        "dskpp:SupportedKeyProtectionMethod",
                        protection.uri(),
                    ))
                    .add(payload),
            ),
        )
        .add(
            Node::new("dskpp:SupportedKeyPackages")
                .add(Node::text("dskpp:KeyPackageFormat", PSKC_FORMAT)),
        )
        .add(
            Node::new("dskpp:AuthenticationData")
                .add(Node::text("dskpp:ClientID", code.client_id()))
                .add(
                    Node::new("dskpp:AuthenticationCodeMac")
                        .add(Node::text("dskpp:IterationCount", PROOF_ROUNDS.to_string()))
                        .add(
                            Node::text("dskpp:Mac", BASE64.encode(mac.expose()))
                                .with("MacAlgorithm", prf.uri()),
                        ),
                ),
        )
        .document()
        .into_bytes();
    let mut transcript = Transcript::default();
    transcript.add(&body);
    let state = AwaitingKey {
        prf,
        secret,
        transcript,
    };
    (state, body)
}

/// The hello is sent.
#[derive(Debug)]
pub struct AwaitingKey {
    prf: Prf,
    secret: SharedSecret,
    transcript: Transcript,
}

impl AwaitingKey {
    /// Takes the server's only message.
    ///
    /// # Errors
    /// [`DskppError::Refused`] if the server ends the run, [`DskppError::Mac`] if it does not know the secret or a message was
    /// changed, [`DskppError::Package`] if the token cannot be used; else what is wrong with the message.
    pub fn on_server_finished(self, body: &[u8]) -> Result<Provisioned, DskppError> {
        let Self {
            prf,
            secret,
            transcript,
        } = self;
        let finished = response(body, "KeyProvServerFinished", Status::Success)?;
        let mac = message::required(&finished, "Mac")?;
        if mac
            .attribute("MacAlgorithm")
            .is_some_and(|uri| uri.trim() != prf.uri())
        {
            return Err(DskppError::NotOffered("MAC algorithm"));
        }
        let mac = message::base64(mac, "Mac")?;
        let extensions = Extensions::read(&finished)?;
        let package = message::required(&finished, "KeyPackage")?;
        let server_id = match package.child(NAMESPACE, "ServerID") {
            Child::Absent => "",
            Child::One(id) if id.text.chars().nth(MAX_IDENTIFIER).is_none() => &id.text,
            Child::One(_) | Child::Several => return Err(DskppError::Invalid("ServerID")),
        };
        let method = message::optional(package, "KeyProtectionMethod")?;
        if method.is_some_and(|method| method.trimmed() != secret.protection().uri()) {
            return Err(DskppError::NotOffered("key protection method"));
        }
        let container = message::required(package, "KeyContainer")?;

        // The wrapping says whether the server has the secret; the MAC, whether it has seen this hello.
        let delivered = unwrapped(container, &secret.container_key()).map_err(unopened)?;
        let k_prov = &delivered.secret;
        if k_prov.len() % 2 != 0 {
            return Err(DskppError::PackageMismatch);
        }
        let keys = ProvisionedKeys::split(prf, k_prov);
        if !prf.takes(keys.k_mac.len())
            || !mac_is(&final_mac(prf, &keys.k_mac, &transcript, server_id), &mac)
        {
            return Err(DskppError::Mac);
        }
        // The MAC of the RFC does not cover the package, and nothing before this message could announce ours: it must be there.
        match &extensions.body_mac {
            Some(BodyMac::Present(text)) => body_mac::check(prf, &keys.k_mac, body, text)?,
            None | Some(BodyMac::Announced) => return Err(DskppError::Mac),
        }
        let package = delivered.package;
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

fn unopened(error: ContainerError) -> DskppError {
    match error {
        ContainerError::WrongKey => DskppError::Mac,
        ContainerError::Cost => DskppError::Package(PskcError::Invalid("IterationCount")),
        ContainerError::Content(error) => DskppError::Package(error),
    }
}
