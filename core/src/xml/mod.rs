//! XML as DSKPP and PSKC use it: a small tree, read strictly and written always in the same way.
//!
//! Invariant: no document type, no entity but the five predefined ones and character references, no prefix is
//! trusted (names are compared by namespace), and size, depth and number of elements are bounded before anything
//! is kept.

mod node;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use node::Node;
pub(crate) use read::{read, read_file};

/// Longest message, in bytes.
pub(crate) const MAX_LEN: usize = 64 * 1024;
/// The namespace of `xsi:type`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why a text is not a document that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Longer than 64 KiB; a file of the user's: longer than 8 MiB.
    #[error("the document is too long")]
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
