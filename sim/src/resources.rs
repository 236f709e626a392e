//! What an engine keeps at rest: no more than its limits let it (I-15, I-17), nothing of what has ended (I-16), and
//! nothing unread because it cannot write (I-25).

use bytes::Buf;
use raddle_core::{Config, Connection, Input, Lifecycle, Transmit};

use crate::outcome::Fault;

/// Output may end with one frame, or one header block, behind the limit.
const LAST_BYTES: usize = 65_536;

/// One engine when it has nothing more to do at this moment: all events are taken, and what it wrote went to the transport
/// or waits in `out`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) config: &'a Config,
    pub(crate) out: &'a Transmit,
    /// Bytes that have arrived and are not read.
    pub(crate) input: &'a [u8],
    /// Streams that its application has, and ended ones of which it holds bytes.
    pub(crate) streams: usize,
    /// The most streams that there were at once.
    pub(crate) peak: usize,
}

impl Rest<'_> {
    fn wrong(&self, what: String) -> Fault {
        Fault::run(format!("{what}, by {:?}", self.conn.role()))
    }

    /// Judges all of it.
    ///
    /// # Errors
    /// What is more than it may be.
    pub(crate) fn judge(&self) -> Result<(), Fault> {
        let waits = self.out.remaining();
        if waits > self.config.output_bytes_max + LAST_BYTES {
            return Err(self.wrong(format!("I-17: {waits} bytes of output")));
        }
        let gauges = self.conn.gauges();
        // What is owed to the peer holds its place until it is written, or until there is nobody to write it to.
        let owed = gauges.owed > 0 && self.conn.lifecycle() < Lifecycle::Closing;
        if waits == 0 && (gauges.streams > self.streams || owed) {
            let what = format!(
                "I-16: {} streams in the table and {} answers owed, where its application has {}",
                gauges.streams, gauges.owed, self.streams
            );
            return Err(self.wrong(what));
        }
        self.judge_memory()?;
        judge_input(self.conn, self.input, self.out)
    }

    /// I-15.
    fn judge_memory(&self) -> Result<(), Fault> {
        let (memory, config) = (self.conn.memory_footprint(), self.config);
        let streams = self.conn.gauges().streams;
        // Both directions, with what finds entries.
        let table = (config.header_table_bytes as usize).max(4_096);
        // The list of a block that has not ended belongs to no stream yet. It takes up to twice its size while it grows.
        let coming = 2 * config.header_list_bytes_max as usize;
        // A body in crumbs has a row for each of them, which is kept for the next one. Rows grow by doubling, and the
        // table gives back late what many streams needed. What streams bring goes with them.
        let limits = [
            ("the table", memory.table, 16_384 + 3_072 * self.peak),
            ("events", memory.events, 128 * config.events_max),
            (
                "buffers",
                memory.buffers,
                32_768 + streams * (config.send_buffer_bytes + 2_048),
            ),
            ("HPACK", memory.hpack, 65_536 + 5 * table),
            (
                "header lists",
                memory.header_lists,
                32_768 + coming + 98_304 * streams,
            ),
            ("output", memory.output, 16_384),
        ];
        for (what, bytes, most) in limits {
            if bytes > most {
                let what = format!(
                    "I-15: {bytes} bytes for {what}, which may have {most} with {streams} streams of {}",
                    self.peak
                );
                return Err(self.wrong(what));
            }
        }
        Ok(())
    }
}

/// I-25: who is told how many bytes are still needed can wait for that many.
///
/// # Errors
/// When more or fewer are needed.
pub(crate) fn judge_needed(conn: &Connection, input: &[u8], verdict: Input) -> Result<(), Fault> {
    let Input::NeedMore { at_least } = verdict else {
        return Ok(());
    };
    let whole = match (conn.audit_coming(), input) {
        (Some(payload), _) => payload,
        (None, [a, b, c, _, _, _, _, _, _, ..]) => 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize,
        (None, _) => 9,
    };
    let preface = input.is_empty() && conn.stats().frames_received == 0;
    if at_least + input.len() == whole || (preface && at_least <= 24) {
        return Ok(());
    }
    Err(Fault::run(format!(
        "I-25: {at_least} bytes are said to be needed behind {} of {whole}, by {:?}",
        input.len(),
        conn.role()
    )))
}

