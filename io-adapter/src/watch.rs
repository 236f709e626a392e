//! What is told to whoever watches: spans and events of `tracing`, with the feature of that name. Without it they are
//! nothing, and cost nothing.

pub(crate) use told::{ConnectionSpan, StreamSpan};

#[cfg(feature = "tracing")]
mod told {
    use raddle_core::{ConnectionError, RequestHead, Role, StreamError};
    use tracing::{Span, debug, debug_span, field::Empty};

    /// A connection, from its first byte until the last handle of it is gone.
    #[derive(Debug)]
    pub(crate) struct ConnectionSpan(Span);

    impl ConnectionSpan {
        pub(crate) fn new(role: Role) -> Self {
            let role = match role {
                Role::Client => "client",
                Role::Server => "server",
            };
            Self(debug_span!(parent: None, "http2_connection", role))
        }

        /// A request that this side makes, for whoever makes it.
        pub(crate) fn sent(&self, parts: &http::request::Parts) -> StreamSpan {
            let (method, path) = (parts.method.as_str(), parts.uri.path());
            let span = debug_span!("http2_request", method, path, status = Empty);
            span.follows_from(&self.0);
            StreamSpan(span)
        }

        /// A request of the peer's. What stands behind the question mark of its path may be secret.
        pub(crate) fn received(&self, head: &RequestHead) -> StreamSpan {
            let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
            let method = text(head.method());
            let path = text(head.path().unwrap_or_default());
            let path = path.split('?').next().unwrap_or_default();
            StreamSpan(debug_span!(parent: &self.0, "http2_request", method, path, status = Empty))
        }

        pub(crate) fn ready(&self) {
            debug!(parent: &self.0, "the peer's settings have arrived");
        }

        pub(crate) fn peer_drains(&self) {
            debug!(parent: &self.0, "the peer takes no more requests");
        }

        pub(crate) fn closed(&self, error: Option<&ConnectionError>) {
            match error {
                Some(error) => debug!(parent: &self.0, %error, "the connection is over"),
                None => debug!(parent: &self.0, "the connection is over"),
            }
        }
    }

    /// A request, from its head until nobody holds its stream any more.
    #[derive(Debug)]
    pub(crate) struct StreamSpan(Span);

    impl Default for StreamSpan {
        fn default() -> Self {
            Self(Span::none())
        }
    }

    impl StreamSpan {
        /// The final response has begun.
        pub(crate) fn answered(&self, status: u16) {
            self.0.record("status", status);
        }

        /// The stream has ended.
        pub(crate) fn ended(&self, outcome: &Result<(), StreamError>) {
            match outcome {
                Ok(()) => debug!(parent: &self.0, "finished"),
                Err(error) => debug!(parent: &self.0, %error, retry = %error.retry, "failed"),
            }
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod told {
    use raddle_core::{ConnectionError, RequestHead, Role, StreamError};

    #[derive(Debug)]
    pub(crate) struct ConnectionSpan;

    impl ConnectionSpan {
        pub(crate) fn new(_: Role) -> Self {
            Self
        }

        pub(crate) fn sent(&self, _: &http::request::Parts) -> StreamSpan {
            StreamSpan(())
        }

        pub(crate) fn received(&self, _: &RequestHead) -> StreamSpan {
            StreamSpan(())
        }

        pub(crate) fn ready(&self) {}

        pub(crate) fn peer_drains(&self) {}

        pub(crate) fn closed(&self, _: Option<&ConnectionError>) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct StreamSpan(());

    impl StreamSpan {
        pub(crate) fn answered(&self, _: u16) {}

        pub(crate) fn ended(&self, _: &Result<(), StreamError>) {}
    }
}
