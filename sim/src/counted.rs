//! I-18: what an engine says that it has counted is what has passed, which [`Observer`] counts once more from the bytes,
//! and what its application has heard and done.

use std::ops::RangeInclusive;

use raddle_core::{Connection, Defences, Input, Lifecycle, Role, Stats, StreamHandle};

use crate::{outcome::Fault, wakes::Wakes, wire::Observer};

/// One look of so many compares what was counted.
const EVERY: u8 = 4;

/// What an application has heard and been refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Bytes of bodies that it was given.
    pub(crate) heard: u64,
    /// It has wanted no more of some body, of which nobody knows what has come since.
    pub(crate) discarded: bool,
    /// Times that the engine did not take all of a part.
    pub(crate) refused: u64,
    /// What it has to be woken for.
    pub(crate) wakes: Wakes,
    /// Requests for which there was no place in the line.
    pub(crate) unqueued: u64,
    /// Times that the engine has read no more because nobody took its events.
    pub(crate) paused: u64,
    /// Streams that it was told its peer has reset, and those of them that it had not answered as a server.
    pub(crate) resets: u64,
    pub(crate) unanswered: u64,
    /// Times that it was asked for output while as much waited as may.
    stuck: u64,
    /// Times that nobody has compared since.
    unseen: u8,
}

impl Tally {
    /// The engine has read what it could.
    pub(crate) fn read(&mut self, verdict: Input) {
        self.paused += u64::from(verdict == Input::EventsFull);
    }

    /// The engine is asked for output while so many bytes wait, of those that `may`.
    pub(crate) fn asks(&mut self, conn: &Connection, waits: usize, may: usize) {
        self.stuck += u64::from(waits >= may && conn.lifecycle() < Lifecycle::Closing);
    }

    /// The engine was offered a part of a body, and has taken it whole or `less` of it.
    pub(crate) fn offered(&mut self, stream: StreamHandle, less: bool) {
        if less {
            self.refused += 1;
            self.wakes.refused(stream);
        }
    }

    /// Whether it is to be compared now, which costs more than most of what happens in between.
    pub(crate) fn is_due(&mut self) -> bool {
        self.unseen = (self.unseen + 1) % EVERY;
        self.unseen == 0
    }
}

