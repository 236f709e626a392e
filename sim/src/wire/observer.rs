//! Judges what one end sends by what it has sent and received before.

use std::collections::VecDeque;

use super::{
    Frame, Frames, Passing,
    account::Account,
    by_id::ById,
    counts::Counts,
    fairness::{Fairness, Urgency},
    kind,
    marks::{Seats, Seen},
    messages::Messages,
    written::Written,
};
use crate::outcome::Fault;

const WINDOW_MAX: i64 = 0x7fff_ffff;

#[derive(Debug)]
pub(crate) struct Observer {
    pub(super) client: bool,
    pub(super) sent: Frames,
    pub(super) received: Frames,
    pub(super) streams: ById<Stream>,
    /// The peer's settings: largest frame, initial window, concurrent streams, table size.
    pub(super) frame_max: usize,
    pub(super) window_base: i64,
    /// How often the initial window was set.
    pub(super) bases: u32,
    pub(super) streams_max: Option<u32>,
    pub(super) window: i64,
    pub(super) messages: Messages,
    pub(super) open: u32,
    pub(super) highest: u32,
    pub(super) goaway_received: Option<u32>,
    pub(super) goaway_sent: Option<u32>,
    pub(super) goaways: u32,
    pub(super) begun: bool,
    /// The stream whose header block is not finished.
    pub(super) block: Option<u32>,
    pub(super) settings_owed: u32,
    pub(super) pings_owed: VecDeque<Vec<u8>>,
    pub(super) fairness: Fairness,
    pub(super) seen: Seen,
    /// SETTINGS of the peer's that were read.
    settings_read: u32,
    /// What the peer's SETTINGS say of RFC 9218.
    goes_by_urgency: Option<bool>,
    /// The peer's SETTINGS were read.
    pub(super) greeted: bool,
    /// What has passed of the connection's windows.
    pub(super) account: Account,
    /// The window that its own SETTINGS give to streams, and whether the peer has acknowledged them.
    pub(super) announced: i64,
    pub(super) acknowledged: bool,
    pub(super) written: Written,
    pub(super) seats: Seats,
    pub(super) counts: Counts,
    /// The last stream that the peer has opened, and whether its header block has still to end.
    pub(super) opened_last: u32,
    pub(super) opening: bool,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) sent_end: bool,
    pub(super) sent_reset: bool,
    pub(super) got_end: bool,
    pub(super) got_head: bool,
    pub(super) got_reset: bool,
    /// The last thing that was received is a reset of what was closed already.
    pub(super) reset_late: bool,
    /// Above the peer's initial window.
    pub(super) offset: i64,
    /// What has passed of its windows.
    pub(super) account: Account,
    pub(super) counted: bool,
    /// Bytes of DATA that were sent.
    pub(super) data: usize,
    /// Bytes of the body that the application has given.
    pub(super) given: usize,
    /// Its head was sent.
    pub(super) head: bool,
    pub(super) urgency: Urgency,
    /// A frame has said how urgent it is, which counts more than the head.
    pub(super) urgency_told: bool,
    /// Anybody has said how urgent it is.
    pub(super) urgency_said: bool,
    /// What the last PRIORITY_UPDATE says that was sent.
    pub(super) urgency_sent: Option<Urgency>,
    /// Its place among those who wait is not known since all windows moved.
    pub(super) unsure: bool,
}

impl Stream {
    pub(super) fn is_closed(&self) -> bool {
        self.sent_reset || self.got_reset || (self.sent_end && self.got_end)
    }
}

pub(super) fn wrong(what: impl std::fmt::Display) -> Fault {
    Fault::run(what.to_string())
}

impl Observer {
    pub(crate) fn new(client: bool) -> Self {
        Self {
            client,
            sent: Frames::new(client),
            received: Frames::new(!client),
            streams: ById::default(),
            frame_max: 16_384,
            window_base: 65_535,
            bases: 0,
            streams_max: None,
            window: 65_535,
            messages: Messages::new(client),
            open: 0,
            highest: 0,
            goaway_received: None,
            goaway_sent: None,
            goaways: 0,
            begun: false,
            block: None,
            settings_owed: 0,
            pings_owed: VecDeque::new(),
            fairness: Fairness::default(),
            seen: Seen::default(),
            settings_read: 0,
            goes_by_urgency: None,
            greeted: false,
            account: Account::default(),
            announced: 65_535,
            acknowledged: false,
            written: Written::new(client),
            seats: Seats::default(),
            counts: Counts::default(),
            opened_last: 0,
            opening: false,
        }
    }

    /// Bytes that have arrived, and may wait to be read.
    pub(crate) fn arrived(&mut self, bytes: &[u8]) {
        self.received.push(bytes);
    }

    /// So many of them were read.
    pub(crate) fn read(&mut self, bytes: usize) {
        self.received.allow(bytes);
        let mut received = std::mem::take(&mut self.received);
        while let Some(frame) = received.next() {
            self.mark_taken(&frame);
            self.take(&frame);
        }
        self.received = received;
    }

