//! What one run over the network is going to be.

use std::time::Duration;

use raddle_core::{Config, Role};

use super::{
    pool_plan::PoolPlan,
    request::{Answer, Request},
};
use crate::{faulty::Style, options::unusual, tape::Tape};

/// The most bytes of a body.
const BODY_MAX: usize = 300_000;
/// Round trips in which the longest body passes, when nothing else is in its way.
const ROUNDS_MAX: usize = 20;
/// Steps of the network that the longest way takes.
const STEPS_MAX: u64 = 20;
/// Faults happen in this time, in milliseconds.
const FAULTS_UNTIL: u64 = 2_000;

#[derive(Debug)]
pub(super) struct Plan {
    /// Milliseconds that each host runs on its own before messages pass. A step of the network costs the same whatever
    /// it is, and most pass without a message.
    pub(super) tick: u64,
    /// Shortest and longest way of a message, in milliseconds.
    pub(super) latency: (u64, u64),
    pub(super) client: Config,
    pub(super) server: Config,
    pub(super) client_style: Style,
    pub(super) server_style: Style,
    /// Tasks of the client's that make requests, each one after the other.
    pub(super) workers: usize,
    pub(super) requests: Vec<Request>,
    /// When nothing passes the network, and for how long, in milliseconds.
    pub(super) holds: Vec<(u64, u64)>,
    pub(super) cut: Option<Cut>,
    /// Who drains, and after how many milliseconds.
    pub(super) drain: Option<(Role, u64)>,
    /// Whether our server takes requests one by one, and not by way of a service.
    pub(super) accepts: bool,
    /// Whether the client is that of the `h2` crate, and whether the server is.
    pub(super) h2_client: bool,
    pub(super) h2_server: bool,
    /// Whether the client is a pool.
    pub(super) pooled: bool,
    /// Whether connections are TLS.
    pub(super) tls: bool,
    /// What the server that answers first offers in ALPN, where that is not HTTP/2: nothing, or HTTP/1.1.
    pub(super) alpn: Option<&'static [&'static [u8]]>,
    /// Messages that a simulated socket holds.
    pub(super) socket_messages: usize,
    /// Milliseconds after its crash at which the server's host starts again.
    pub(super) bounce: Option<u64>,
    /// Whether our server's driver is a task of its own.
    pub(super) driver_apart: bool,
    /// Whether a task keeps a place for a stream that it never opens.
    pub(super) keeper: bool,
    /// Whether the client lets go of its connection before its last requests have been answered.
    pub(super) leaves: bool,
    /// Whether handles of the client's connection come and go at once.
    pub(super) storm: bool,
    /// Whether the client's patience ends when a step of the network begins, which is when messages arrive.
    pub(super) on_time: bool,
    /// Whether our server's services say something before they answer.
    pub(super) informs: bool,
    /// Whether our server's services are ready for a request only some time after they are asked.
    pub(super) holds_back: bool,
    /// Whether a task of the client's asks again and again whether its peer lives.
    pub(super) asks: bool,
    /// Whether our server drains by letting go of what takes requests.
    pub(super) lets_go: bool,
    pub(super) pool: PoolPlan,
}

/// How a connection breaks, and after how many milliseconds or bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// The client's connection is dropped.
    ClientDrops(u64),
    /// The server's connection is dropped.
    ServerDrops(u64),
    /// The server's host dies.
    ServerCrashes(u64),
    /// One side's socket fails after so many bytes.
    SocketFails(Role, u64),
    /// One side's socket takes nothing after so many bytes and says so, while what had arrived can be read.
    WritesFail(Role, u64),
    /// One side's socket is stuck after so many bytes, and says nothing.
    SocketWedges(Role, u64),
    /// One side's socket lets writes wait for ever after so many bytes, while what arrives can be read.
    WritesWait(Role, u64),
    /// One side's socket takes no byte more after so many.
    SocketTakesNothing(Role, u64),
    /// What passes between two moments is lost.
    Partition(u64, u64),
}

