//! Counts what a block produces against the limits.

use crate::decoder::{DecoderConfig, Sink};
use crate::error::{Limit, Verdict};
use crate::table::ENTRY_OVERHEAD;

/// The limits and how much of them the current block has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    list_size_max: u64,
    fields_max: u32,
    string_len_max: usize,
    list_size: u64,
    fields: u32,
    over: Option<Limit>,
}

impl Meter {
    pub(crate) fn new(config: &DecoderConfig) -> Self {
        Meter {
            list_size_max: u64::from(config.list_size_max),
            fields_max: config.fields_max,
            string_len_max: config.string_len_max as usize,
            list_size: 0,
            fields: 0,
            over: None,
        }
    }

    /// The longest string that could still reach the sink.
    #[inline]
    pub(crate) fn string_len_max(&self) -> usize {
        if self.over.is_some() {
            0
        } else {
            self.string_len_max
        }
    }

    /// Hands a field on unless it crosses a limit or one before it did; answers what the sink notes of it.
    #[inline]
    pub(crate) fn field<S: Sink + ?Sized>(
        &mut self,
        name: &[u8],
        value: &[u8],
        sensitive: bool,
        noted: bool,
        sink: &mut S,
    ) -> bool {
        if self.over.is_some() {
            return false;
        }
        let list_size = self.list_size + (name.len() + value.len() + ENTRY_OVERHEAD) as u64;
        if name.len().max(value.len()) > self.string_len_max {
            self.cross(Limit::StringLength);
        } else if list_size > self.list_size_max {
            self.cross(Limit::ListSize);
        } else if self.fields == self.fields_max {
            self.cross(Limit::Fields);
        } else {
            self.list_size = list_size;
            self.fields += 1;
            return sink.field_noted(name, value, sensitive, noted);
        }
        false
    }

    /// Notes that `limit` was crossed, unless another was before.
    #[cold]
    pub(crate) fn cross(&mut self, limit: Limit) {
        self.over.get_or_insert(limit);
    }

    /// Ends the block and starts counting anew.
    pub(crate) fn finish(&mut self) -> Verdict {
        self.list_size = 0;
        self.fields = 0;
        match self.over.take() {
            None => Verdict::Complete,
            Some(limit) => Verdict::OverLimit(limit),
        }
    }
}
