//! Places under the peer's limit that streams keep which the application has reset (`keep_reset_slots`), and requests
//! that wait for one of a peer who is silent.

use raddle_core::{ErrorCode, Lifecycle, StreamHandle, Waiting};

use super::{World, acts::Kind, quiet::SECOND};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

/// After how long a silence an engine asks whether its peer lives.
const SILENCE: u64 = 30 * SECOND;

/// What the settings promise of such places.
#[derive(Debug)]
struct Places {
    /// Whether any are kept.
    kept: bool,
    limit: u32,
    /// Those of streams behind whose RST_STREAM the PING that is out stands, and those that wait for the next one.
    asked: u32,
    fresh: u32,
    /// A head or a body has come since the last PING.
    heard: bool,
    /// The peer has not answered in time.
    in_vain: bool,
    /// When the places are looked at, if some are taken.
    due: Option<u64>,
    /// When anything has come last.
    last: u64,
    /// PINGs so far.
    sent: u64,
    /// In which a peer that speaks has to answer a PING for its places to stay taken.
    patience: u64,
}

impl Places {
    fn taken(&self) -> u32 {
        self.asked + self.fresh
    }

    /// A stream was reset that had a place.
    fn reset(&mut self, now: u64) {
        if self.kept && !self.in_vain && (self.heard || self.asked > 0) {
            self.fresh += 1;
            self.due.get_or_insert(now + self.patience);
        }
    }

    /// Everything is out that can be; answers whether a PING is with it.
    fn ask(&mut self, now: u64) -> bool {
        if self.fresh == 0 || self.asked > 0 || !self.heard {
            return false;
        }
        (self.asked, self.fresh, self.heard) = (self.fresh, 0, false);
        self.due = Some(now + self.patience);
        true
    }

    fn answered(&mut self) {
        (self.asked, self.in_vain) = (0, false);
        if !self.heard {
            // No other one may follow.
            self.fresh = 0;
        }
        self.settle();
    }

