//! The decoder (RFC 7541 §3, §6).

use alloc::vec::Vec;
use core::fmt;

use crate::entry::TableVersion;
use crate::error::{DecodeError, Limit, Verdict};
use crate::field::{Name, Text, complete, lookup};
use crate::huffman::SLACK;
use crate::integer;
use crate::meter::Meter;
use crate::partial::{Kind, Partial, Progress};
use crate::table::{INITIAL_SIZE, Table};

/// Takes the fields of a block, in the order they were encoded.
pub trait Sink {
    /// One field. Both slices are valid for the call only; what they hold has
    /// not been checked against the rules of HTTP. `sensitive` says that the
    /// peer forbids every hop to index it (RFC 7541 §7.1.3): encode it again
    /// with [`Indexing::Never`](crate::Indexing::Never).
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool);

    /// The same for a sink that makes a note of what it found in a field: what
    /// it answers is kept with the field if that enters the dynamic table, and
    /// comes back as `noted` with each reference to it. So it need not look at
    /// the same text twice. `noted` is `false` for whatever has no note.
    #[inline]
    fn field_noted(&mut self, name: &[u8], value: &[u8], sensitive: bool, noted: bool) -> bool {
        let _ = noted;
        self.field(name, value, sensitive);
        false
    }
}

/// The limits of a [`Decoder`]. None makes it allocate.
#[derive(Clone, Copy, Debug)]
pub struct DecoderConfig {
    /// The largest dynamic table in force from the first octet on, in octets as
    /// RFC 7541 §4.1 counts them. Both ends of a connection start at 4,096: keep
    /// that, and hand any other value announced in SETTINGS to
    /// [`Decoder::set_table_size_max`] once it is acknowledged.
    pub table_size_max: u32,
    /// The largest field section in octets, counting 32 per field on top of its
    /// name and value (RFC 9113 §10.5.1, `SETTINGS_MAX_HEADER_LIST_SIZE`).
    pub list_size_max: u32,
    /// The most fields in a section.
    pub fields_max: u32,
    /// The longest name or value, in decoded octets.
    pub string_len_max: u32,
}

impl Default for DecoderConfig {
    /// `table_size_max` 4,096, where RFC 9113 §6.5.2 starts; `list_size_max`
    /// 65,536, above what browsers and common servers let through;
    /// `fields_max` 512, so that a list of one-octet references costs the
    /// receiver no more than a list of honest fields of 128 octets;
    /// `string_len_max` 65,536, where only the list size decides.
    fn default() -> Self {
        DecoderConfig {
            table_size_max: INITIAL_SIZE,
            list_size_max: 65_536,
            fields_max: 512,
            string_len_max: 65_536,
        }
    }
}

/// Decodes the header blocks of one direction of a connection.
///
/// Feed each block with any number of [`decode`](Self::decode) calls and end it
/// with [`finish`](Self::finish), in the order the blocks arrived. Every block
/// must be fed, also one whose stream is of no interest any more: the dynamic
/// table depends on it (RFC 9113 §4.3).
pub struct Decoder {
    table: Table,
    meter: Meter,
    partial: Partial,
    /// Room for Huffman-decoded strings; grows with what is received.
    scratch: Vec<u8>,
    /// The acknowledged maximum of the table size.
    size_max: u32,
    /// The smallest maximum acknowledged since the last block, if any.
    size_lowest: Option<u32>,
    /// Size updates seen in this block.
    updates: u32,
    /// Whether this block has reached its first field.
    in_fields: bool,
    /// Octets of literals that this block, or the one before it, has brought.
    decoded: u32,
    failed: Option<DecodeError>,
}

/// Capacity of the scratch buffer that may stay between blocks, in octets.
const IDLE_SCRATCH: usize = 2048;

/// At most the smallest and the final size are worth an update (RFC 7541 §4.2).
const UPDATES_MAX: u32 = 2;

impl Decoder {
    /// A decoder at the start of a connection. Allocates nothing.
    pub fn new(config: DecoderConfig) -> Self {
        Decoder {
            table: Table::new(config.table_size_max.min(INITIAL_SIZE)),
            meter: Meter::new(&config),
            partial: Partial::new(),
            scratch: Vec::new(),
            size_max: config.table_size_max,
            size_lowest: None,
            updates: 0,
            in_fields: false,
            decoded: 0,
            failed: None,
        }
    }

    /// Sets the maximum table size, in octets, that the peer has acknowledged.
    /// Call it between blocks, when the acknowledgement of our SETTINGS arrives.
    ///
    /// When the table may be larger than that now, the next block must begin
    /// with a size update to this maximum or less (RFC 7541 §4.2). Until it
    /// arrives the table keeps its entries.
    pub fn set_table_size_max(&mut self, max: u32) {
        self.size_max = max;
        self.size_lowest = Some(self.size_lowest.map_or(max, |lowest| lowest.min(max)));
    }

