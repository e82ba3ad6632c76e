//! What a test program reads of its environment: the only place that does.

use std::path::PathBuf;

/// The folders of `PATH` and those that an ordinary user's may lack.
#[expect(clippy::disallowed_methods, reason = "the one place that reads PATH")]
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .collect()
}

/// Whether this is continuous integration, where a missing part is a fault.
#[expect(clippy::disallowed_methods, reason = "the one place that reads CI")]
#[must_use]
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// The file that `cargo xtask test` reads skipped tests from.
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
#[must_use]
pub fn skipped_list() -> Option<PathBuf> {
    std::env::var_os("COUNTERSIGN_SKIPPED").map(PathBuf::from)
}

/// What the process was called with, without its own name.
pub fn arguments() -> impl Iterator<Item = String> {
    std::env::args().skip(1)
}
