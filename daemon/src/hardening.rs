//! The first thing that runs: no dumps, no new privileges, nothing readable by others; freed memory is wiped.
//!
//! Pages are not locked as a whole: every library would then count as resident. What is secret for long lives
//! in types that wipe on drop; the allocator catches the copies that libraries make on the way.

#![expect(
    unsafe_code,
    reason = "an allocator has no safe form: its trait and the wiping of a raw block are unsafe"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs, io,
};

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};
use sha2::{Digest as _, Sha256};

/// Protects this process. Fails closed: an agent that cannot does not start.
///
/// # Errors
///
/// A system call that was refused.
pub fn harden() -> io::Result<()> {
    // No ptrace by, and no /proc/PID/mem for, other processes of the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    rustix::thread::set_no_new_privs(true)?;
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}

/// Names this machine: SHA-256 of its id under a label of ours, since the id itself is not to be published
/// (machine-id(5)). A vault is used on the machine where it was made.
#[must_use]
pub fn host_id() -> [u8; 32] {
    let id = fs::read("/etc/machine-id")
        .or_else(|_absent| fs::read("/var/lib/dbus/machine-id"))
        // A machine without an id has its name; a vault that cannot tell machines apart is still a vault.
        .unwrap_or_else(|_absent| rustix::system::uname().nodename().to_bytes().to_vec());
    Sha256::new()
        .chain_update("countersign/vault/1 host\0")
        .chain_update(id.trim_ascii())
        .finalize()
        .into()
}

/// The system's allocator, with every block zeroed before it is given back: buffers of libraries (HTTP/2,
/// protobuf, D-Bus) hold PINs and passcodes too.
#[derive(Debug)]
pub struct WipingAllocator;

// SAFETY: every block comes from `System` and goes back to it with its own layout; a pointer is never used
// after it has been given back.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { wipe_and_free(&System, block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe { move_and_wipe(&System, block, layout, new_size) }
    }
}

/// Zeroes `block`, then gives it back.
///
/// # Safety
///
/// As [`GlobalAlloc::dealloc`], with `block` from `inner`.
unsafe fn wipe_and_free(inner: &impl GlobalAlloc, block: *mut u8, layout: Layout) {
    // SAFETY: the block is the caller's to give back, so all of its layout may be written. A plain memset
    // before a free is dead code to a compiler; this one is made not to be left out.
    unsafe { libc::explicit_bzero(block.cast(), layout.size()) };
    // SAFETY: the caller's contract is passed on.
    unsafe { inner.dealloc(block, layout) };
}

/// A new block with the old one's bytes. The system's own realloc may leave a copy behind, or the cut-off end.
///
/// # Safety
///
/// As [`GlobalAlloc::realloc`], with `block` from `inner`.
unsafe fn move_and_wipe(
    inner: &impl GlobalAlloc,
    block: *mut u8,
    layout: Layout,
    new_size: usize,
) -> *mut u8 {
    // SAFETY: the caller vouches that `new_size` fits the alignment.
    let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    // SAFETY: the caller vouches that `new_size` is not zero.
    let moved = unsafe { inner.alloc(wanted) };
    if !moved.is_null() {
        // SAFETY: both blocks are valid for the smaller size and are not the same.
        unsafe { core::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size)) };
        // SAFETY: the old block is the caller's to give back, and was not when the new one is null.
        unsafe { wipe_and_free(inner, block, layout) };
    }
    moved
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Looks at each block that comes back.
    #[derive(Default)]
    struct Witness {
        freed: AtomicUsize,
        dirty: AtomicUsize,
    }

    // SAFETY: all is passed on to `System`.
    unsafe impl GlobalAlloc for Witness {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's contract is passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the block is whole and initialised until it is given back below.
            let bytes = unsafe { core::slice::from_raw_parts(block, layout.size()) };
            self.freed.fetch_add(layout.size(), Ordering::Relaxed);
            let dirty = bytes.iter().filter(|byte| **byte != 0).count();
            self.dirty.fetch_add(dirty, Ordering::Relaxed);
            // SAFETY: the caller's contract is passed on.
            unsafe { System.dealloc(block, layout) };
        }
    }

    fn filled(witness: &Witness, layout: Layout) -> *mut u8 {
        // SAFETY: the layout has a size.
        let block = unsafe { witness.alloc(layout) };
        assert!(!block.is_null());
        // SAFETY: the block is ours for its layout.
        unsafe { core::ptr::write_bytes(block, 7, layout.size()) };
        block
    }

    #[test]
    fn a_freed_block_is_zeroed_first() {
        let witness = Witness::default();
        let layout = Layout::from_size_align(300, 16).unwrap();
        let block = filled(&witness, layout);
        // SAFETY: the block came from the witness with this layout.
        unsafe { wipe_and_free(&witness, block, layout) };
        assert_eq!(witness.freed.into_inner(), 300);
        assert_eq!(witness.dirty.into_inner(), 0);
    }

    #[test]
    fn a_block_that_grows_or_shrinks_keeps_its_bytes_and_leaves_none_behind() {
        for (from, to) in [(16, 64), (64, 16), (1, 1)] {
            let witness = Witness::default();
            let layout = Layout::from_size_align(from, 8).unwrap();
            let block = filled(&witness, layout);
            // SAFETY: the block came from the witness with this layout; the new size is not zero.
            let moved = unsafe { move_and_wipe(&witness, block, layout, to) };
            // SAFETY: the smaller of both sizes is initialised.
            let kept = unsafe { core::slice::from_raw_parts(moved, from.min(to)) };
            assert_eq!(kept, vec![7; from.min(to)]);
            assert_eq!(witness.freed.load(Ordering::Relaxed), from);
            assert_eq!(witness.dirty.load(Ordering::Relaxed), 0);
            // SAFETY: `moved` is the witness's and has this layout.
            unsafe { System.dealloc(moved, Layout::from_size_align(to, 8).unwrap()) };
        }
    }

    #[test]
    fn a_host_has_one_name() {
        assert_eq!(host_id(), host_id());
        assert_ne!(host_id(), [0; 32]);
    }
}
