//! The little of HTML that a login page needs: forms, their fields and buttons.

use anyhow::{Context as _, Result};

/// A page that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Path and query that it came from.
    pub path: String,
    /// The text.
    pub body: String,
}

/// One form of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Where it goes; empty: to the page's own address.
    pub action: String,
    /// Names and values of its inputs.
    pub fields: Vec<(String, String)>,
    /// Names and values of its buttons.
    pub buttons: Vec<(String, String)>,
}

impl Page {
    /// The forms of the page, in order.
    #[must_use]
    pub fn forms(&self) -> Vec<Form> {
        let mut forms = Vec::new();
        for part in self.body.split("<form").skip(1) {
            let (open, rest) = part.split_once('>').unwrap_or((part, ""));
            let inside = rest.split("</form").next().unwrap_or_default();
            let mut form = Form {
                action: attribute(open, "action").unwrap_or_default(),
                ..Form::default()
            };
            for tag in inside.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').unwrap_or((tag, ""));
                let Some(name) = attribute(tag, "name") else {
                    continue;
                };
                let value = attribute(tag, "value").unwrap_or_default();
                if tag.starts_with("button") || attribute(tag, "type").as_deref() == Some("submit")
                {
                    form.buttons.push((name, value));
                } else if tag.starts_with("input") {
                    form.fields.push((name, value));
                }
            }
            forms.push(form);
        }
        forms
    }

    /// The first form that has an input or a button of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn form_with(&self, name: &str) -> Result<Form> {
        self.forms()
            .into_iter()
            .find(|form| {
                form.fields
                    .iter()
                    .chain(&form.buttons)
                    .any(|(field, _)| field == name)
            })
            .with_context(|| format!("no form with {name:?} on this page:\n{}", self.body))
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let key = format!(" {name}=\"");
    let (_, rest) = tag.split_once(&key)?;
    let (value, _) = rest.split_once('"')?;
    Some(unescaped(value))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_fields_and_buttons() {
        let page = Page {
            status: 200,
            path: "/".to_owned(),
            body: r#"<form method="post" action="/a?b=1&amp;c=2"><input type="hidden" name="csrf" value="x&quot;y">
                <input name="user"><button name="way" value="push">Send</button></form>
                <form action="/out"><input type="submit" name="go" value="Go"></form>"#
                .to_owned(),
        };
        let form = page.form_with("way").unwrap();
        assert_eq!(form.action, "/a?b=1&c=2");
        assert_eq!(form.fields[0], ("csrf".to_owned(), "x\"y".to_owned()));
        assert_eq!(form.fields[1].0, "user");
        assert_eq!(form.buttons, [("way".to_owned(), "push".to_owned())]);
        assert_eq!(page.form_with("go").unwrap().action, "/out");
        assert!(page.form_with("none").is_err());
    }
}
