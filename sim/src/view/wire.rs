//! Frames off a stream of bytes, whatever they mean.

/// The client preface (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The bytes in front of each payload (RFC 9113 §4.1).
pub(super) const HEAD_LEN: usize = 9;
/// Bytes of a DATA frame that are kept. What a body says is known from its sender.
const DATA_KEPT_MAX: usize = 64;
/// Bytes of any other frame that are kept: all of a frame of the usual limit, so that header blocks can be decoded.
const OTHER_KEPT_MAX: usize = 16_384;

/// Something that a stream of bytes consists of.
#[derive(Debug)]
pub(super) enum Item {
    Preface,
    /// The head of a frame and the beginning of its payload.
    Frame([u8; HEAD_LEN], Vec<u8>),
}

/// Cuts one direction of a connection into frames. A frame comes out with its last byte.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    /// Whether the client preface is still to come.
    preface: bool,
    kept: Vec<u8>,
    /// Bytes of the payload that are stepped over.
    skip: usize,
}

impl Reader {
    pub(super) fn new(preface: bool) -> Self {
        Self {
            preface,
            kept: Vec::new(),
            skip: 0,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        loop {
            let (want, skip) = self.wanted();
            let taken = (want - self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.kept.len() < want {
                return items;
            }
            // Once the head is here, the payload may be wanted.
            if self.wanted() != (want, skip) {
                self.skip = self.wanted().1;
                continue;
            }
            let over = self.skip.min(bytes.len());
            self.skip -= over;
            bytes = &bytes[over..];
            if self.skip > 0 {
                return items;
            }
            items.push(self.take());
        }
    }

    /// How many bytes are to be kept of what is being read, as far as that is known, and how many more it has.
    fn wanted(&self) -> (usize, usize) {
        if self.preface {
            return (PREFACE.len(), 0);
        }
        let Some((head, _)) = self.kept.split_first_chunk::<HEAD_LEN>() else {
            return (HEAD_LEN, 0);
        };
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let kept = length.min(match head[3] {
            0 => DATA_KEPT_MAX,
            _ => OTHER_KEPT_MAX,
        });
        (HEAD_LEN + kept, length - kept)
    }

    fn take(&mut self) -> Item {
        let kept = std::mem::take(&mut self.kept);
        if std::mem::take(&mut self.preface) {
            return Item::Preface;
        }
        let mut head = [0; HEAD_LEN];
        head.copy_from_slice(&kept[..HEAD_LEN]);
        Item::Frame(head, kept[HEAD_LEN..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, len: usize) -> Vec<u8> {
        let [_, a, b, c] = (len as u32).to_be_bytes();
        let mut bytes = vec![a, b, c, kind, 0, 0, 0, 0, 1];
        bytes.extend((0..len).map(|at| at as u8));
        bytes
    }

    #[test]
    fn frames_come_out_the_same_however_the_bytes_are_cut() {
        let all = [
            PREFACE.to_vec(),
            frame(4, 0),
            frame(0, 300),
            frame(1, 64),
            frame(0, 1),
        ]
        .concat();
        for piece in [1, 2, 7, 64, 1_000] {
            let mut reader = Reader::new(true);
            let items: Vec<_> = all
                .chunks(piece)
                .flat_map(|part| reader.feed(part))
                .collect();
            let lengths: Vec<_> = items
                .iter()
                .map(|item| match item {
                    Item::Preface => None,
                    Item::Frame(head, payload) => Some((head[3], payload.len())),
                })
                .collect();
            assert_eq!(
                lengths,
                [
                    None,
                    Some((4, 0)),
                    Some((0, DATA_KEPT_MAX)),
                    Some((1, 64)),
                    Some((0, 1))
                ],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_frame_comes_out_with_its_last_byte() {
        let bytes = frame(0, 300);
        let mut reader = Reader::new(false);
        assert!(reader.feed(&bytes[..308]).is_empty());
        assert_eq!(reader.feed(&bytes[308..]).len(), 1);
    }
}
