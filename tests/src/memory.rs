//! What lies in the memory of a process, read as root reads it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use anyhow::{Context as _, Result};

/// How much is read at once, in bytes.
const PART: usize = 1 << 20;

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub at: u64,
    /// What the mapping is called: a file, `[heap]`, `[stack]`, or nothing.
    pub mapping: String,
}

/// All places in the writable memory of the process `id` where `wanted` lies. Needs root where the process is
/// not dumpable.
///
/// # Errors
///
/// The system does not let it be read.
pub fn find(id: u32, wanted: &[u8]) -> Result<Vec<Place>> {
    let maps = fs::read_to_string(format!("/proc/{id}/maps"))?;
    let memory = File::open(format!("/proc/{id}/mem"))?;
    let mut places = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let range = words.next().context("a mapping without addresses")?;
        let rights = words.next().unwrap_or_default();
        // A page that was writable and is not now cannot be told apart from a program's constants.
        if !rights.starts_with("rw") {
            continue;
        }
        let mapping = words.nth(3).unwrap_or_default().to_owned();
        let (begin, end) = range.split_once('-').context("a mapping of another form")?;
        let (begin, end) = (
            u64::from_str_radix(begin, 16)?,
            u64::from_str_radix(end, 16)?,
        );
        let mut from = begin;
        while from < end {
            let rest = usize::try_from(end.saturating_sub(from))?;
            // Overlapping, so that nothing is cut in two.
            let length = rest.min(PART.saturating_add(wanted.len()));
            let mut part = vec![0; length];
            // What the kernel keeps for itself, and what has just been unmapped, is not read.
            if memory.read_exact_at(&mut part, from).is_ok() {
                let found = part
                    .windows(wanted.len())
                    .enumerate()
                    .filter(|(_, window)| *window == wanted);
                for (offset, _) in found {
                    let at = from.saturating_add(u64::try_from(offset)?);
                    let mapping = mapping.clone();
                    places.push(Place { at, mapping });
                }
            }
            from = from.saturating_add(u64::try_from(PART)?);
        }
    }
    places.dedup();
    Ok(places)
}
