//! What the four messages have in common: names, heads, extensions, values.

use data_encoding::BASE64;

use super::{DskppError, EXTENSION_NAMESPACE, NAMESPACE, public_key::DS11};
use crate::{
    pskc,
    xml::{Child, Element, Node, XSI},
};

/// The only version there is.
pub(super) const VERSION: &str = "1.0";
/// The one key package format.
pub(super) const PSKC_FORMAT: &str = "urn:ietf:params:xml:ns:keyprov:dskpp:pskc-key-container";
/// Longest identifier, in characters (RFC 6063, `IdentifierType`).
pub(super) const MAX_IDENTIFIER: usize = 128;
/// Longest opaque data of the other side that is given back, in bytes.
const MAX_INFO: usize = 4096;

/// The root of a message, with all prefixes that may come inside.
pub(super) fn root(name: &'static str) -> Node {
    Node::new(name)
        .with("xmlns:dskpp", NAMESPACE)
        .with("xmlns:pskc", pskc::NAMESPACE)
        .with("xmlns:ds11", DS11)
        .with("xmlns:xsi", XSI)
        .with("xmlns:cs", pskc::EXTENSION_NAMESPACE)
        .with("xmlns:csd", EXTENSION_NAMESPACE)
        .with("Version", VERSION)
}

/// A child of the DSKPP namespace.
pub(super) fn optional<'a>(
    parent: &'a Element,
    name: &'static str,
) -> Result<Option<&'a Element>, DskppError> {
    match parent.child(NAMESPACE, name) {
        Child::Absent => Ok(None),
        Child::One(child) => Ok(Some(child)),
        Child::Several => Err(DskppError::Invalid(name)),
    }
}

/// A child of the DSKPP namespace that must be there.
pub(super) fn required<'a>(
    parent: &'a Element,
    name: &'static str,
) -> Result<&'a Element, DskppError> {
    optional(parent, name)?.ok_or(DskppError::Missing(name))
}

/// The bytes of an element with base64 inside; white space between the symbols is allowed (XML Schema part 2, 3.2.16).
pub(super) fn base64(element: &Element, name: &'static str) -> Result<Vec<u8>, DskppError> {
    if !element.children.is_empty() {
        return Err(DskppError::Invalid(name));
    }
    let symbols: String = element
        .text
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .collect();
    BASE64
        .decode(symbols.as_bytes())
        .map_err(|_not_base64| DskppError::Invalid(name))
}

/// An identifier attribute: 1 to 128 characters.
pub(super) fn identifier<'a>(
    element: &'a Element,
    name: &'static str,
) -> Result<&'a str, DskppError> {
    let value = element.attribute(name).ok_or(DskppError::Missing(name))?;
    if value.is_empty() || value.chars().nth(MAX_IDENTIFIER).is_some() {
        return Err(DskppError::Invalid(name));
    }
    Ok(value)
}

/// The extensions that we know.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// `ClientInfo`: given back unchanged by the server.
    pub(super) client_info: Option<Vec<u8>>,
    /// `ServerInfo`: given back unchanged by the client.
    pub(super) server_info: Option<Vec<u8>>,
    /// Ours: announced in the server's hello, with a MAC in its last message.
    pub(super) body_mac: Option<BodyMac>,
}

/// Our extension as it was received.
#[derive(Debug)]
pub(super) enum BodyMac {
    /// Without a MAC: the last message will have one.
    Announced,
    /// The MAC as text, exactly as it stands in the body.
    Present(String),
}

impl Extensions {
    /// Reads the extensions of a message; unknown ones are ignored unless critical.
    pub(super) fn read(message: &Element) -> Result<Self, DskppError> {
        let mut known = Self::default();
        let Some(extensions) = optional(message, "Extensions")? else {
            return Ok(known);
        };
        for extension in &extensions.children {
            let kind = extension
                .kind
                .as_ref()
                .filter(|_type| extension.is(NAMESPACE, "Extension"))
                .map(|kind| (kind.namespace.as_str(), kind.local.as_str()));
            match kind {
                Some((NAMESPACE, "ClientInfoType")) => {
                    once(&mut known.client_info, info(extension)?)?;
                }
                Some((NAMESPACE, "ServerInfoType")) => {
                    once(&mut known.server_info, info(extension)?)?;
                }
                Some((EXTENSION_NAMESPACE, "BodyMacType")) => {
                    let body_mac = match extension.child(EXTENSION_NAMESPACE, "Mac") {
                        Child::Absent => BodyMac::Announced,
                        Child::One(mac) => BodyMac::Present(mac.text.clone()),
                        Child::Several => return Err(DskppError::Invalid("BodyMac")),
                    };
                    once(&mut known.body_mac, body_mac)?;
                }
                Some(_) | None => match extension.attribute("Critical").map(str::trim) {
                    None | Some("false" | "0") => {}
                    // Whatever else it says: in doubt it is critical.
                    Some(_) => return Err(DskppError::CriticalExtension),
                },
            }
        }
        Ok(known)
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), DskppError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(DskppError::Invalid("Extensions")),
    }
}

fn info(extension: &Element) -> Result<Vec<u8>, DskppError> {
    let data = base64(required(extension, "Data")?, "Data")?;
    if data.len() > MAX_INFO {
        Err(DskppError::Invalid("Data"))
    } else {
        Ok(data)
    }
}

/// `Extensions` with these; none if there are none.
pub(super) fn extensions(extensions: Vec<Node>) -> Option<Node> {
    (!extensions.is_empty()).then(|| Node::new("dskpp:Extensions").add_all(extensions))
}

/// An extension of that type.
pub(super) fn extension(kind: &'static str) -> Node {
    Node::new("dskpp:Extension").with("xsi:type", kind)
}

/// An extension that gives opaque data back.
pub(super) fn info_extension(kind: &'static str, data: &[u8]) -> Node {
    extension(kind).add(Node::text("dskpp:Data", BASE64.encode(data)))
}

/// A list of algorithms, best first.
pub(super) fn algorithms<'a>(list: &'static str, uris: impl IntoIterator<Item = &'a str>) -> Node {
    Node::new(list).add_all(
        uris.into_iter()
            .map(|uri| Node::text("dskpp:Algorithm", uri)),
    )
}
