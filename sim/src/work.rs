//! I-19: what an engine does is bounded by what passes, and not by what there is.

use raddle_core::{Connection, Lifecycle};

use crate::{outcome::Fault, wire::Observer};

/// Units of work that may be whatever passes.
pub(crate) const UNITS: u64 = 256;
/// Units of work for each byte that comes in, goes out or is given.
pub(crate) const UNITS_PER_BYTE: u64 = 8;
/// Units of work for each stream, when something concerns all of them.
pub(crate) const UNITS_PER_STREAM: u64 = 16;
/// The same over the whole life of an engine among honest ones, twice what was ever seen; and for each call, and each event
/// that is told.
const MEAN_PER_BYTE: u64 = 6;
const MEAN_PER_STREAM: u64 = 4;
const MEAN_PER_CALL: u64 = 6;

/// What has been asked of one engine since it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    bytes: u64,
    calls: u64,
    timeouts: u64,
}

impl Work {
    /// So many bytes were read, cut into frames or given to it by one call.
    pub(crate) fn passes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.calls += 1;
    }

    /// Its application has been told something, or has asked for something.
    pub(crate) fn calls(&mut self) {
        self.calls += 1;
    }

    /// It has looked at its deadlines, of which some concern all streams.
    pub(crate) fn times_out(&mut self) {
        self.timeouts += 1;
    }

    /// Judges what it has done in all. There were as many as `peak` streams at once.
    ///
    /// # Errors
    /// When that is more than what has passed explains.
    pub(crate) fn judge(
        &self,
        conn: &Connection,
        observer: &Observer,
        peak: usize,
    ) -> Result<(), Fault> {
        // The end of a connection is told to all of its streams.
        if conn.lifecycle() >= Lifecycle::Closing {
            return Ok(());
        }
        let seen = observer.counts();
        let walks = self.timeouts + seen.goaways + seen.settings + seen.settings_acks;
        let all = MEAN_PER_STREAM * (peak as u64 + 1);
        // Its own GOAWAY, which there are two of, ends what waits.
        let may =
            UNITS + MEAN_PER_BYTE * self.bytes + MEAN_PER_CALL * self.calls + all * (walks + 2);
        let units = conn.stats().work_units;
        if units <= may {
            return Ok(());
        }
        Err(Fault::run(format!(
            "I-19: {units} units of work by {:?} for {} bytes and {} calls, where {may} would do",
            conn.role(),
            self.bytes,
            self.calls
        )))
    }
}

#[cfg(test)]
mod tests {
    use raddle_core::{Config, RequestHead, Role, Then, Timestamp, Transmit};

    use super::*;

    #[test]
    fn work_for_nothing_is_found() {
        let mut conn = Connection::new(Role::Client, Config::default(), Timestamp(0));
        let observer = Observer::new(true);
        let mut work = Work::default();
        let mut out = Transmit::new();
        for _ in 0..1_000 {
            let head = RequestHead::new(b"GET", b"https", Some(b"a"), b"/").finish();
            if let Ok(stream) = conn.open(head, Then::End) {
                conn.reset(stream, raddle_core::ErrorCode::CANCEL);
            }
            work.calls();
            while conn.poll_event().is_some() {
                work.calls();
            }
            work.passes(conn.poll_transmit(&mut out, Timestamp(0)));
        }
        work.judge(&conn, &observer, 1).expect("it was asked for");
        let found = Work::default().judge(&conn, &observer, 1);
        assert!(found.is_err_and(|fault| fault.what.starts_with("I-19")));
    }
}