/// I-25: a whole frame is read, whatever the other way does.
///
/// # Errors
/// When there is one in `input`.
pub(crate) fn judge_input(conn: &Connection, input: &[u8], out: &Transmit) -> Result<(), Fault> {
    let whole = match (conn.audit_coming(), input) {
        (Some(payload), _) => payload,
        (None, [a, b, c, ..]) => 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize,
        (None, _) => usize::MAX,
    };
    if input.len() < whole || conn.error().is_some() {
        return Ok(());
    }
    Err(Fault::run(format!(
        "I-25: a frame of {whole} bytes is not read while {} bytes wait to be written, by {:?}",
        out.remaining(),
        conn.role()
    )))
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use raddle_core::{RequestHead, Role, Then, Timestamp};

    use super::*;

    /// A client with one stream, which has `len` bytes to send, and its output.
    fn client(len: usize) -> (Connection, Transmit) {
        let config = Config {
            send_buffer_bytes: 1 << 20,
            output_bytes_max: 1 << 20,
            ..Config::default()
        };
        let mut conn = Connection::new(Role::Client, config, Timestamp(0));
        let head = RequestHead::new(b"POST", b"https", Some(b"a"), b"/").finish();
        let stream = conn.open(head, Then::More);
        let stream = stream.map_err(|(error, _)| error).expect("there is room");
        let mut body = Bytes::from(vec![7; len]);
        assert_eq!(conn.send_data(stream, &mut body, Then::More), Ok(len));
        let mut out = Transmit::new();
        conn.poll_transmit(&mut out, Timestamp(0));
        (conn, out)
    }

    #[track_caller]
    fn assert_judged(rest: Rest<'_>, part: &str) {
        let fault = rest.judge().expect_err("this had to be found");
        assert!(fault.what.contains(part), "found instead: {fault}");
    }

    #[test]
    fn what_is_more_than_it_may_be_is_found() {
        let (conn, out) = client(200_000);
        let config = Config {
            send_buffer_bytes: 1 << 20,
            ..Config::default()
        };
        let empty = Transmit::new();
        let rest = Rest {
            conn: &conn,
            config: &config,
            out: &empty,
            input: b"",
            streams: 1,
            peak: 1,
        };
        rest.judge().expect("all is within its limits");
        // A stream that nobody has.
        assert_judged(Rest { streams: 0, ..rest }, "I-16: 1 streams in the table");
        // A frame that is whole, beside one that is not.
        assert_judged(
            Rest {
                input: &[0; 9],
                ..rest
            },
            "I-25: a frame of 9 bytes",
        );
        let partly = Rest {
            input: &[0, 0, 1, 0, 0, 0, 0, 0, 0],
            ..rest
        };
        partly.judge().expect("a byte is missing");
        // What waits would be too much for smaller limits.
        let config = Config {
            send_buffer_bytes: 1_000,
            ..Config::default()
        };
        assert_judged(
            Rest {
                config: &config,
                ..rest
            },
            "bytes for buffers",
        );
        let config = Config {
            output_bytes_max: 100,
            ..Config::default()
        };
        assert!(out.remaining() > 65_000, "the connection's window");
        let (mut other, mut both) = client(200_000);
        let mut input = BytesMut::from(&b"\x00\x00\x04\x08\0\0\0\0\0\0\x02\0\0"[..]);
        let settings = BytesMut::from(&b"\x00\x00\x06\x04\0\0\0\0\0\x00\x04\x00\x10\0\0"[..]);
        other.handle_input(&mut settings.clone(), Timestamp(0));
        other.handle_input(&mut input, Timestamp(0));
        other.poll_transmit(&mut both, Timestamp(0));
        assert_judged(
            Rest {
                conn: &other,
                config: &config,
                out: &both,
                ..rest
            },
            "I-17",
        );
    }
}
