//! The heap of the agent: a pool of locked pages for what is small, the system's allocator for the rest; every
//! block is zeroed before it is given back.
//!
//! Buffers of libraries (HTTP/2, protobuf, D-Bus) hold PINs and passcodes as much as our own types do, and
//! nobody can tell which block will. So all small ones lie in the pool. What the C libraries allocate
//! for themselves (SQLite, AWS-LC) does not come through here.
//!
//! The pool has no `MADV_WIPEONFORK`: it is the heap, and a child reads its arguments from it until its exec.

#![expect(
    unsafe_code,
    reason = "an allocator has no safe form: its trait, the mapping and the wiping of a raw block are unsafe"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io,
    ptr::{self, NonNull},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

use rustix::mm::{
    Advice, MapFlags, MlockFlags, ProtFlags, madvise, mlock_with, mmap_anonymous, munmap,
};
use talc::{DefaultBinning, base::Talc, source::Manual};

/// The pool's size where the limit on locked memory allows it (8 MiB by default since Linux 5.16), in bytes.
const POOL: usize = 4 << 20;
/// A smaller pool is not worth its bookkeeping.
const SMALLEST_POOL: usize = 64 << 10;
/// Larger blocks come from the system: Argon2's 64 MiB, a file being read.
const LARGEST_BLOCK: usize = 16 << 10;
/// What the pool can align to: a page.
const LARGEST_ALIGNMENT: usize = 4 << 10;

/// How the pages under the secrets are protected, beside the process being undumpable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryProtection {
    /// Never swapped, in no dump.
    Locked {
        /// The pool's size.
        bytes: usize,
    },
    /// They may be swapped.
    Unlocked {
        /// What stood against it, for people.
        why: String,
    },
}

static PROTECTION: OnceLock<MemoryProtection> = OnceLock::new();

/// What [`WipingAllocator::lock_pages`] reached in this process.
#[must_use]
pub fn memory() -> MemoryProtection {
    PROTECTION
        .get()
        .cloned()
        .unwrap_or_else(|| MemoryProtection::Unlocked {
            why: "this program has no pool of locked memory".to_owned(),
        })
}

/// The process's allocator: blocks of up to 16 KiB from the pool, once there is one, others and what no longer
/// fits from `S`; all of them zeroed when they come back.
#[derive(Debug)]
pub struct WipingAllocator<S = System> {
    pool: Pool,
    system: S,
}

impl WipingAllocator {
    /// Over the system's allocator, without a pool as yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pool: Pool::empty(),
            system: System,
        }
    }

    /// Makes the pool and tells [`memory`]. Called once, before anything is secret.
    pub fn lock_pages(&self) {
        let reached = self.pool.reserve(POOL);
        // The first call made the pool; a second one changes nothing.
        PROTECTION.get_or_init(|| reached);
    }
}

impl Default for WipingAllocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every block comes from the pool or from the system, goes back to where its address says it is from
// with its own layout, and is never used after that.
unsafe impl<S: GlobalAlloc> GlobalAlloc for WipingAllocator<S> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.pool.take(layout).map_or_else(
            // SAFETY: the caller's contract is passed on.
            || unsafe { self.system.alloc(layout) },
            NonNull::as_ptr,
        )
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(block) = self.pool.take(layout) else {
            // The kernel's fresh pages are zero: large blocks are not written a second time.
            // SAFETY: the caller's contract is passed on.
            return unsafe { self.system.alloc_zeroed(layout) };
        };
        // SAFETY: the block is new and valid for its layout.
        unsafe { ptr::write_bytes(block.as_ptr(), 0, layout.size()) };
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's to give back, so all of its layout may be written. A plain memset
        // before a free is dead code to a compiler; this one is made not to be left out.
        unsafe { libc::explicit_bzero(block.cast(), layout.size()) };
        if self.pool.holds(block) {
            // SAFETY: the address says that it is from the pool; the caller vouches for the layout.
            unsafe { self.pool.give_back(block, layout) };
        } else {
            // SAFETY: what is not from the pool is from the system; the caller vouches for the layout.
            unsafe { self.system.dealloc(block, layout) };
        }
    }

    /// Always a new block: a realloc in place may leave the cut-off end behind, and one that moves, the old copy.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that `new_size` fits the alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the caller vouches that `new_size` is not zero.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks are valid for the smaller size and are not the same.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size)) };
            // SAFETY: the old block is the caller's to give back, and was not when the new one is null.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

