//! The header fields that pass in one direction of a connection.

use raddle_hpack::{Decoder, DecoderConfig, Sink};

const PREFACE: &[u8] = b"PRI * HTTP/2.0";
const PREFACE_LEN: usize = 24;
const HEAD_LEN: usize = 9;
/// Bytes of one frame that are kept to be read. Header frames of ours are never larger; of a peer's that is, nothing
/// more can be shown.
const FRAME_BYTES_MAX: usize = 16_384 + HEAD_LEN;

/// Follows HPACK (RFC 7541) beside the connection.
pub(crate) struct FieldLog {
    decoder: Decoder,
    kept: Vec<u8>,
    /// Bytes of a frame that is passed over.
    skip: usize,
    begun: bool,
    lost: bool,
}

struct Lines<'a>(u32, &'a mut dyn FnMut(String));

impl Sink for Lines<'_> {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        let (name, value) = (
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value),
        );
        let mark = if sensitive { " (never indexed)" } else { "" };
        // What a peer sends must not drive the terminal.
        let text = format!("(stream_id={}) {name}: {value}{mark}", self.0);
        (self.1)(text.replace(char::is_control, "\u{fffd}"));
    }
}

impl FieldLog {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(DecoderConfig::default()),
            kept: Vec::new(),
            skip: 0,
            begun: false,
            lost: false,
        }
    }

    /// Passes bytes, and calls `each` with one line for every field in them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(String)) {
        while !self.lost {
            let gone = self.skip.min(bytes.len());
            self.skip -= gone;
            bytes = &bytes[gone..];
            let want = self.wanted();
            let taken = want.saturating_sub(self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.kept.len() < self.wanted() {
                if bytes.is_empty() {
                    return;
                }
                continue;
            }
            let frame = std::mem::take(&mut self.kept);
            if std::mem::replace(&mut self.begun, true) || !frame.starts_with(PREFACE) {
                self.read(&frame, each);
            }
        }
    }

    fn wanted(&self) -> usize {
        if self.kept.len() < HEAD_LEN {
            return HEAD_LEN;
        }
        if !self.begun && PREFACE.starts_with(&self.kept[..HEAD_LEN]) {
            return PREFACE_LEN;
        }
        let len = usize::from(self.kept[0]) << 16
            | usize::from(self.kept[1]) << 8
            | usize::from(self.kept[2]);
        match self.kept[3] {
            1 | 9 if HEAD_LEN + len <= FRAME_BYTES_MAX => HEAD_LEN + len,
            _ => HEAD_LEN,
        }
    }

    /// Reads HEADERS and CONTINUATION (RFC 9113 §6.2 and §6.10), and steps over everything else.
    fn read(&mut self, frame: &[u8], each: &mut dyn FnMut(String)) {
        let (head, payload) = frame.split_at(HEAD_LEN);
        let flags = head[4];
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if !matches!(head[3], 1 | 9) {
            self.skip =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            return;
        }
        let headers = head[3] == 1;
        let padded = headers && flags & 0x8 != 0;
        let pad = if padded {
            payload.first().map_or(0, |pad| usize::from(*pad))
        } else {
            0
        };
        let start = usize::from(padded) + if headers && flags & 0x20 != 0 { 5 } else { 0 };
        let fragment = payload
            .get(start..payload.len().saturating_sub(pad))
            .unwrap_or_default();
        let mut lines = Lines(stream & 0x7fff_ffff, each);
        let read = self.decoder.decode(fragment, &mut lines).is_ok()
            && (flags & 0x4 == 0 || self.decoder.finish().is_ok());
        // From here on the tables may differ, and guessed fields are worse than none.
        self.lost = !read;
    }
}
