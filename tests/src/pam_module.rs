//! `pam_countersign.so`, as it was built.

use anyhow::Result;

use crate::programs;

/// The path of the module, for a line of a service's file.
///
/// # Errors
///
/// It has not been built.
pub fn path() -> Result<String> {
    Ok(programs::program("libpam_countersign.so")?
        .display()
        .to_string())
}
