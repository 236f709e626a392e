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

#[derive(Debug)]
struct Known {
    octets: Vec<u8>,
    version: TableVersion,
    list: Heard,
}

/// The list of a block, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// It was decoded.
    New(Section),
    /// Its block is known, and what the list is was not asked before.
    Again(Section),
    /// Its block is known, and the list is such a head, or trailers, without a fault.
    Request(RequestHead),
    Response(ResponseHead),
    Trailers(Fields),
}

impl Heard {
    pub(crate) fn fields(&self) -> &Fields {
        match self {
            Self::New(section) | Self::Again(section) => &section.fields,
            Self::Request(head) => head.as_fields(),
            Self::Response(head) => head.as_fields(),
            Self::Trailers(fields) => fields,
        }
    }

    #[cold]
    fn section(self) -> Section {
        match self {
            Self::New(section) | Self::Again(section) => section,
            other => other.fields().clone().into(),
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
        let known = self.places[usize::from(end)].known.as_ref()?;
        let any = plants.has(Planted::KnownBlockStale);
        let same = (known.version == version || any) && known.octets == block;
        #[cfg(test)]
        {
            self.found += u64::from(same);
        }
        same.then(|| known.list.clone())
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
        match list {
            Heard::New(section) => parse_request(section, rules),
            Heard::Request(head) => Ok(head),
            other => {
                let head = parse_request(other.section(), rules)?;
                self.keep(end, Heard::Request(head.clone()));
                Ok(head)
            }
        }
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
        match list {
            Heard::New(section) => parse_response(section, oddities),
            Heard::Response(head) => Ok(head),
            other => {
                let head = parse_response(other.section(), oddities)?;
                self.keep(end, Heard::Response(head.clone()));
                Ok(head)
            }
        }
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
        match list {
            Heard::New(section) => parse_trailers(section, oddities),
            Heard::Trailers(fields) => Ok(fields),
            other => {
                let fields = parse_trailers(other.section(), oddities)?;
                self.keep(true, Heard::Trailers(fields.clone()));
                Ok(fields)
            }
        }
    }

    /// Keeps what the list is that was found last in this place.
    #[cold]
    fn keep(&mut self, end: bool, list: Heard) {
        if let Some(known) = &mut self.places[usize::from(end)].known {
            known.list = list;
        }
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
            list: Heard::Again(Section { fields, regular }),
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
            size_of::<Known>() + known.octets.capacity() + known.list.fields().bytes()
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
