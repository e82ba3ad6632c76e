//! The allocator from outside, over pools of its own and a system that looks at what comes back.

use std::{fs, thread};

use proptest::prelude::*;

use super::*;

/// The system, which looks at each block that comes back.
#[derive(Debug, Default)]
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

/// No address or size has this twice in a row.
const MARK: u8 = 0xa7;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// With a pool that lives as long as the test program.
fn with_pool(bytes: usize) -> WipingAllocator<Witness> {
    let allocator = without_pool();
    let reached = allocator.pool.reserve(bytes);
    assert!(
        allocator.pool.length.load(Ordering::Acquire) > 0,
        "{reached:?}"
    );
    allocator
}

fn without_pool() -> WipingAllocator<Witness> {
    WipingAllocator {
        pool: Pool::empty(),
        system: Witness::default(),
    }
}

fn filled(allocator: &WipingAllocator<Witness>, layout: Layout) -> *mut u8 {
    // SAFETY: the layout has a size.
    let block = unsafe { allocator.alloc(layout) };
    assert!(!block.is_null());
    assert!(block.addr().is_multiple_of(layout.align()));
    // SAFETY: the block is ours for its layout.
    unsafe { ptr::write_bytes(block, MARK, layout.size()) };
    block
}

fn free(allocator: &WipingAllocator<Witness>, block: *mut u8, layout: Layout) {
    // SAFETY: every test gives back what it took, with the same layout.
    unsafe { allocator.dealloc(block, layout) };
}

/// How many places of the whole pool show the mark.
fn marks(allocator: &WipingAllocator<Witness>) -> usize {
    let length = allocator.pool.length.load(Ordering::Acquire);
    let start = allocator.pool.start.load(Ordering::Relaxed);
    // SAFETY: the pool is mapped for good, and this test alone uses it.
    let bytes = unsafe { core::slice::from_raw_parts(start, length) };
    bytes
        .windows(4)
        .filter(|window| **window == [MARK; 4])
        .count()
}

#[test]
fn a_freed_block_of_the_system_is_zeroed_first() {
    let allocator = without_pool();
    let block = filled(&allocator, layout(300, 16));
    free(&allocator, block, layout(300, 16));
    assert_eq!(allocator.system.freed.into_inner(), 300);
    assert_eq!(allocator.system.dirty.into_inner(), 0);
}

#[test]
fn a_freed_block_of_the_pool_is_zeroed() {
    let allocator = with_pool(POOL);
    let blocks = [1, 16, 300, LARGEST_BLOCK].map(|size| {
        let layout = layout(size, 8);
        (filled(&allocator, layout), layout)
    });
    assert!(blocks.iter().all(|(block, _)| allocator.pool.holds(*block)));
    assert!(marks(&allocator) > LARGEST_BLOCK);
    for (block, layout) in blocks {
        free(&allocator, block, layout);
    }
    assert_eq!(marks(&allocator), 0);
    assert_eq!(allocator.system.freed.into_inner(), 0);
}

#[test]
fn small_blocks_lie_in_the_pool_and_large_ones_do_not() {
    let allocator = with_pool(POOL);
    for (size, align, inside) in [
        (1, 1, true),
        (LARGEST_BLOCK, 1, true),
        (LARGEST_BLOCK + 1, 1, false),
        (64, LARGEST_ALIGNMENT, true),
        (64, LARGEST_ALIGNMENT * 2, false),
        (64 << 20, 64, false),
    ] {
        let layout = layout(size, align);
        // SAFETY: the layout has a size.
        let block = unsafe { allocator.alloc_zeroed(layout) };
        assert_eq!(allocator.pool.holds(block), inside, "{layout:?}");
        free(&allocator, block, layout);
    }
}

#[test]
fn a_block_that_grows_or_shrinks_keeps_its_bytes_and_leaves_none_behind() {
    let pool = with_pool(POOL);
    for allocator in [&without_pool(), &pool] {
        for (from, to) in [
            (16, 64),
            (64, 16),
            (1, 1),
            (LARGEST_BLOCK, LARGEST_BLOCK + 1),
            (LARGEST_BLOCK + 1, 5),
        ] {
            let block = filled(allocator, layout(from, 8));
            // SAFETY: the block came from the allocator with this layout; the new size is not zero.
            let moved = unsafe { allocator.realloc(block, layout(from, 8), to) };
            // SAFETY: the smaller of both sizes is initialised.
            let kept = unsafe { core::slice::from_raw_parts(moved, from.min(to)) };
            assert_eq!(kept, vec![MARK; from.min(to)]);
            free(allocator, moved, layout(to, 8));
        }
        assert_eq!(allocator.system.dirty.load(Ordering::Relaxed), 0);
    }
    assert_eq!(marks(&pool), 0);
}

#[test]
fn a_full_pool_falls_back_on_the_system_and_is_whole_again_when_emptied() {
    let allocator = with_pool(SMALLEST_POOL);
    let layout = layout(1000, 8);
    let blocks: Vec<_> = (0..200).map(|_| filled(&allocator, layout)).collect();
    let inside = |blocks: &[*mut u8]| {
        blocks
            .iter()
            .filter(|block| allocator.pool.holds(**block))
            .count()
    };
    let first = inside(&blocks);
    assert!(first > 50 && first < 66, "{first}");
    for block in blocks {
        free(&allocator, block, layout);
    }
    let again: Vec<_> = (0..200).map(|_| filled(&allocator, layout)).collect();
    assert_eq!(inside(&again), first);
    for block in again {
        free(&allocator, block, layout);
    }
    assert_eq!(allocator.system.dirty.into_inner(), 0);
}