impl Plan {
    pub(super) fn draw(tape: &mut Tape) -> Self {
        let slowest = tape.pick(&[1, 5, 20, 60]);
        let resets = tape.chance(1, 3);
        let count = tape.between(5, 80);
        let body_max = tape.pick(&[30_000, 1_000, 5_000, 30_000, 1_000, BODY_MAX]);
        let requests = (0..count)
            .map(|n| Request::draw(tape, n, body_max, resets))
            .collect();
        Self {
            tick: tape.pick(&[10, 10, 10, 20, 20, 20, 50, 5, 5, 20, 20, 1]),
            latency: (tape.below(slowest + 1), slowest),
            client: config(tape),
            server: config(tape),
            client_style: style(tape),
            server_style: style(tape),
            workers: tape.between(1, 12) as usize,
            requests,
            holds: holds(tape),
            cut: cut(tape),
            drain: tape
                .chance(1, 5)
                .then(|| (tape.pick(&[Role::Client, Role::Server]), moment(tape))),
            accepts: tape.chance(1, 2),
            h2_client: false,
            h2_server: false,
            pooled: false,
            tls: tape.chance(1, 4),
            alpn: None,
            socket_messages: tape.pick(&[1_024, 1_024, 64, 8]),
            bounce: tape.chance(1, 2).then(|| tape.between(1, 500)),
            driver_apart: false,
            keeper: false,
            leaves: false,
            storm: false,
            on_time: false,
            informs: false,
            holds_back: false,
            asks: false,
            lets_go: false,
            pool: PoolPlan::new(
                tape.between(1, 3),
                tape.pick(&[4, 1, 2, 8]),
                tape.chance(1, 3)
                    .then(|| (moment(tape), tape.between(1, 300))),
            ),
        }
        .within_rounds()
        .with_patience(tape)
        .widened(tape)
        .deepened(tape)
        .bounded(tape)
        .with_failing_socket()
    }

    /// Makes no body longer than what passes in so many round trips, and no way longer than so many steps: what happens
    /// then is what has happened before, and a few such runs would take longer than all others.
    fn within_rounds(mut self) -> Self {
        let slowest = self.latency.1.min(self.tick * STEPS_MAX);
        self.latency = (self.latency.0.min(slowest), slowest);
        let each = |sender: &Config, style: &Style, receiver: &Config| {
            let socket = self.socket_messages * style.piece_max / 8;
            [
                receiver.stream_window_bytes as usize,
                receiver.connection_window_bytes as usize,
                sender.send_buffer_bytes,
                socket,
            ]
            .into_iter()
            .min()
            .map_or(BODY_MAX, |bytes| bytes * ROUNDS_MAX)
        };
        let up_max = each(&self.client, &self.client_style, &self.server);
        let down_max = each(&self.server, &self.server_style, &self.client);
        for request in &mut self.requests {
            request.up = request.up.min(up_max);
            if request.answer == Answer::Echo {
                request.up = request.up.min(down_max);
            }
            if let Answer::Sized(len, _) | Answer::Unread(len) = &mut request.answer {
                *len = down_max.min(*len);
            }
        }
        self
    }

    /// What is in this run and what is not, for people.
    pub(super) fn options(&self) -> String {
        let Self {
            tick, latency, tls, ..
        } = self;
        format!(
            "{} requests of {} workers; tick {tick} ms, latency {latency:?} ms, sockets of {} messages, TLS {tls}; \
             holds {:?}, cut {:?}, starts again after {:?} ms, drain {:?}; {:?}; accepts {}, driver apart {}, keeper {}, leaves {}, informs {}, holds back {}, asks {}, lets go {}; \
             client: {}, {:?}; server: {}, {:?}",
            self.requests.len(),
            self.workers,
            self.socket_messages,
            self.holds,
            self.cut,
            self.bounce,
            self.drain,
            self.pooled.then_some(&self.pool),
            self.accepts,
            self.driver_apart,
            self.keeper,
            self.leaves,
            self.informs,
            self.holds_back,
            self.asks,
            self.lets_go,
            unusual(&self.client),
            self.client_style,
            unusual(&self.server),
            self.server_style,
        )
    }

