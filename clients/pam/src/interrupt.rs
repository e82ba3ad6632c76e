//! Ctrl-C and Ctrl-\ while the module waits. sudo blocks both during authentication, so they are only pending: they are
//! looked at, and left for sudo.

use std::fs;

use core::time::Duration;

/// How long a wait goes without a look.
pub(crate) const SLICE: Duration = Duration::from_millis(100);
/// SIGINT and SIGQUIT, in the masks of proc(5): bit n-1 is signal n.
const KEYS: u64 = 1 << 1 | 1 << 2;

/// Has the user pressed one of them?
pub(crate) fn is_pending() -> bool {
    let Ok(status) = fs::read_to_string("/proc/thread-self/status") else {
        return false;
    };
    pending_in(&status) & KEYS != 0
}

/// The signals that are pending for the thread or its process.
fn pending_in(status: &str) -> u64 {
    status
        .lines()
        .filter_map(|line| {
            line.strip_prefix("SigPnd:")
                .or_else(|| line.strip_prefix("ShdPnd:"))
        })
        .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .fold(0, |all, mask| all | mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_masks_count() {
        let status = "Name:\tsudo\nSigPnd:\t0000000000000002\nShdPnd:\t0000000000000004\nSigBlk:\t00000000000000ff\n";
        assert_eq!(pending_in(status), KEYS);
        assert_eq!(pending_in("SigPnd:\t0\nSigBlk:\t6\n"), 0);
    }

    #[test]
    fn nothing_is_pending_here() {
        assert!(!is_pending());
    }
}
