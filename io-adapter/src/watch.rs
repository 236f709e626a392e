//! What is told to whoever watches: spans and events of `tracing`, with the feature of that name. Without it they are
//! nothing, and cost nothing.
//!
//! What happens under a connection's lock is written down there. It is told when that and the write lock are free and those are
//! woken whom it concerns, by one thread at a time and in the order in which it happened: a subscriber may be slow, and may
//! call back into the connection that it hears of.
//! One that is too slow for what happens does not hear of all of it, and hears how much that was.

pub(crate) use told::{StreamSpan, Watcher};

#[cfg(feature = "tracing")]
mod told {
    use std::{
        collections::VecDeque,
        fmt,
        sync::{
            Arc, Mutex, MutexGuard, OnceLock, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
    };

    use raddle_core::{ConnectionError, RequestHead, Role, StreamError};
    use tracing::{Level, Span, debug, debug_span, field::Empty, level_filters::LevelFilter};

    use crate::{error::Error, turn::Turn};

    /// Notes that wait, before requests are left out: one read brings up to two thousand, of requests that are reset at
    /// once, and whoever tells them is rarely more than two such reads behind. A request that has a span may add three
    /// more whatever waits, because a span that was begun is ended; the limits on streams bound those.
    const NOTES_MAX: usize = 4_096;
    /// Bytes of a path that are told. The longest that people write are shorter; a head that a note holds whole would keep
    /// up to 64 KiB for each of them.
    const PATH_BYTES_MAX: usize = 1_024;

    /// Tells of a connection, from its first byte until the last handle of it is gone.
    #[derive(Clone, Debug)]
    pub(crate) struct Watcher(Arc<Watch>);

    struct Watch {
        span: Span,
        /// What is to be told. Locked for a push or a pop and nothing else.
        notes: Mutex<Notes>,
        /// There may be something to tell. Written under the lock of the notes: set with each push, and cleared by who finds
        /// nothing there. So whoever has pushed reads that there is, unless it has been told already.
        due: AtomicBool,
        /// Whoever tells.
        turn: Turn<()>,
    }

    #[derive(Default)]
    struct Notes {
        waiting: VecDeque<Note>,
        /// Requests that were left out since that was last told.
        missed: u64,
    }

    /// A request's span. One of the peer's requests has it as soon as that was told.
    struct Request(OnceLock<Span>);

    enum Note {
        Ready,
        PeerDrains,
        Closed(Option<ConnectionError>),
        Received(Arc<Request>, Asked),
        Answered(Arc<Request>, u16),
        Ended(Arc<Request>, Result<(), StreamError>),
        Refused(Arc<Request>, Error),
        /// Nobody holds the stream any more.
        Gone(Arc<Request>),
        /// So many requests were left out.
        Missed(u64),
    }

    /// What is told of a request of the peer's.
    struct Asked {
        method: String,
        path: String,
    }

    impl Watcher {
        pub(crate) fn new(role: Role) -> Self {
            let role = match role {
                Role::Client => "client",
                Role::Server => "server",
            };
            Self(Arc::new(Watch {
                span: debug_span!(parent: None, "http2_connection", role),
                notes: Mutex::default(),
                due: AtomicBool::new(false),
                turn: Turn::new(()),
            }))
        }

        /// A request that this side makes, for whoever makes it. Tells at once: not for under the lock.
        pub(crate) fn sent(&self, parts: &http::request::Parts) -> StreamSpan {
            if !self.takes_one_more() {
                return StreamSpan::default();
            }
            let (method, path) = (parts.method.as_str(), parts.uri.path());
            let span = debug_span!("http2_request", method, path, status = Empty);
            if span.is_disabled() {
                return StreamSpan::default();
            }
            span.follows_from(&self.0.span);
            self.stream(OnceLock::from(span))
        }

        /// There was no stream for a request. Tells at once, as [`Self::sent`] does.
        pub(crate) fn refused(&self, span: Option<StreamSpan>, error: &Error) {
            if let Some(span) = span {
                span.note(|request| Note::Refused(request, error.clone()));
            }
            self.tell();
        }

        /// A request of the peer's.
        pub(crate) fn received(&self, head: &RequestHead) -> StreamSpan {
            if !self.takes_one_more() {
                return StreamSpan::default();
            }
            let span = self.stream(OnceLock::new());
            span.note(|request| Note::Received(request, Asked::of(head)));
            span
        }

        /// Whether one more request is to be told of. Counts those that somebody would have wanted to hear of.
        fn takes_one_more(&self) -> bool {
            if !is_wanted() {
                return false;
            }
            let mut notes = self.notes();
            let room = notes.waiting.len() < NOTES_MAX;
            if !room {
                notes.missed += 1;
                self.0.due.store(true, Ordering::Relaxed);
            }
            room
        }

        fn stream(&self, span: OnceLock<Span>) -> StreamSpan {
            StreamSpan(Some((Arc::new(Request(span)), self.clone())))
        }

        pub(crate) fn ready(&self) {
            self.note_if_wanted(Note::Ready);
        }

        pub(crate) fn peer_drains(&self) {
            self.note_if_wanted(Note::PeerDrains);
        }

        pub(crate) fn closed(&self, error: Option<&ConnectionError>) {
            self.note_if_wanted(Note::Closed(error.copied()));
        }

        fn notes(&self) -> MutexGuard<'_, Notes> {
            self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn note_if_wanted(&self, note: Note) {
            if is_wanted() {
                self.note(note);
            }
        }

        /// Also when nobody wants to hear any more: a span must not end under the lock.
        fn note(&self, note: Note) {
            let mut notes = self.notes();
            notes.waiting.push_back(note);
            self.0.due.store(true, Ordering::Relaxed);
        }

        /// The next thing to tell.
        fn next(&self) -> Option<Note> {
            let mut notes = self.notes();
            let next = notes.waiting.pop_front().or_else(|| {
                let missed = std::mem::take(&mut notes.missed);
                (missed > 0).then_some(Note::Missed(missed))
            });
            if next.is_none() {
                self.0.due.store(false, Ordering::Relaxed);
            }
            next
        }

        /// Who is to tell what was written down, once the lock is free.
        pub(crate) fn due(&self) -> Option<Self> {
            let due = self.0.due.load(Ordering::Relaxed);
            due.then(|| self.clone())
        }

        /// Tells what was written down, or leaves that to who is at it.
        pub(crate) fn tell(&self) {
            self.0.turn.work(|()| {
                while let Some(note) = self.next() {
                    note.tell(&self.0.span);
                }
            });
        }
    }

    /// Whether anybody in this process wants to hear of any of it.
    fn is_wanted() -> bool {
        LevelFilter::current() >= Level::DEBUG
    }

    impl Note {
        fn tell(self, connection: &Span) {
            match self {
                Self::Ready => debug!(parent: connection, "the peer's settings have arrived"),
                Self::PeerDrains => debug!(parent: connection, "the peer takes no more requests"),
                Self::Closed(Some(error)) => {
                    debug!(parent: connection, %error, "the connection is over");
                }
                Self::Closed(None) => debug!(parent: connection, "the connection is over"),
                Self::Received(request, asked) => {
                    let _ = request.0.set(asked.span(connection));
                }
                Self::Answered(request, status) => request.with(|span| {
                    span.record("status", status);
                }),
                Self::Ended(request, outcome) => request.with(|span| match outcome {
                    Ok(()) => debug!(parent: span, "finished"),
                    Err(error) => debug!(parent: span, %error, retry = %error.retry, "failed"),
                }),
                Self::Refused(request, error) => request.with(|span| {
                    debug!(parent: span, %error, retry = %error.retry(), "not taken");
                }),
                Self::Gone(request) => drop(request),
                Self::Missed(requests) => {
                    debug!(parent: connection, requests, "were left out: they come faster than they are told");
                }
            }
        }
    }

    impl Asked {
        /// What stands behind the question mark of a path may be secret.
        fn of(head: &RequestHead) -> Self {
            let path = head.path().unwrap_or_default();
            let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
            let text = |bytes: &[u8]| {
                let bytes = &bytes[..bytes.len().min(PATH_BYTES_MAX)];
                String::from_utf8_lossy(bytes).into_owned()
            };
            Self {
                method: text(head.method()),
                path: text(path),
            }
        }

        fn span(&self, connection: &Span) -> Span {
            let Self { method, path } = self;
            debug_span!(parent: connection, "http2_request", method, path, status = Empty)
        }
    }

    impl Request {
        fn with(&self, tell: impl FnOnce(&Span)) {
            if let Some(span) = self.0.get() {
                tell(span);
            }
        }
    }

    /// A request, from its head until nobody holds its stream any more.
    #[derive(Default)]
    pub(crate) struct StreamSpan(Option<(Arc<Request>, Watcher)>);

    impl StreamSpan {
        fn note(&self, note: impl FnOnce(Arc<Request>) -> Note) {
            if let Some((request, watcher)) = &self.0 {
                watcher.note(note(Arc::clone(request)));
            }
        }

        /// The final response has begun.
        pub(crate) fn answered(&self, status: u16) {
            self.note(|request| Note::Answered(request, status));
        }

        /// The stream has ended.
        pub(crate) fn ended(&self, outcome: &Result<(), StreamError>) {
            self.note(|request| Note::Ended(request, *outcome));
        }
    }

    impl Drop for StreamSpan {
        fn drop(&mut self) {
            // It ends under the lock, and its end is told as well.
            if let Some((request, watcher)) = self.0.take() {
                watcher.note(Note::Gone(request));
            }
        }
    }

    impl fmt::Debug for StreamSpan {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("StreamSpan").finish_non_exhaustive()
        }
    }

    impl fmt::Debug for Watch {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.span.fmt(f)
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod told {
    use raddle_core::{ConnectionError, RequestHead, Role, StreamError};

    use crate::error::Error;

    #[derive(Clone, Debug)]
    pub(crate) struct Watcher;

    impl Watcher {
        pub(crate) fn new(_: Role) -> Self {
            Self
        }

        pub(crate) fn sent(&self, _: &http::request::Parts) -> StreamSpan {
            StreamSpan(())
        }

        pub(crate) fn received(&self, _: &RequestHead) -> StreamSpan {
            StreamSpan(())
        }

        pub(crate) fn refused(&self, _: Option<StreamSpan>, _: &Error) {}

        pub(crate) fn ready(&self) {}

        pub(crate) fn peer_drains(&self) {}

        pub(crate) fn closed(&self, _: Option<&ConnectionError>) {}

        pub(crate) fn due(&self) -> Option<Self> {
            None
        }

        pub(crate) fn tell(&self) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct StreamSpan(());

    impl StreamSpan {
        pub(crate) fn answered(&self, _: u16) {}

        pub(crate) fn ended(&self, _: &Result<(), StreamError>) {}
    }
}
