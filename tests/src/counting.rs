//! The system's allocator, with a count of what each thread asks of it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    // Not atomics: a locked instruction for each allocation would be charged to whoever allocates more.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// How often this thread has allocated, reallocations among them.
#[must_use]
pub fn calls() -> u64 {
    CALLS.get()
}

/// Bytes that this thread has allocated and not freed.
#[must_use]
pub fn live() -> i64 {
    LIVE.get()
}

/// The largest single allocation since the last call, in bytes.
#[must_use]
pub fn take_largest() -> usize {
    LARGEST.replace(0)
}

fn count(grown: usize, shrunk: usize) {
    CALLS.set(CALLS.get() + u64::from(grown > 0));
    LIVE.set(LIVE.get() + grown as i64 - shrunk as i64);
    LARGEST.set(LARGEST.get().max(grown));
}

/// Counts, and leaves the work to the system. For `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every call goes to the system's allocator as it came; the count allocates nothing and cannot panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
