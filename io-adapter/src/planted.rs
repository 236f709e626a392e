//! Faults of the adapter that can be switched on, one at a time, to see whether the simulation finds them.
//!
//! As in `raddle_core`, each is a fault that an HTTP/2 implementation once had or one planted by hand, and without the
//! feature `planted` the answer is always no, which costs nothing. A fault is switched on for a thread: a simulation is one.

macro_rules! planted {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A fault of the adapter that a test switches on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(feature = "planted"), allow(unreachable_pub))]
        pub enum Planted {
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "planted")]
        impl Planted {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

planted! {
    /// Trailers do not wake the reader of a body.
    TrailersUnwatched,
    /// Output that the transport did not take is not taken up again.
    BlockedOutputForgotten,
    /// The connection does not notice that its last handle is gone.
    LastHandleUnnoticed,
    /// The waker of the task that asked first is kept.
    OldTaskKept,
    /// A permit that its holder does not use is lost.
    PermitLost,
    /// Nothing is read while output waits.
    ReaderWaitsForWriter,
    /// A connection that ends waits for its last bytes to be written, however long.
    CloseWaitsForOutput,
    /// A transport that takes no byte is tried again at once.
    ZeroWriteSpins,
    /// A request that was reset makes room for another although the application still works on it.
    SlotFreedByReset,
    /// Streams are told what became of the transport, whatever their own verdict is.
    VerdictOfTransport,
    /// A request whose fate is unknown is sent again.
    UnknownFateResent,
    /// Everybody who waits dials.
    EverybodyDials,
    /// A connection that has ended stays in the pool.
    EndedKept,
    /// An upload is not woken when its stream takes bytes again.
    WritableUnheard,
    /// An upload that waits for its body does not hear that nobody wants it any more.
    StopUnheard,
    /// Who waits for the peer's message does not hear that its stream has failed.
    FailureUnheard,
    /// A permit keeps no place.
    PermitNotKept,
    /// When writing fails, what had arrived is not read any more.
    BrokenWriteCutsInput,
    /// A request that is given up before its answer goes on.
    CancelUnsent,
    /// A connection that ends does not wait for its last bytes to be taken.
    LastBytesDropped,
    /// Nothing more is read once the engine's events are full.
    FullRingStops,
    /// A deadline that is earlier than the one the driver sleeps for is not seen.
    EarlierAlarmMissed,
    /// An idle connection is never let go.
    IdleKept,
    /// What is known of a stream whose place another takes is lost.
    LateSlotLost,
    /// A stream's place alone says whose slot it is.
    PlaceIsEnough,
    /// What stands apart is never removed.
    LateSlotKept,
    /// Who accepts requests does not hear that the application has room again.
    RoomUnheard,
    /// A body that fails ends its message instead of resetting the stream.
    FailedBodyEnds,
    /// An upload that nobody reads is not stopped when the answer is given.
    UnreadUploadGoesOn,
    /// Commands that are left to the driver do not wake it.
    DriverNotTold,
    /// A place in the line for a permit is kept by who has gone.
    PlaceInLineKept,
    /// A pool goes on with a connection whose peer has said GOAWAY. It asks for a place there again and again.
    LeavingKept,
    /// The driver's timer is never set for earlier.
    TimerNeverEarlier,
    /// A connection ends without its transport being shut.
    EndsUnshut,
    /// The engine does not hear what the transport has not taken.
    BlockedUnheard,
    /// A connection that ends does not read on behind its last byte.
    EndNotReadOn,
    /// An end of TLS without its goodbye is a failure, whatever is in progress.
    TlsEndFails,
    /// Of several connections a pool chooses the fullest.
    FullestChosen,
    /// The body of a request that a connection has refused is lost.
    RefusedBodyLost,
    /// A driver that is dropped leaves its transport open for as long as there are handles.
    TransportKept,
    /// Requests that the transport was never given count as sent.
    LostOutputCounts,
    /// The head of a request whose body is late leaves with the first part of that.
    HeadWaitsForBody,
    /// A service is called without being asked whether it is ready.
    ReadinessUnasked,
    /// A dial that has failed is tried again at once.
    BackOffForgotten,
    /// A pool sends as many requests again as it likes.
    BudgetUnbounded,
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    use super::Planted;

    thread_local! {
        static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
    }

    /// Switches a fault on in everything that runs in this thread, or all of them off.
    pub fn plant(planted: Option<Planted>) {
        PLANTED.set(planted);
    }

    /// Whether this fault is switched on.
    pub(crate) fn has(planted: Planted) -> bool {
        PLANTED.get() == Some(planted)
    }
}

#[cfg(feature = "planted")]
pub(crate) use switch::has;
#[cfg(feature = "planted")]
pub use switch::plant;

/// Whether this fault is switched on: never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn has(_: Planted) -> bool {
    false
}
