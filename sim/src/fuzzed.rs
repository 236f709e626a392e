//! What a fuzzer's bytes are as a run: the same worlds as those of seeds, by the same executor.

use crate::{
    campaign::{Profile, World},
    tape::Tape,
};

/// A fuzz target whose input is a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One engine and a peer that breaks rules.
    HostileTape,
    /// Two engines; the first byte of the input says whether their troubles end.
    PairTape,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::HostileTape, Self::PairTape];

    /// The name of the target's program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HostileTape => "hostile_tape",
            Self::PairTape => "pair_tape",
        }
    }

    /// What `input` is run as, and by which choices.
    #[must_use]
    pub fn read(self, input: &[u8]) -> (World, Tape) {
        let (profile, choices) = match self {
            Self::HostileTape => (Profile::Abuse, input),
            Self::PairTape => match input.split_first() {
                Some((first, rest)) if first & 1 == 1 => (Profile::Liveness, rest),
                Some((_, rest)) => (Profile::Safety, rest),
                None => (Profile::Safety, input),
            },
        };
        (World::Engines(profile), Tape::from_bytes(choices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_the_same_run_as_the_tape_that_is_recorded_of_it() {
        let input: Vec<u8> = (0..400_u32).map(|n| (n * n % 251) as u8).collect();
        for target in Target::ALL {
            let (world, mut tape) = target.read(&input);
            tape.record();
            let first = world.run(&mut tape).unwrap();
            let text = tape.recorded().to_string();
            let again = world.run(&mut text.parse().unwrap()).unwrap();
            assert_eq!(first, again, "{}", target.name());
        }
    }

    #[test]
    fn the_first_byte_chooses_between_two_engines_worlds() {
        let world = |input: &[u8]| Target::PairTape.read(input).0;
        assert_eq!(world(&[]), World::Engines(Profile::Safety));
        assert_eq!(world(&[2, 9]), World::Engines(Profile::Safety));
        assert_eq!(world(&[3, 9]), World::Engines(Profile::Liveness));
    }
}
