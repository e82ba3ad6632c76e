//! What the extension must not ask for, hold or lack.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{File, MANIFEST, words};

/// All that it may. None of these shows a warning, gives access to a site by itself, or reads what is browsed;
/// `contextMenus` is the right to have an entry there.
const PERMISSIONS: [&str; 5] = [
    "activeTab",
    "contextMenus",
    "nativeMessaging",
    "scripting",
    "storage",
];

/// Keys of a manifest that would reach into pages or let pages reach in.
const NEVER: [&str; 10] = [
    "content_scripts",
    "declarative_net_request",
    "devtools_page",
    "externally_connectable",
    "host_permissions",
    "optional_host_permissions",
    "optional_permissions",
    "sandbox",
    "update_url",
    "web_accessible_resources",
];

/// What code must not hold: text that becomes code or markup, and what is fetched from elsewhere.
const NOT_IN_CODE: [&str; 15] = [
    "eval(",
    "new Function",
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "createContextualFragment",
    "DOMParser",
    "srcdoc",
    "import(",
    "importScripts",
    "fetch(",
    "XMLHttpRequest",
    "WebSocket",
    "javascript:",
];

/// A name, not an address: nothing is fetched from there.
const NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// Everything that is wrong with the files.
///
/// # Errors
///
/// A file that has to be read is not there or not readable.
pub(super) fn faults(files: &[File], version: &str) -> Result<Vec<String>> {
    let manifest = files.iter().find(|file| file.path == MANIFEST);
    let manifest = manifest.context("no manifest.json")?.json()?;
    let mut faults = manifest_faults(&manifest, version);
    for file in files {
        match file.kind() {
            "js" => code(file, &mut faults)?,
            "html" => page(file, &mut faults)?,
            "css" => style(file, &mut faults)?,
            "json" | "png" => {}
            _ => faults.push(format!("{}: a kind of file that is not known", file.path)),
        }
    }
    named_files(&manifest, files, &mut faults);
    words::check(files, &mut faults)?;
    Ok(faults)
}

fn manifest_faults(manifest: &Value, version: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if manifest.get("manifest_version") != Some(&json!(3)) {
        faults.push("manifest_version is not 3".to_owned());
    }
    if manifest.get("version").and_then(Value::as_str) != Some(version) {
        faults.push(format!("its version is not {version}, the workspace's"));
    }
    if manifest.get("permissions") != Some(&json!(PERMISSIONS)) {
        faults.push(format!("permissions are not exactly {PERMISSIONS:?}"));
    }
    for key in NEVER.iter().filter(|key| manifest.get(key).is_some()) {
        faults.push(format!("{key} in the manifest"));
    }
    let policy = manifest
        .pointer("/content_security_policy/extension_pages")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let parts: Vec<_> = policy.split(';').map(str::trim).collect();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        if !parts.contains(&part) {
            faults.push(format!("the content policy lacks {part}"));
        }
    }
    if ["unsafe", "http", "data:", "*"]
        .iter()
        .any(|word| policy.contains(word))
    {
        faults.push("the content policy lets more in".to_owned());
    }
    faults
}

fn code(file: &File, faults: &mut Vec<String>) -> Result<()> {
    let text = file.text()?.replace(NAMESPACE, "");
    for word in NOT_IN_CODE.iter().filter(|word| text.contains(**word)) {
        // The comment that names the type of a parameter imports nothing, and files of our own are no harm.
        let own =
            *word == "import(" && text.matches("import('./").count() == text.matches(word).count();
        if !own {
            faults.push(format!("{}: {word}", file.path));
        }
    }
    if text.contains("://") {
        faults.push(format!("{}: an address", file.path));
    }
    Ok(())
}

fn page(file: &File, faults: &mut Vec<String>) -> Result<()> {
    let text = file.text()?;
    for word in ["<style", "style=", " on", "://", "<iframe"] {
        if text.contains(word) {
            faults.push(format!("{}: {word}", file.path));
        }
    }
    for script in text.split("<script").skip(1) {
        if !script.contains(" src=\"") || !script.contains("></script>") {
            faults.push(format!("{}: a script inside the page", file.path));
        }
    }
    Ok(())
}

fn style(file: &File, faults: &mut Vec<String>) -> Result<()> {
    let text = file.text()?;
    for word in ["@import", "url("] {
        if text.contains(word) {
            faults.push(format!("{}: {word}", file.path));
        }
    }
    Ok(())
}

