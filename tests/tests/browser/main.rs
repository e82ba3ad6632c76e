//! The extension in the real browsers: Chromium and Firefox ESR, each started once, on a screen in memory, with the real host
//! and the real agent behind it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helper functions of tests: what fails ends the test"
)]

mod cases;
mod chromium;
mod desk;
mod firefox;
mod popup;
mod run;

use std::path::{Path, PathBuf};

/// The extension as it lies in the tree.
fn extension() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/browser/extension")
}

/// The text of one of its files.
fn source(file: &str) -> String {
    std::fs::read_to_string(extension().join(file)).unwrap()
}