/// One mapping, cut into blocks by `talc`. A thread that has to wait for it sleeps; it is held for tens of
/// nanoseconds.
#[derive(Debug)]
struct Pool {
    /// The mapping. Set once, before `length`.
    start: AtomicPtr<u8>,
    /// Zero until there is a pool.
    length: AtomicUsize,
    /// The standard mutex is a futex on Linux: it allocates nothing, so it may stand under an allocator.
    blocks: Mutex<Talc<Manual, DefaultBinning>>,
}

impl Pool {
    const fn empty() -> Self {
        Self {
            start: AtomicPtr::new(ptr::null_mut()),
            length: AtomicUsize::new(0),
            blocks: Mutex::new(Talc::new(Manual)),
        }
    }

    /// Maps, locks and takes into use the largest of `wanted`, its half, its quarter, ... that may be locked; if
    /// none may, `wanted` unlocked.
    fn reserve(&self, wanted: usize) -> MemoryProtection {
        if self.length.load(Ordering::Acquire) != 0 {
            return memory();
        }
        let sizes = core::iter::successors(Some(wanted), |size| size.checked_div(2))
            .take_while(|size| *size >= SMALLEST_POOL);
        let mut refusal = None;
        for bytes in sizes {
            match map(bytes, Lock::OnFault) {
                Ok(mapping) if self.adopt(mapping, bytes) => {
                    return MemoryProtection::Locked { bytes };
                }
                Ok(_) => {}
                Err(error) => refusal = Some(error),
            }
        }
        let why = refusal.map_or_else(
            || "no room for a pool".to_owned(),
            |error| format!("the limit on locked memory (ulimit -l) is too low, or: {error}"),
        );
        if let Ok(mapping) = map(wanted, Lock::No) {
            self.adopt(mapping, wanted);
        }
        MemoryProtection::Unlocked { why }
    }

    /// Gives the mapping to `talc` for good. Not when a pool is there or it is too small.
    fn adopt(&self, mapping: NonNull<u8>, bytes: usize) -> bool {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.is_metadata_established() {
            return false;
        }
        // SAFETY: the mapping is ours alone and is never unmapped; `Manual` lets others bring the memory.
        let claimed = unsafe { blocks.claim(mapping.as_ptr(), bytes) }.is_some();
        if claimed {
            self.start.store(mapping.as_ptr(), Ordering::Relaxed);
            self.length.store(bytes, Ordering::Release);
        }
        claimed
    }

    /// A block, if its kind belongs here and there is room.
    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() > LARGEST_BLOCK
            || layout.align() > LARGEST_ALIGNMENT
            || layout.size() == 0
            || self.length.load(Ordering::Acquire) == 0
        {
            return None;
        }
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the size is not zero.
        unsafe { blocks.allocate(layout) }
    }

    fn holds(&self, block: *const u8) -> bool {
        let length = self.length.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        block.addr().wrapping_sub(start.addr()) < length
    }

    /// # Safety
    ///
    /// `block` is from [`Pool::take`] with `layout`, and is not used any more.
    unsafe fn give_back(&self, block: *mut u8, layout: Layout) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller's contract is passed on.
        unsafe { blocks.deallocate(block, layout) };
    }
}

/// Is a mapping locked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    /// Each page from its first use on, so that unused ones cost nothing.
    OnFault,
    No,
}

/// Fresh private pages that are in no dump.
fn map(bytes: usize, lock: Lock) -> io::Result<NonNull<u8>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping wherever there is room touches nothing that exists.
    let mapping = unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, MapFlags::PRIVATE) }?;
    if lock == Lock::OnFault {
        // SAFETY: the mapping is ours and has this length.
        let locked = unsafe { mlock_with(mapping, bytes, MlockFlags::ONFAULT) };
        if let Err(error) = locked {
            // SAFETY: the mapping is ours, and nothing points into it.
            let _nothing_else_to_do = unsafe { munmap(mapping, bytes) }.is_err();
            return Err(error.into());
        }
    }
    // Without: not a reason to stop. There is no core file anyway, and huge pages only cost memory.
    for advice in [Advice::LinuxDontDump, Advice::LinuxNoHugepage] {
        // SAFETY: the mapping is ours and has this length; neither advice changes what is in it.
        let _advice_only = unsafe { madvise(mapping, bytes, advice) }.is_err();
    }
    NonNull::new(mapping.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
mod tests;
