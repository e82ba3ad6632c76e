//! The extension's texts: every one that is used is there in every language, and none is there for nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::File;

/// Texts whose names are put together as the program runs: `reason_VAULT_LOCKED`.
const FAMILIES: [&str; 3] = ["reason_", "outcome_", "origin_"];

/// The names of a language with the places that each text leaves open.
type Language = BTreeMap<String, Vec<String>>;

pub(super) fn check(files: &[File], faults: &mut Vec<String>) -> Result<()> {
    let mut languages = BTreeMap::new();
    for file in files {
        if let Some(name) = file.path.strip_prefix("_locales/") {
            let name = name.split('/').next().unwrap_or_default();
            languages.insert(name, language(file, faults)?);
        }
    }
    let english = languages.get("en").context("no English texts")?;
    for (name, language) in &languages {
        for (text, places) in english {
            match language.get(text) {
                None => faults.push(format!("{name}: no {text}")),
                Some(own) if own != places => {
                    faults.push(format!("{name}: {text} leaves other places open"));
                }
                Some(_) => {}
            }
        }
        for text in language.keys().filter(|text| !english.contains_key(*text)) {
            faults.push(format!("{name}: {text} is not in English"));
        }
    }
    let used = used(files)?;
    for text in used.iter().filter(|text| !english.contains_key(*text)) {
        faults.push(format!("no text for {text}"));
    }
    for text in english.keys() {
        let made = FAMILIES.iter().any(|family| text.starts_with(family));
        if !made && !used.contains(text) {
            faults.push(format!("{text} is used nowhere"));
        }
    }
    Ok(())
}

fn language(file: &File, faults: &mut Vec<String>) -> Result<Language> {
    let texts = file.json()?;
    let texts = texts
        .as_object()
        .with_context(|| format!("{} holds no texts", file.path))?;
    let mut language = Language::new();
    for (name, text) in texts {
        let message = text.get("message").and_then(Value::as_str);
        let message = message.unwrap_or_default();
        if message.trim().is_empty() {
            faults.push(format!("{}: {name} is empty", file.path));
        }
        let places = text.get("placeholders").and_then(Value::as_object);
        let mut open = Vec::new();
        for (place, given) in places.into_iter().flatten() {
            let content = given.get("content").and_then(Value::as_str);
            if !message.contains(&format!("${}$", place.to_uppercase())) {
                faults.push(format!("{}: {name} does not use {place}", file.path));
            }
            open.push(content.unwrap_or_default().to_owned());
        }
        language.insert(name.clone(), open);
    }
    Ok(language)
}

/// Every name that code or manifest ask for as it stands there.
fn used(files: &[File]) -> Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for file in files {
        match file.kind() {
            "js" => {
                for call in file.text()?.split("words(").skip(1) {
                    let first = call.split([')', ',']).next().unwrap_or_default();
                    // One name, or a choice between two: `is ? 'one' : 'other'`.
                    let names = first.rsplit('?').next().unwrap_or_default();
                    used.extend(names.split('\'').skip(1).step_by(2).map(str::to_owned));
                }
            }
            "json" if file.path == super::MANIFEST => {
                for name in file.text()?.split("__MSG_").skip(1) {
                    used.extend(name.split("__").next().map(str::to_owned));
                }
            }
            _ => {}
        }
    }
    Ok(used)
}
