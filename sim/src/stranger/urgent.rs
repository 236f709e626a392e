//! Messages of all urgencies that have much to send at once, while priorities come twice, early, late and by halves, and the
//! peer's windows open bit by bit (I-24). Whose turn it is the observer judges.

use raddle_core::{Lifecycle, Priority, ResponseHead, Role, StreamHandle, Then};

use super::{
    World,
    acts::Kind,
    app::BODY_MAX,
    known::Stream,
    more::{BASE_MAX, SIZES_OF_GRANTS},
};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, Urgency, kind},
};

/// What a PRIORITY_UPDATE says, or the `priority` field of a response.
const TEXTS: [&str; 8] = ["u=3", "u=3, i", "u=0", "u=7, i", "i", "u=2", "", "u=2, i"];

impl World<'_> {
    /// Some streams that all have much to send.
    pub(super) fn compete(&mut self) -> Result<(), Fault> {
        self.marks.hit("priorities");
        self.answer_unread();
        let wide = [&[0, 4][..], &BASE_MAX.to_be_bytes()].concat();
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &wide));
        self.turn()?;
        match self.role {
            Role::Server => self.ask_urgently()?,
            Role::Client => {
                if self.tape.lane("urgency").chance(1, 2) {
                    // Some wait, and are no less urgent for that.
                    let few = [&[0, 3][..], &[0, 0, 0, 2]].concat();
                    self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &few));
                    self.turn()?;
                }
                for _ in 0..self.tape.lane("urgency").between(2, 5) {
                    let body = self.long_body();
                    self.open_as(Kind::Plain, body);
                    self.urge_some(1);
                }
            }
        }
        self.fill()?;
        self.turn()?;
        for _ in 0..self.tape.lane("urgency").between(2, 24) {
            if self.conn.lifecycle() != Lifecycle::Open {
                return Ok(());
            }
            self.urge_some(4);
            self.grant_some();
            self.fill()?;
            self.turn()?;
        }
        self.calm_down()
    }

    fn long_body(&mut self) -> usize {
        let most = self
            .tape
            .lane("urgency")
            .pick(&[BODY_MAX, BODY_MAX, 20_000, 1_000]);
        most - self.tape.index(most / 4)
    }

    /// Requests with priorities ahead of them, in them and behind them; all of them are answered at once.
    fn ask_urgently(&mut self) -> Result<(), Fault> {
        let first = self.peer.next;
        let count = self.tape.lane("urgency").between(2, 6) as u32;
        for _ in 0..self.tape.between(0, 8) {
            let id = first + 2 * self.tape.lane("urgency").below(u64::from(count)) as u32;
            self.update_urgency(id);
        }
        for _ in 0..count {
            if self.tape.lane("urgency").chance(1, 2) {
                self.open_free_of_faults();
            } else {
                self.open_plain();
            }
        }
        self.turn()?;
        let handles: Vec<_> = self.app.streams.keys().copied().collect();
        for handle in handles {
            let body = self.long_body();
            self.answer_as(handle, body);
        }
        Ok(())
    }

    /// A request without a `priority`.
    fn open_plain(&mut self) {
        let block = self.block(b"\x83\x87\x84\x01\x01a");
        self.open_with(&block);
    }

    /// A request with a `priority`, and with nothing else that is worth a word.
    fn open_free_of_faults(&mut self) {
        let mut block = self.block(b"\x82\x87\x84\x01\x01a");
        // A literal without indexing, with a new name.
        let value: &[u8] = self.tape.lane("urgency").pick(&super::pool::URGENCIES);
        block.extend_from_slice(b"\x00\x08priority");
        block.push(value.len() as u8);
        block.extend_from_slice(value);
        self.open_with(&block);
    }

    fn open_with(&mut self, block: &[u8]) {
        let id = self.peer.next;
        self.peer.next += 2;
        self.send_block(id, block, true);
        self.hope_for_any(id);
        let stream = Stream {
            window: self.peer.base(),
            head: true,
            end: true,
            ..Stream::default()
        };
        self.peer.streams.insert(id, stream);
    }

    /// An answer with a body, which may say how urgent it is (RFC 9218 §8).
    fn answer_as(&mut self, handle: StreamHandle, body: usize) {
        let mut head = ResponseHead::new(200);
        let says = self.tape.lane("urgency").chance(1, 3);
        let text = self.tape.pick(&TEXTS);
        if says {
            head = head.field(b"priority", text.as_bytes());
        }
        if self
            .conn
            .respond(handle, head.finish(), Then::More)
            .is_err()
        {
            return;
        }
        note!(
            self,
            "app: answers, {} bytes, {:?}",
            body,
            says.then_some(text)
        );
        let Some(live) = self.app.streams.get_mut(&handle) else {
            return;
        };
        (live.left, live.total) = (Some(body), Some(body));
        if let Some(id) = live.id.filter(|_| says) {
            self.observer.urge_more(id, text.as_bytes());
        }
    }

    /// PRIORITY_UPDATE for a stream, or for one that is still to come (RFC 9218 §7.1).
    pub(super) fn update_urgency(&mut self, id: u32) {
        let text = self.tape.lane("urgency").pick(&TEXTS);
        let payload = [&id.to_be_bytes()[..], text.as_bytes()].concat();
        self.deliver(&Frame::new(kind::PRIORITY_UPDATE, 0, 0, &payload));
    }

    /// One or the other side finds other urgencies, one time of `seldom`.
    fn urge_some(&mut self, seldom: u64) {
        while self.tape.lane("urgency").chance(1, 1 + seldom) {
            if self.role == Role::Server && self.tape.chance(2, 3) {
                if let Some(id) = self.some_stream(|_| true) {
                    self.update_urgency(id);
                }
                continue;
            }
            let handles: Vec<_> = self.app.streams.keys().copied().collect();
            if handles.is_empty() {
                return;
            }
            let handle = handles[self.tape.lane("urgency").index(handles.len())];
            let urgency = Urgency {
                level: self.tape.pick(&[3, 3, 3, 2, 0, 7]),
                whole: self.tape.chance(1, 2),
            };
            self.urge_as(handle, urgency);
        }
    }

    /// The application says how urgent a stream is, which may have no number yet.
    pub(super) fn urge_as(&mut self, handle: StreamHandle, urgency: Urgency) {
        let Some(live) = self.app.streams.get_mut(&handle) else {
            return;
        };
        let id = live.id;
        live.urgency = Some(urgency);
        note!(self, "app: stream {:?} has {}", id, urgency);
        let priority = Priority {
            urgency: urgency.level,
            incremental: !urgency.whole,
        };
        self.conn.prioritize(handle, priority);
        if let Some(id) = id {
            self.observer.urge(id, urgency, false);
        }
    }

    /// The window of the connection opens by a little or by much, and so does that of a stream.
    fn grant_some(&mut self) {
        self.answer_unread();
        let bytes = self.tape.lane("urgency").pick(&SIZES_OF_GRANTS);
        self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes()));
        self.peer.uncredited = self.peer.uncredited.saturating_sub(u64::from(bytes));
        if !self.tape.chance(1, 2) {
            return;
        }
        if let Some(id) = self.some_stream(|stream| stream.uncredited > 0 && !stream.got_end) {
            let stream = self.peer.streams.entry(id).or_default();
            let bytes = std::mem::take(&mut stream.uncredited) as u32;
            self.deliver(&Frame::new(
                kind::WINDOW_UPDATE,
                0,
                id,
                &bytes.to_be_bytes(),
            ));
        }
    }

    /// A server that goes by RFC 9218 has been told of what the application has said last.
    pub(super) fn judge_told_urgencies(&self) -> Result<(), Fault> {
        if self.role == Role::Server || !self.peer.goes_by_urgency {
            return Ok(());
        }
        for live in self.app.streams.values().filter(|live| !live.reset) {
            let (Some(id), Some(urgency)) = (live.id, live.urgency) else {
                continue;
            };
            let told = self.observer.told_urgency(id);
            if told.is_some_and(|told| told != Some(urgency)) {
                return Err(Fault::run(format!(
                    "I-24: stream {id} has {urgency}, and its server has been told of {told:?}"
                )));
            }
        }
        Ok(())
    }
}