    /// Whether the stream waits for its turn, after something about it has changed.
    pub(super) fn line_up(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let refused = self.client && self.goaway_received.is_some_and(|last| id > last);
        let can = stream.head
            && stream.given > stream.data
            && self.window_base + stream.offset > 0
            && !(stream.sent_end || stream.is_closed() || refused);
        self.fairness.set(id, can, stream.unsure, stream.urgency);
    }

    /// The peer has moved the window of every stream, and so who has one at all.
    fn move_base(&mut self, base: i64) {
        if base == std::mem::replace(&mut self.window_base, base) {
            return;
        }
        for id in self.streams.ids() {
            if let Some(stream) = self.streams.get_mut(id) {
                // Who has nothing to send is in no line.
                stream.unsure |= stream.head && stream.given > stream.data;
            }
            self.line_up(id);
        }
        self.fairness.loosen();
    }

    /// The engine is asked for output.
    pub(crate) fn begin_output(&mut self) {
        self.fairness.tick();
    }

    /// Bytes that the end has written; their frames go to whoever wants them.
    pub(crate) fn sent(
        &mut self,
        bytes: &[u8],
        mut frames: Option<&mut Vec<Frame>>,
    ) -> Result<(), Fault> {
        let mut sent = std::mem::take(&mut self.sent);
        sent.push(bytes);
        sent.allow(bytes.len());
        let mut judged = Ok(());
        while judged.is_ok()
            && let Some(frame) = sent.next()
        {
            self.mark_sent(&frame);
            let fault = |fault: Fault| wrong(format!("{}, by {frame:?}", fault.what));
            judged = self.judge(&frame).map_err(fault);
            if let Some(frames) = &mut frames {
                frames.push(frame.to_owned());
            }
        }
        self.sent = sent;
        judged
    }

    fn take(&mut self, frame: &Passing<'_>) {
        match frame.kind {
            kind::SETTINGS if !frame.is_ack() => {
                self.settings_owed += 1;
                self.settings_read += 1;
                self.greeted = true;
                frame.settings().for_each(|entry| self.set(entry));
            }
            kind::PING if !frame.is_ack() => self.pings_owed.push_back(frame.payload.to_vec()),
            kind::GOAWAY => {
                self.goaway_received = Some(frame.word(0));
                let ids = self.streams.ids();
                ids.into_iter().for_each(|id| self.line_up(id));
            }
            kind::PRIORITY_UPDATE => {
                let urgency = Urgency::parse(frame.payload.get(4..).unwrap_or_default());
                self.urge(frame.word(0), urgency, false);
            }
            kind::WINDOW_UPDATE if frame.stream == 0 => self.window += i64::from(frame.word(0)),
            kind::WINDOW_UPDATE => {
                self.change(frame.stream, |stream| {
                    stream.offset += i64::from(frame.word(0));
                });
            }
            kind::RST_STREAM => self.change(frame.stream, |stream| {
                stream.reset_late = stream.is_closed();
                stream.got_reset = true;
            }),
            kind::DATA | kind::HEADERS => {
                if !self.client && frame.kind == kind::HEADERS {
                    self.streams.or_default(frame.stream);
                }
                let end = frame.ends_stream();
                let head = frame.kind == kind::HEADERS;
                self.change(frame.stream, |stream| {
                    stream.reset_late = false;
                    stream.got_head |= head;
                    stream.got_end |= end;
                });
            }
            _ => {}
        }
    }

    fn set(&mut self, (id, value): (u16, u32)) {
        match id {
            1 => self.messages.limit_table(value),
            3 => self.streams_max = Some(value),
            4 => self.move_base(i64::from(value)),
            5 if value >= 16_384 => self.frame_max = value as usize,
            6 if self.settings_read == 1 => self.messages.list_max = value,
            6 => self.messages.list_max = self.messages.list_max.max(value),
            8 => self.messages.takes_protocols |= value == 1,
            9 => self.goes_by_urgency = Some(value == 1),
            _ => {}
        }
    }

