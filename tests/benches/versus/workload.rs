//! What the engines are asked to do.

use bytes::Bytes;
use raddle_core::Fields;

/// Prepared values of the fields that vary. More than a table of 4,096 bytes remembers, so that none is found there.
const VALUES: usize = 1_000;

/// One kind of request, and how many there are at a time.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// For `--only`, several may share one.
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) streams: usize,
    /// Requests of a round, when nobody says otherwise.
    pub(crate) requests: usize,
    pub(crate) method: &'static str,
    /// Without the pseudo-fields.
    pub(crate) request_fields: &'static [(&'static str, &'static str)],
    /// Whether :path and x-request-id vary, and the answer names the request and an entity tag.
    pub(crate) varies: bool,
    pub(crate) upload: usize,
    pub(crate) answer: Answer,
    /// Without :status.
    pub(crate) response_fields: &'static [(&'static str, &'static str)],
    pub(crate) trailers: &'static [(&'static str, &'static str)],
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
}

/// When the server answers, and with which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// At once, with so many bytes.
    Body(usize),
    /// At once, with the request's body as it comes.
    Echo,
    /// When the request is whole, with so many bytes.
    Unary(usize),
    /// Not at all: the stream stays open.
    Never,
}

pub(crate) const SCHEME: &str = "https";
pub(crate) const AUTHORITY: &str = "shop.example.com";

const BROWSER: &[(&str, &str)] = &[
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    ("accept", "application/json"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("referer", "https://shop.example.com/catalogue"),
    ("cache-control", "no-cache"),
];

const JSON: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("content-length", "100"),
    ("date", "Tue, 04 Mar 2025 09:00:00 GMT"),
    ("server", "shop"),
    ("vary", "accept-encoding"),
];

const BINARY: &[(&str, &str)] = &[("content-type", "application/octet-stream")];

const GRPC: &[(&str, &str)] = &[
    ("content-type", "application/grpc"),
    ("te", "trailers"),
    ("user-agent", "grpc-rust/1.0"),
    ("grpc-accept-encoding", "gzip"),
];

const DOWNLOAD: Workload = Workload {
    name: "W2",
    what: "1 MiB responses on 8 streams, windows of 64 KiB",
    streams: 8,
    requests: 300,
    method: "GET",
    request_fields: BROWSER,
    varies: false,
    upload: 0,
    answer: Answer::Body(1024 * 1024),
    response_fields: BINARY,
    trailers: &[],
    stream_window: 65_535,
    connection_window: 65_535,
};

/// Windows that no workload but the second comes near.
const WIDE: (u32, u32) = (1024 * 1024, 16 * 1024 * 1024);

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "W1",
        what: "GET of 100 bytes, 11 + 8 fields, 100 streams",
        streams: 100,
        requests: 20_000,
        varies: true,
        answer: Answer::Body(100),
        response_fields: JSON,
        stream_window: WIDE.0,
        connection_window: WIDE.1,
        ..DOWNLOAD
    },
    DOWNLOAD,
    Workload {
        what: "1 MiB responses on 8 streams, windows of 1 MiB and 16 MiB",
        stream_window: WIDE.0,
        connection_window: WIDE.1,
        ..DOWNLOAD
    },
    Workload {
        name: "W3",
        what: "echo of 16 KiB, 32 streams",
        streams: 32,
        requests: 10_000,
        method: "POST",
        request_fields: BINARY,
        upload: 16 * 1024,
        answer: Answer::Echo,
        stream_window: WIDE.0,
        connection_window: WIDE.1,
        ..DOWNLOAD
    },
    Workload {
        name: "W4",
        what: "unary call of 64 bytes each way with trailers, 100 streams",
        streams: 100,
        requests: 20_000,
        method: "POST",
        request_fields: GRPC,
        upload: 64,
        answer: Answer::Unary(64),
        response_fields: &[("content-type", "application/grpc")],
        trailers: &[("grpc-status", "0"), ("grpc-message", "")],
        stream_window: WIDE.0,
        connection_window: WIDE.1,
        ..DOWNLOAD
    },
];

impl Workload {
    /// The paths of the requests, to be used one after the other and again from the front.
    pub(crate) fn paths(&self) -> Vec<String> {
        if !self.varies {
            return vec!["/shop.Catalogue/Item".into()];
        }
        (0..VALUES)
            .map(|n| format!("/items/{}?page={}", scatter(n) % 1_000_000, n % 90 + 10))
            .collect()
    }

    /// The values of x-request-id, as the paths; empty where there is no such field.
    pub(crate) fn request_ids(&self) -> Vec<String> {
        let count = if self.varies { VALUES } else { 0 };
        (0..count)
            .map(|n| format!("{:016x}", scatter(n + VALUES)))
            .collect()
    }

