//! libnghttp2's memory, counted as that of the others. A word before each piece keeps its length and is not counted.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::c_void,
    ptr,
};

use super::ffi::Memory;
use raddle_tests::counting::{count, count_free};

/// Room for the length that keeps the strictest alignment.
const BEFORE: usize = 16;

pub(super) fn counted() -> Memory {
    Memory {
        user_data: ptr::null_mut(),
        malloc,
        free,
        calloc,
        realloc,
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(BEFORE + len, BEFORE).expect("a length that a library asks for")
}

/// The length of a piece.
///
/// # Safety
/// `piece` came from this module and is not free yet.
unsafe fn len(piece: *mut c_void) -> usize {
    // SAFETY: the word before it was written when the piece was made.
    unsafe { piece.cast::<u8>().sub(BEFORE).cast::<usize>().read() }
}

/// Notes the length at the front of new memory, and answers what comes behind.
///
/// # Safety
/// `start` is null, or the start of memory of `layout(len)`.
unsafe fn piece(start: *mut u8, len: usize) -> *mut c_void {
    if start.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: there are `BEFORE` bytes in front, aligned for any word.
    unsafe {
        start.cast::<usize>().write(len);
        start.add(BEFORE).cast()
    }
}

unsafe extern "C" fn malloc(len: usize, _: *mut c_void) -> *mut c_void {
    count(len, 0);
    // SAFETY: the layout is never empty.
    unsafe { piece(System.alloc(layout(len)), len) }
}

unsafe extern "C" fn calloc(count_of: usize, size: usize, _: *mut c_void) -> *mut c_void {
    let len = count_of * size;
    count(len, 0);
    // SAFETY: as above.
    unsafe { piece(System.alloc_zeroed(layout(len)), len) }
}

unsafe extern "C" fn realloc(old: *mut c_void, to: usize, user: *mut c_void) -> *mut c_void {
    if old.is_null() {
        // SAFETY: the contract is the same.
        return unsafe { malloc(to, user) };
    }
    // SAFETY: the library hands back what it got, once.
    unsafe {
        let from = len(old);
        count(to, from);
        let start = old.cast::<u8>().sub(BEFORE);
        piece(System.realloc(start, layout(from), BEFORE + to), to)
    }
}

unsafe extern "C" fn free(old: *mut c_void, _: *mut c_void) {
    if old.is_null() {
        return;
    }
    // SAFETY: the library hands back what it got, once.
    unsafe {
        let from = len(old);
        count_free(from);
        System.dealloc(old.cast::<u8>().sub(BEFORE), layout(from));
    }
}
