//! One connection: two engines, two pipes between them, and what each side's application holds.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use raddle_core::{Config, Connection, Input, Lifecycle, Role, StreamHandle, Timestamp, Transmit};

use super::{Hop, plan::Plan, proofs::Heads};
use crate::{
    agenda::earlier,
    conservation::{Half, conserved},
    counted::{self, Tally},
    crumbs,
    outcome::Fault,
    pair::{end::FEW, pipe::Pipe},
    resources::Rest,
    wire::Observer,
    work::Work,
};

#[derive(Debug)]
pub(super) struct Link {
    pub(super) hop: Hop,
    /// The server that it leads to.
    pub(super) target: usize,
    pub(super) client: Side,
    pub(super) server: Side,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// Something befell it that may end what is on it.
    pub(super) troubled: bool,
    /// It is not there yet; who has gone meanwhile; and it was there when nobody waited for it.
    pub(super) dialing: bool,
    pub(super) left: bool,
    pub(super) parked: bool,
    /// It is of the client that abuses what it shares with others.
    pub(super) abuses: bool,
    /// The proxy has drained it.
    pub(super) drained: bool,
    /// It is no longer needed.
    pub(super) ending: bool,
    /// When it next has something to do by itself, as of the last look.
    pub(super) next: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Side {
    pub(super) conn: Connection,
    config: Config,
    /// The most streams that it had at once.
    peak: usize,
    pub(super) out: Transmit,
    /// Bytes that have arrived and are not read.
    pub(super) input: BytesMut,
    /// Bytes of it that the engine has been offered.
    offered: usize,
    pub(super) unread: bool,
    /// Something was done to it: it may have something to say.
    pub(super) dirty: bool,
    /// Its streams, and which attempt each of them is.
    pub(super) streams: BTreeMap<StreamHandle, usize>,
    /// Bytes of each body that its application has.
    taken: BTreeMap<StreamHandle, usize>,
    pub(super) observer: Observer,
    /// Of a client: the heads of its requests.
    pub(super) heads: Heads,
    /// Times that it had nothing more to do and was not looked at.
    unseen: usize,
    /// What its application has heard and been refused.
    pub(super) tally: Tally,
    /// What its engine was asked for.
    pub(super) work: Work,
    pub(super) closed: bool,
    pub(super) hung_up: bool,
}

impl Link {
    pub(super) fn new(plan: &Plan, hop: Hop, target: usize, now: u64) -> Self {
        let side = |role| Side::new(role, plan, hop, now);
        Self {
            hop,
            target,
            client: side(Role::Client),
            server: side(Role::Server),
            up: Pipe::new("wire up", plan.style, None),
            down: Pipe::new("wire down", plan.style, None),
            troubled: false,
            dialing: false,
            left: false,
            parked: false,
            abuses: false,
            drained: false,
            ending: false,
            next: None,
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.client.dirty || self.server.dirty
    }

    /// Looks when it next has something to do by itself.
    pub(super) fn look_at_clock(&mut self) {
        let timer = |side: &Side| side.conn.poll_timeout().map(|at| at.0);
        let timers = earlier(timer(&self.client), timer(&self.server));
        self.next = earlier(timers, earlier(self.up.next(), self.down.next()));
    }

    /// Whether new requests go there.
    pub(super) fn is_usable(&self) -> bool {
        self.client.conn.lifecycle() < Lifecycle::Draining
    }

    pub(super) fn is_over(&self) -> bool {
        [&self.client, &self.server]
            .iter()
            .all(|side| side.closed && side.hung_up)
    }

    pub(super) fn raw(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub(super) fn seen(&self, role: Role) -> &Side {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// I-10 over both ends, of streams when nothing is on its way.
    pub(super) fn conserved(&self) -> Result<(), Fault> {
        let rest = self.up.next().is_none() && self.down.next().is_none();
        conserved(self.client.half(), self.server.half(), rest)
    }

    /// What `role` writes into.
    pub(super) fn outgoing(&mut self, role: Role) -> &mut Pipe {
        match role {
            Role::Client => &mut self.up,
            Role::Server => &mut self.down,
        }
    }
}

impl Side {
    fn new(role: Role, plan: &Plan, hop: Hop, now: u64) -> Self {
        let config = plan.config(hop, role);
        #[allow(unused_mut)]
        let mut conn = Connection::new(role, config.clone(), Timestamp(now));
        #[cfg(feature = "planted")]
        crate::mutants::plant(&mut conn);
        let mut observer = Observer::new(role == Role::Client);
        if plan.follows_tables {
            observer.follow_tables();
        }
        Self {
            conn,
            config,
            peak: 0,
            out: Transmit::new(),
            input: BytesMut::with_capacity(1_024),
            offered: 0,
            unread: false,
            dirty: true,
            streams: BTreeMap::new(),
            taken: BTreeMap::new(),
            observer,
            heads: Heads::default(),
            unseen: 0,
            tally: Tally::default(),
            work: Work::default(),
            closed: false,
            hung_up: false,
        }
    }

    pub(super) fn arrive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.observer.arrived(bytes);
        (self.unread, self.dirty) = (true, true);
    }

    pub(super) fn handle_input(&mut self, now: Timestamp, crumbs: bool) -> Input {
        let before = self.input.len();
        let verdict = crumbs::read(
            &mut self.conn,
            &mut self.input,
            &mut self.offered,
            now,
            crumbs,
        );
        self.tally.read(verdict);
        self.work.passes(before - self.input.len());
        self.observer.read(before - self.input.len());
        verdict
    }

    /// It is asked for output.
    pub(super) fn asks(&mut self) {
        let (waits, may) = (self.out.remaining(), self.config.output_bytes_max);
        self.tally.asks(&self.conn, waits, may);
    }

    /// Lets the observer see all of the output but the first `before` bytes.
    pub(super) fn observe(&mut self, before: usize) -> Result<(), Fault> {
        let mut old = before;
        self.observer.begin_output();
        for part in self.out.parts() {
            let skipped = old.min(part.len());
            old -= skipped;
            self.observer.sent(&part[skipped..], None)?;
        }
        if self.conn.role() == Role::Client {
            self.number_streams();
        }
        self.observer.encoder_agrees(&self.conn)
    }

    /// The transport has taken what it takes of the output.
    pub(super) fn wrote(&mut self) {
        self.observer.left(self.out.remaining());
    }

    /// I-12: this side has read what `peer` has sent.
    pub(super) fn decoder_agrees(&mut self, peer: &Self) -> Result<(), Fault> {
        self.observer.decoder_agrees(&self.conn, &peer.observer)
    }

    pub(super) fn took(&mut self, stream: StreamHandle, bytes: usize) {
        *self.taken.entry(stream).or_default() += bytes;
        self.tally.heard += bytes as u64;
    }

    /// Its application is done with `bytes` of a body.
    pub(super) fn release(&mut self, stream: StreamHandle, bytes: usize) {
        if let Some(taken) = self.taken.get_mut(&stream) {
            *taken -= bytes.min(*taken);
        }
        self.conn.release(stream, bytes);
        self.dirty = true;
    }

    /// What it keeps now.
    pub(super) fn rest(&self) -> Rest<'_> {
        let holds = |(handle, taken): &(&StreamHandle, &usize)| {
            **taken > 0 && !self.streams.contains_key(handle)
        };
        Rest {
            conn: &self.conn,
            config: &self.config,
            out: &self.out,
            input: &self.input,
            streams: self.streams.len() + self.taken.iter().filter(holds).count(),
            peak: self.peak,
        }
    }

    /// Whether all its streams are to be looked at, which is not every time where there are many.
    pub(super) fn is_due(&mut self) -> bool {
        self.peak = self.peak.max(self.conn.audit().live);
        self.unseen += 1;
        let due = self.unseen > self.streams.len() / FEW;
        self.unseen *= usize::from(!due);
        due
    }

    fn half(&self) -> Half<'_> {
        Half {
            conn: &self.conn,
            observer: &self.observer,
        }
    }