    fn change(&mut self, id: u32, change: impl FnOnce(&mut Stream)) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        change(stream);
        if stream.is_closed() && std::mem::take(&mut stream.counted) {
            self.open -= 1;
        }
        self.line_up(id);
    }

    fn judge(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.begun, true)
            && (frame.kind != kind::SETTINGS || frame.is_ack())
        {
            return Err(wrong("I-09: the first frame is not SETTINGS"));
        }
        if frame.payload.len() > self.frame_max {
            return Err(wrong("I-09: larger than the peer accepts"));
        }
        let continues = frame.kind == kind::CONTINUATION && self.block == Some(frame.stream);
        if self.block.is_some() != continues {
            return Err(wrong("I-09: a header block is not in one piece"));
        }
        if matches!(frame.kind, kind::HEADERS | kind::CONTINUATION) {
            self.block = (!frame.ends_headers()).then_some(frame.stream);
        }
        match frame.kind {
            kind::HEADERS => {
                self.judge_headers(frame)?;
                self.judge_block(frame)
            }
            kind::CONTINUATION => self.judge_block(frame),
            kind::DATA => self.judge_data(frame),
            kind::RST_STREAM => self.judge_reset(frame),
            kind::SETTINGS if frame.is_ack() => {
                let owed = self.settings_owed.checked_sub(1);
                self.settings_owed =
                    owed.ok_or_else(|| wrong("I-14: no SETTINGS to acknowledge"))?;
                Ok(())
            }
            kind::PING if frame.is_ack() => match self.pings_owed.pop_front() {
                Some(payload) if payload == frame.payload => Ok(()),
                other => Err(wrong(format!(
                    "I-14: answers PING, where {other:?} was due"
                ))),
            },
            kind::GOAWAY => self.judge_goaway(frame),
            kind::WINDOW_UPDATE if frame.word(0) == 0 => Err(wrong("I-10: an update of nothing")),
            kind::PRIORITY_UPDATE => self.judge_urged(frame),
            _ => Ok(()),
        }
    }

    fn judge_headers(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        let id = frame.stream;
        if self.client && id > self.highest {
            if id.is_multiple_of(2) {
                return Err(wrong("I-08: a client's stream is odd"));
            }
            if self.goaway_received.is_some() {
                return Err(wrong("I-08: a new stream behind GOAWAY"));
            }
            if self.streams_max.is_some_and(|max| self.open >= max) {
                return Err(wrong("I-08: more streams than the peer allows"));
            }
            self.highest = id;
            self.open += 1;
            self.counts.opened_sent += 1;
            let stream = self.streams.or_default(id);
            stream.counted = true;
        }
        let stream = self
            .streams
            .get(id)
            .ok_or_else(|| wrong("I-08: HEADERS on a stream that is not open"))?;
        if stream.sent_end || stream.sent_reset {
            return Err(wrong("I-07: HEADERS behind the end"));
        }
        let end = frame.ends_stream();
        self.change(id, |stream| stream.sent_end |= end);
        Ok(())
    }

    /// A part of a header block. A body waits behind the final head, and not behind one that is interim.
    fn judge_block(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        self.messages.judge(frame, frame.kind == kind::HEADERS)?;
        let head = frame.ends_headers() && self.messages.has_head(frame.stream);
        self.change(frame.stream, |stream| stream.head |= head);
        Ok(())
    }

    fn judge_data(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        // What is owed goes first.
        if self.settings_owed > 0 || !self.pings_owed.is_empty() {
            return Err(wrong("I-26: DATA before the answer to SETTINGS or PING"));
        }
        let len = frame.payload.len() as i64;
        let base = self.window_base;
        let stream = self
            .streams
            .get_mut(frame.stream)
            .filter(|stream| stream.head)
            .ok_or_else(|| wrong("I-08: DATA on a stream that is not open"))?;
        if stream.sent_end || stream.sent_reset {
            return Err(wrong("I-07: DATA behind the end"));
        }
        self.messages.judge_data(frame.stream)?;
        if len > 0 && (len > base + stream.offset || len > self.window) {
            return Err(wrong("I-11: more than the window"));
        }
        if len > 0 {
            self.fairness
                .serve(frame.stream, len as u64, len == self.window)?;
        }
        stream.offset -= len;
        stream.unsure = false;
        stream.data += frame.payload.len();
        self.window -= len;
        let end = frame.ends_stream();
        self.change(frame.stream, |stream| stream.sent_end |= end);
        if self.window > WINDOW_MAX {
            return Err(wrong("I-11: a window of more than 31 bits"));
        }
        Ok(())
    }

    fn judge_reset(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        let stream = self
            .streams
            .get(frame.stream)
            .filter(|stream| stream.head || !self.client)
            .ok_or_else(|| wrong("I-13: RST_STREAM on a stream that was never opened"))?;
        if stream.sent_reset {
            return Err(wrong("I-13: a second RST_STREAM"));
        }
        if stream.reset_late {
            return Err(wrong("I-13: RST_STREAM answers RST_STREAM"));
        }
        self.change(frame.stream, |stream| stream.sent_reset = true);
        self.messages.forget(frame.stream);
        Ok(())
    }

    /// RFC 9218 §7.1 and §2.1.1: what a client asks for, of a server that goes by it.
    fn judge_urged(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        if !self.client || self.goes_by_urgency != Some(true) {
            return Err(wrong("I-09: PRIORITY_UPDATE to who did not ask for it"));
        }
        let said = Urgency::parse(frame.payload.get(4..).unwrap_or_default());
        let Some(stream) = self.streams.get_mut(frame.word(0)) else {
            return Ok(());
        };
        if stream.urgency_told && stream.urgency != said {
            return Err(wrong("I-24: another urgency than the application's"));
        }
        stream.urgency_sent = Some(said);
        Ok(())
    }

    fn judge_goaway(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        let last = frame.word(0);
        self.goaways += 1;
        if self.goaways > 3 || self.goaway_sent.is_some_and(|before| last > before) {
            return Err(wrong(
                "I-13: one GOAWAY too many, or one that takes back another",
            ));
        }
        self.goaway_sent = Some(last);
        Ok(())
    }
}
