//! The system's allocator, with a count of what each thread asks of it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// What a thread has allocated so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocated {
    /// Calls, reallocations among them.
    pub calls: u64,
    /// Bytes asked for; a reallocation counts its whole new size.
    pub bytes: u64,
    /// Bytes that are held: less than nothing when a thread frees what another allocated.
    pub held: i64,
    largest: usize,
}

impl Allocated {
    const NOTHING: Self = Self {
        calls: 0,
        bytes: 0,
        held: 0,
        largest: 0,
    };

    /// What this thread has allocated so far.
    #[must_use]
    pub fn now() -> Self {
        SO_FAR.get()
    }

    /// What was allocated since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            calls: self.calls - earlier.calls,
            bytes: self.bytes - earlier.bytes,
            held: self.held - earlier.held,
            ..self
        }
    }
}

thread_local! {
    // Not atomics: a locked instruction for each allocation would be charged to whoever allocates more.
    static SO_FAR: Cell<Allocated> = const { Cell::new(Allocated::NOTHING) };
}

/// How often this thread has allocated, reallocations among them.
#[must_use]
pub fn calls() -> u64 {
    SO_FAR.get().calls
}

/// Bytes that this thread has allocated and not freed.
#[must_use]
pub fn live() -> i64 {
    SO_FAR.get().held
}

/// The largest single allocation since the last call, in bytes.
#[must_use]
pub fn take_largest() -> usize {
    let so_far = SO_FAR.get();
    SO_FAR.set(Allocated {
        largest: 0,
        ..so_far
    });
    so_far.largest
}

/// Counts an allocation of `bytes` in place of one of `before`. For allocators that do not go through [`Counting`].
pub fn count(bytes: usize, before: usize) {
    let so_far = SO_FAR.get();
    SO_FAR.set(Allocated {
        calls: so_far.calls + 1,
        bytes: so_far.bytes + bytes as u64,
        held: so_far.held + bytes as i64 - before as i64,
        largest: so_far.largest.max(bytes),
    });
}

/// Counts that `bytes` are free again.
pub fn count_free(bytes: usize) {
    let so_far = SO_FAR.get();
    SO_FAR.set(Allocated {
        held: so_far.held - bytes as i64,
        ..so_far
    });
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
        count_free(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
