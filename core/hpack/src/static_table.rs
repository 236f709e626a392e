//! The static table (RFC 7541 Appendix A) and its lookup by name.

use crate::hash;

/// A name and a value, as the RFC lists them.
pub(crate) type Entry = (&'static [u8], &'static [u8]);

/// Number of static entries; dynamic indices start one above it (RFC 7541 §2.3.3).
pub(crate) const LEN: usize = 61;

/// The entry with HPACK index `i + 1` stands at `i`.
pub(crate) static ENTRIES: [Entry; LEN] = TABLE;

const TABLE: [Entry; LEN] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

const SLOTS: usize = 256;

/// Open-addressed map from the hash of a name to the first HPACK index with
/// that name; 0 marks a free slot.
static SLOT: [u8; SLOTS] = slots();

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn slots() -> [u8; SLOTS] {
    let mut table = [0u8; SLOTS];
    let mut i = 0;
    while i < LEN {
        let mut first = 0;
        while !same(TABLE[first].0, TABLE[i].0) {
            first += 1;
        }
        if first == i {
            let mut at = hash::bytes(0, TABLE[i].0) as usize % SLOTS;
            while table[at] != 0 {
                at = (at + 1) % SLOTS;
            }
            table[at] = i as u8 + 1;
        }
        i += 1;
    }
    table
}

/// The first HPACK index whose name is `name`, whose hash is `name_hash`.
#[inline]
pub(crate) fn find_name(name: &[u8], name_hash: u32) -> Option<usize> {
    let mut at = name_hash as usize % SLOTS;
    // Ends: 52 distinct names leave most of the 256 slots free.
    loop {
        let index = SLOT[at] as usize;
        if index == 0 {
            return None;
        }
        if hash::same(ENTRIES[index - 1].0, name) {
            return Some(index);
        }
        at = (at + 1) % SLOTS;
    }
}

/// For each HPACK index, how many entries from it on have its name. The RFC
/// lists them next to each other.
static SIBLINGS: [u8; LEN + 1] = siblings();

const fn siblings() -> [u8; LEN + 1] {
    let mut out = [1; LEN + 1];
    let mut i = LEN - 1;
    while i > 0 {
        if same(TABLE[i - 1].0, TABLE[i].0) {
            out[i] = out[i + 1] + 1;
        }
        i -= 1;
    }
    out
}

/// The HPACK index of exactly this field, given the first index with its name.
#[inline]
pub(crate) fn find_value(first: usize, value: &[u8]) -> Option<usize> {
    let count = usize::from(SIBLINGS[first]);
    let entries = ENTRIES.get(first - 1..first - 1 + count)?;
    let at = entries
        .iter()
        .position(|entry| hash::same(entry.1, value))?;
    Some(first + at)
}
