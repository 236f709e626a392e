//! Judges what one end sends by what it has sent and received before.

use std::collections::VecDeque;

use super::{
    Frame, Frames, Passing,
    account::Account,
    by_id::ById,
    counts::Counts,
    fairness::{Fairness, Urgency},
    judged::REFUSED,
    kind,
    marks::{Seats, Seen},
    messages::Messages,
    written::Written,
};
use crate::outcome::Fault;

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
    /// The last one of them names an error.
    pub(super) goaway_ends: bool,
    pub(super) begun: bool,
    /// DATA has left in this output.
    pub(super) data_out: bool,
    /// Nothing more is read.
    pub(super) input_over: bool,
    /// The stream whose header block is not finished.
    pub(super) block: Option<u32>,
    pub(super) settings_owed: u32,
    pub(super) pings_owed: VecDeque<Vec<u8>>,
    pub(super) fairness: Fairness,
    pub(super) seen: Seen,
    /// SETTINGS of the peer's that were read.
    settings_read: u32,
    /// What the peer's SETTINGS say of RFC 9218.
    pub(super) goes_by_urgency: Option<bool>,
    /// The peer's SETTINGS were read.
    pub(super) greeted: bool,
    /// The size of header lists that the peer has said last it takes.
    pub(super) list_limit: u32,
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
    /// The reset has said that nothing was done about it.
    pub(super) refused: bool,
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
            goaway_ends: false,
            begun: false,
            data_out: false,
            input_over: false,
            block: None,
            settings_owed: 0,
            pings_owed: VecDeque::new(),
            fairness: Fairness::default(),
            seen: Seen::default(),
            settings_read: 0,
            goes_by_urgency: None,
            greeted: false,
            list_limit: u32::MAX,
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

    /// The peer can say nothing more.
    pub(crate) fn input_ends(&mut self) {
        self.input_over = true;
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
        self.data_out = false;
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
        if judged.is_ok() && sent.is_reserved() {
            judged = Err(wrong("I-09: the reserved bit is set"));
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
                stream.refused |= !stream.reset_late && frame.word(0) == REFUSED;
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
        if id == 6 {
            self.list_limit = value;
        }
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

    pub(super) fn change(&mut self, id: u32, change: impl FnOnce(&mut Stream)) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        change(stream);
        if stream.is_closed() && std::mem::take(&mut stream.counted) {
            self.open -= 1;
        }
        self.line_up(id);
    }
}
