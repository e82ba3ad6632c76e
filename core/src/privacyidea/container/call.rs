//! What a device sends: signed strings joined with `|`, and forms.

use data_encoding::BASE64URL;
use serde::Serialize;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{ContainerChallenge, ContainerKey, ContainerKeyError, ContainerLink, Passphrase};
use crate::{privacyidea::ServerUrl, secret::SecretText};

/// What the administrator reads about the device.
const BRAND: &str = "Countersign";
/// The second half of that.
const MODEL: &str = "Linux";
/// The kind of container that a device registers for.
const CONTAINER_TYPE: &str = "smartphone";

/// A call that a registered device makes; each is challenged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerCall {
    /// Tell the tokens that are here, and learn which ones there should be.
    Synchronize,
    /// End the registration.
    Unregister,
    /// Ask for a new link, for new keys and secrets.
    Renew,
}

impl ContainerCall {
    const fn path(self) -> &'static str {
        match self {
            Self::Synchronize => "container/synchronize",
            Self::Unregister => "container/register/terminate/client",
            Self::Renew => "container/rollover",
        }
    }

    /// Where it goes; the challenge and the signature name it.
    #[must_use]
    pub fn address(self, base: &ServerUrl) -> String {
        below(base, self.path())
    }

    /// Where its challenge comes from.
    #[must_use]
    pub fn challenge_address(base: &ServerUrl) -> String {
        below(base, "container/challenge")
    }
}

/// Where a registration goes.
#[must_use]
pub fn registration_address(base: &ServerUrl) -> String {
    below(base, "container/register/finalize")
}

/// As the server makes it of its own base address: both sides sign it.
fn below(base: &ServerUrl, path: &str) -> String {
    let separator = if base.as_str().ends_with('/') {
        ""
    } else {
        "/"
    };
    format!("{}{separator}{path}", base.as_str())
}

/// The registration: our public key, signed over what the link says and what the user knows.
///
/// # Errors
///
/// [`ContainerKeyError`].
pub fn registration_form(
    link: &ContainerLink,
    key: &ContainerKey,
    passphrase: Option<&SecretText>,
) -> Result<SecretText, ContainerKeyError> {
    let scope = registration_address(&link.url);
    let mut signed = Zeroizing::new(String::with_capacity(2048));
    let parts = [&link.nonce, &link.time, &link.serial, scope.as_str()];
    signed.push_str(&parts.join("|"));
    for part in [BRAND, MODEL] {
        signed.push('|');
        signed.push_str(part);
    }
    if let Some(passphrase) = passphrase {
        signed.push('|');
        signed.push_str(passphrase.expose());
    }
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(2048));
    form.append_pair("container_serial", &link.serial)
        .append_pair("public_client_key", &key.public_pem()?)
        .append_pair("device_brand", BRAND)
        .append_pair("device_model", MODEL)
        .append_pair("signature", &key.sign(&signed)?);
    if let (Passphrase::Sent(_), Some(passphrase)) = (&link.passphrase, passphrase) {
        form.append_pair("passphrase", passphrase.expose());
    }
    Ok(SecretText::new(form.finish()))
}

/// Asks for the challenge of `call`.
#[must_use]
pub fn challenge_form(base: &ServerUrl, serial: &str, call: ContainerCall) -> SecretText {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("container_serial", serial)
        .append_pair("scope", &call.address(base))
        .finish();
    SecretText::new(form)
}

/// A call that says nothing but that it is made.
///
/// # Errors
///
/// [`ContainerKeyError`].
pub fn signed_call_form(
    base: &ServerUrl,
    serial: &str,
    call: ContainerCall,
    challenge: &ContainerChallenge,
    key: &ContainerKey,
) -> Result<SecretText, ContainerKeyError> {
    let signed = challenged(base, serial, call, challenge);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("container_serial", serial)
        .append_pair("signature", &key.sign(&signed)?)
        .finish();
    Ok(SecretText::new(form))
}

/// A token that is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientToken {
    /// Its serial.
    pub serial: String,
    /// Its kind.
    #[serde(rename = "tokentype")]
    pub kind: TokenType,
}

/// Kinds of tokens, in the server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Event-based.
    Hotp,
    /// Time-based.
    Totp,
    /// Login requests.
    Push,
}

/// A synchronisation.
#[derive(Clone, Copy, Debug)]
pub struct SyncRequest<'a> {
    /// The server's base address.
    pub base: &'a ServerUrl,
    /// The container's serial.
    pub serial: &'a str,
    /// The tokens that are here.
    pub tokens: &'a [ClientToken],
    /// Our X25519 public key, made for this one call.
    pub public_key: &'a [u8; 32],
}

/// The synchronisation, signed.
///
/// # Errors
///
/// [`ContainerKeyError`].
pub fn sync_form(
    request: SyncRequest<'_>,
    challenge: &ContainerChallenge,
    key: &ContainerKey,
) -> Result<SecretText, ContainerKeyError> {
    #[derive(Serialize)]
    struct Container<'a> {
        serial: &'a str,
        r#type: &'a str,
        tokens: &'a [ClientToken],
    }
    let container = serde_json::to_string(&Container {
        serial: request.serial,
        r#type: CONTAINER_TYPE,
        tokens: request.tokens,
    })
    .map_err(|_never| ContainerKeyError)?;
    let public_key = BASE64URL.encode(request.public_key);
    let call = ContainerCall::Synchronize;
    let mut signed = challenged(request.base, request.serial, call, challenge);
    for part in [&public_key, &container] {
        signed.push('|');
        signed.push_str(part);
    }
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("container_serial", request.serial)
        .append_pair("public_enc_key_client", &public_key)
        .append_pair("container_dict_client", &container)
        .append_pair("signature", &key.sign(&signed)?)
        .finish();
    Ok(SecretText::new(form))
}

fn challenged(
    base: &ServerUrl,
    serial: &str,
    call: ContainerCall,
    challenge: &ContainerChallenge,
) -> String {
    let scope = call.address(base);
    [&challenge.nonce, &challenge.time, serial, &scope].join("|")
}
