//! Which bytes may stand where: tables of 256 entries, and the scans over them.

/// What a byte is, as a set of the bits below.
static CLASSES: [u8; 256] = classes();

/// In tokens of RFC 9110 §5.6.2, upper case included.
const TOKEN: u8 = 1;
/// In field names of HTTP/2: tokens without upper case.
const NAME: u8 = 2;
/// In schemes behind the first letter (RFC 3986 §3.1).
const SCHEME: u8 = 4;
/// In an authority without user information (RFC 3986 §3.2), percent-encoded or not.
const AUTHORITY: u8 = 8;
/// In paths with their query: everything visible but the number sign, and what is beyond ASCII.
const PATH: u8 = 16;
/// In field values.
const VALUE: u8 = 32;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let alnum = byte.is_ascii_alphanumeric();
        if alnum || contains(b"!#$%&'*+-.^_`|~", byte) {
            table[at] |= TOKEN;
            if !byte.is_ascii_uppercase() {
                table[at] |= NAME;
            }
        }
        if alnum || contains(b"+-.", byte) {
            table[at] |= SCHEME;
        }
        if alnum || contains(b"-._~!$&'()*+,;=%:[]", byte) {
            table[at] |= AUTHORITY;
        }
        if byte > b' ' && byte != 0x7f && byte != b'#' {
            table[at] |= PATH;
        }
        if (byte >= b' ' && byte != 0x7f) || byte == b'\t' {
            table[at] |= VALUE;
        }
        at += 1;
    }
    table
}

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether every byte of `text` is of `class`. It does not stop at the first that is not: nearly all texts are good,
/// and a loop without a way out is the faster one.
#[inline]
fn all(text: &[u8], class: u8) -> bool {
    text.iter()
        .fold(class, |left, &byte| left & CLASSES[usize::from(byte)])
        != 0
}

/// A token of RFC 9110 §5.6.2, which is never empty.
#[inline]
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && all(text, TOKEN)
}

/// [`all`] of a text that is not empty, for what is rare.
#[cold]
fn all_slow(text: &[u8], class: u8) -> bool {
    !text.is_empty() && all(text, class)
}

/// Whether a byte lies between two others, without a branch.
#[inline(always)]
fn within(byte: u8, first: u8, last: u8) -> bool {
    byte.wrapping_sub(first) <= last - first
}

/// Whether some byte of a piece is `odd`, which the compiler finds for all of them in one step.
#[inline(always)]
fn any<const N: usize>(piece: &[u8; N], odd: &impl Fn(u8) -> bool) -> bool {
    piece.iter().fold(false, |any, &byte| any | odd(byte))
}

/// Whether no byte of `text` is `odd`, which has no branches. A text without any is odd.
///
/// Sixteen bytes at a time. The last of them overlap those before, and the halves of a short text each other: that is
/// cheaper than single bytes.
#[inline(always)]
fn none(text: &[u8], odd: impl Fn(u8) -> bool) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        let mut rest = text;
        while rest.len() > 16
            && let Some((first, tail)) = rest.split_first_chunk::<16>()
        {
            if any(first, &odd) {
                return false;
            }
            rest = tail;
        }
        return !any(last, &odd);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        return !(any(first, &odd) | any(last, &odd));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return !(any(first, &odd) | any(last, &odd));
    }
    if let (Some(&first), Some(&last)) = (text.first(), text.last()) {
        return !(odd(first) | odd(text[text.len() / 2]) | odd(last));
    }
    false
}

/// A field name of HTTP/2: a token without upper case (RFC 9113 §8.2.1, RFC 9110 §5.1).
#[inline]
pub(super) fn is_name(text: &[u8]) -> bool {
    // Nearly all names are letters, digits and hyphens.
    let odd = |byte| !(within(byte, b'a', b'z') | within(byte, b'0', b'9') | (byte == b'-'));
    none(text, odd) || all_slow(text, NAME)
}

