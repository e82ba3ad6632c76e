//! What lies in the memory of a process, read as root reads it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use anyhow::{Context as _, Result};
use memchr::memmem::Finder;

/// How much is read at once, in bytes.
const PART: u64 = 1 << 20;

/// What is read at once where not all of it can be, in bytes.
const PAGE: usize = 4 << 10;

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub at: u64,
    /// What the mapping is called: a file, `[heap]`, `[stack]`, or nothing.
    pub mapping: String,
}

/// What is looked for, by name.
pub type Wanted<'a> = (&'a str, &'a [u8]);

/// All places in the writable memory of the process `id` where something of `wanted` lies, with its name. Needs root
/// where the process is not dumpable.
///
/// # Errors
///
/// The system does not let it be read.
pub fn find<'a>(id: u32, wanted: &[Wanted<'a>]) -> Result<Vec<(&'a str, Place)>> {
    let maps = fs::read_to_string(format!("/proc/{id}/maps"))?;
    let memory = File::open(format!("/proc/{id}/mem"))?;
    let finders: Vec<_> = wanted
        .iter()
        .map(|(name, bytes)| (*name, Finder::new(*bytes)))
        .collect();
    let longest = wanted.iter().map(|(_, bytes)| bytes.len()).max();
    let longest = u64::try_from(longest.unwrap_or_default())?;
    let mut places = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let range = words.next().context("a mapping without addresses")?;
        if !words.next().unwrap_or_default().starts_with("rw") {
            continue;
        }
        let mapping = words.nth(3).unwrap_or_default();
        let (begin, end) = range.split_once('-').context("a mapping of another form")?;
        let (mut from, end) = (
            u64::from_str_radix(begin, 16)?,
            u64::from_str_radix(end, 16)?,
        );
        while from < end {
            // Overlapping, so that nothing is cut in two.
            let until = end.min(from.saturating_add(PART).saturating_add(longest));
            let part = read(&memory, from, until)?;
            for (name, finder) in &finders {
                for offset in finder.find_iter(&part) {
                    let place = Place {
                        at: from.saturating_add(u64::try_from(offset)?),
                        mapping: mapping.to_owned(),
                    };
                    if !places.contains(&(*name, place.clone())) {
                        places.push((*name, place));
                    }
                }
            }
            from = from.saturating_add(PART);
        }
    }
    Ok(places)
}

/// What lies there; zeros where a page is not to be had (one of the kernel's own, or just unmapped).
fn read(memory: &File, from: u64, until: u64) -> Result<Vec<u8>> {
    let length = usize::try_from(until.saturating_sub(from))?;
    let mut part = vec![0; length];
    if memory.read_exact_at(&mut part, from).is_ok() {
        return Ok(part);
    }
    let mut at = from;
    for page in part.chunks_mut(PAGE) {
        if memory.read_exact_at(page, at).is_err() {
            page.fill(0);
        }
        at = at.saturating_add(u64::try_from(page.len())?);
    }
    Ok(part)
}