    /// The values of etag, as those of x-request-id.
    pub(crate) fn tags(&self) -> Vec<String> {
        let count = if self.varies { VALUES } else { 0 };
        (0..count)
            .map(|n| format!("\"{:08x}\"", scatter(n) >> 32))
            .collect()
    }

    /// A request's body, and that of an answer.
    pub(crate) fn bodies(&self) -> (Bytes, Bytes) {
        let down = match self.answer {
            Answer::Body(len) | Answer::Unary(len) => len,
            Answer::Echo | Answer::Never => 0,
        };
        (vec![b'u'; self.upload].into(), vec![b'd'; down].into())
    }

    /// The fields of a request, in order, the pseudo-fields among them.
    pub(crate) fn request<'a>(&self, texts: &'a Texts, n: usize) -> Vec<(&'a str, &'a str)> {
        let pseudo = [
            (":method", self.method),
            (":scheme", SCHEME),
            (":authority", AUTHORITY),
            (":path", Texts::nth(&texts.paths, n)),
        ];
        let id = self
            .varies
            .then(|| ("x-request-id", Texts::nth(&texts.ids, n)));
        let fields = self.request_fields.iter().copied();
        pseudo.into_iter().chain(fields).chain(id).collect()
    }

    /// The fields of an answer, in order, to the request of the same number.
    pub(crate) fn response<'a>(&self, texts: &'a Texts, n: usize) -> Vec<(&'a str, &'a str)> {
        let varied = || {
            [
                ("etag", Texts::nth(&texts.tags, n)),
                ("x-request-id", Texts::nth(&texts.ids, n)),
            ]
        };
        let varied = self.varies.then(varied).into_iter().flatten();
        let fields = self.response_fields.iter().copied();
        let status = [(":status", "200")];
        status.into_iter().chain(fields).chain(varied).collect()
    }

    /// What the ends see of so many requests: that of all engines must be the same. A script does not look at fields.
    pub(crate) fn seen(&self, requests: usize, side: Side) -> Seen {
        let count = |fields: &[(&str, &str)]| fields.len() as u64;
        let varied = u64::from(self.varies);
        let asked = 4 + count(self.request_fields) + varied;
        let told = 1 + count(self.response_fields) + 2 * varied + count(self.trailers);
        let fields = match side {
            Side::Client => told,
            Side::Server => asked,
            Side::Pair => asked + told,
            Side::Script => 0,
        };
        let (up, down) = self.bodies();
        let down = if self.answer == Answer::Echo {
            &up
        } else {
            &down
        };
        Seen {
            fields: fields * requests as u64,
            body_bytes: (up.len() + down.len()) as u64 * requests as u64,
            ..Seen::default()
        }
    }
}

/// Which ends are the engine's; a script plays the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Side {
    Client,
    Server,
    /// Both.
    Pair,
    /// None.
    #[value(skip)]
    Script,
}

/// The values of one workload that are made before anything is measured.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) paths: Vec<String>,
    pub(crate) ids: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) upload: Bytes,
    pub(crate) download: Bytes,
    /// Fields that do not vary, as an application keeps them for raddle. That of `h2` keeps names and values that were
    /// parsed once, too.
    pub(crate) request: Fields,
    pub(crate) response: Fields,
    pub(crate) trailers: Fields,
}

impl Texts {
    pub(crate) fn new(workload: &Workload) -> Self {
        let (upload, download) = workload.bodies();
        let list = |fields: &[(&str, &str)]| -> Fields {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            fields.collect()
        };
        Self {
            request: list(workload.request_fields),
            response: list(workload.response_fields),
            trailers: list(workload.trailers),
            paths: workload.paths(),
            ids: workload.request_ids(),
            tags: workload.tags(),
            upload,
            download,
        }
    }

    /// One value after the other, and again from the front.
    pub(crate) fn nth(texts: &[String], n: usize) -> &str {
        &texts[n % texts.len()]
    }
}

/// A number that looks like nothing (splitmix64).
fn scatter(n: usize) -> u64 {
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ mixed
}

/// What was read from heads, bodies and trailers of both ends. An application reads what it gets; a benchmark that did
/// not would let an engine off that hands out what is cheap to make and dear to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) fields: u64,
    pub(crate) body_bytes: u64,
    /// Of field names and values; the compiler must not think that nobody wants them.
    pub(crate) field_bytes: u64,
}

impl Seen {
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) {
        self.fields += 1;
        self.field_bytes += (name.len() + value.len()) as u64;
        std::hint::black_box((name, value));
    }

    pub(crate) fn body(&mut self, bytes: &[u8]) {
        self.body_bytes += bytes.len() as u64;
        std::hint::black_box(bytes);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.fields += other.fields;
        self.body_bytes += other.body_bytes;
        self.field_bytes += other.field_bytes;
    }

    pub(crate) fn same_work(&self, other: &Self) -> bool {
        (self.fields, self.body_bytes) == (other.fields, other.body_bytes)
    }
}
