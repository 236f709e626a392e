//! F07: neither end can write, and both have to read all the same.

use bytes::Buf;
use raddle_core::Role;

use super::World;

/// Who has read since neither can write: client and server.
#[derive(Debug, Default)]
pub(super) struct Standstill(Option<[bool; 2]>);

impl World<'_> {
    /// An end has written what its transport takes.
    pub(super) fn note_written(&mut self) {
        let waits = self.client.out.has_remaining() && self.server.out.has_remaining();
        match waits {
            true => _ = self.standstill.0.get_or_insert_default(),
            false => self.standstill.0 = None,
        }
    }

    /// An end has read something.
    pub(super) fn note_read(&mut self, role: Role) {
        if let Some(read) = &mut self.standstill.0 {
            read[usize::from(role == Role::Server)] = true;
            if *read == [true, true] {
                self.marks.hit("F07");
            }
        }
    }
}
