//! The one source of choices.

mod file;

use std::borrow::Cow;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A row of choices: endless when it was made from a seed; when it was made from bytes or read from a file, followed by
/// zeros without end.
///
/// A choice of zero is always the calm one: the first of a list, the smallest number, the whole of what can be cut, no
/// fault. A fuzzer that cuts
/// bytes off the end of its input so makes the run simpler.
///
/// Choices are drawn from *lanes*, one for each part that makes them: a part that draws one number more than it did
/// before moves its own later choices and nobody else's. A tape that is kept for a regression so outlives most changes
/// of the simulator.
#[derive(Clone, Debug)]
pub struct Tape {
    source: Source,
    lanes: Vec<Lane>,
    /// The lane that is drawn from.
    current: usize,
    /// Where lanes were found last, by the addresses of their names. Whatever it says, the lane that is found is the same.
    places: [Place; PLACES],
    /// Whether what is drawn is written down.
    records: bool,
    /// It was made from a seed, and nobody writes down what is drawn, as in most runs.
    plain: bool,
    /// Whether engines read what arrives in crumbs, and write so. No choice of the tape's, because it has to make no difference.
    crumbs: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Seed(u64),
    Bytes { bytes: Vec<u8>, at: usize },
    Saved,
}

#[derive(Clone, Debug)]
struct Lane {
    name: Cow<'static, str>,
    generator: Generator,
    /// Its choices, as they were read from a file or written down.
    values: Vec<u64>,
    at: usize,
}

/// A lane that was found: the text of its name in memory, and its number.
#[derive(Clone, Copy, Debug)]
struct Place {
    addr: usize,
    len: u32,
    lane: u32,
}

/// Where the choices of a lane come from, when the tape was made from a seed.
#[derive(Clone, Debug)]
enum Generator {
    /// splitmix64: one multiplication chain for each number, and any state is a good one.
    Mix(u64),
    /// That of the first lane, which is as old as the seeds that are kept. Made when it is drawn from.
    Chacha(Option<Box<ChaCha8Rng>>),
}

impl Generator {
    fn new(seed: u64, name: &str) -> Self {
        match name {
            MAIN => Self::Chacha(None),
            _ => Self::Mix(start(seed, name)),
        }
    }

    fn next(&mut self, seed: u64) -> u64 {
        match self {
            Self::Mix(state) => next(state),
            Self::Chacha(rng) => rng
                .get_or_insert_with(|| Box::new(ChaCha8Rng::seed_from_u64(seed)))
                .next_u64(),
        }
    }
}

/// Places by which a lane is found at once; a few times as many as there are lanes.
const PLACES: usize = 128;
/// No text is there, because no reference is null.
const NOWHERE: Place = Place {
    addr: 0,
    len: 0,
    lane: 0,
};
/// More lanes than most runs draw from.
const LANES: usize = 32;
/// The lane of those who choose none.
const MAIN: &str = "main";

