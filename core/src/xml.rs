//! XML as DSKPP and PSKC use it: a small tree, read strictly and written always in the same way.
//!
//! Invariant: no document type, no entity but the five predefined ones and character references, no prefix is
//! trusted (names are compared by namespace), and size, depth and number of elements are bounded before anything
//! is kept.

use core::fmt;

use quick_xml::{
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
    name::ResolveResult,
    reader::NsReader,
};

/// Longest document, in bytes.
pub(crate) const MAX_LEN: usize = 64 * 1024;
/// Deepest nesting of elements.
const MAX_DEPTH: usize = 16;
/// Most elements in one document.
const MAX_ELEMENTS: usize = 512;
/// Most attributes of one element, namespace declarations included.
const MAX_ATTRIBUTES: usize = 32;
/// The namespace of `xsi:type`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why a text is not a document that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Longer than 64 KiB.
    #[error("the message is longer than 64 KiB")]
    TooLarge,
    /// Elements are nested too deep, or there are too many of them.
    #[error("the message has too many elements or nests them too deep")]
    TooComplex,
    /// Not UTF-8.
    #[error("the message is not UTF-8 text")]
    NotUtf8,
    /// A document type declaration.
    #[error("the message has a document type declaration, which is never accepted")]
    DocumentType,
    /// An entity that XML does not predefine.
    #[error("the message uses an entity that XML does not predefine")]
    Entity,
    /// A prefix without a declared namespace.
    #[error("the message uses a namespace prefix that it does not declare")]
    Prefix,
    /// Text beside elements, where only one of them can be.
    #[error("the message mixes text and elements")]
    Mixed,
    /// Anything else that XML does not allow.
    #[error("the message is not well-formed XML")]
    NotWellFormed,
}

/// A name with its namespace; empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) namespace: String,
    pub(crate) local: String,
}

impl Name {
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }
}

/// An attribute with its normalised value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    pub(crate) value: String,
}

/// An element: either elements inside, or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: Name,
    pub(crate) attributes: Vec<Attribute>,
    /// The value of `xsi:type` with its prefix resolved.
    pub(crate) kind: Option<Name>,
    pub(crate) children: Vec<Self>,
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.is(namespace, local)
    }

    /// The attribute without a namespace.
    pub(crate) fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.is("", local))
            .map(|attribute| attribute.value.as_str())
    }

    /// The child of that name, if there is exactly one: a second one makes both unusable.
    pub(crate) fn child(&self, namespace: &str, local: &str) -> Child<'_> {
        let mut found = self
            .children
            .iter()
            .filter(|child| child.is(namespace, local));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Child::Several,
            (Some(child), None) => Child::One(child),
            (None, _) => Child::Absent,
        }
    }

    /// The text without white space around it: for URIs, numbers and base64.
    pub(crate) fn trimmed(&self) -> &str {
        self.text.trim_matches(is_space)
    }
}

/// How often a child is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Child<'a> {
    Absent,
    One(&'a Element),
    Several,
}