    /// What came later, from a lane of its own: the seeds from before go on as they did.
    fn widened(mut self, tape: &mut Tape) -> Self {
        tape.lane("wider");
        self.driver_apart = tape.chance(1, 2);
        // Little that comes at once fills the smallest: short pieces of one body are one event.
        self.client.events_max = tape.pick(&[256, 256, 8]);
        self.server.events_max = tape.pick(&[256, 256, 8]);
        self.pool.idle_max = tape.pick(&[90_000, 500, 3_000]);
        // A limit that leaves a place for others.
        self.keeper = tape.chance(1, 2)
            && self.server.concurrent_streams_max > 1
            // Behind a silence there may be no place for anybody.
            && self.client.keep_alive_interval.is_none();
        if tape.chance(1, 8) {
            // Alone, behind a silence.
            let lull = tape.between(2_500, 6_000);
            if let Some(last) = self.requests.last_mut() {
                last.pause = lull;
            }
            if let Some(Cut::Partition(at, _)) = &mut self.cut {
                *at = lull + tape.below(1_000);
            }
        }
        if let Some(Cut::SocketFails(role, after)) = self.cut
            && tape.chance(1, 2)
            && !self.tls
        {
            // TLS may need to write before anything can be read.
            self.cut = Some(Cut::WritesFail(role, after));
        }
        let troubled = tape.chance(1, 3);
        for request in &mut self.requests {
            request.polite |= self.keeper;
            if troubled {
                request.trouble(tape, self.accepts);
            }
        }
        self.leaves = !self.keeper && tape.chance(1, 4);
        self.on_time = tape.chance(1, 2);
        for style in [&mut self.client_style, &mut self.server_style] {
            style.rests_max = tape.pick(&[None, None, Some(20), Some(60)]);
            style.stays_open = tape.chance(1, 12);
        }
        self.storm = tape.chance(1, 8);
        self = self.with_waiting_writes(tape).with_tunnels(tape);
        if self.tls && tape.chance(1, 6) {
            self.alpn = Some(tape.pick(&[&[], &[b"http/1.1"]]));
        }
        tape.lane("main");
        self
    }

    /// What came later still.
    fn deepened(mut self, tape: &mut Tape) -> Self {
        tape.lane("deeper");
        self.informs = tape.chance(1, 2);
        self.holds_back = tape.chance(1, 3);
        self.asks = tape.chance(1, 4);
        self.lets_go = tape.chance(1, 2);
        let unusual = tape.chance(1, 3);
        for request in &mut self.requests {
            request.watches = tape.chance(1, 3);
            if unusual {
                request.deepen(tape);
            }
        }
        self.pool.bound(tape);
        tape.lane("main");
        self
    }

    /// Bounds of the engines that came last.
    fn bounded(mut self, tape: &mut Tape) -> Self {
        tape.lane("bounds");
        // A client's requests would begin late that its pool has long sent.
        self.server.output_bytes_max = tape.pick(&[65_536, 65_536, 2_000]);
        for config in [&mut self.client, &mut self.server] {
            config.close_timeout = millis(tape.pick(&[1_000, 1_000, 300, 3_000]));
            config.stall_timeout = tape.pick(&[Some(300_000), None]).map(millis);
            config.informational_max = tape.pick(&[16, 64]);
            config.forward_oddities = tape.chance(1, 4);
            config.join_cookies = !tape.chance(1, 4);
            config.split_cookies = tape.chance(1, 4);
            config.frame_size_max = tape.pick(&[16_384, 16_384, 60_000]);
        }
        if tape.lane("lengths").chance(1, 2) {
            for request in &mut self.requests {
                request.tells_length = tape.chance(1, 2);
            }
        }
        tape.lane("main");
        self
    }

    /// Where nothing breaks, nobody need look whether the other side lives: what is forgotten stays forgotten.
    fn with_patience(mut self, tape: &mut Tape) -> Self {
        if self.cut.is_none() && tape.chance(1, 2) {
            self.client.keep_alive_interval = None;
            self.server.keep_alive_interval = None;
        }
        self
    }

    /// Lets a pool make tunnels, sometimes, and a server leave as soon as it has sent the SETTINGS that they wait for.
    fn with_tunnels(mut self, tape: &mut Tape) -> Self {
        if !tape.chance(1, 6) {
            return self;
        }
        self.server.enable_connect_protocol = true;
        for request in &mut self.requests {
            if tape.chance(1, 2) {
                request.dig();
            }
        }
        if tape.chance(1, 2) {
            self.drain = Some((Role::Server, tape.below(4) * self.tick));
        }
        self
    }

