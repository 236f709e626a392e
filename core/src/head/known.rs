//! Header blocks in that come again: their octets are compared, and neither decoded nor judged again.

use alloc::boxed::Box;
use alloc::vec::Vec;

use raddle_hpack::TableVersion;

use super::rules::{Oddities, Section};
use super::{
    Fields, RequestHead, ResponseHead, Rules, parse_request, parse_response, parse_trailers,
};
use crate::{
    planted::{Planted, Plants},
    violation::Violation,
};

/// Blocks and lists with more octets are not kept, so that no connection keeps more than some KiB for this. Those that
/// come again are mostly references.
const BLOCK_BYTES_MAX: usize = 256;
const LIST_BYTES_MAX: usize = 1_024;

/// The last block that came twice and left HPACK's table as it was: one with which streams did not end, and one with
/// which they did. A caller asks the same of a service again and again, and is told the same.
#[derive(Debug, Default)]
pub(crate) struct KnownBlocks {
    places: [Place; 2],
    /// How many were known.
    #[cfg(test)]
    pub(crate) found: u64,
}

#[derive(Debug, Default)]
struct Place {
    known: Option<Box<Known>>,
    /// A digest of the last block that might be kept.
    seen: u32,
}

/// A block that came twice, and its list.
#[derive(Debug)]
pub(crate) struct Known {
    octets: Vec<u8>,
    version: TableVersion,
    section: Section,
    judged: Judged,
}

/// What a list was found to be, without a fault, when it was asked last.
#[derive(Debug)]
enum Judged {
    Not,
    Request(RequestHead),
    Response(ResponseHead),
    Trailers(Fields),
}

/// The list of a block.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It was decoded.
    New(Section),
    /// Its block is known. What becomes of it puts it back, unless it is a fault.
    Known(Box<Known>),
}

impl Heard {
    pub(crate) fn fields(&self) -> &Fields {
        match self {
            Self::New(section) => &section.fields,
            Self::Known(known) => &known.section.fields,
        }
    }
}

impl KnownBlocks {
    /// The list of a whole block for a table of this version, with which its stream ends or not, if it is known.
    #[inline]
    pub(crate) fn find(
        &mut self,
        block: &[u8],
        end: bool,
        version: TableVersion,
        plants: Plants,
    ) -> Option<Heard> {
        let any = plants.has(Planted::KnownBlockStale);
        let is_same =
            |known: &mut Box<Known>| (known.version == version || any) && known.octets == block;
        let known = self.places[usize::from(end)].known.take_if(is_same)?;
        #[cfg(test)]
        {
            self.found += 1;
        }
        Some(Heard::Known(known))
    }

    /// Judges a list of the peer's, with which the stream ends or not, as the head of a request.
    ///
    /// # Errors
    /// As [`parse_request`].
    #[inline]
    pub(crate) fn request(
        &mut self,
        list: Heard,
        end: bool,
        rules: &Rules,
    ) -> Result<RequestHead, Violation> {
        let known = |judged: &Judged| match judged {
            Judged::Request(head) => Some(head.clone()),
            _ => None,
        };
        let parse = |section| parse_request(section, rules);
        self.judge(list, end, known, parse, Judged::Request)
    }

    /// The same for a response.
    ///
    /// # Errors
    /// As [`parse_response`].
    #[inline]
    pub(crate) fn response(
        &mut self,
        list: Heard,
        end: bool,
        oddities: Oddities,
    ) -> Result<ResponseHead, Violation> {
        let known = |judged: &Judged| match judged {
            Judged::Response(head) => Some(head.clone()),
            _ => None,
        };
        let parse = |section| parse_response(section, oddities);
        self.judge(list, end, known, parse, Judged::Response)
    }

    /// The same for trailers, which end the stream.
    ///
    /// # Errors
    /// As [`parse_trailers`].
    #[inline]
    pub(crate) fn trailers(
        &mut self,
        list: Heard,
        oddities: Oddities,
    ) -> Result<Fields, Violation> {
        let known = |judged: &Judged| match judged {
            Judged::Trailers(fields) => Some(fields.clone()),
            _ => None,
        };
        let parse = |section| parse_trailers(section, oddities);
        self.judge(list, true, known, parse, Judged::Trailers)
    }

    /// What a list is: as it is `known`, or as it is parsed now and kept.
    #[inline(always)]
    fn judge<T: Clone>(
        &mut self,
        list: Heard,
        end: bool,
        known_as: impl FnOnce(&Judged) -> Option<T>,
        parse: impl FnOnce(Section) -> Result<T, Violation>,
        keep: impl FnOnce(T) -> Judged,
    ) -> Result<T, Violation> {
        let mut known = match list {
            Heard::New(section) => return parse(section),
            Heard::Known(known) => known,
        };
        let judged = match known_as(&known.judged) {
            Some(judged) => judged,
            None => {
                let judged = parse(known.section.clone())?;
                known.judged = keep(judged.clone());
                judged
            }
        };
        self.put_back(known, end);
        Ok(judged)
    }

    /// A list that nobody asks for.
    pub(crate) fn pass(&mut self, list: Heard, end: bool) {
        if let Heard::Known(known) = list {
            self.put_back(known, end);
        }
    }

    #[inline]
    fn put_back(&mut self, known: Box<Known>, end: bool) {
        self.places[usize::from(end)].known = Some(known);
    }

    /// Notes a block that was within every limit and left the table at `version`, as it was before. It is kept if it was
    /// the last such block, too.
    pub(crate) fn note(&mut self, block: &[u8], end: bool, version: TableVersion, list: &Section) {
        if block.len() > BLOCK_BYTES_MAX || list.fields.bytes() > LIST_BYTES_MAX {
            return;
        }
        let place = &mut self.places[usize::from(end)];
        let digest = digest(block) ^ version.digest();
        if core::mem::replace(&mut place.seen, digest) != digest {
            return;
        }
        // What no hop may index is nothing to be remembered, either.
        if list.fields.iter().any(|field| field.sensitive) {
            return;
        }
        // A share would keep alive the memory of its neighbours.
        let fields = list.fields.copied();
        let regular = list.regular;
        place.known = Some(Box::new(Known {
            octets: block.to_vec(),
            version,
            section: Section { fields, regular },
            judged: Judged::Not,
        }));
    }

    /// Gives back all memory.
    pub(crate) fn forget(&mut self) {
        self.places = Default::default();
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        let known = self.places.iter().flat_map(|place| &place.known);
        let bytes = known.map(|known| {
            size_of::<Known>() + known.octets.capacity() + known.section.fields.bytes()
        });
        bytes.sum()
    }
}

/// A number that two blocks seldom share.
fn digest(block: &[u8]) -> u32 {
    let (words, rest) = block.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]);
    words.fold(block.len() as u32, |digest, word| {
        (digest ^ u32::from_le_bytes(*word))
            .wrapping_mul(0x9E37_79B1)
            .rotate_left(15)
    })
}
