//! Rounds among streams of the same urgency (I-24).
//!
//! Who is there when the first turn of a round ends has one turn in it, in the order in which they came; who comes later waits
//! for the next round. A turn goes on over as many frames as it takes, also when somebody more urgent goes first in between. Where
//! the connection's window cuts it short, the others of the round go first, unless it was said that the message is of
//! no use in parts.

const LEVELS: usize = 8;

/// Where a stream is among its equals.
#[derive(Debug)]
pub(super) struct Place {
    /// The round in which its next turn is.
    round: u64,
    /// When it came to where it is in it.
    at: u64,
    /// Bytes that its turn still has, 0 between turns; `None` while that is not known.
    left: Option<u64>,
    /// Bytes of the turn that it has begun last: as many as were due when it began.
    turn: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    round: u64,
    /// A change of all windows at once has mixed them up.
    unclear: bool,
}

/// The rounds of every urgency.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    levels: [Level; LEVELS],
    /// Steps so far. What comes between two of them comes at once.
    clock: u64,
}

impl Rounds {
    /// Something else comes from now on.
    pub(super) fn tick(&mut self) {
        self.clock += 1;
    }

    /// A place for who comes now; `loose` when it may have been there before.
    pub(super) fn place(&mut self, level: u8, loose: bool) -> Place {
        let level = &mut self.levels[usize::from(level)];
        level.unclear |= loose;
        Place {
            round: level.round + 1,
            at: self.clock,
            left: (!loose).then_some(0),
            turn: 0,
        }
    }

    /// From another urgency to the back of this one. What was left of a turn is kept.
    pub(super) fn join(&mut self, level: u8, place: &mut Place) {
        (place.round, place.at) = (self.levels[usize::from(level)].round + 1, self.clock);
        self.levels[usize::from(level)].unclear |= place.left.is_none();
    }

    /// It is not known any more who of this urgency comes first.
    pub(super) fn lose(&mut self, level: u8) {
        self.levels[usize::from(level)].unclear = true;
    }

    /// Nobody of this urgency is left.
    pub(super) fn clear(&mut self, level: u8) {
        self.levels[usize::from(level)].unclear = false;
    }

    /// Which of its `equals` should have a turn, and not `stream`.
    pub(super) fn before(
        &mut self,
        stream: u32,
        level: u8,
        equals: &mut dyn Iterator<Item = (u32, &mut Place)>,
    ) -> Option<u32> {
        let level = &mut self.levels[usize::from(level)];
        // Who goes first, and who is served, each by its round and its place in it.
        let (mut first, mut served, mut count) = (None, None, 0);
        for (id, place) in equals {
            count += 1;
            let key = (place.round, place.at);
            if first.is_none_or(|(least, _)| key < least) {
                first = Some((key, id));
            }
            if id == stream {
                served = Some(place);
            }
        }
        let (served, (least, id)) = (served?, first?);
        if level.unclear && count == 1 && served.left.is_some() {
            level.unclear = false;
            served.round = level.round + 1;
            return None;
        }
        if level.unclear {
            return None;
        }
        ((served.round, served.at) > least).then_some(id)
    }

    /// So many bytes are sent, of a turn which is `turn` bytes long if it begins now; answers how long it is.
    pub(super) fn spend(place: &mut Place, len: u64, turn: u64) -> u64 {
        let left = match place.left {
            Some(0) => {
                place.turn = turn;
                Some(turn)
            }
            None => {
                place.turn = place.turn.max(turn);
                None
            }
            left => left,
        };
        place.left = left.map(|left| left.saturating_sub(len));
        place.turn
    }

    /// A frame was sent, and more is to come: behind the others if the turn is over, and behind those of the round if it
    /// `steps_back`.
    pub(super) fn go_on(&mut self, place: &mut Place, level: u8, steps_back: bool) {
        let level = &mut self.levels[usize::from(level)];
        let over = place.left == Some(0);
        if !over && !steps_back {
            return;
        }
        // Who comes from now on waits for the next one.
        level.round = level.round.max(place.round);
        place.round = level.round + u64::from(over);
        place.at = self.clock + 1;
        self.clock += 2;
    }
}
