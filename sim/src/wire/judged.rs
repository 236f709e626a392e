//! Judges each frame that an end sends.

use super::{Observer, Passing, fairness::Urgency, form, kind, observer::wrong};
use crate::outcome::Fault;

const WINDOW_MAX: i64 = 0x7fff_ffff;
/// REFUSED_STREAM.
pub(super) const REFUSED: u32 = 7;

impl Observer {
    pub(super) fn judge(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.begun, true)
            && (frame.kind != kind::SETTINGS || frame.is_ack())
        {
            return Err(wrong("I-09: the first frame is not SETTINGS"));
        }
        if frame.payload.len() > self.frame_max {
            return Err(wrong("I-09: larger than the peer accepts"));
        }
        form::judge(frame)?;
        self.judge_order(frame)?;
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
            kind::WINDOW_UPDATE => self.judge_update(frame),
            kind::PRIORITY_UPDATE => self.judge_urged(frame),
            _ => Ok(()),
        }
    }

    /// What needs no window leaves before the DATA of the same output: all of it was due when the engine was asked. But
    /// when nobody can open a window any more, the DATA that uses it up is the reason to reset who has more to send.
    fn judge_order(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        let allowed = match frame.kind {
            kind::RST_STREAM => self.input_over,
            kind::HEADERS => self.streams.get(frame.stream).is_some_and(|s| s.head),
            kind::CONTINUATION => true,
            _ => false,
        };
        if frame.kind == kind::DATA {
            self.data_out |= !frame.payload.is_empty();
        } else if self.data_out && !allowed {
            return Err(wrong("I-26: behind DATA of the same output"));
        }
        Ok(())
    }

    /// RFC 9113 §5.1: window is given where the peer may still send.
    fn judge_update(&mut self, frame: &Passing<'_>) -> Result<(), Fault> {
        if frame.word(0) == 0 {
            return Err(wrong("I-10: an update of nothing"));
        }
        if frame.stream == 0 {
            return Ok(());
        }
        let stream = self
            .streams
            .get(frame.stream)
            .ok_or_else(|| wrong("I-08: WINDOW_UPDATE on a stream that is not open"))?;
        if stream.sent_reset || stream.got_reset {
            return Err(wrong("I-07: WINDOW_UPDATE behind a reset"));
        }
        if stream.got_end {
            return Err(wrong("I-07: WINDOW_UPDATE for a peer that has ended"));
        }
        Ok(())
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
        let window = base + stream.offset;
        stream.offset -= len;
        stream.unsure = false;
        stream.data += frame.payload.len();
        self.window -= len;
        let end = frame.ends_stream();
        self.change(frame.stream, |stream| stream.sent_end |= end);
        if window.max(self.window) > WINDOW_MAX {
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
        if !self.client && stream.head && frame.word(0) == REFUSED {
            return Err(wrong("I-03: refuses what was answered (RFC 9113 §8.7)"));
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
        if self.goaway_sent.is_some_and(|before| last > before) {
            return Err(wrong("I-13: GOAWAY takes back another"));
        }
        // Two phases of a drain, and then one that says what has ended it, which may be that the application wants to.
        self.goaways += 1;
        let ends = frame.word(4) != 0 || frame.payload.len() > 8;
        if self.goaway_ends || self.goaways > 3 {
            return Err(wrong("I-13: one GOAWAY too many"));
        }
        self.goaway_ends = ends;
        self.goaway_sent = Some(last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    const END: u8 = 1;
    const HEAD: u8 = 4;
    const OK: &[u8] = &[0x88];

    /// A server that has read two requests, of which the first goes on, and has answered none.
    fn server() -> Observer {
        let mut server = Observer::new(false);
        let mut bytes = crate::wire::frame::PREFACE.to_vec();
        for frame in [
            Frame::new(kind::SETTINGS, 0, 0, b""),
            Frame::new(kind::HEADERS, HEAD, 1, &[0x82, 0x84, 0x86]),
            Frame::new(kind::HEADERS, HEAD | END, 3, &[0x82, 0x84, 0x86]),
        ] {
            frame.write(&mut bytes);
        }
        server.arrived(&bytes);
        server.read(bytes.len());
        server.begin_output();
        tell(
            &mut server,
            &[(kind::SETTINGS, 0, 0, b""), (kind::SETTINGS, 1, 0, b"")],
        )
        .expect("as every server begins");
        server
    }

    fn tell(server: &mut Observer, frames: &[(u8, u8, u32, &[u8])]) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        for &(kind, flags, stream, payload) in frames {
            Frame::new(kind, flags, stream, payload).write(&mut bytes);
        }
        server.sent(&bytes, None)
    }

    #[track_caller]
    fn wrong_by(name: &str, before: &[(u8, u8, u32, &[u8])], last: (u8, u8, u32, &[u8])) {
        let mut server = server();
        tell(&mut server, before).expect("nothing is wrong with what comes before");
        let fault = tell(&mut server, &[last]).expect_err("that is not allowed");
        assert!(fault.what.contains(name), "{fault}");
    }

    fn answered() -> [(u8, u8, u32, &'static [u8]); 2] {
        [(kind::HEADERS, HEAD, 1, OK), (kind::DATA, 0, 1, b"body")]
    }

    #[test]
    fn what_needs_no_window_goes_first() {
        let frames = answered();
        wrong_by("I-26", &frames, (kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
        wrong_by("I-26", &frames, (kind::RST_STREAM, 0, 3, &[0, 0, 0, 8]));
        wrong_by("I-26", &frames, (kind::HEADERS, HEAD | END, 3, OK));
        wrong_by("I-26", &frames, (kind::PING, 0, 0, &[0; 8]));
    }

    #[test]
    fn the_next_output_and_trailers_may_follow_data() {
        let mut server = server();
        tell(&mut server, &answered()).expect("an answer");
        tell(
            &mut server,
            &[(kind::HEADERS, HEAD | END, 1, b"\x00\x01a\x01b")],
        )
        .expect("trailers");
        server.begin_output();
        tell(&mut server, &[(kind::RST_STREAM, 0, 3, &[0, 0, 0, 8])]).expect("due since then");
    }

    #[test]
    fn window_is_given_where_bytes_may_come() {
        let one = &[0, 0, 0, 1];
        tell(&mut server(), &[(kind::WINDOW_UPDATE, 0, 1, one)]).expect("it goes on");
        wrong_by("I-07", &[], (kind::WINDOW_UPDATE, 0, 3, one));
        wrong_by("I-08", &[], (kind::WINDOW_UPDATE, 0, 5, one));
        let reset = (kind::RST_STREAM, 0, 1, &[0, 0, 0, 8][..]);
        wrong_by("I-07", &[reset], (kind::WINDOW_UPDATE, 0, 1, one));
    }

    #[test]
    fn a_drain_has_two_phases_and_may_end_once() {
        let (warns, last) = (
            &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            &[0, 0, 0, 3, 0, 0, 0, 0],
        );
        let drain = [
            (kind::GOAWAY, 0, 0, &warns[..]),
            (kind::GOAWAY, 0, 0, &last[..]),
        ];
        let [warned, drained] = drain;
        wrong_by(
            "I-13",
            &[warned, drained, drained],
            (kind::GOAWAY, 0, 0, last),
        );
        wrong_by("I-13", &drain, (kind::GOAWAY, 0, 0, warns));
        let error = (kind::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 1][..]);
        let [first, second] = drain;
        wrong_by("I-13", &[first, second, error], error);
    }
}