#[test]
fn the_kernel_knows_that_the_pool_is_locked_and_in_no_dump() {
    let allocator = without_pool();
    let reached = allocator.pool.reserve(POOL);
    let start = allocator.pool.start.load(Ordering::Relaxed).addr();
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    // The kernel joins neighbours with the same flags, so the pool is a part of one entry.
    let mut holds = false;
    let flags = maps
        .lines()
        .find(|line| {
            if let Some((from, rest)) = line.split_once('-')
                && let Ok(from) = usize::from_str_radix(from, 16)
                && let Some((to, _)) = rest.split_once(' ')
                && let Ok(to) = usize::from_str_radix(to, 16)
            {
                holds = (from..to).contains(&start);
            }
            holds && line.starts_with("VmFlags:")
        })
        .unwrap();
    let has = |flag: &str| flags.split_whitespace().any(|found| found == flag);
    assert!(has("dd") && has("nh"), "{flags}");
    match reached {
        MemoryProtection::Locked { bytes } => {
            assert!(has("lo") && bytes >= SMALLEST_POOL, "{flags}");
        }
        MemoryProtection::Unlocked { why } => assert!(!has("lo") && !why.is_empty(), "{flags}"),
    }
}

#[test]
fn a_second_pool_is_not_made() {
    let allocator = with_pool(SMALLEST_POOL);
    let start = allocator.pool.start.load(Ordering::Relaxed);
    let _unchanged = allocator.pool.reserve(POOL);
    assert_eq!(allocator.pool.start.load(Ordering::Relaxed), start);
    assert_eq!(allocator.pool.length.load(Ordering::Relaxed), SMALLEST_POOL);
}

#[test]
fn many_threads_get_blocks_of_their_own() {
    let allocator = with_pool(SMALLEST_POOL);
    thread::scope(|scope| {
        for thread in 0..8_u8 {
            let allocator = &allocator;
            scope.spawn(move || {
                let mut held = Vec::new();
                for round in 0..2000_usize {
                    let layout = layout(1 + round * 37 % 2000, 1 << (round % 7));
                    // SAFETY: the layout has a size.
                    let block = unsafe { allocator.alloc(layout) };
                    // SAFETY: the block is ours for its layout.
                    unsafe { ptr::write_bytes(block, thread, layout.size()) };
                    held.push((block, layout));
                    if held.len() > 12 {
                        let (block, layout) = held.swap_remove(round % held.len());
                        // SAFETY: the block was filled when it was made.
                        let bytes = unsafe { core::slice::from_raw_parts(block, layout.size()) };
                        assert!(bytes.iter().all(|byte| *byte == thread));
                        free(allocator, block, layout);
                    }
                }
                for (block, layout) in held {
                    free(allocator, block, layout);
                }
            });
        }
    });
    assert_eq!(allocator.system.dirty.into_inner(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Take { size: usize, align: u32 },
    Resize { which: usize, size: usize },
    Free { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![1_usize..64, 1_usize..2048, 15_000_usize..18_000];
    prop_oneof![
        3 => (size.clone(), 0_u32..=12).prop_map(|(size, align)| Step::Take { size, align }),
        2 => (any::<usize>(), size).prop_map(|(which, size)| Step::Resize { which, size }),
        2 => any::<usize>().prop_map(|which| Step::Free { which }),
    ]
}

fn assert_intact(block: *mut u8, size: usize, fill: u8) {
    // SAFETY: every block of the property is initialised when it is made and when it grows.
    let bytes = unsafe { core::slice::from_raw_parts(block, size) };
    assert!(bytes.iter().all(|byte| *byte == fill));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_block_overlaps_another(steps in proptest::collection::vec(step(), 1..200)) {
        let allocator = with_pool(SMALLEST_POOL);
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut fill = 0_u8;
        for step in steps {
            fill = fill.wrapping_add(1);
            match step {
                Step::Take { size, align } => {
                    let layout = layout(size, 1 << align);
                    let block = filled(&allocator, layout);
                    // SAFETY: the block is ours for its layout.
                    unsafe { ptr::write_bytes(block, fill, size) };
                    held.push((block, layout, fill));
                }
                Step::Resize { which, size } if !held.is_empty() => {
                    let which = which.checked_rem(held.len()).unwrap();
                    let (block, old, old_fill) = held[which];
                    // SAFETY: the block came with this layout; the new size is not zero.
                    let moved = unsafe { allocator.realloc(block, old, size) };
                    assert_intact(moved, size.min(old.size()), old_fill);
                    // SAFETY: the block is ours for its new size.
                    unsafe { ptr::write_bytes(moved, fill, size) };
                    held[which] = (moved, layout(size, old.align()), fill);
                }
                Step::Free { which } if !held.is_empty() => {
                    let (block, layout, fill) = held.swap_remove(which.checked_rem(held.len()).unwrap());
                    assert_intact(block, layout.size(), fill);
                    free(&allocator, block, layout);
                }
                Step::Resize { .. } | Step::Free { .. } => {}
            }
        }
        for (block, layout, fill) in held {
            assert_intact(block, layout.size(), fill);
            free(&allocator, block, layout);
        }
        prop_assert_eq!(allocator.system.dirty.into_inner(), 0);
    }
}
