//! The one source of choices.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A row of choices: endless when it was made from a seed; when it was made from bytes, followed by zeros without end.
///
/// A choice of zero is always the calm one: the first of a list, the smallest number, no fault. A fuzzer that cuts
/// bytes off the end of its input so makes the run simpler.
#[derive(Debug)]
pub struct Tape {
    source: Source,
}

#[derive(Debug)]
enum Source {
    // Boxed because it holds a block of key stream, and tapes are kept in small structures.
    Seed(Box<ChaCha8Rng>),
    Bytes { bytes: Vec<u8>, at: usize },
}

impl Tape {
    /// The endless tape of `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self {
            source: Source::Seed(Box::new(ChaCha8Rng::seed_from_u64(seed))),
        }
    }

    /// A tape of given bytes, for fuzzers and for replay. Zeros follow after their end.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            source: Source::Bytes {
                bytes: bytes.to_vec(),
                at: 0,
            },
        }
    }

    /// A number below `n`; 0 when `n` is 0 or 1, which takes nothing off the tape.
    pub fn below(&mut self, n: u64) -> u64 {
        if n <= 1 {
            return 0;
        }
        match &mut self.source {
            Source::Seed(rng) => rng.next_u64() % n,
            Source::Bytes { bytes, at } => {
                // As few bytes as the range needs, so that a fuzzer's small changes stay small.
                let width = match n {
                    0..=0x100 => 1,
                    0x101..=0x1_0000 => 2,
                    0x1_0001..=0x1_0000_0000 => 4,
                    _ => 8,
                };
                let mut word = [0; 8];
                for byte in &mut word[..width] {
                    *byte = bytes.get(*at).copied().unwrap_or_default();
                    *at += 1;
                }
                u64::from_le_bytes(word) % n
            }
        }
    }

    /// As [`below`](Self::below), for sizes.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// A number from `low` to `high`, both included; `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Yes in `num` of `den` cases.
    pub fn chance(&mut self, num: u64, den: u64) -> bool {
        // The high end is yes, because zero has to mean no.
        self.below(den) >= den.saturating_sub(num)
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A size from 0 to `max`, small ones and large ones alike: each order of magnitude is about as likely as the next.
    pub fn size(&mut self, max: usize) -> usize {
        let bits = usize::BITS - max.leading_zeros();
        let bits = self.below(u64::from(bits) + 1) as u32;
        let limit = 1_usize.checked_shl(bits).unwrap_or(usize::MAX);
        self.index(limit).min(max)
    }

    /// A moment before `max`, in whatever unit that is: anywhere in it, or close to its beginning.
    pub fn moment(&mut self, max: u64) -> u64 {
        let shift = self.pick(&[0, 0, 4, 10]);
        self.below((max >> shift).max(1))
    }

    /// `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    /// A tape of its own for a part that draws at moments of its own, so that its draws and those of the others do not
    /// move each other.
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.below(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_choices_again_and_another_seed_others() {
        let draw = |seed| {
            let mut tape = Tape::from_seed(seed);
            (0..32).map(|_| tape.below(1 << 40)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn behind_the_end_of_given_bytes_everything_is_calm() {
        let mut tape = Tape::from_bytes(&[3, 0xff, 0xff]);
        assert_eq!(tape.below(16), 3);
        assert_eq!(tape.below(0x1_0000), 0xffff);
        assert_eq!(tape.bytes(3), [0, 0, 0]);
        assert_eq!(tape.pick(&[5, 6]), 5);
        assert!(!tape.chance(99, 100));
        assert!(tape.chance(1, 1), "certain is certain");
        assert_eq!((tape.between(4, 9), tape.size(1000)), (4, 0));
    }

    #[test]
    fn sizes_stay_in_range_and_reach_both_ends_of_it() {
        let mut tape = Tape::from_seed(1);
        let sizes: Vec<_> = (0..2_000).map(|_| tape.size(1_000)).collect();
        assert!(sizes.iter().all(|&size| size <= 1_000));
        assert!(sizes.contains(&0) && sizes.contains(&1));
        assert!(sizes.iter().filter(|&&size| size > 500).count() > 50);
    }
}
