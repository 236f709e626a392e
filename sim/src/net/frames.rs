//! Frames in bytes as they pass (RFC 9113 §4).

/// What a client says before its first frame (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The head of a frame (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// A flag of DATA and HEADERS, and one of SETTINGS and PING.
pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;

/// Finds the frames in bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    preface: usize,
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that are there, and bytes that its payload lacks.
    known: usize,
    left: usize,
    /// The first bytes of the payload, and how many of them have come.
    first: [u8; 8],
    payload: usize,
}

/// The head of a frame, and how its payload begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    first: [u8; 8],
}

impl Frame {
    /// A number of the payload.
    pub(super) fn number(&self, at: usize) -> u32 {
        self.first[at..]
            .iter()
            .take(4)
            .fold(0, |number, &byte| number << 8 | u32::from(byte))
    }
}

impl Frames {
    /// What a client says, or a server.
    pub(super) fn of_client(client: bool) -> Self {
        Self {
            preface: if client { PREFACE_BYTES } else { 0 },
            ..Self::default()
        }
    }

    /// Whether all of the last frame is there.
    pub(super) fn is_whole(&self) -> bool {
        self.known == 0
    }

    /// Takes bytes in, and tells of each frame that ends with them.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut whole: impl FnMut(Frame)) {
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        bytes = &bytes[preface..];
        while !bytes.is_empty() {
            if self.known < HEAD_BYTES {
                let len = (HEAD_BYTES - self.known).min(bytes.len());
                self.head[self.known..self.known + len].copy_from_slice(&bytes[..len]);
                self.known += len;
                bytes = &bytes[len..];
                if self.known < HEAD_BYTES {
                    return;
                }
                let [high, mid, low, ..] = self.head;
                self.left = u32::from_be_bytes([0, high, mid, low]) as usize;
                self.payload = 0;
            } else {
                let len = self.left.min(bytes.len());
                for &byte in bytes[..len]
                    .iter()
                    .take(8_usize.saturating_sub(self.payload))
                {
                    self.first[self.payload] = byte;
                    self.payload += 1;
                }
                self.left -= len;
                bytes = &bytes[len..];
            }
            if self.left == 0 {
                whole(self.frame());
                self.known = 0;
            }
        }
    }

    fn frame(&self) -> Frame {
        let [_, _, _, kind, flags, stream @ ..] = self.head;
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            first: self.first,
        }
    }

    /// The frame that has begun and is not whole, once it is known what it is.
    pub(super) fn half(&self) -> Option<Frame> {
        (self.known == HEAD_BYTES).then(|| self.frame())
    }
}
