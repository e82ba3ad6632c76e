//! `cargo xtask extension`: the browser extension as each store takes it, byte for byte the same from the same source.

mod check;
mod words;

use std::{
    fs,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{say, tree::Tree};

const FOLDER: &str = "clients/browser/extension";
const MANIFEST: &str = "manifest.json";

/// Who hands the extension out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Chromium,
    Firefox,
}

impl Store {
    const ALL: [Self; 2] = [Self::Chromium, Self::Firefox];

    const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
        }
    }

    /// What of the one manifest is for the other browser, as JSON pointers. The key fixes the id of the extension where it
    /// is loaded from its folder; the store has a key of its own and takes none.
    const fn not_for(self) -> &'static [&'static str] {
        match self {
            Self::Chromium => &["/key", "/background/scripts", "/browser_specific_settings"],
            Self::Firefox => &[
                "/key",
                "/background/service_worker",
                "/minimum_chrome_version",
            ],
        }
    }
}

/// One file of the extension: its path inside, with slashes, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    path: String,
    bytes: Vec<u8>,
}

impl File {
    fn kind(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    fn text(&self) -> Result<&str> {
        str::from_utf8(&self.bytes).with_context(|| format!("{} is not UTF-8", self.path))
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.bytes).with_context(|| format!("{} is no JSON", self.path))
    }
}

/// Checks the extension and writes one archive for each store below the target folder.
///
/// # Errors
///
/// A check failed, or an archive cannot be written.
pub(crate) fn run(tree: &Tree) -> Result<()> {
    let files = checked(tree)?;
    let folder = tree.target.join("extension");
    fs::create_dir_all(&folder)?;
    let version = version(tree)?;
    for store in Store::ALL {
        let file = folder.join(format!("countersign-{}-{version}.zip", store.name()));
        let archive = archive(&files, store)?;
        fs::write(&file, &archive).with_context(|| format!("cannot write {}", file.display()))?;
        say::line(format_args!("{} ({} bytes)", file.display(), archive.len()))?;
    }
    Ok(())
}

/// The checks alone, as `cargo xtask test` runs them.
///
/// # Errors
///
/// A check failed.
pub(crate) fn check(tree: &Tree) -> Result<()> {
    let files = checked(tree)?;
    Ok(say::line(format_args!(
        "extension: {} files: in order",
        files.len()
    ))?)
}

fn checked(tree: &Tree) -> Result<Vec<File>> {
    let files = read(&tree.root.join(FOLDER))?;
    let faults = check::faults(&files, &version(tree)?)?;
    if !faults.is_empty() {
        bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "));
    }
    Ok(files)
}

/// The version of the workspace, which the extension shares.
fn version(tree: &Tree) -> Result<String> {
    let own = tree.metadata.workspace_packages();
    let own = own.iter().find(|package| package.name == "xtask");
    Ok(own.context("no xtask in the tree")?.version.to_string())
}

/// All files that belong into the extension, in the order of their paths. The drawing of the icons is their source, and
/// stays behind.
fn read(folder: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inside))? {
            let entry = entry?;
            let path = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let path = path.to_str().context("a name that is not UTF-8")?;
            let file = File {
                path: path.to_owned(),
                bytes: fs::read(entry.path())?,
            };
            if file.kind() != "svg" {
                files.push(file);
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// The manifest of one browser, from the one for both.
fn manifest(source: &Value, store: Store) -> Value {
    let mut manifest = source.clone();
    for pointer in store.not_for() {
        let Some((parent, name)) = pointer.rsplit_once('/') else {
            continue;
        };
        if let Some(Value::Object(parent)) = manifest.pointer_mut(parent) {
            parent.remove(name);
        }
    }
    manifest
}

/// Sorted, stored uncompressed, with the format's first day as every time: nothing in it depends on when or where it was made.
fn archive(files: &[File], store: Store) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        archive.start_file(file.path.as_str(), options)?;
        if file.path == MANIFEST {
            let text = serde_json::to_string_pretty(&manifest(&file.json()?, store))?;
            archive.write_all(text.as_bytes())?;
        } else {
            archive.write_all(&file.bytes)?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use zip::ZipArchive;

    use super::*;

    fn own() -> Vec<File> {
        read(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("..")
                .join(FOLDER),
        )
        .unwrap()
    }

    #[test]
    fn two_runs_are_the_same_bytes_whatever_the_times_and_the_order_of_the_files() {
        let copy = tempfile::tempdir().unwrap();
        let mut files = own();
        files.reverse();
        for file in &files {
            let to = copy.path().join(&file.path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, &file.bytes).unwrap();
        }
        for store in Store::ALL {
            let one = archive(&own(), store).unwrap();
            let other = archive(&read(copy.path()).unwrap(), store).unwrap();
            assert!(one == other, "{store:?}");
        }
    }

    #[test]
    fn each_store_gets_its_own_manifest_and_the_same_files() {
        let names = |store| {
            let bytes = archive(&own(), store).unwrap();
            let archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
            let names: Vec<_> = archive
                .file_names()
                .map(|name| name.unwrap().into_owned())
                .collect();
            names
        };
        assert_eq!(names(Store::Chromium), names(Store::Firefox));
        assert!(
            names(Store::Firefox)
                .iter()
                .all(|name| Path::new(name).extension().is_none_or(|kind| kind != "svg"))
        );
        let manifest = |store| {
            let bytes = archive(&own(), store).unwrap();
            let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
            let mut text = String::new();
            let mut file = archive.by_name(MANIFEST).unwrap();
            file.read_to_string(&mut text).unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let chromium = manifest(Store::Chromium);
        let firefox = manifest(Store::Firefox);
        for both in [
            "/permissions",
            "/name",
            "/commands/fill",
            "/content_security_policy",
        ] {
            assert_eq!(chromium.pointer(both), firefox.pointer(both), "{both}");
            assert!(chromium.pointer(both).is_some(), "{both}");
        }
        assert!(chromium.pointer("/background/service_worker").is_some());
        assert!(chromium.pointer("/background/scripts").is_none());
        assert!(chromium.pointer("/key").is_none());
        assert!(firefox.pointer("/background/scripts").is_some());
        assert!(firefox.pointer("/background/service_worker").is_none());
        assert!(
            firefox
                .pointer("/browser_specific_settings/gecko/id")
                .is_some()
        );
    }
}