    /// I-10: what the engine counts as handed out is what the application has.
    pub(super) fn audit(&self) -> Result<(), Fault> {
        let held = self.taken.values().sum::<usize>() as u64;
        let audit = self.conn.audit();
        if audit.held == held {
            return Ok(());
        }
        Err(Fault::run(format!(
            "I-10: {:?} has {} bytes of credit out, its application has {held}",
            self.conn.role(),
            audit.held
        )))
    }

    /// The highest stream that it has opened, where its peer has said that it looks at none above a lower one.
    pub(super) fn left_out(&self) -> Option<(u32, u32)> {
        self.observer.left_out()
    }

    /// I-18, I-19: what the engine has counted is what has passed, and explains what it has done.
    pub(super) fn counted(&self) -> Result<(), Fault> {
        counted::judge(&self.conn, &self.observer, &self.tally)?;
        self.work.judge(&self.conn, &self.observer, self.peak)
    }

    /// Its peer, which is honest, did nothing that a defence counts.
    pub(super) fn blameless(&self) -> Result<(), Fault> {
        let defences = self.conn.stats().defences;
        if defences.empty_data + defences.unknown_frames + defences.settings == 0 {
            return Ok(());
        }
        Err(Fault::run(format!(
            "{:?} counts abuse of an honest peer: {defences:?}",
            self.conn.role()
        )))
    }

    /// What each of its streams waits for.
    pub(super) fn explain(&self) -> String {
        let lines = self.streams.iter().map(|(&handle, id)| {
            let waiting = self.conn.explain(handle);
            format!("attempt {id} waits for {waiting:?}; ")
        });
        format!(
            "{:?} is {:?}: {}",
            self.conn.role(),
            self.conn.lifecycle(),
            lines.collect::<String>()
        )
    }
}