/// Every file that the manifest names is there.
fn named_files(manifest: &Value, files: &[File], faults: &mut Vec<String>) {
    let mut named: Vec<&str> = Vec::new();
    for pointer in ["/icons", "/action/default_icon"] {
        let icons = manifest.pointer(pointer).and_then(Value::as_object);
        named.extend(
            icons
                .into_iter()
                .flatten()
                .filter_map(|(_, file)| file.as_str()),
        );
    }
    let worker = manifest.pointer("/background/service_worker");
    named.extend(worker.and_then(Value::as_str));
    let scripts = manifest
        .pointer("/background/scripts")
        .and_then(Value::as_array);
    named.extend(scripts.into_iter().flatten().filter_map(Value::as_str));
    if named.len() < 3 {
        faults.push("the manifest names no icons or no background".to_owned());
    }
    for name in named {
        if !files.iter().any(|file| file.path == name) {
            faults.push(format!("{name} is named and not there"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn own() -> Vec<File> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        super::super::read(&root.join(super::super::FOLDER)).unwrap()
    }

    fn found(files: &[File]) -> Vec<String> {
        faults(files, env!("CARGO_PKG_VERSION")).unwrap()
    }

    /// The extension with one file changed.
    fn changed(path: &str, change: impl Fn(&str) -> String) -> Vec<File> {
        let mut files = own();
        let file = files.iter_mut().find(|file| file.path == path).unwrap();
        let text = change(file.text().unwrap());
        assert_ne!(text.as_bytes(), file.bytes, "nothing was changed");
        file.bytes = text.into_bytes();
        files
    }

    #[test]
    fn the_extension_is_in_order() {
        assert_eq!(found(&own()), Vec::<String>::new());
    }

    #[test]
    fn a_manifest_that_asks_for_more_is_refused() {
        for (from, to) in [
            ("\"storage\"]", "\"storage\", \"tabs\"]"),
            ("\"activeTab\", ", ""),
            ("\"manifest_version\": 3", "\"manifest_version\": 2"),
            (
                "\"permissions\"",
                "\"host_permissions\": [\"<all_urls>\"], \"permissions\"",
            ),
            (
                "\"permissions\"",
                "\"content_scripts\": [], \"permissions\"",
            ),
            (
                "\"permissions\"",
                "\"externally_connectable\": {}, \"permissions\"",
            ),
            (
                "\"permissions\"",
                "\"web_accessible_resources\": [], \"permissions\"",
            ),
            ("script-src 'self'", "script-src 'self' 'unsafe-eval'"),
            ("frame-ancestors 'none'", "frame-ancestors 'self'"),
            ("icons/16.png", "icons/17.png"),
        ] {
            let files = changed(MANIFEST, |text| text.replacen(from, to, 1));
            assert!(!found(&files).is_empty(), "{to}");
        }
        assert!(!faults(&own(), "9.9.9").unwrap().is_empty());
    }

    #[test]
    fn code_that_makes_code_or_markup_or_fetches_is_refused() {
        for more in [
            "eval('1');",
            "x.innerHTML = '';",
            "new Function('');",
            "await import(name);",
            "fetch('/x');",
            "const a = 'https://example.org/';",
        ] {
            let files = changed("background.js", |text| format!("{text}{more}"));
            assert_eq!(found(&files).len(), 1, "{more}");
        }
        for more in [
            "<script>1</script>",
            "<p style=\"color:red\">",
            "<p onclick=\"x\">",
        ] {
            let files = changed("popup/popup.html", |text| format!("{text}{more}"));
            assert!(!found(&files).is_empty(), "{more}");
        }
        let files = changed("popup/popup.css", |text| {
            format!("{text}a {{ background: url(x) }}")
        });
        assert!(!found(&files).is_empty());
    }

    #[test]
    fn a_text_that_is_missing_too_many_or_unlike_is_found() {
        let german = "_locales/de/messages.json";
        for (path, from, to) in [
            (german, "\"approve\"", "\"aprove\""),
            (german, "\"$1\"", "\"$2\""),
            (german, "$PART$", ""),
            ("background.js", "words('menuFill')", "words('menuFull')"),
            (MANIFEST, "__MSG_name__", "__MSG_nome__"),
        ] {
            let files = changed(path, |text| text.replacen(from, to, 1));
            assert!(!found(&files).is_empty(), "{to}");
        }
        let english = "_locales/en/messages.json";
        let more = ",\n\"idle\": { \"message\": \"x\" }\n}\n";
        let mut files = changed(english, |text| {
            text.trim_end().trim_end_matches('}').to_owned() + more
        });
        let other = files.iter_mut().find(|file| file.path == german).unwrap();
        other.bytes = (other
            .text()
            .unwrap()
            .trim_end()
            .trim_end_matches('}')
            .to_owned()
            + more)
            .into_bytes();
        assert!(found(&files).iter().any(|fault| fault.contains("idle")));
    }
}
