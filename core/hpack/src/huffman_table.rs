//! The Huffman code of RFC 7541 Appendix B and the tables derived from it.
//!
//! The code is canonical: with symbols ordered by code length, then by value,
//! each code is its predecessor plus one, shifted to its own length. So the
//! lengths alone define it, and every table below is computed at compile time.

/// The symbol that may only appear as padding.
pub(crate) const EOS: u16 = 256;

/// Longest code, in bits (that of EOS among others).
const LONGEST: usize = 30;

/// Bits looked up at once. 12 hold two of the characters that headers use most,
/// whose codes have 5 or 6 bits, in a 16 KiB table.
pub(crate) const LOOKUP_BITS: u32 = 12;

/// Code length of each symbol, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// Code of each symbol but EOS, in the high bits.
pub(crate) static CODES: [u64; 256] = {
    let all = codes();
    let mut out = [0; 256];
    let mut s = 0;
    while s < 256 {
        out[s] = (all[s] as u64) << (64 - LENGTHS[s] as u32);
        s += 1;
    }
    out
};

/// Length of each code but that of EOS, in bits.
pub(crate) static CODE_LENGTHS: [u8; 256] = {
    let mut out = [0; 256];
    let mut s = 0;
    while s < 256 {
        out[s] = LENGTHS[s];
        s += 1;
    }
    out
};

/// Symbols in canonical order, with one entry per code length for lookup.
pub(crate) struct Canonical {
    /// All symbols, ordered by code.
    pub(crate) symbols: [u16; 257],
    /// For each length, the first 32-bit left-aligned value that is too large
    /// for codes of this length or shorter. 64 bits wide as the last is 2^32.
    pub(crate) limit: [u64; LONGEST + 1],
    /// For each length, position in `symbols` of its first code minus the code.
    pub(crate) offset: [i32; LONGEST + 1],
}

pub(crate) static CANONICAL: Canonical = canonical();

/// One step of decoding `LOOKUP_BITS` bits: see [`Step::pack`].
#[derive(Clone, Copy)]
pub(crate) struct Step(u32);

impl Step {
    /// Bits 0-7 first symbol, 8-15 second symbol or 0, 16-23 length of their
    /// codes together, 24-31 eight times their number. All 0: a longer code.
    const fn pack(first: u8, second: u8, total: u8, count: u8) -> Self {
        Step(first as u32 | (second as u32) << 8 | (total as u32) << 16 | (count as u32) << 27)
    }

    /// Whether there is no whole code.
    #[inline(always)]
    pub(crate) fn is_long(self) -> bool {
        self.0 == 0
    }

    /// The symbols, first lowest.
    #[inline(always)]
    pub(crate) fn symbols(self) -> u64 {
        u64::from(self.0 as u16)
    }

    #[inline(always)]
    pub(crate) fn first(self) -> u8 {
        self.0 as u8
    }

    /// Bits the symbols are coded in.
    #[inline(always)]
    pub(crate) fn total(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    /// Bits the symbols themselves take.
    #[inline(always)]
    pub(crate) fn width(self) -> u32 {
        self.0 >> 24
    }
}

/// Indexed by the next `LOOKUP_BITS` bits.
pub(crate) static STEPS: [Step; 1 << LOOKUP_BITS] = steps();

const fn codes() -> [u32; 257] {
    let order = canonical().symbols;
    let mut codes = [0u32; 257];
    let mut code = 0;
    let mut i = 0;
    while i < 257 {
        let symbol = order[i] as usize;
        if i > 0 {
            let before = LENGTHS[order[i - 1] as usize];
            code = (code + 1) << (LENGTHS[symbol] - before);
        }
        codes[symbol] = code;
        i += 1;
    }
    codes
}

const fn canonical() -> Canonical {
    let mut out = Canonical {
        symbols: [0; 257],
        limit: [0; LONGEST + 1],
        offset: [0; LONGEST + 1],
    };
    let mut filled = 0;
    let mut code: i64 = 0;
    let mut length = 1;
    while length <= LONGEST {
        out.offset[length] = (filled as i64 - code) as i32;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                out.symbols[filled] = symbol as u16;
                filled += 1;
                code += 1;
            }
            symbol += 1;
        }
        out.limit[length] = (code as u64) << (32 - length);
        code <<= 1;
        length += 1;
    }
    out
}

const fn steps() -> [Step; 1 << LOOKUP_BITS] {
    let codes = codes();
    // Every window first learns its first symbol, then a second where the bits
    // left over complete one.
    let mut first = [(0u8, 0u8); 1 << LOOKUP_BITS];
    let mut symbol = 0;
    while symbol < 256 {
        let len = LENGTHS[symbol] as u32;
        if len <= LOOKUP_BITS {
            let start = (codes[symbol] as usize) << (LOOKUP_BITS - len);
            let mut i = 0;
            while i < 1usize << (LOOKUP_BITS - len) {
                first[start + i] = (symbol as u8, len as u8);
                i += 1;
            }
        }
        symbol += 1;
    }
    let mut out = [Step(0); 1 << LOOKUP_BITS];
    let mut window = 0;
    while window < 1 << LOOKUP_BITS {
        let (a, a_len) = first[window];
        if a_len != 0 {
            let rest = (window << a_len) & ((1 << LOOKUP_BITS) - 1);
            let (b, b_len) = first[rest];
            out[window] = if b_len != 0 && a_len as u32 + b_len as u32 <= LOOKUP_BITS {
                Step::pack(a, b, a_len + b_len, 2)
            } else {
                Step::pack(a, 0, a_len, 1)
            };
        }
        window += 1;
    }
    out
}
