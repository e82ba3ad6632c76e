//! Reading.

use quick_xml::{
    XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
    name::{QName, ResolveResult},
    reader::NsReader,
};

use super::{Attribute, Element, MAX_LEN, Name, XSI, XmlError, is_space};

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 16;
/// Most elements in one message.
const MAX_ELEMENTS: usize = 512;
/// Longest file of the user's, in bytes.
const MAX_FILE_LEN: usize = 8 * 1024 * 1024;
/// Most elements in one: a thousand keys.
const MAX_FILE_ELEMENTS: usize = 50_000;
/// Most attributes of one element, namespace declarations included.
const MAX_ATTRIBUTES: usize = 32;
/// Char of XML 1.0, section 2.2.
const fn is_allowed(letter: char) -> bool {
    matches!(letter,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Reads one message.
///
/// # Errors
/// [`XmlError`] says which rule the document breaks.
pub(crate) fn read(body: &[u8]) -> Result<Element, XmlError> {
    read_within(body, MAX_LEN, MAX_ELEMENTS)
}

/// Reads one file that the user brought: longer than a message, by the same rules.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_file(content: &[u8]) -> Result<Element, XmlError> {
    read_within(content, MAX_FILE_LEN, MAX_FILE_ELEMENTS)
}

fn read_within(body: &[u8], max_len: usize, max_elements: usize) -> Result<Element, XmlError> {
    if body.len() > max_len {
        return Err(XmlError::TooLarge);
    }
    let text = core::str::from_utf8(body).map_err(|_invalid| XmlError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.chars().all(is_allowed) {
        return Err(XmlError::NotWellFormed);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;

    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut elements = 0_usize;
    loop {
        let event = reader
            .read_event()
            .map_err(|_malformed| XmlError::NotWellFormed)?;
        match event {
            Event::Start(start) => {
                elements = elements.saturating_add(1);
                if open.len() >= MAX_DEPTH || elements > max_elements {
                    return Err(XmlError::TooComplex);
                }
                if root.is_some() {
                    return Err(XmlError::NotWellFormed);
                }
                open.push(element(&reader, &start)?);
            }
            Event::End(_) => {
                let closed = open.pop().ok_or(XmlError::NotWellFormed)?;
                if !closed.children.is_empty() && !closed.trimmed().is_empty() {
                    return Err(XmlError::Mixed);
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => root = Some(closed),
                }
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
            Event::CData(text) => {
                // Also white space has no place outside the root here.
                if open.is_empty() {
                    return Err(XmlError::NotWellFormed);
                }
                add_text(&mut open, &text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                let letter = reference
                    .resolve_char_ref()
                    .map_err(|_no_such_character| XmlError::NotWellFormed)?;
                let mut buffer = [0; 4];
                let replacement = match letter {
                    Some(letter) if is_allowed(letter) => &*letter.encode_utf8(&mut buffer),
                    Some(_) => return Err(XmlError::NotWellFormed),
                    None => resolve_predefined_entity(&reference).ok_or(XmlError::Entity)?,
                };
                open.last_mut()
                    .ok_or(XmlError::NotWellFormed)?
                    .text
                    .push_str(replacement);
            }
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Decl(declaration) => {
                let utf8 = match declaration.encoding() {
                    None => true,
                    Some(encoding) => {
                        encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("utf-8"))
                    }
                };
                if !utf8 {
                    return Err(XmlError::NotUtf8);
                }
                // Only at the very start.
                if root.is_some() || !open.is_empty() {
                    return Err(XmlError::NotWellFormed);
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(XmlError::NotWellFormed),
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(XmlError::NotWellFormed);
    }
    root.ok_or(XmlError::NotWellFormed)
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.chars().all(is_space) => {}
        None => return Err(XmlError::NotWellFormed),
    }
    Ok(())
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let resolver = reader.resolver();
    let (namespace, local) = resolver.resolve_element(start.name());
    let name = Name {
        namespace: namespace_of(&namespace)?,
        local: local.as_ref().to_owned(),
    };
    let mut attributes = Vec::new();
    let mut kind = None;
    for attribute in start.attributes().with_checks(true) {
        let attribute = attribute.map_err(|_malformed| XmlError::NotWellFormed)?;
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(XmlError::TooComplex);
        }
        if attribute.value.contains('<') {
            return Err(XmlError::NotWellFormed);
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_reference| XmlError::Entity)?
            .into_owned();
        if !value.chars().all(is_allowed) {
            return Err(XmlError::NotWellFormed);
        }
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (namespace, local) = resolver.resolve_attribute(attribute.key);
        let name = Name {
            namespace: namespace_of(&namespace)?,
            local: local.as_ref().to_owned(),
        };
        if attributes
            .iter()
            .any(|other: &Attribute| other.name == name)
        {
            return Err(XmlError::NotWellFormed);
        }
        if name.is(XSI, "type") {
            let (namespace, local) = resolver.resolve_element(QName(value.trim_matches(is_space)));
            kind = Some(Name {
                namespace: namespace_of(&namespace)?,
                local: local.as_ref().to_owned(),
            });
        }
        attributes.push(Attribute { name, value });
    }
    Ok(Element {
        name,
        attributes,
        kind,
        children: Vec::new(),
        text: String::new(),
    })
}

fn namespace_of(resolved: &ResolveResult<'_>) -> Result<String, XmlError> {
    match resolved {
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Bound(namespace) => Ok(namespace.as_ref().to_owned()),
        ResolveResult::Unknown(_) => Err(XmlError::Prefix),
    }
}
