//! What can be measured of the six where an engine has an adapter, a lock or TLS around it, in the tests of `adapter` and
//! `outside`, and in those of other packages that the page names.
//!
//! * LIVE is what the thread has allocated, by the allocator alone: the adapter shows nobody the engine's account. It is the
//!   peer's memory, too, and that of the pipe between them, and of TLS. Where there are several threads (V44), or processes
//!   (V51), it cannot be told whose memory it is, and is not measured.
//! * OPS is `Stats::work_units`, which the adapter passes on. The load balancer has no way to ask it of one connection.
//! * APP is how many requests the test has been handed and has not dropped. Where our side is the client there are none.
//! * OUTQ and ENT are the engine's alone, which is the same one that the tests of the rows before V44 have in their hands.
//!   What the adapter adds to them are its lines of requests, which are asserted by what comes out of them, and the output
//!   that TLS keeps (V52).
//! * TTC is virtual time where nothing has a socket. Where a connection lives because its peer does nothing that it may not,
//!   it is asserted that it does: it has none.

use raddle_core::Stats;
use raddle_tests::counting;

/// What stood before an attack, and the worst since.
pub(crate) struct Costs {
    live: i64,
    peak: i64,
    work: u64,
    wire: u64,
}

impl Costs {
    /// From here on costs are counted. `wire` is what the peer has sent so far.
    pub(crate) fn begin(stats: Stats, wire: u64) -> Self {
        Self {
            live: counting::live(),
            peak: 0,
            work: stats.work_units,
            wire,
        }
    }

    /// Looks how much is allocated now.
    pub(crate) fn look(&mut self) {
        self.peak = self.peak.max(counting::live() - self.live);
    }

    /// Asserts LIVE, in bytes, and the usual OPS.
    pub(crate) fn assert(mut self, stats: Stats, wire: u64, live: i64) {
        self.look();
        assert!(self.peak <= live, "LIVE: {} bytes", self.peak);
        assert_work(stats.work_units - self.work, wire - self.wire);
    }
}

/// Asserts OPS.
pub(crate) fn assert_work(work: u64, wire: u64) {
    assert!(
        work <= 12 * wire + 1_024,
        "OPS: {work} units for {wire} bytes"
    );
}