/// A field value: visible, beyond ASCII, or space and tab inside (RFC 9113 §8.2.1, RFC 9110 §5.5).
#[inline]
pub(super) fn is_value(text: &[u8]) -> bool {
    // Hardly any has a tab, for which there is the table.
    let odd = |byte| (byte < b' ') | (byte == 0x7f);
    if !none(text, odd) && !all_slow(text, VALUE) {
        return text.is_empty();
    }
    let (Some(first), Some(last)) = (text.first(), text.last()) else {
        return true;
    };
    *first.min(last) > b' '
}

/// A field value, or one with space and tab at its ends.
pub(super) fn is_padded_value(text: &[u8]) -> bool {
    is_value(text) || all(text, VALUE)
}

/// A scheme of RFC 3986 §3.1.
#[inline]
pub(super) fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic) && all(text, SCHEME)
}

/// An authority without user information, by its characters; empty ones pass.
#[inline]
pub(super) fn is_authority(text: &[u8]) -> bool {
    // Nearly all are host names in lower case, with or without a port.
    let odd =
        |byte| !(within(byte, b'a', b'z') | within(byte, b'-', b'.') | within(byte, b'0', b':'));
    none(text, odd) || all(text, AUTHORITY)
}

/// A path with its query, by its characters; empty ones pass.
#[inline]
pub(super) fn is_path(text: &[u8]) -> bool {
    let odd = |byte| (byte <= b' ') | (byte == 0x7f) | (byte == b'#');
    text.is_empty() || none(text, odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9113 §8.2.1: the ranges that are forbidden in names and values at least.
    #[test]
    fn classes_keep_to_the_minimum_of_the_rfc() {
        for byte in 0..=255_u8 {
            let upper = byte.is_ascii_uppercase();
            if byte <= 0x20 || upper || byte >= 0x7f || byte == b':' {
                assert!(!is_name(&[byte]), "{byte:#x}");
            }
            assert_eq!(is_token(&[byte]), is_name(&[byte]) || upper, "{byte:#x}");
            let inside = is_value(&[b'a', byte, b'a']);
            assert_eq!(
                inside,
                byte == 9 || (byte >= 0x20 && byte != 0x7f),
                "{byte:#x}"
            );
            let blank = matches!(byte, 9 | 0x20);
            assert_eq!(is_value(&[byte]), inside && !blank, "{byte:#x}");
            assert_eq!(is_value(&[byte, b'a']), inside && !blank, "{byte:#x}");
            assert_eq!(is_value(&[b'a', byte]), inside && !blank, "{byte:#x}");
        }
        assert!(is_value(b"") && !is_name(b"") && !is_token(b"") && !is_scheme(b""));
    }

    #[test]
    fn one_bad_byte_is_found_wherever_it_stands() {
        for len in 1..70 {
            for at in 0..len {
                let mut text = [b'a'; 70];
                assert!(is_name(&text[..len]) && is_value(&text[..len]) && is_path(&text[..len]));
                text[at] = b'\n';
                assert!(
                    !is_name(&text[..len]) && !is_value(&text[..len]) && !is_path(&text[..len])
                );
            }
        }
    }

    // The table looks at one byte at a time.
    #[test]
    fn pieces_say_what_the_table_says_of_any_two_neighbours() {
        let edges = [
            0, 8, 9, 0x1f, 0x20, 0x21, 0x23, 0x2c, 0x2d, 0x2e, 0x30, 0x3a, 0x41, 0x5a, 0x60, 0x61,
            0x7a, 0x7b, 0x7e, 0x7f, 0x80, 0x81, 0xa0, 0xdf, 0xe0, 0xfe, 0xff,
        ];
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        for len in 2..20 {
            for at in 0..len - 1 {
                for (first, second) in edges.iter().flat_map(|a| edges.map(|b| (*a, b))) {
                    let mut text = [b'a'; 20];
                    let text = &mut text[..len];
                    (text[at], text[at + 1]) = (first, second);
                    let ends = !blank(text.first()) && !blank(text.last());
                    assert_eq!(is_name(text), all(text, NAME), "{text:x?}");
                    assert_eq!(is_value(text), ends && all(text, VALUE), "{text:x?}");
                    assert_eq!(is_path(text), all(text, PATH), "{text:x?}");
                    assert_eq!(is_authority(text), all(text, AUTHORITY), "{text:x?}");
                }
            }
        }
    }
}
