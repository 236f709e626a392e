//! Every bound of the load balancer in one place, each with its reason.

use std::time::Duration;

use raddle_io::{Config, PoolConfig};

/// The bounds that a process works under. `Default` is what the binaries use; tests make them smaller.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Client connections open at once. Below the usual limit of 1,024 descriptors per process, with room left for the
    /// backends; a client beyond it waits in the kernel's queue and is not refused.
    pub front_connections_max: usize,
    /// From accept to the end of the TLS handshake. A peer that connects and stays silent holds a descriptor no longer.
    pub tls_handshake: Duration,
    /// HTTP/1.1: until a request's head is whole, and between the requests of one connection. It ends both the client
    /// that dribbles its head and the one that went away without closing.
    pub http1_head: Duration,
    /// HTTP/1.1: bytes of one request head, which is also the most that hyper reads ahead. 64 KiB holds the largest
    /// cookies in use. The number of fields stays at hyper's own limit of 100: any other costs an allocation per head.
    pub http1_head_bytes_max: usize,
    /// How long a client may take neither 1 KiB of what is written to it nor all of that. It ends the one that asks for much
    /// and reads nothing, which HTTP/1.1 has no other end for. A minute, because a paused download looks like that; over HTTP/2
    /// the engine's `write_timeout` comes first, of half a minute.
    pub client_stall: Duration,
    /// HTTP/2: requests that one client has open at once. 250 keeps a page of many small files on one connection, and
    /// bounds what one client costs.
    pub http2_streams_max: u32,
    /// Connections to one backend. Two backends make eight, each with 100 or more streams: enough for thousands of
    /// requests at once.
    pub backend_connections_max: usize,
    /// Bytes of one response that wait at a backend's connection when its client does not read. The connection has a
    /// window for as many streams as one client may open, and one more, so that no client stands in another's way: a
    /// connection is shared, and a window of it that is full stops every stream. 64 KiB carry 100 MB/s over half a
    /// millisecond; both windows grow in step, up to four times that, on a path that fills them.
    pub backend_stream_window_bytes: u32,
    /// Backends in all. The choice looks at each one.
    pub backends_max: usize,
    /// From the start of a dial until the connection can be used, TLS included.
    pub dial: Duration,
    /// How long a request waits in all for connections to backends and free streams on them, however many of them it tries.
    /// The first gets as much as it needs of that; what has room at once is asked even when nothing is left. Longer than
    /// `dial`.
    pub backend_wait: Duration,
    /// How long a backend may be silent before its response head arrives. Starts anew with each piece of the request
    /// body, so that a long upload is not cut.
    pub response_head: Duration,
    /// How long a client may be silent within its request body while the backend waits for it.
    pub request_body: Duration,
    /// How long a backend may be silent within a response body while the client waits for it. Long, because event
    /// streams are silent by nature.
    pub response_body: Duration,
    /// Bytes of a request body that are kept until the response head arrives, so that the request can be sent again.
    /// A longer body is sent once.
    pub replay_bytes_max: usize,
    /// How often one request is sent in all.
    pub attempts_max: u32,
    /// Resends that may be saved up. Together with `resend_every` it keeps resends a fraction of the traffic, because
    /// a retry storm turns a slow backend into a dead one.
    pub resends_saved_max: u32,
    /// One resend is earned by so many requests.
    pub resend_every: u32,
    /// A backend that could not be reached is left alone for so long, and twice as long with each further failure …
    pub back_off_min: Duration,
    /// … up to this.
    pub back_off_max: Duration,
    /// How often our own name may stand in a request's Via. A load balancer whose backend is itself would otherwise
    /// send one request in a circle for ever.
    pub passes_max: usize,
    /// After the first signal: time that open requests get to finish.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            front_connections_max: 900,
            tls_handshake: Duration::from_secs(10),
            http1_head: Duration::from_secs(60),
            http1_head_bytes_max: 64 * 1024,
            client_stall: Duration::from_secs(60),
            http2_streams_max: 250,
            backend_connections_max: 4,
            backend_stream_window_bytes: 64 * 1024,
            backends_max: 256,
            dial: Duration::from_secs(5),
            backend_wait: Duration::from_secs(10),
            response_head: Duration::from_secs(60),
            request_body: Duration::from_secs(60),
            response_body: Duration::from_secs(300),
            replay_bytes_max: 64 * 1024,
            attempts_max: 3,
            resends_saved_max: 100,
            resend_every: 5,
            back_off_min: Duration::from_millis(250),
            back_off_max: Duration::from_secs(10),
            passes_max: 4,
            drain: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// How connections to backends behave.
    #[must_use]
    pub fn backend_config(&self) -> Config {
        let streams = self.http2_streams_max.saturating_add(1);
        let window = self.backend_stream_window_bytes.saturating_mul(streams);
        Config {
            stream_window_bytes: self.backend_stream_window_bytes,
            connection_window_bytes: window,
            connection_window_bytes_max: window.saturating_mul(4),
            // Clients of HTTP/1.1 send them in one piece, and those of HTTP/2 have had theirs joined.
            split_cookies: true,
            ..Config::default()
        }
    }

    /// How connections to backends are kept.
    #[must_use]
    pub fn pool_config(&self) -> PoolConfig {
        PoolConfig {
            connections_max: self.backend_connections_max,
            wait_max: self.backend_wait,
            // It makes up to 64 times that of it, which is over whenever a backend is tried again: an answer that no dial has
            // brought is not to count as a failure.
            back_off: self.back_off_min / 64,
            // The proxy sends again on another backend, which the pool cannot.
            resends_max: 0,
            ..PoolConfig::default()
        }
    }
}