const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// Char of XML 1.0, section 2.2.
const fn is_allowed(letter: char) -> bool {
    matches!(letter,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Reads one document.
///
/// # Errors
/// [`XmlError`] says which rule the document breaks.
pub(crate) fn read(body: &[u8]) -> Result<Element, XmlError> {
    if body.len() > MAX_LEN {
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
                if open.len() >= MAX_DEPTH || elements > MAX_ELEMENTS {
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
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
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
            let (namespace, local) =
                resolver.resolve_element(quick_xml::name::QName(value.trim_matches(is_space)));
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

/// An element to be written. Names carry the prefix that the root declares.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Self>,
}

impl Node {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            text: String::new(),
            children: Vec::new(),
        }
    }

    /// An element with text inside.
    pub(crate) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::new(name)
        }
    }

    pub(crate) fn with(mut self, attribute: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((attribute, value.into()));
        self
    }

    pub(crate) fn add(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    pub(crate) fn add_if(mut self, child: Option<Self>) -> Self {
        self.children.extend(child);
        self
    }

    pub(crate) fn add_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The document: an XML declaration and this element, without white space of its own.
    pub(crate) fn document(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{self}")
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"{}\"", escape(value.as_str()))?;
        }
        if self.text.is_empty() && self.children.is_empty() {
            return f.write_str("/>");
        }
        write!(f, ">{}", escape(self.text.as_str()))?;
        for child in &self.children {
            child.fmt(f)?;
        }
        write!(f, "</{}>", self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compared_by_namespace_not_by_prefix() {
        let one = read(b"<a:x xmlns:a='urn:n' a:k='1' k='2'><a:y>t</a:y></a:x>").unwrap();
        let other =
            read(b"<x xmlns='urn:n' xmlns:b='urn:n' b:k='1' k='2'><b:y>t</b:y></x>").unwrap();
        assert_eq!(one, other);
        assert_eq!(one.attribute("k"), Some("2"));
        assert!(matches!(one.child("urn:n", "y"), Child::One(child) if child.text == "t"));
        assert!(matches!(one.child("urn:m", "y"), Child::Absent));
    }

    #[test]
    fn the_type_of_an_element_is_resolved() {
        let read = read(
            b"<x xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:q='urn:n' i:type='q:T'/>",
        )
        .unwrap();
        assert_eq!(
            read.kind,
            Some(Name {
                namespace: "urn:n".to_owned(),
                local: "T".to_owned()
            })
        );
    }

    #[test]
    fn text_is_joined_over_references_sections_and_comments() {
        let read = read(b"<x>a&amp;<![CDATA[<b>]]><!-- c -->&#x63;\r\n</x>").unwrap();
        assert_eq!(read.text, "a&<b>c\n");
        assert_eq!(read.trimmed(), "a&<b>c");
    }

    #[test]
    fn what_is_refused() {
        let deep = [vec!["<x>"; 17].concat(), vec!["</x>"; 17].concat()].concat();
        let wide = format!("<r>{}</r>", "<x/>".repeat(512));
        let attributes: String = (0..33).map(|at| format!(" a{at}=''")).collect();
        let large = format!("<x>{}</x>", " ".repeat(MAX_LEN));
        for (text, expected) in [
            ("", XmlError::NotWellFormed),
            ("<x>", XmlError::NotWellFormed),
            ("<x></y>", XmlError::NotWellFormed),
            ("<x/><x/>", XmlError::NotWellFormed),
            ("<x/>text", XmlError::NotWellFormed),
            ("<x a='1' a='2'/>", XmlError::NotWellFormed),
            (
                "<x xmlns:a='u' xmlns:b='u' a:k='1' b:k='2'/>",
                XmlError::NotWellFormed,
            ),
            ("<x>&#0;</x>", XmlError::NotWellFormed),
            ("<x>&#1;</x>", XmlError::NotWellFormed),
            ("<x>\u{1}</x>", XmlError::NotWellFormed),
            ("<x a='&#1;'/>", XmlError::NotWellFormed),
            ("<x><y/>text</x>", XmlError::Mixed),
            ("<!DOCTYPE x><x/>", XmlError::DocumentType),
            (
                "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
                XmlError::DocumentType,
            ),
            ("<x>&a;</x>", XmlError::Entity),
            ("<x a='&a;'/>", XmlError::Entity),
            ("<a:x/>", XmlError::Prefix),
            ("<x a:b='1'/>", XmlError::Prefix),
            (
                "<?xml version='1.0' encoding='ISO-8859-1'?><x/>",
                XmlError::NotUtf8,
            ),
            (&deep, XmlError::TooComplex),
            (&wide, XmlError::TooComplex),
            (&format!("<x{attributes}/>"), XmlError::TooComplex),
            (&large, XmlError::TooLarge),
        ] {
            let shown: String = text.chars().take(80).collect();
            assert_eq!(read(text.as_bytes()), Err(expected), "{shown}");
        }
        assert_eq!(read(b"<x>\xff</x>"), Err(XmlError::NotUtf8));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(read(&bytes));
        }

        #[test]
        fn arbitrary_markup_never_panics(text in "[<>/a-c:='\"&;#x!\\[\\]?\\- ]{0,120}") {
            drop(read(text.as_bytes()));
        }

        #[test]
        fn what_is_written_reads_the_same(value in "[ -~äß€😀]{0,40}", text in "[!-~äß€😀][ -~äß€😀]{0,40}") {
            let written = Node::new("x").with("a", value.clone()).add(Node::text("y", text.clone())).document();
            let root = read(written.as_bytes()).unwrap();
            prop_assert_eq!(root.attribute("a"), Some(value.as_str()));
            prop_assert_eq!(&root.children[0].text, &text);
        }
    }
}
