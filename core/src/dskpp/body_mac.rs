//! Our extension `BodyMac`: a MAC over every byte of the server's last message.
//!
//! The MAC of the RFC covers the messages before the last one, so it proves the keys but not the key package. The
//! server announces this extension in its hello, which the MAC of the RFC does cover; a client that has seen the
//! announcement takes no last message without it. In two passes there is no such hello, and the extension is always asked
//! for. Its value is
//! DSKPP-PRF(`K_MAC`, "Countersign body MAC" || SHA-256(body with the 44 symbols of the MAC replaced by `A`), 32).

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::{
    DskppError, Prf,
    keys::{MAC_LEN, mac_is},
    message,
};
use crate::{secret::SecretBytes, xml::Node};

/// Stands where the MAC will be: as long as 32 bytes in base64.
const PLACEHOLDER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The announcement for the server's hello.
pub(super) fn announcement() -> Node {
    message::extension("csd:BodyMacType")
}

/// The extension for the last message, to be filled by [`seal`].
pub(super) fn unsealed() -> Node {
    message::extension("csd:BodyMacType").add(Node::text("csd:Mac", PLACEHOLDER))
}

/// Puts the MAC in its place.
pub(super) fn seal(prf: Prf, k_mac: &SecretBytes, body: &str) -> String {
    let mac = BASE64.encode(compute(prf, k_mac, body.as_bytes()).expose());
    // The extension comes after the key package: the last placeholder is ours, whatever a name in the package is.
    match body.rsplit_once(PLACEHOLDER) {
        Some((before, after)) => [before, mac.as_str(), after].concat(),
        None => body.to_owned(),
    }
}

/// Checks the MAC `text` that was read from `body`.
///
/// # Errors
/// [`DskppError::Mac`] for everything that is wrong with it.
pub(super) fn check(
    prf: Prf,
    k_mac: &SecretBytes,
    body: &[u8],
    text: &str,
) -> Result<(), DskppError> {
    let received = BASE64
        .decode(text.as_bytes())
        .map_err(|_not_base64| DskppError::Mac)?;
    let body = core::str::from_utf8(body).map_err(|_not_text| DskppError::Mac)?;
    if text.len() != PLACEHOLDER.len() || received.len() != MAC_LEN {
        return Err(DskppError::Mac);
    }
    let (before, after) = body.rsplit_once(text).ok_or(DskppError::Mac)?;
    let unsealed = [before, PLACEHOLDER, after].concat();
    if mac_is(&compute(prf, k_mac, unsealed.as_bytes()), &received) {
        Ok(())
    } else {
        Err(DskppError::Mac)
    }
}

fn compute(prf: Prf, k_mac: &SecretBytes, body: &[u8]) -> SecretBytes {
    prf.compute(
        k_mac.expose(),
        &[b"Countersign body MAC", &Sha256::digest(body)],
        MAC_LEN,
    )
}
