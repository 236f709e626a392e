//! One direction of a connection, in memory. Like a socket it copies what is written and what is read, and it is full
//! at some point.

use std::task::Waker;

/// Bytes that may wait to be read. What a socket on the loopback keeps, and it fits the processor's cache.
const CAPACITY: usize = 256 * 1024;

/// Bytes of a page of memory. How the two ends of a copy lie in their pages decides its speed, by up to a factor of two.
const PAGE: usize = 4096;
/// By how much each start differs from the one before within a page, so that no engine has luck with all of them.
const STEP: usize = 832;

/// Bytes in one direction.
#[derive(Debug)]
pub(crate) struct Wire {
    buffer: Box<[u8]>,
    /// Where the bytes begin once all have been read.
    origin: usize,
    start: usize,
    end: usize,
    /// Bytes that were ever written.
    pub(crate) carried: u64,
    /// Waits for bytes.
    pub(crate) reader: Option<Waker>,
    /// Waits for room.
    pub(crate) writer: Option<Waker>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; CAPACITY + PAGE].into(),
            origin: 0,
            start: 0,
            end: 0,
            carried: 0,
            reader: None,
            writer: None,
        }
    }

    /// Takes as many of these bytes as there is room for.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.room());
        self.buffer[self.end..self.end + len].copy_from_slice(&bytes[..len]);
        self.end += len;
        self.carried += len as u64;
        len
    }

    /// Bytes that there is room for.
    pub(crate) fn room(&self) -> usize {
        CAPACITY + self.origin - self.end
    }

    /// The bytes that wait.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes the first `len` of them.
    pub(crate) fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        self.consume(len);
        &self.buffer[start..start + len]
    }

    /// Forgets the first `len` of them. There is room again when all are read, so that nothing is ever moved.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start += len;
        if self.start == self.end {
            self.origin = (self.origin + STEP) % PAGE;
            self.start = self.origin;
            self.end = self.origin;
        }
    }
}
