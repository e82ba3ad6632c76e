use proptest::prelude::*;

use super::*;

#[test]
fn names_are_compared_by_namespace_not_by_prefix() {
    let one = read(b"<a:x xmlns:a='urn:n' a:k='1' k='2'><a:y>t</a:y></a:x>").unwrap();
    let other = read(b"<x xmlns='urn:n' xmlns:b='urn:n' b:k='1' k='2'><b:y>t</b:y></x>").unwrap();
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
    let attributes = (0..33).fold(String::new(), |all, at| format!("{all} a{at}=''"));
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
