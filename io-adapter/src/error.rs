//! One error type for everything that can go wrong, with the verdict on sending again.

use std::{error, fmt, io, sync::Arc};

use raddle_core::{
    ConnectionError, ErrorCode, GoAway, OpenError, Origin, Retry, SendError, StreamError, Violation,
};

/// An error of somebody else's, for instance of a body that we were given to send.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// Why a connection, a request or a body failed.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
    goaway: Option<Arc<GoAway>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The transport could not be opened: refused, unreachable, or no such name.
    Connect,
    /// The transport could not be opened in time.
    ConnectTimeout,
    /// TLS failed, or the peer does not speak HTTP/2.
    Tls,
    /// The transport failed while it was in use.
    Io,
    /// The connection ended.
    Connection(ConnectionError),
    /// The connection ended gracefully, or takes no requests any more.
    Closed,
    /// The stream ended early.
    Stream(StreamError),
    /// The request was not taken.
    Open(OpenError),
    /// No stream of the connection came free in the time that [`Client::wait_max`](crate::Client::wait_max) gives.
    StreamTimeout,
    /// A part of a message was not taken.
    Send(SendError),
    /// The body that was given to us to send failed. The source tells why.
    Body,
    /// The head has no form in HTTP/2.
    Head(&'static str),
    /// No connection of the pool had room in time, or too many requests wait for one already.
    PoolExhausted,
    /// The request was not processed, and so many others to its origin that the pool sends none of them again for now. The
    /// source is the error of the last attempt.
    ResendBudgetSpent,
    /// What was asked for has no answer: a response that was taken already, or more PINGs at once than there may be.
    Misuse(&'static str),
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            source: None,
            goaway: None,
        }
    }

    pub(crate) fn with_source(kind: Kind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(Arc::from(source.into())),
            goaway: None,
        }
    }

    /// The same, on a connection whose peer has said this.
    pub(crate) fn after(mut self, goaway: Option<&GoAway>) -> Self {
        if self.goaway.is_none() {
            self.goaway = goaway.cloned().map(Arc::new);
        }
        self
    }

    pub(crate) fn io(error: io::Error) -> Self {
        Self::with_source(Kind::Io, error)
    }

    /// A transport that could not be opened: for connectors of one's own.
    #[must_use]
    pub fn connect(source: impl Into<BoxError>) -> Self {
        Self::with_source(Kind::Connect, source)
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the request may be sent again (RFC 9113 §8.7). It answers whether the peer may have acted on it, not
    /// when to try.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.kind {
            Kind::Connect
            | Kind::ConnectTimeout
            | Kind::Tls
            | Kind::PoolExhausted
            | Kind::StreamTimeout
            | Kind::ResendBudgetSpent
            | Kind::Closed => Retry::Safe,
            Kind::Open(
                OpenError::Malformed(_)
                | OpenError::NotClient
                // Nothing was done, and the next try would bring the same.
                | OpenError::ConnectProtocolDisabled,
            )
            | Kind::Head(_) => Retry::Never,
            Kind::Open(_) => Retry::Safe,
            Kind::Stream(error) => error.retry,
            Kind::Io | Kind::Connection(_) => Retry::IfIdempotent,
            Kind::Send(_) | Kind::Body | Kind::Misuse(_) => Retry::Never,
        }
    }

    /// The error of the last attempt, where a request was not tried again.
    fn last_attempt(&self) -> &Self {
        let source = self.source.as_deref();
        match (self.kind, source.and_then(|source| source.downcast_ref())) {
            (Kind::ResendBudgetSpent, Some(last)) => last,
            _ => self,
        }
    }

    /// The error code that went over the wire or fits best, when there is one (RFC 9113 §7).
    #[must_use]
    pub fn reason(&self) -> Option<ErrorCode> {
        match self.last_attempt().kind {
            Kind::Connection(error) => Some(error.code),
            Kind::Stream(error) => Some(error.code),
            _ => None,
        }
    }

    /// What the peer said in a GOAWAY before this happened, if its connection had got one: the code, and debug data of up to
    /// 1,024 bytes, which are the peer's and may be anything. It need not be the reason: a stream may fail by itself on a
    /// connection that drains.
    #[must_use]
    pub fn goaway(&self) -> Option<&GoAway> {
        let last = self.last_attempt();
        let source = last.source.as_deref();
        let inner = source.and_then(|source| source.downcast_ref::<Self>());
        last.goaway.as_deref().or(inner.and_then(Self::goaway))
    }

    /// The fault that we found in the peer's bytes, when that was the reason.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        match self.last_attempt().kind {
            Kind::Connection(error) => error.violation,
            Kind::Stream(error) => error.violation,
            Kind::Open(OpenError::Malformed(violation))
            | Kind::Send(SendError::Malformed(violation)) => Some(violation),
            _ => None,
        }
    }

    /// Who ended it, when that is known.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match self.last_attempt().kind {
            Kind::Connection(error) => Some(error.origin),
            Kind::Stream(error) => Some(error.origin),
            Kind::Io | Kind::Connect | Kind::ConnectTimeout | Kind::Tls => Some(Origin::Transport),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f)?;
        // A code stands there already; a sentence tells more.
        match self.goaway.as_deref().filter(|said| !said.debug.is_empty()) {
            Some(said) => write!(f, "; the peer had sent {said}"),
            None => Ok(()),
        }
    }
}

impl Error {
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Connect => f.write_str("the connection could not be opened")?,
            Kind::ConnectTimeout => f.write_str("the connection could not be opened in time")?,
            Kind::Tls => f.write_str("TLS failed")?,
            Kind::Io => f.write_str("the transport failed")?,
            Kind::Connection(error) => return write!(f, "{error}"),
            Kind::Closed => f.write_str("the connection is closed; open another one")?,
            Kind::Stream(error) => return write!(f, "{error}"),
            Kind::Open(error) => return write!(f, "{error}"),
            Kind::Send(error) => return write!(f, "{error}"),
            Kind::Body => f.write_str("the body to be sent failed")?,
            Kind::Head(what) => return write!(f, "the message has no form in HTTP/2: {what}"),
            Kind::ResendBudgetSpent => f.write_str("too many requests were sent again of late")?,
            Kind::PoolExhausted => f.write_str("no connection of the pool has room")?,
            Kind::StreamTimeout => f.write_str("no stream came free in time")?,
            Kind::Misuse(what) => f.write_str(what)?,
        }
        self.source
            .as_ref()
            .map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