    /// Decodes the next part of a block, cut anywhere, and hands its complete
    /// fields to `sink`. Fields already handed over stay valid only if the
    /// whole block turns out to be.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] but [`DecodeError::Truncated`]. The decoder is of no
    /// use afterwards: each later call gives the same error.
    pub fn decode<S: Sink + ?Sized>(
        &mut self,
        fragment: &[u8],
        sink: &mut S,
    ) -> Result<(), DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.run(fragment, sink);
        self.failed = result.err();
        result
    }

    /// Ends a block and tells whether all its fields went to the sink.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] when the block ends inside a representation,
    /// [`DecodeError::SizeUpdateMissing`] when it is empty but a size update was
    /// due; or the error of an earlier call.
    pub fn finish(&mut self) -> Result<Verdict, DecodeError> {
        let result = self.end_of_block();
        self.failed = result.err();
        result
    }

    /// Whether the block under way has had its first field.
    pub fn is_within_block(&self) -> bool {
        self.in_fields
    }

    /// Octets that the names and values of literals in the block under way have as decoded, or in the last one between two.
    /// What goes beyond a limit counts, too: it is decoded all the same, for the table to stay in step.
    pub fn decoded(&self) -> u64 {
        u64::from(self.decoded)
    }

    /// Which version of the dynamic table the next block meets; `None` within a block, after an error, and while a size
    /// update may be due. A whole block that left the table as it was means the same, and changes nothing, for as long as
    /// it stays that: whoever knows what it meant need not feed it.
    #[inline]
    pub fn table_version(&self) -> Option<TableVersion> {
        let idle = !self.in_fields && self.updates == 0 && self.partial.is_idle();
        (idle && self.size_lowest.is_none() && self.failed.is_none()).then(|| self.table.version())
    }

    /// Octets of the dynamic table, as RFC 7541 §4.1 counts them.
    pub fn table_size(&self) -> usize {
        self.table.size()
    }

    /// A digest of the dynamic table. It equals
    /// [`Encoder::table_fingerprint`](crate::Encoder::table_fingerprint) at the
    /// other end after each block, as long as the two are in step. Costs a pass
    /// over the table: meant for tests and diagnostics.
    pub fn table_fingerprint(&self) -> u64 {
        self.table.fingerprint()
    }

    /// Gives back memory that was needed for blocks and that the table does not need. Does nothing within a block.
    pub fn shrink(&mut self) {
        if self.partial.is_idle() && !self.in_fields {
            self.table.shrink();
            self.scratch = Vec::new();
            self.partial = Partial::new();
        }
    }

    /// Octets of memory allocated: the table, and room for strings in progress.
    pub fn memory_footprint(&self) -> usize {
        self.table.memory_footprint() + self.scratch.capacity() + self.partial.memory_footprint()
    }

    fn run<S: Sink + ?Sized>(&mut self, fragment: &[u8], sink: &mut S) -> Result<(), DecodeError> {
        let mut rest = fragment;
        if !self.partial.is_idle() {
            self.resume(&mut rest, sink)?;
        }
        while let Some((&first, tail)) = rest.split_first() {
            let kind = Kind::of(first);
            if !self.in_fields || kind == Kind::SizeUpdate {
                self.admit(kind)?;
            }
            let whole = match kind {
                Kind::Indexed => self.indexed(first, tail, sink)?,
                Kind::SizeUpdate => None,
                _ => self.literal(kind, first, tail, sink),
            };
            let before = rest.len();
            match whole {
                Some(next) => rest = next,
                None => self.resume(&mut rest, sink)?,
            }
            debug_assert!(rest.len() < before, "each turn takes an octet");
        }
        Ok(())
    }

    /// Checks the order of size updates and fields at the first octet of a
    /// representation.
    fn admit(&mut self, kind: Kind) -> Result<(), DecodeError> {
        if kind == Kind::SizeUpdate {
            // RFC 7541 §4.2: updates MUST occur at the beginning of the first
            // block after the change, and more than two are never needed.
            if self.in_fields || self.updates == UPDATES_MAX {
                return Err(DecodeError::SizeUpdateMisplaced);
            }
            self.updates += 1;
            return Ok(());
        }
        self.check_due_update()?;
        self.in_fields = true;
        self.decoded = 0;
        Ok(())
    }

    fn check_due_update(&mut self) -> Result<(), DecodeError> {
        // RFC 7541 §4.2: a lowered maximum MUST be answered by a size update.
        // `size_lowest` is taken by the first one.
        match self.size_lowest.take() {
            Some(lowest) if self.table.max_size() > lowest as usize => {
                Err(DecodeError::SizeUpdateMissing)
            }
            _ => Ok(()),
        }
    }

    fn size_update(&mut self, asked: u32) -> Result<(), DecodeError> {
        // RFC 7541 §4.2: of several maxima the smallest MUST be signalled first,
        // unless the table is within it already.
        let allowed = match self.size_lowest.take() {
            Some(lowest) if self.table.max_size() > lowest as usize => lowest,
            _ => self.size_max,
        };
        // RFC 7541 §6.3: a size above the maximum MUST be a decoding error.
        if asked > allowed {
            return Err(DecodeError::SizeUpdateTooLarge { asked, allowed });
        }
        self.table.set_max_size(asked);
        Ok(())
    }

    #[inline]
    fn indexed<'a, S: Sink + ?Sized>(
        &mut self,
        first: u8,
        tail: &'a [u8],
        sink: &mut S,
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        let Some((index, rest)) = integer::read(first, Kind::Indexed.mask(), tail) else {
            return Ok(None);
        };
        self.reference(index, sink)?;
        Ok(Some(rest))
    }

    #[inline(always)]
    fn reference<S: Sink + ?Sized>(&mut self, index: u32, sink: &mut S) -> Result<(), DecodeError> {
        let (name, value, noted) = lookup(&self.table, index)?;
        self.meter.field(name, value, false, noted, sink);
        Ok(())
    }

    /// Decodes a literal that lies whole in `tail`; `None` for [`Partial`] to
    /// judge, which names the first fault, when it does not, when it is not
    /// valid, or when it may be too long to be decoded in one go.
    #[inline]
    fn literal<'a, S: Sink + ?Sized>(
        &mut self,
        kind: Kind,
        first: u8,
        tail: &'a [u8],
        sink: &mut S,
    ) -> Option<&'a [u8]> {
        let (index, rest) = integer::read(first, kind.mask(), tail)?;
        let (name_text, rest) = match index {
            0 => Text::read(rest)?,
            _ => (Text::default(), rest),
        };
        let (value_text, rest) = Text::read(rest)?;
        let name_room = name_text.room();
        let room = name_room + value_text.room();
        if room > self.scratch.len() {
            let keep = self.keep(kind);
            if name_room.max(value_text.room()) > keep.saturating_add(SLACK) {
                return None;
            }
            // The octets are here already: at most 1.6 times as many.
            self.scratch.resize(room, 0);
        }
        let (name_scratch, value_scratch) = self.scratch.split_at_mut(name_room);
        let name = match index {
            0 => Name::Text(name_text.decode(name_scratch)?),
            _ => Name::Index(index),
        };
        let value = value_text.decode(value_scratch)?;
        if let Name::Text(name) = name {
            self.decoded = self.decoded.saturating_add(name.len() as u32);
        }
        self.decoded = self.decoded.saturating_add(value.len() as u32);
        complete(&mut self.table, &mut self.meter, kind, name, value, sink).ok()?;
        Some(rest)
    }

    /// The longest string of a literal of `kind` that is of any use.
    fn keep(&self, kind: Kind) -> usize {
        let table = match kind {
            Kind::Insert => self.table.max_size(),
            _ => 0,
        };
        table.max(self.meter.string_len_max())
    }

    /// Reads on in a representation that arrives in pieces, to its end.
    #[cold]
    #[inline(never)]
    fn resume<S: Sink + ?Sized>(
        &mut self,
        input: &mut &[u8],
        sink: &mut S,
    ) -> Result<(), DecodeError> {
        loop {
            match self.partial.feed(input)? {
                Progress::Starved => return Ok(()),
                Progress::Index(Kind::Indexed, index) => {
                    self.partial.finish();
                    return self.reference(index, sink);
                }
                Progress::Index(Kind::SizeUpdate, size) => {
                    self.partial.finish();
                    return self.size_update(size);
                }
                Progress::Index(kind, index) => {
                    if index != 0 {
                        lookup(&self.table, index)?;
                    }
                    self.partial.literal(self.keep(kind));
                }
                Progress::Literal(kind, index) => return self.complete_partial(kind, index, sink),
            }
        }
    }

    fn complete_partial<S: Sink + ?Sized>(
        &mut self,
        kind: Kind,
        index: u32,
        sink: &mut S,
    ) -> Result<(), DecodeError> {
        let name = match index {
            0 => self.partial.name.get().map(Name::Text),
            _ => Some(Name::Index(index)),
        };
        if let Some(Name::Text(name)) = name {
            self.decoded = self.decoded.saturating_add(name.len() as u32);
        }
        if let (Some(name), Some(value)) = (name, self.partial.value.get()) {
            self.decoded = self.decoded.saturating_add(value.len() as u32);
            return complete(&mut self.table, &mut self.meter, kind, name, value, sink);
        }
        // Longer than both limit and table: see `keep`.
        self.meter.cross(Limit::StringLength);
        if kind == Kind::Insert {
            // RFC 7541 §4.4: an entry larger than the table empties it.
            self.table.clear();
        }
        Ok(())
    }

    fn end_of_block(&mut self) -> Result<Verdict, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !self.partial.is_idle() {
            // RFC 9113 §4.3: an incomplete block MUST be a compression error.
            return Err(DecodeError::Truncated);
        }
        self.check_due_update()?;
        self.in_fields = false;
        self.updates = 0;
        self.partial.release();
        if self.scratch.len() > IDLE_SCRATCH {
            self.scratch = Vec::new();
        }
        Ok(self.meter.finish())
    }
}

impl fmt::Debug for Decoder {
    // Without the table: it holds what users send.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("table_size", &self.table.size())
            .field("table_size_max", &self.size_max)
            .field("meter", &self.meter)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
