//! A body that has arrived and is not read yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces up to this long are joined with the one before them. A peer that cuts a body into bytes costs a reader who
/// is slow bytes, and not a place in a queue for each.
const JOINED_MAX: usize = 256;
/// How long pieces become by that, in bytes.
const JOINED_BYTES: usize = 4_096;

/// Puts a piece of a body behind the others.
pub(crate) fn push(pieces: &mut VecDeque<Bytes>, data: Bytes) {
    if data.is_empty() {
        return;
    }
    match pieces.back_mut() {
        Some(last) if data.len() <= JOINED_MAX && last.len() + data.len() <= JOINED_BYTES => {
            // Its memory is its own from the first join on, and has room for the next ones.
            let mut joined = std::mem::take(last).try_into_mut().unwrap_or_else(|last| {
                let mut joined = BytesMut::with_capacity(JOINED_BYTES);
                joined.extend_from_slice(&last);
                joined
            });
            joined.extend_from_slice(&data);
            *last = joined.freeze();
        }
        _ => pieces.push_back(data),
    }
}