    /// Turns a socket that is stuck into one that can be read. There its side has one deadline alone, that for what it
    /// writes. A session of TLS takes 64 KiB of that, which then waits for nobody knows how long.
    fn with_waiting_writes(mut self, tape: &mut Tape) -> Self {
        if let Some(Cut::SocketWedges(role, after)) = self.cut
            && tape.chance(1, 2)
            && !self.tls
        {
            self.cut = Some(Cut::WritesWait(role, after));
            self.config(role).keep_alive_interval = None;
        }
        self
    }

    fn with_failing_socket(mut self) -> Self {
        match self.cut {
            Some(Cut::SocketFails(role, after)) => self.style(role).fails_after = Some(after),
            Some(Cut::WritesFail(role, after)) => self.style(role).writes_fail_after = Some(after),
            Some(Cut::SocketWedges(role, after)) => self.style(role).wedges_after = Some(after),
            Some(Cut::WritesWait(role, after)) => {
                self.style(role).stands_still_after = Some(after);
            }
            Some(Cut::SocketTakesNothing(role, after)) => {
                self.style(role).takes_nothing_after = Some(after);
            }
            _ => {}
        }
        self
    }
}

impl Plan {
    fn config(&mut self, role: Role) -> &mut Config {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub(super) fn style(&mut self, role: Role) -> &mut Style {
        match role {
            Role::Client => &mut self.client_style,
            Role::Server => &mut self.server_style,
        }
    }
}

fn moment(tape: &mut Tape) -> u64 {
    tape.moment(FAULTS_UNTIL)
}

fn config(tape: &mut Tape) -> Config {
    Config {
        concurrent_streams_max: tape.pick(&[100, 100, 1, 3, 20]),
        stream_window_bytes: tape.pick(&[262_144, 3_000, 16_384, 65_535]),
        connection_window_bytes: tape.pick(&[1_048_576, 65_535, 200_000]),
        header_table_bytes: tape.pick(&[4_096, 0, 200]),
        send_buffer_bytes: tape.pick(&[65_536, 1_000, 300_000]),
        // Long ones cost a step of the network for each moment that nothing happens in.
        keep_alive_interval: Some(millis(2_000)),
        keep_alive_quiet_interval: millis(2_000),
        keep_alive_timeout: millis(8_000),
        write_timeout: millis(10_000),
        ..Config::default()
    }
}

fn style(tape: &mut Tape) -> Style {
    Style {
        piece_max: tape.pick(&[1 << 20, 2_000, 20_000, 65_536]),
        pending_percent: tape.pick(&[0, 0, 5, 30]),
        vectored: tape.chance(1, 2),
        fails_after: None,
        wedges_after: None,
        takes_nothing_after: None,
        writes_fail_after: None,
        stands_still_after: None,
        rests_max: None,
        stays_open: false,
    }
}

fn holds(tape: &mut Tape) -> Vec<(u64, u64)> {
    if !tape.chance(1, 3) {
        return Vec::new();
    }
    (0..=tape.below(3))
        .map(|_| (moment(tape), tape.between(1, 1_500)))
        .collect()
}

fn cut(tape: &mut Tape) -> Option<Cut> {
    if !tape.chance(1, 3) {
        return None;
    }
    let role = tape.pick(&[Role::Client, Role::Server]);
    Some(match tape.below(7) {
        0 => Cut::ClientDrops(moment(tape)),
        1 => Cut::ServerDrops(moment(tape)),
        2 => Cut::ServerCrashes(moment(tape)),
        3 => Cut::Partition(moment(tape), tape.between(1, 5_000)),
        4 => Cut::SocketWedges(role, tape.size(1_000_000) as u64),
        5 => Cut::SocketTakesNothing(role, tape.size(1_000_000) as u64),
        _ => Cut::SocketFails(role, tape.size(1_000_000) as u64),
    })
}

/// So many milliseconds.
pub(super) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
