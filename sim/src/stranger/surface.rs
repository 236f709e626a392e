//! What an application does rarely: the rest of what can be asked of an engine, some of it at a bad time. What has no place
//! has to be refused by its name, and to change nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use raddle_core::{
    ErrorCode, Lifecycle, OpenError, Priority, RequestHead, ResponseHead, Role, SendError,
    StreamHandle, Then, Waiting,
};

use super::{World, acts::Kind};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, Urgency},
};

/// Windows that an application sets: none, little, more than there may be.
const WINDOWS: [u32; 8] = [0, 1, 100, 1_000, 65_535, 262_144, 1 << 20, u32::MAX];
/// The largest that there may be (RFC 9113 §6.9.1).
const WINDOW_MAX: u32 = 0x7fff_ffff;
/// Interim responses of a stream that may wait.
const INTERIMS_MAX: usize = 16;
/// Debug data of an application's that goes out with its GOAWAY.
const DEBUG_MAX: usize = 1_024;

/// A window that an application has set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    window: u32,
    /// Bytes of credit that its peer had been given by then.
    granted: i64,
}

fn wrong<T>(what: &str, got: impl std::fmt::Debug) -> Result<T, Fault> {
    Err(Fault::run(format!("I-28: {what} gets {got:?}")))
}

impl World<'_> {
    /// The application does one of these things.
    pub(super) fn act_rarely(&mut self) -> Result<(), Fault> {
        let handles: Vec<_> = self.app.streams.keys().copied().collect();
        let tape = self.tape.lane("surface");
        let choice = tape.below(16);
        let some = (!handles.is_empty()).then(|| handles[tape.index(handles.len())]);
        match (choice, some) {
            (0..=4, Some(handle)) => self.set_window(handle),
            (5, Some(handle)) if self.role == Role::Server => self.inform_often(handle),
            (6 | 7, Some(handle)) if self.role == Role::Server => self.answer_urgently(handle),
            (8, Some(handle)) => self.out_of_order(handle),
            (9, _) => self.ask_of_the_gone(),
            (10, _) => self.ask_badly(),
            (11, _) if self.tape.chance(1, 8) => self.close(),
            (12.., Some(handle)) => self.release_some(handle),
            _ => self.judge_holders(),
        }
    }

    /// Another window for one stream (RFC 9113 §6.9).
    fn set_window(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        let bytes = self.tape.pick(&WINDOWS);
        let known = self.observer.is_acknowledged();
        let has = self.conn.set_receive_window(handle, bytes);
        note!(self, "app: sets a window of {}: {}", bytes, has);
        if has != known {
            return wrong(
                "a window that is set, the peer knowing SETTINGS or not,",
                has,
            );
        }
        let id = self.app.streams.get(&handle).and_then(|live| live.id);
        let account = id.and_then(|id| self.observer.account_of(id));
        if has {
            let set = Window {
                window: bytes.min(WINDOW_MAX),
                granted: account.map_or(0, |account| account.credit_sent),
            };
            self.app.windows.insert(handle, set);
        }
        Ok(())
    }

    /// I-10: a window that was set is reached as credit comes back, and at least half of it is open to the peer.
    pub(super) fn judge_windows(&self) -> Result<(), Fault> {
        for (handle, set) in &self.app.windows {
            let live = self.app.streams.get(handle).filter(|live| !live.reset);
            let Some(id) = live.and_then(|live| live.id) else {
                continue;
            };
            let (Some(has), Some(granted)) = (
                self.peer.stream_window_to_come(id),
                self.observer
                    .account_of(id)
                    .map(|account| account.credit_sent),
            ) else {
                continue;
            };
            let held = self.app.taken.get(handle).copied().unwrap_or_default() as i64;
            let room = i64::from(set.window) - held;
            // What was promised before cannot be taken back: the peer keeps it, and gets nothing more.
            let too_much = has > room && granted > set.granted;
            let too_little = room > has.max(0) && 2 * has <= room;
            if too_much || too_little {
                return Err(Fault::run(format!(
                    "I-10: stream {id} has a window of {has}, where one of {} was set and {held} are held",
                    set.window
                )));
            }
        }
        Ok(())
    }

    /// Gives back a part of what it holds.
    fn release_some(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        if let Some(taken) = self.app.taken.get_mut(&handle) {
            let bytes = self.tape.size(*taken);
            *taken -= bytes;
            note!(self.trace, "app: gives back {} bytes", bytes);
            self.conn.release(handle, bytes);
        }
        Ok(())
    }

    /// Interim responses in a row, more than may wait.
    fn inform_often(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        let mut taken = 0;
        for n in 0..self.tape.between(1, 24) {
            let head = ResponseHead::new(103).field(b"link", n.to_string().as_bytes());
            match self.conn.inform(handle, head.finish()) {
                Ok(()) => taken += 1,
                Err(SendError::OutOfOrder | SendError::Gone | SendError::HeaderListTooLarge) => {
                    break;
                }
                Err(error) => return wrong("an interim response", error),
            }
        }
        note!(self, "app: informs {} times", taken);
        if taken > 0 {
            self.informed(handle);
        }
        if taken > INTERIMS_MAX {
            return wrong("a row of interim responses without bound", taken);
        }
        Ok(())
    }

    /// An answer that says how urgent it is (RFC 9218 §8).
    fn answer_urgently(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        let (text, level, whole) = self.tape.pick(&[
            (&b"u=0, i"[..], 0, false),
            (b"u=7, i=?0", 7, true),
            (b"u=5, i", 5, false),
        ]);
        let body = match self.app.streams[&handle].kind {
            Kind::Head => 0,
            _ => self.tape.size(self.app.body_max),
        };
        let head = ResponseHead::new(200).field(b"priority", text).finish();
        if self.conn.respond(handle, head, Then::More).is_err() {
            return Ok(());
        }
        note!(self, "app: answers, {} bytes, {:?}", body, text);
        let Some(live) = self.app.streams.get_mut(&handle) else {
            return Ok(());
        };
        (live.left, live.total) = (Some(body), Some(body));
        if let Some(id) = live.id {
            self.observer.urge(id, Urgency { level, whole }, false);
        }
        self.fill()
    }

    /// A part of a message that has no place there.
    fn out_of_order(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        let Some(live) = self.app.streams.get(&handle) else {
            return Ok(());
        };
        let (reset, left, room) = (live.reset, live.left, self.conn.writable(handle));
        let ended = Some(SendError::Gone);
        let misplaced = Some(SendError::OutOfOrder);
        let fits = |error: Option<SendError>, bad: bool| {
            error == ended || (error == misplaced && bad) || (error.is_none() && !bad)
        };
        // Nothing is asked for, and no promise of room is taken back.
        let nothing = self.conn.send_data(handle, &mut Bytes::new(), Then::More);
        let takes = left.is_some() && !reset;
        if !fits(nothing.err(), !takes) {
            return wrong("an empty part", nothing);
        }
        if !takes && room > 0 && self.conn.error().is_none() {
            return wrong("who has nothing to send", room);
        }
        for misplaced in [103, 200] {
            let head = ResponseHead::new(misplaced).finish();
            let got = match misplaced {
                103 => self.conn.respond(handle, head, Then::More),
                _ => self.conn.inform(handle, head),
            };
            if !fits(got.err(), true) {
                return wrong("a response for one of another kind", got);
            }
        }
        Ok(())
    }

    /// Everything about a stream that has ended.
    pub(super) fn ask_of_the_gone(&mut self) -> Result<(), Fault> {
        let Some(gone) = self.app.gone.take() else {
            return Ok(());
        };
        let before = self.conn.stats();
        self.conn.release(gone, 1_000);
        self.conn.discard(gone);
        self.conn.reset(gone, ErrorCode::CANCEL);
        self.conn.prioritize(gone, Priority::default());
        let sent = self
            .conn
            .send_data(gone, &mut Bytes::from_static(b"x"), Then::End);
        let window = self.conn.set_receive_window(gone, 1);
        let answers = (
            sent,
            window,
            self.conn.stream_id(gone),
            self.conn.writable(gone),
            self.conn.explain(gone),
        );
        if answers != (Err(SendError::Gone), false, None, 0, Waiting::Nothing) {
            return wrong("who asks for a stream that has ended", answers);
        }
        match self.conn.stats() == before {
            true => Ok(()),
            false => wrong("a stream that has ended", "work or counts"),
        }
    }

    /// A request that nobody may make.
    fn ask_badly(&mut self) -> Result<(), Fault> {
        let before = (self.conn.stats(), self.conn.waiting());
        let head = RequestHead::new(b"POST", b"https", Some(b"a"), b"/");
        let head = head.field(b"content-length", b"3").finish();
        let got = self.conn.open(head, Then::End).map_err(|(error, _)| error);
        let full = matches!(got, Err(OpenError::QueueFull));
        self.app.tally.unqueued += u64::from(full);
        let refused = match got {
            Err(OpenError::NotClient) => self.role == Role::Server,
            Err(OpenError::Malformed(_)) => self.role == Role::Client,
            Err(_) => self.role == Role::Client,
            Ok(_) => false,
        };
        let same = full || before == (self.conn.stats(), self.conn.waiting());
        match refused && same {
            true => Ok(()),
            false => wrong("a request without the body that it tells of", got),
        }
    }

    /// The application ends the connection.
    fn close(&mut self) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Closing {
            return Ok(());
        }
        let code = self.tape.pick(&[0, 2, 0xbeef]);
        let debug = vec![b'd'; self.tape.pick(&[0, 9, 1_024, 3_000])];
        note!(self, "app: closes with {}, {} bytes", code, debug.len());
        self.app.closed = Some((code, debug.len().min(DEBUG_MAX)));
        self.conn.close(ErrorCode::from_u32(code), debug.into());
        Ok(())
    }

    /// I-29: a GOAWAY of the application's is the application's.
    pub(super) fn judge_closed(&self, frame: &Frame) -> Result<bool, Fault> {
        let Some((code, debug)) = self.app.closed else {
            return Ok(false);
        };
        if frame.word(4) != code || frame.payload.len() != 8 + debug {
            return wrong("what an application closes with", frame);
        }
        Ok(true)
    }

    /// I-10: who holds credit is who has it.
    fn judge_holders(&self) -> Result<(), Fault> {
        let has = self.app.taken.iter().filter(|(_, bytes)| **bytes > 0);
        let has: BTreeMap<_, _> = has
            .map(|(&handle, &bytes)| (handle, bytes as u64))
            .collect();
        let told: BTreeMap<_, _> = self.conn.holders().collect();
        if has != told {
            return wrong("who holds credit", (has, told));
        }
        // I-15: what waits to be sent takes memory, which is told.
        let unsent = self.app.streams.values().filter_map(|live| {
            let (sent, _) = self.observer.unfinished(live.id?)?;
            Some(live.given().saturating_sub(sent))
        });
        let (unsent, told) = (unsent.sum::<usize>(), self.conn.memory_footprint().buffers);
        match unsent > told && self.conn.lifecycle() < Lifecycle::Closing {
            true => wrong("memory for what waits to be sent", (unsent, told)),
            false => Ok(()),
        }
    }
}