impl Tape {
    /// The endless tape of `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::new(Source::Seed(seed))
    }

    /// A tape of given bytes, for fuzzers and for replay. Zeros follow after their end.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self::new(Source::Bytes { bytes, at: 0 })
    }

    fn new(source: Source) -> Self {
        let mut tape = Self {
            plain: matches!(source, Source::Seed(_)),
            source,
            lanes: Vec::with_capacity(LANES),
            current: 0,
            places: [NOWHERE; PLACES],
            records: false,
            crumbs: false,
        };
        tape.lane(MAIN);
        tape
    }

    /// The same choices, for a run whose engines read what arrives in crumbs, and whose transports take it so.
    #[must_use]
    pub fn in_crumbs(mut self) -> Self {
        self.crumbs = true;
        self
    }

    /// Whether engines read what arrives in crumbs in this run, and transports take what leaves so.
    #[must_use]
    pub fn reads_in_crumbs(&self) -> bool {
        self.crumbs
    }

    /// Writes down what is drawn from here on, for [`recorded`](Self::recorded).
    pub fn record(&mut self) {
        (self.records, self.plain) = (true, false);
    }

    /// Goes back to the beginning, from where the same is drawn again.
    pub fn rewind(&mut self) {
        if let Source::Bytes { at, .. } = &mut self.source {
            *at = 0;
        }
        let seed = self.seed();
        for lane in &mut self.lanes {
            lane.at = 0;
            lane.generator = Generator::new(seed, &lane.name);
            if !matches!(self.source, Source::Saved) {
                lane.values.clear();
            }
        }
        self.current = 0;
    }

    /// What was drawn since [`record`](Self::record) was called, as a tape of its own.
    #[must_use]
    pub fn recorded(&self) -> Self {
        let mut saved = self.clone();
        saved.source = Source::Saved;
        (saved.records, saved.plain) = (false, false);
        saved.rewind();
        saved
    }

    /// Draws from the lane `name` from here on.
    #[inline]
    pub fn lane(&mut self, name: &'static str) -> &mut Self {
        // The same name is most often the same text in memory, too, which never moves: it is where it was before.
        let addr = name.as_ptr().addr();
        let place = self.places[addr % PLACES];
        if place.addr == addr && place.len as usize == name.len() {
            self.current = place.lane as usize;
            return self;
        }
        self.find_lane(name)
    }

    fn find_lane(&mut self, name: &'static str) -> &mut Self {
        let found = self.lanes.iter().position(|lane| lane.name == name);
        self.current = found.unwrap_or_else(|| {
            self.lanes.push(Lane {
                name: name.into(),
                generator: Generator::new(self.seed(), name),
                values: Vec::new(),
                at: 0,
            });
            self.lanes.len() - 1
        });
        let addr = name.as_ptr().addr();
        self.places[addr % PLACES] = Place {
            addr,
            len: name.len() as u32,
            lane: self.current as u32,
        };
        self
    }

    fn seed(&self) -> u64 {
        match self.source {
            Source::Seed(seed) => seed,
            _ => 0,
        }
    }

    /// A number below `n`; 0 when `n` is 0 or 1, which takes nothing off the tape.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw(n, false)
    }

    /// A number below `n`, of which the highest is the calm one when `from_top`: what stands on the tape is then how far
    /// below the highest it is. The same seed draws the same numbers in either way.
    #[inline]
    fn draw(&mut self, n: u64, from_top: bool) -> u64 {
        if n <= 1 {
            return 0;
        }
        if self.plain
            && let Some(Lane {
                generator: Generator::Mix(state),
                ..
            }) = self.lanes.get_mut(self.current)
        {
            return rest(next(state), n);
        }
        self.draw_slow(n, from_top)
    }

    fn draw_slow(&mut self, n: u64, from_top: bool) -> u64 {
        let lane = &mut self.lanes[self.current];
        let turned = |value: u64| if from_top { n - 1 - value } else { value };
        let choice = match &mut self.source {
            Source::Seed(seed) => turned(lane.generator.next(*seed) % n),
            Source::Bytes { bytes, at } => take(bytes, at, n),
            Source::Saved => {
                let choice = lane.values.get(lane.at).copied().unwrap_or_default();
                lane.at += 1;
                return turned(choice % n);
            }
        };
        if self.records {
            lane.values.push(choice);
        }
        turned(choice)
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
        self.draw_size(max, false)
    }

    /// As [`size`](Self::size), for what is calm when it is whole: a choice of zero is `max`.
    pub fn piece(&mut self, max: usize) -> usize {
        self.draw_size(max, true)
    }

    fn draw_size(&mut self, max: usize, from_top: bool) -> usize {
        let bits = usize::BITS - max.leading_zeros();
        let bits = self.draw(u64::from(bits) + 1, from_top) as u32;
        let limit = 1_usize.checked_shl(bits).unwrap_or(usize::MAX);
        (self.draw(limit as u64, from_top) as usize).min(max)
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

/// The first state of the generator of a lane.
fn start(seed: u64, name: &str) -> u64 {
    let basis = 0xcbf2_9ce4_8422_2325;
    let name = name.bytes().fold(basis, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // Mixed before the name is: seeds that follow each other must not give lanes that do.
    next(&mut { seed }) ^ name
}

/// `value % n`, without a division where none is needed.
fn rest(value: u64, n: u64) -> u64 {
    match n.is_power_of_two() {
        true => value & (n - 1),
        false => value % n,
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn take(bytes: &[u8], at: &mut usize, n: u64) -> u64 {
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

#[cfg(test)]
mod tests;
