//! HTML, escaped by type: markup is written in the source, everything else becomes [`Text`].

use core::fmt::Display;

use countersign_core::text;

/// The longest text that a page shows of somebody else's, in characters.
const SHOWN: usize = 128;

/// Finished markup. Made only from literals and escaped text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Escaped(String);

/// A text that is not markup: a name, a number, a value of an attribute in double quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub(super) T);

/// A text of our own making that must not be clipped: a link, the path of a picture. No text of others is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'t>(pub(super) &'t str);

/// What markup is made of.
pub(super) trait Part {
    /// Appends it.
    fn write(self, to: &mut Escaped);
}

impl Escaped {
    /// The markup.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Markup itself: only what stands in the source lives that long.
impl Part for &'static str {
    fn write(self, to: &mut Escaped) {
        to.0.push_str(self);
    }
}

impl Part for Escaped {
    fn write(self, to: &mut Escaped) {
        to.0.push_str(&self.0);
    }
}

impl Part for &Escaped {
    fn write(self, to: &mut Escaped) {
        to.0.push_str(&self.0);
    }
}

impl<P: Part> Part for Option<P> {
    fn write(self, to: &mut Escaped) {
        if let Some(part) = self {
            part.write(to);
        }
    }
}

/// Without control, direction and invisible characters, on one line, clipped, and escaped.
impl<T: Display> Part for Text<T> {
    fn write(self, to: &mut Escaped) {
        let shown = text::display(&self.0.to_string(), SHOWN);
        to.0.push_str(&text::markup_escaped(&shown));
    }
}

/// Escaped as well.
impl Part for Whole<'_> {
    fn write(self, to: &mut Escaped) {
        to.0.push_str(&text::markup_escaped(self.0));
    }
}

/// Puts parts together: `html!["<h1>", Text(name), "</h1>"]`.
macro_rules! html {
    ($($part:expr),* $(,)?) => {{
        let mut markup = $crate::web::pages::html::Escaped::default();
        $($crate::web::pages::html::Part::write($part, &mut markup);)*
        markup
    }};
}
pub(super) use html;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_of_others_stays_text() {
        let page = html![
            "<p title=\"",
            Text("\"><script>alert(1)</script>"),
            "\">",
            Text("a'b & \u{202e}c\nd"),
            html!["<b>", Text(7), "</b>"],
            None::<Escaped>,
            Whole("<i>"),
            "</p>"
        ];
        assert_eq!(
            page.as_str(),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\">\
             a&#39;b &amp; \u{fffd}c d<b>7</b>&lt;i&gt;</p>"
        );
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_closes_an_attribute(text in any::<String>()) {
            let page = html![Text(&text)];
            prop_assert!(!page.as_str().contains(['<', '>', '"', '\'']));
            prop_assert!(!page.as_str().contains(char::is_control));
        }
    }
}