/// What is counted, by its name, and what it may be.
type Row = (&'static str, u64, RangeInclusive<u64>);

fn exactly(number: u64) -> RangeInclusive<u64> {
    number..=number
}

/// Compares them. To be asked when all events were taken, and all that was cut into frames has been seen.
///
/// # Errors
/// Where a number is another one.
pub(crate) fn judge(conn: &Connection, observer: &Observer, tally: &Tally) -> Result<(), Fault> {
    if conn.lifecycle() >= Lifecycle::Closing {
        return Ok(());
    }
    let stats = conn.stats();
    let rows = messages(conn.role(), &stats, observer, tally).into_iter();
    for (what, counted, passed) in rows.chain(defences(&stats.defences, observer, tally)) {
        if !passed.contains(&counted) {
            return Err(Fault::run(format!(
                "I-18: {:?} counts {counted} {what}, where there were {passed:?}",
                conn.role()
            )));
        }
    }
    Ok(())
}

/// Of frames, streams and bytes.
fn messages(role: Role, stats: &Stats, observer: &Observer, tally: &Tally) -> [Row; 8] {
    let seen = observer.counts();
    let account = observer.account();
    let heard = stats.data_bytes_received;
    let told = match tally.discarded {
        true => tally.heard..=u64::MAX,
        false => exactly(tally.heard),
    };
    // What was a fault of its stream is neither: how much that is, only who has sent it knows.
    let least = seen.data * u64::from(stats.streams_faulted == 0);
    let dropped = least.saturating_sub(heard)..=(account.data_read as u64).saturating_sub(heard);
    let opened = match role {
        // Between a GOAWAY that is owed and one that is sent some may come that nobody looks at.
        Role::Server if observer.has_left() => 0..=seen.opened,
        Role::Server => exactly(seen.opened),
        Role::Client => exactly(seen.opened_sent),
    };
    let sent = exactly(account.data_sent as u64);
    // Each is charged for.
    let faults = seen.faults_sent..=stats.defences.stream_errors;
    [
        ("frames", stats.frames_received, exactly(seen.frames)),
        ("streams", stats.streams_opened, opened),
        ("bytes of bodies", heard, told),
        ("bytes dropped", stats.data_bytes_dropped, dropped),
        ("bytes sent", stats.data_bytes_sent, sent),
        ("resets sent", stats.resets_sent, exactly(seen.resets_sent)),
        ("resets", stats.resets_received, tally.resets..=seen.resets),
        ("faults of streams", stats.streams_faulted, faults),
    ]
}

/// Of what defences see.
fn defences(counted: &Defences, observer: &Observer, tally: &Tally) -> [Row; 12] {
    let seen = observer.counts();
    // Answers that nobody has asked for count, too.
    let pings = seen.pings..=seen.pings + seen.pongs;
    // What comes on a stream that was reset is none, and neither is what nobody looks at behind GOAWAY.
    let all = seen.resets_sent == 0 && !observer.has_left();
    let empty = seen.empty * u64::from(all)..=seen.empty;
    let settings = seen.settings.saturating_sub(1)..=seen.settings + seen.settings_acks;
    [
        ("PING", counted.pings, pings),
        (
            "charged resets",
            counted.resets,
            tally.unanswered..=u64::MAX,
        ),
        ("SETTINGS", counted.settings, settings),
        (
            "WINDOW_UPDATE",
            counted.window_updates,
            exactly(seen.updates),
        ),
        ("PRIORITY", counted.priorities, exactly(seen.priorities)),
        (
            "unknown frames",
            counted.unknown_frames,
            exactly(seen.unknown),
        ),
        ("GOAWAY", counted.goaways, exactly(seen.goaways)),
        (
            "full buffers",
            counted.send_buffers_full,
            exactly(tally.refused),
        ),
        (
            "full lines",
            counted.open_queue_full,
            exactly(tally.unqueued),
        ),
        ("empty DATA", counted.empty_data, empty),
        ("full events", counted.events_full, exactly(tally.paused)),
        // Its first words may be more than may wait.
        (
            "full outputs",
            counted.output_full,
            tally.stuck..=tally.stuck + 1,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, Bytes, BytesMut};
    use raddle_core::{Config, RequestHead, Then, Timestamp, Transmit};

    use super::*;
    use crate::wire::{Frame, kind};

    /// A client that has sent a request with 5 bytes, and been granted a byte of window.
    fn client() -> (Connection, Observer) {
        let mut conn = Connection::new(Role::Client, Config::default(), Timestamp(0));
        let mut observer = Observer::new(true);
        let mut bytes = Vec::new();
        for frame in [
            Frame::new(kind::SETTINGS, 0, 0, &[]),
            Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ] {
            frame.write(&mut bytes);
        }
        observer.arrived(&bytes);
        observer.read(bytes.len());
        conn.handle_input(&mut BytesMut::from(&bytes[..]), Timestamp(0));
        let head = RequestHead::new(b"POST", b"https", Some(b"a"), b"/").finish();
        let stream = conn.open(head, Then::More).map_err(|(error, _)| error);
        let stream = stream.expect("there is room");
        let sent = conn.send_data(stream, &mut Bytes::from_static(b"hello"), Then::More);
        assert_eq!(sent, Ok(5));
        while conn.poll_event().is_some() {}
        let mut out = Transmit::new();
        conn.poll_transmit(&mut out, Timestamp(0));
        let bytes = out.copy_to_bytes(out.remaining());
        observer
            .sent(&bytes, None)
            .expect("nothing is wrong with it");
        (conn, observer)
    }

    #[test]
    fn what_is_counted_otherwise_is_found() {
        let (conn, mut observer) = client();
        let tally = Tally::default();
        judge(&conn, &observer, &tally).expect("all of it has passed");
        for (tally, part) in [
            (
                Tally {
                    heard: 1,
                    ..tally.clone()
                },
                "counts 0 bytes of bodies",
            ),
            (
                Tally {
                    refused: 1,
                    ..tally.clone()
                },
                "counts 0 full buffers",
            ),
            (
                Tally {
                    unqueued: 1,
                    ..tally.clone()
                },
                "counts 0 full lines",
            ),
        ] {
            let fault = judge(&conn, &observer, &tally).expect_err("nobody has heard that");
            assert!(fault.what.contains(part), "{fault}");
        }
        // The wire has brought a frame that its engine does not know of.
        let mut forged = Vec::new();
        Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).write(&mut forged);
        observer.arrived(&forged);
        observer.read(forged.len());
        let fault = judge(&conn, &observer, &tally).expect_err("it was not counted");
        assert!(
            fault.what.contains("I-18: Client counts 2 frames"),
            "{fault}"
        );
    }

    #[test]
    fn what_was_sent_and_not_counted_is_found() {
        let (_, observer) = client();
        let idle = Connection::new(Role::Client, Config::default(), Timestamp(0));
        let found = judge(&idle, &observer, &Tally::default());
        assert!(
            found
                .expect_err("it has counted nothing")
                .what
                .contains("I-18")
        );
    }
}
