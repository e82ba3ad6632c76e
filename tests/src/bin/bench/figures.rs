//! Figures: medians, quantiles, and what the kernel says about a process.

use core::time::Duration;
use std::fs;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// The middle one.
pub(crate) fn median<T: PartialOrd + Copy + Default>(figures: Vec<T>) -> T {
    quantile(figures, 50)
}

/// The one below which `percent` of all are.
pub(crate) fn quantile<T: PartialOrd + Copy + Default>(mut figures: Vec<T>, percent: usize) -> T {
    figures.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal));
    let last = figures.len().saturating_sub(1);
    let at = figures.len().saturating_mul(percent) / 100;
    figures.get(at.min(last)).copied().unwrap_or_default()
}

pub(crate) fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// How often a process has been woken, all its threads together.
pub(crate) fn wake_ups(id: u32) -> Result<u64> {
    let mut sum = 0_u64;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        sum = sum.saturating_add(field(&status, "voluntary_ctxt_switches:")?);
    }
    Ok(sum)
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(id: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    field(&rollup, "Rss:")
}

/// Nanoseconds of `CLOCK_MONOTONIC`, which the fleet reads too.
pub(crate) fn monotonic() -> i64 {
    let at = clock_gettime(ClockId::Monotonic);
    at.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(at.tv_nsec)
}

/// From one to the other.
pub(crate) fn since(begin: i64, end: i64) -> Duration {
    Duration::from_nanos(u64::try_from(end.saturating_sub(begin)).unwrap_or(0))
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .context("no such field")?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let figures: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(median(figures.clone()), 51);
        assert_eq!(quantile(figures.clone(), 99), 100);
        assert_eq!(quantile(figures, 0), 1);
        assert_eq!(median(Vec::<u32>::new()), 0);
    }
}
