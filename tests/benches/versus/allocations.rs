//! The system's allocator, with a count of what is asked of it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// What a thread has allocated so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allocated {
    /// Calls, reallocations among them.
    pub(crate) calls: u64,
    /// Bytes asked for; a reallocation counts its whole new size.
    pub(crate) bytes: u64,
    /// Bytes that are held: less than nothing when a thread frees what another allocated.
    pub(crate) held: i64,
}

impl Allocated {
    /// What this thread has allocated so far.
    pub(crate) fn now() -> Self {
        SO_FAR.get()
    }

    /// What was allocated since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            calls: self.calls - earlier.calls,
            bytes: self.bytes - earlier.bytes,
            held: self.held - earlier.held,
        }
    }
}

thread_local! {
    // Not an atomic: a locked instruction for each allocation would be charged to whoever allocates more.
    static SO_FAR: Cell<Allocated> = const { Cell::new(Allocated { calls: 0, bytes: 0, held: 0 }) };
}

/// Counts an allocation of `bytes` in place of one of `before`.
pub(crate) fn count(bytes: usize, before: usize) {
    let so_far = SO_FAR.get();
    SO_FAR.set(Allocated {
        calls: so_far.calls + 1,
        bytes: so_far.bytes + bytes as u64,
        held: so_far.held + bytes as i64 - before as i64,
    });
}

/// Counts that `bytes` are free again.
pub(crate) fn count_free(bytes: usize) {
    let so_far = SO_FAR.get();
    SO_FAR.set(Allocated {
        held: so_far.held - bytes as i64,
        ..so_far
    });
}

/// Counts, and leaves the work to the system.
#[derive(Debug)]
pub(crate) struct Counting;

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
        count_free(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