    /// So late is it. Who speaks and does not answer is waited for no longer.
    fn pass(&mut self, now: u64) {
        while let Some(due) = self.due.filter(|&due| due <= now) {
            self.due = Some(due + self.patience);
            if due - self.last < self.patience {
                (self.asked, self.fresh, self.in_vain) = (0, 0, true);
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.due = self.due.filter(|_| self.asked + self.fresh > 0);
    }
}

impl World<'_> {
    /// The application opens more requests than the peer takes, and resets some.
    pub(super) fn keep_places(&mut self) -> Result<(), Fault> {
        let limit = self.limit_streams()?;
        self.marks.hit("places");
        let mut places = Places {
            kept: self.bounds.keeps_places,
            limit,
            asked: 0,
            fresh: 0,
            heard: true,
            in_vain: false,
            due: None,
            last: self.now,
            sent: self.observer.counts().pings_sent,
            patience: self.bounds.times.answer,
        };
        for _ in 0..self.tape.lane("places").between(4, 40) {
            if self.conn.lifecycle() != Lifecycle::Open {
                return Ok(());
            }
            self.move_places(&mut places)?;
            self.judge_places(&mut places)?;
        }
        self.app.release_all(&mut self.conn);
        self.calm_down()
    }

    /// The peer takes few streams at once, and has heard of everything so far.
    fn limit_streams(&mut self) -> Result<u32, Fault> {
        let limit: u32 = self.tape.lane("places").pick(&[1, 2, 3, 5]);
        self.answer_unread();
        let payload = [&[0, 3][..], &limit.to_be_bytes()].concat();
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
        self.turn()?;
        Ok(limit)
    }

    fn move_places(&mut self, places: &mut Places) -> Result<(), Fault> {
        match self.tape.lane("places").below(14) {
            0..=2 => {
                self.open_as(Kind::Plain, 0);
                self.turn()?;
            }
            3..=5 => return self.reset_placed(places),
            6 | 7 => {
                let Some(id) = self.some_stream(|stream| !stream.head) else {
                    return Ok(());
                };
                let block = self.block(b"\x88");
                self.send_block(id, &block, false);
                self.hope_for_any(id);
                if let Some(stream) = self.peer.streams.get_mut(&id) {
                    stream.head = true;
                }
                (places.heard, places.last) = (true, self.now);
            }
            8 | 9 => {
                let asks = |frame: &Frame| frame.kind == kind::PING && !frame.is_ack();
                let asked = self.peer.inbox.iter().any(asks);
                self.answer_unread();
                if asked {
                    places.last = self.now;
                    places.answered();
                }
            }
            10 => {
                self.deliver(&Frame::new(kind::PING, 0, 0, b"i'm here"));
                places.last = self.now;
            }
            12.. => return self.speak_of_other_things(places),
            _ => return self.wait_for_places(places),
        }
        self.turn()
    }

    /// One of the requests that have a place is given up.
    fn reset_placed(&mut self, places: &mut Places) -> Result<(), Fault> {
        let mut streams = self.app.streams.iter();
        let found = streams.find(|(_, live)| live.id.is_some() && !live.reset);
        let Some((&handle, _)) = found else {
            return Ok(());
        };
        note!(self, "app: gives up {:?}", self.conn.stream_id(handle));
        self.conn.reset(handle, ErrorCode::CANCEL);
        if let Some(live) = self.app.streams.get_mut(&handle) {
            live.reset = true;
        }
        let id = self.conn.stream_id(handle).map_or(0, |id| id.to_u32());
        if self.tape.lane("places").chance(1, 4) && self.peer.streams.contains_key(&id) {
            // The peer does the same, and is read first: it does not count the stream any more, and hears of no reset.
            self.peer.said.insert(id, 8);
            self.deliver(&Frame::new(kind::RST_STREAM, 0, id, &[0, 0, 0, 8]));
            places.last = self.now;
            if let Some(stream) = self.peer.streams.get_mut(&id) {
                stream.over = true;
            }
        } else {
            places.reset(self.now);
        }
        self.turn()
    }

    /// The peer speaks, and does not answer for longer than anybody waits; a head may come with that.
    fn speak_of_other_things(&mut self, places: &mut Places) -> Result<(), Fault> {
        for _ in 0..2 {
            self.deliver(&Frame::new(kind::PING, 0, 0, b"i'm here"));
            places.last = self.now;
            self.turn()?;
            let until = self.now + places.patience / 2 + SECOND;
            self.pass_time(until, false)?;
            self.now = until;
            places.pass(until);
            self.turn()?;
        }
        Ok(())
    }

    /// Some seconds pass, in which nobody counts as silent.
    fn wait_for_places(&mut self, places: &mut Places) -> Result<(), Fault> {
        let seconds = self.tape.lane("places").pick(&[1, 4, 9, 11]);
        let until = self.now + seconds * SECOND;
        if until - places.last >= SILENCE {
            return Ok(());
        }
        note!(self, "{} s pass", seconds);
        self.pass_time(until, false)?;
        self.now = until;
        places.pass(until);
        self.turn()
    }

    /// I-18: the places that may be taken are, and no more; a PING that frees some is out when it is due.
    fn judge_places(&mut self, places: &mut Places) -> Result<(), Fault> {
        let sent = self.observer.counts().pings_sent;
        let due = places.ask(self.now);
        if sent != places.sent + u64::from(due) {
            return Err(Fault::run(format!(
                "I-19: {} PINGs for places, where one is due: {due}, {places:?}",
                sent - places.sent
            )));
        }
        places.sent = sent;
        let taken = self.observer.open_streams() + places.taken();
        let free = places.limit.saturating_sub(taken) as usize;
        let waiting = self.conn.waiting();
        let line = self.bounds.queue - waiting;
        let says = self.conn.openable();
        if says != free.min(line) || (free > 0 && waiting > 0) {
            return Err(Fault::run(format!(
                "I-18: {says} streams may be opened while {waiting} wait, with {taken} taken, {places:?}"
            )));
        }
        Ok(())
    }

    /// The peer falls silent while requests wait: none of them begins until anything is heard of it, also when there is room,
    /// and each is said to wait for that.
    pub(super) fn suspect(&mut self) -> Result<(), Fault> {
        if !self.bounds.keeps_alive {
            return self.calm_down();
        }
        let limit = self.limit_streams()?;
        for _ in 0..limit + self.tape.between(1, 3) as u32 {
            self.open_as(Kind::Plain, 0);
        }
        self.turn()?;
        let waits = |(handle, live): (&StreamHandle, &super::app::Live)| {
            live.id.is_none().then_some(*handle)
        };
        let waiting: Vec<_> = self.app.streams.iter().filter_map(waits).collect();
        if waiting.is_empty() || self.conn.lifecycle() != Lifecycle::Open {
            return self.calm_down();
        }
        self.marks.hit("suspect");
        self.answer_unread();
        self.turn()?;
        let heard = self.now;
        self.expect_waiting(&waiting, Waiting::Slot)?;
        self.pass_time(heard + SILENCE - 1, false)?;
        self.now = heard + SILENCE - 1;
        self.turn()?;
        self.expect_waiting(&waiting, Waiting::Slot)?;
        self.pass_time(heard + SILENCE, false)?;
        note!(self, "the peer has been silent");
        let asked = self.peer.inbox.iter().any(|frame| frame.kind == kind::PING);
        if !asked {
            return Err(Fault::run("I-27: a silence, and no PING"));
        }
        self.expect_waiting(&waiting, Waiting::Liveness)?;
        let open: Vec<_> = self.app.streams.keys().copied().collect();
        for handle in open.into_iter().filter(|handle| !waiting.contains(handle)) {
            self.conn.reset(handle, ErrorCode::CANCEL);
            if let Some(live) = self.app.streams.get_mut(&handle) {
                live.reset = true;
            }
        }
        self.turn()?;
        self.now += SECOND * self.tape.below(9);
        self.turn()?;
        self.expect_waiting(&waiting, Waiting::Liveness)?;
        // Anything at all is a sign of life, also half of a frame.
        match self.tape.below(3) {
            0 => self.answer_unread(),
            1 => self.deliver_bytes(&[0]),
            _ => self.deliver(&Frame::new(0x42, 0, 0, b"here")),
        }
        let half = self.input.len() == 1;
        self.turn()?;
        self.expect_waiting(&waiting, Waiting::Slot)?;
        if half {
            self.deliver_bytes(&[0, 4, 0x42, 0, 0, 0, 0, 0, b'h', b'e', b'r', b'e']);
        }
        self.answer_unread();
        self.turn()?;
        self.calm_down()
    }

    /// Requests that have no number wait for this, as long as they have none.
    fn expect_waiting(&self, waiting: &[StreamHandle], what: Waiting) -> Result<(), Fault> {
        let unbound = |handle: &&StreamHandle| self.conn.stream_id(**handle).is_none();
        let silent = what == Waiting::Liveness;
        let began = waiting.iter().any(|handle| !unbound(&handle));
        if silent && (began || self.conn.openable() > 0) {
            return Err(Fault::run(format!(
                "I-18: a request begins while nobody knows whether the peer lives; {} more may be opened",
                self.conn.openable()
            )));
        }
        for &handle in waiting.iter().filter(unbound) {
            let told = self.conn.explain(handle);
            if told != what && self.app.streams.contains_key(&handle) {
                return Err(Fault::run(format!(
                    "a request waits for {what:?}, and is said to wait for {told:?}"
                )));
            }
        }
        Ok(())
    }
}
