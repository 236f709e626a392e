//! Faults that can be switched on, one at a time, to see whether the simulation finds them.
//!
//! Each is a fault that an HTTP/2 implementation once had, or that was planted by hand and found worth keeping. Without
//! the feature `planted` there is nothing here but a type without size and an answer that is always no, which costs
//! nothing.

macro_rules! planted {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A fault of the engine that a test switches on.
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
    /// DATA on a stream that has left gives no credit back to the connection.
    DroppedDataUncredited,
    /// Padding gives no credit back.
    PaddingUncredited,
    /// The length of a frame with 255 bytes of padding is counted in one byte.
    PaddingWraps,
    /// DATA above the last stream of our GOAWAY gives no credit back.
    RefusedDataUncredited,
    /// Window that a buffered body would have used is lost when its stream is reset.
    ResetLosesWindow,
    /// What was handed out when a body is discarded is not credited.
    DiscardUncredited,
    /// A request that waits for its stream takes window of the connection, until it is sent.
    WaitingTakesWindow,
    /// The last byte of the connection's window is kept back.
    LastByteHoarded,
    /// A lower initial window of the peer's is not followed.
    LowerWindowIgnored,
    /// A window that would become negative becomes zero.
    NegativeWindowClamped,
    /// Our initial window is enforced before the peer has acknowledged it.
    WindowEnforcedEarly,
    /// A WINDOW_UPDATE for a stream with nothing to send is lost.
    IdleWindowUpdateLost,
    /// The first stream with data goes on until it has no more.
    NoTurns,
    /// An update waits for more than half of the window, of however few bytes.
    TinyWindowNeverUpdated,
    /// The end of a body waits for window although it has no bytes.
    EndWaitsForWindow,
    /// An empty DATA frame is refused while the window is negative.
    EmptyDataNeedsWindow,
    /// `Writable` is told again and again, also without room.
    WritableWithoutRoom,
    /// `Writable` is not told when a stream's window is what made room.
    WritableLost,
    /// RST_STREAM waits for window of the connection.
    ResetWaitsForWindow,
    /// A request that is given up before it was sent is reset on the wire.
    ResetBeforeHeaders,
    /// The next stream counts as open while a request waits for it.
    WaitingCountsAsOpen,
    /// The end of a body that is not polled yet is lost when the stream is reset.
    EndLostByReset,
    /// RST_STREAM on a stream that has left is answered by RST_STREAM.
    ResetAnswered,
    /// A whole response fails when the server stops the upload.
    ResponseDiscarded,
    /// Handles are told apart by their slot only.
    NoGenerations,
    /// Frames on a stream that is not remembered count as frames on one that was never opened.
    ForgottenCountsAsIdle,
    /// A stream that is reset goes on to count as open.
    ResetStaysCounted,
    /// GOAWAY ends the streams of its sender, too.
    GoAwayEndsPeers,
    /// GOAWAY ends every stream as not processed, whatever its last stream is.
    GoAwayLastIgnored,
    /// A second GOAWAY may name a later stream.
    GoAwayRaised,
    /// Requests that wait for a stream go on waiting behind GOAWAY.
    WaitingOutlivesGoAway,
    /// Requests that were sent count as not processed when the transport ends.
    SentCountsAsSafe,
    /// A request may be opened behind the peer's GOAWAY.
    OpensAfterGoAway,
    /// Behind the last stream identifier comes the first.
    IdsWrap,
    /// A header block for a stream that has left is not decoded.
    LateBlockSkipped,
    /// A smaller table of the peer's is not followed.
    SmallerTableIgnored,
    /// Of several table sizes between two blocks the smallest is not announced.
    SmallestTableUntold,
    /// Fields named cookie are not counted against the limit of a list.
    CookiesUncounted,
    /// PING and SETTINGS cost nothing.
    FloodsUncounted,
    /// Empty DATA is handed out, and costs nothing.
    EmptyDataHandedOut,
    /// The empty frame that ends a body counts as abuse.
    EmptyEndIsAbuse,
    /// A lower limit of concurrent streams is not followed.
    LowerStreamLimitIgnored,
    /// Every change of the initial window is a walk over all streams.
    SettingsWalkStreams,
    /// Of the streams that a raised initial window frees only the first hears of it.
    RaiseFreesOne,
    /// A stream with an interim response goes on to count as open when it has ended.
    InterimStaysCounted,
    /// Our smaller HPACK table is in force before the peer has acknowledged it.
    TableEnforcedEarly,
    /// Behind one header list that is too large all of them are refused.
    RefusedListSticks,
    /// A connection that ends waits for its last bytes to be written, however long.
    CloseWaitsForOutput,
    /// Answers to PING and SETTINGS are queued without end.
    AnswersUnbounded,
    /// A maximum frame size of nothing is taken.
    FrameSizeUnchecked,
    /// A transport that takes a byte now and then counts as one that gets on.
    CrumbsCount,
    /// After a silence that was none, no other is waited for.
    KeepAliveStops,
    /// After use, a server's idle timer is not set again.
    IdleForgotten,
    /// The answer to a drain's PING is not followed up.
    DrainUnfinished,
    /// A body may be longer or shorter than its content-length.
    LengthUnchecked,
    /// Events are queued without end.
    EventsUnbounded,
    /// Output is cut without end.
    OutputUnbounded,
    /// A header block may take as long as it likes.
    HeaderBlockUntimed,
    /// The first frame may be any.
    AnythingFirst,
    /// PUSH_PROMISE is ignored.
    PromiseIgnored,
    /// What comes behind the end of a stream is ignored.
    BehindEndIgnored,
    /// DATA may come before the head of a response.
    DataBeforeHead,
    /// Trailers need not end their stream.
    TrailersGoOn,
    /// An interim response may end its stream.
    InterimEnds,
    /// A tunnel carries field sections, too.
    TunnelTakesFields,
    /// The answer to HEAD has to bring the content that its head tells of.
    HeadHasContent,
    /// An extended CONNECT is taken that was never announced.
    ConnectUnasked,
    /// A field that no hop may index goes out as any other.
    SensitiveForgotten,
    /// The peer may go on with a larger HPACK table than we have announced.
    TableLimitForgotten,
    /// Two SETTINGS are acknowledged by one.
    AcksMerged,
    /// The deadline for the acknowledgement of SETTINGS goes on behind it.
    AckDeadlineStays,
    /// SETTINGS_INITIAL_WINDOW_SIZE moves the window of the connection, too.
    BaseMovesConnection,
    /// A window that a larger base takes beyond 31 bits is left as it is.
    BaseOverflows,
    /// DATA that is a fault of its stream gives no credit back.
    FaultyDataUncredited,
    /// DATA of a body that nobody wants is handed out.
    DiscardHandedOut,
    /// One stream more than our limit is taken.
    LimitByOne,
    /// The newest of the requests that wait is sent first.
    NewestFirst,
    /// RST_STREAM carries a code of its own.
    ResetCodeLost,
    /// The reason that the peer's GOAWAY gives is not told.
    ReasonLost,
    /// A server that drains names its last stream at once.
    DrainAtOnce,
    /// Faults of streams cost nothing.
    FaultsFree,
    /// A stream that its own window holds back is said to wait for that of the connection.
    WaitingMistold,
    /// PRIORITY_UPDATE goes to a server that does not go by it.
    UrgencyUnasked,
    /// A stream whose window an application has set follows the path again.
    SetWindowFollows,
    /// A byte now and then keeps a stream from being given up as held back.
    DripsCount,
    /// DATA that the window of the connection holds back may wait for ever.
    ConnectionHoldsForEver,
    /// A transport that takes some, and not all, runs out of time.
    SlowWriterEnded,
    /// What the transport takes of a connection that is over gives it no more time for the rest.
    CloseUnmoved,
    /// Padding is counted as bytes of a body.
    PaddingCounted,
    /// Frames that were on their way when their stream was reset are charged.
    LateFramesCharged,
    /// DATA that was sent explains no WINDOW_UPDATE.
    UpdatesUnexplained,
    /// Crumbs of a cookie are joined for an application that wants them as they came.
    CrumbsJoined,
    /// As many bytes are said to be needed as if none were there.
    NeededTwice,
    /// Interim responses of an application wait without bound.
    InterimsUnbounded,
    /// A connection without streams is asked for life.
    UnusedAsked,
    /// Of two priorities for a stream that is still to come the first counts.
    OldPriorityStays,
    /// A message that is of no use in parts gets turns like any other.
    WholeTurnsShort,
    /// Once a peer has let the time for an answer pass, streams that are reset never keep their places again.
    PlacesGivenUp,
    /// The receive windows grow for what nobody reads.
    UnreadWindowGrows,
    /// A PING of the peer's puts off that memory is given back.
    PingKeepsMemory,
    /// Handles begin anew when the table of streams is given back.
    HandlesReused,
    /// Whatever comes of its peer, and not PING alone, keeps a connection that nobody uses.
    AnythingKeepsUnused,
    /// Requests begin although a silent peer has not answered yet.
    SuspectOpens,
    /// The beginning of a frame is a sign of life each time that it is offered.
    BeginningsCount,
    /// A header block has what is left of the time of the one that ended in the same input.
    BlocksShareTime,
    /// A GOAWAY of the peer's that names a lower last stream than the one before ends none.
    LowerGoAwayIgnored,
    /// What a peer has said once of the header lists that it takes is never raised.
    ListLimitStays,
    /// Small header lists do not count towards what all streams may bring.
    SmallListsFree,
    /// A header block that came before is taken for the same list whatever has become of the table.
    KnownBlockStale,
    /// A list that was written before is written by the same octets whatever has become of the table.
    WrittenListStale,
    /// A window that a lower base takes below nothing wraps to a very large one.
    NegativeWindowWraps,
    /// What a header block brings behind the limit of a list is not decoded.
    LargeBlockSkipped,
    /// The HPACK table of what is sent becomes as large as the peer lets it.
    SentTableUnbounded,
    /// Refusals that are owed are forgotten when the connection ends.
    RefusalsForgotten,
    /// Each WINDOW_UPDATE of the connection is a walk over all streams.
    UpdatesWalkStreams,
}

/// The fault that is switched on, where there can be one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plants {
    #[cfg(feature = "planted")]
    pub(crate) planted: Option<Planted>,
}

impl Plants {
    /// Whether this fault is switched on.
    #[cfg(feature = "planted")]
    pub(crate) fn has(self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }

    /// Whether this fault is switched on: never.
    #[cfg(not(feature = "planted"))]
    pub(crate) const fn has(self, _: Planted) -> bool {
        false
    }
}
