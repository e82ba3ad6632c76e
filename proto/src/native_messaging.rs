//! Names between browsers, the extension, its native-messaging host and whoever installs them, and the host's manifest.
//!
//! A manifest is what a browser reads to find the host and to know which extensions may start it. Chromium's kin and
//! Firefox want different ones, and each rejects a file that also holds the other's list.

/// What the extension calls, and the name of the manifest (with `.json`).
pub const HOST: &str = "org.countersign.browser";
/// The host's program.
pub const PROGRAM: &str = "countersign-browser";
/// What browsers show of the host.
pub const DESCRIPTION: &str = "Passcodes from the Countersign agent";
/// The extension's public key, as the `key` of its manifest for Chromium: it fixes [`CHROMIUM_ID`]. Neither is a secret
/// or a proof: whoever runs programs as the user can load another extension with the same key.
pub const CHROMIUM_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqb9I5mjI6KKnwrYUbTnggAMtBWsR3vvGlIr2o4OxtsvoQje6bF7PkKC0XYChRMTK+ZUbGNdiSTPXaOaeBrpaJHLW/f1yMi2/NaIgjC57qrq5nU98a2aTsgpMF5oZzajcMA5LwgZseOlhTbUJb3Qp1wVQEn5Zxz/Km9FkISm1tiIInh1vbEQ/WW8Q9f748/WeOCp+ZM7F9X3lOy2ZKvLUu0uybT5meMqZGOnTyXzcstF+V5GTGX2VJYlY1BUYj+/A04SfXUubyHv7C3KjbwUupMQlMUcaWyvyQKGVeC9GJxDST99Zyd5R4MmMKcMZN3M0BC6pl7tijDNOj7zq8ru03wIDAQAB";
/// The extension's id in Chromium and its kin.
pub const CHROMIUM_ID: &str = "bjlogcdgcokdmghonoemnaepfnljjakm";
/// The extension's id in Firefox.
pub const FIREFOX_ID: &str = "countersign@countersign.dev";

/// Browsers that read the same form of manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Chromium, Chrome, Brave, Edge.
    Chromium,
    /// Firefox.
    Firefox,
}

/// How the browser names the extension that it starts the host for.
#[must_use]
pub fn chromium_origin() -> String {
    format!("chrome-extension://{CHROMIUM_ID}/")
}

/// Is the host started for our extension? `arguments` are those after the program's name: Chromium gives the origin of the
/// extension first, Firefox the path of the manifest and the id. Arguments can be forged; this keeps mistakes away.
#[must_use]
pub fn is_started_for_us(arguments: &[String]) -> bool {
    match arguments {
        [origin, ..] if origin.starts_with("chrome-extension:") => *origin == chromium_origin(),
        [_manifest, id, ..] => id == FIREFOX_ID,
        [] | [_] => false,
    }
}

/// The manifest for a host at `program`, an absolute path. Nothing if the path cannot stand in JSON as it is.
#[must_use]
pub fn manifest(family: Family, program: &str) -> Option<String> {
    if !program.starts_with('/')
        || program
            .chars()
            .any(|c| c.is_control() || "\"\\".contains(c))
    {
        return None;
    }
    let (list, extension) = match family {
        Family::Chromium => ("allowed_origins", chromium_origin()),
        Family::Firefox => ("allowed_extensions", FIREFOX_ID.to_owned()),
    };
    Some(format!(
        "{{\n  \"name\": \"{HOST}\",\n  \"description\": \"{DESCRIPTION}\",\n  \"path\": \"{program}\",\n  \
         \"type\": \"stdio\",\n  \"{list}\": [\"{extension}\"]\n}}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_our_extension_starts_the_host() {
        let chromium = chromium_origin();
        for ours in [
            words(&[&chromium]),
            words(&[&chromium, "--parent-window=0"]),
            words(&["/home/a/.mozilla/x.json", FIREFOX_ID]),
        ] {
            assert!(is_started_for_us(&ours), "{ours:?}");
        }
        let without_slash = chromium.trim_end_matches('/');
        for foreign in [
            words(&[]),
            words(&["--help"]),
            words(&[without_slash]),
            words(&["chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"]),
            words(&[
                "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
                FIREFOX_ID,
            ]),
            words(&["/x.json", "other@example.org"]),
            words(&[FIREFOX_ID]),
        ] {
            assert!(!is_started_for_us(&foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_manifest_names_one_list_and_an_absolute_path() {
        let chromium = manifest(Family::Chromium, "/usr/bin/countersign-browser").unwrap();
        assert!(chromium.contains("allowed_origins") && !chromium.contains("allowed_extensions"));
        let firefox = manifest(Family::Firefox, "/usr/bin/countersign-browser").unwrap();
        assert!(firefox.contains("allowed_extensions") && !firefox.contains("allowed_origins"));
        for path in ["countersign-browser", "/a\"b", "/a\\b", "/a\nb", ""] {
            assert_eq!(manifest(Family::Chromium, path), None, "{path:?}");
        }
    }
}
