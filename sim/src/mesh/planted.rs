//! Whether those who judge several connections find what they are there for: each fault here is the simulation's own, put
//! between an engine and who hears it.

use bytes::Bytes;
use raddle_core::{ErrorCode, Event, ResponseHead, Retry, Role};

use super::{Hop, Topology, World, fields::mark, origin::put, plan::Plan};
use crate::{outcome::Fault, tape::Tape, trace::Trace};

/// A fault that comes to pass at the first occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// One bit of a body changes.
    FlippedBit,
    /// Part of a body is not told.
    LostData,
    /// A client is not told that a request is complete.
    SwallowedEnd,
    /// A client is told twice that a request is complete.
    RepeatedEnd,
    /// What a server has acted on counts as safe to send again.
    MildVerdict,
    /// A response carries the mark of another request.
    OthersHead,
    /// A response carries a field of another request.
    OthersField,
    /// An interim response is not told.
    LostHint,
    /// A server has acted on a request before.
    ActedTwice,
    /// An application has a byte that the engine does not count.
    LooseCredit,
    /// A stream that nothing touched is reset.
    UntouchedReset,
    /// A request is sent more often than it may be.
    SentTooOften,
    /// Something comes after the connection was closed.
    AfterClosed,
}

impl World<'_> {
    /// What is told instead of `event`.
    pub(super) fn plant(&mut self, at: usize, role: Role, event: Event) -> Vec<Event> {
        let Some(planted) = self.planted else {
            return vec![event];
        };
        let told = match (planted, role, &event) {
            (Planted::FlippedBit, _, Event::Data { stream, data, then }) if !data.is_empty() => {
                let mut data = data.to_vec();
                data[0] ^= 1;
                let (stream, then, data) = (*stream, *then, Bytes::from(data));
                vec![Event::Data { stream, data, then }]
            }
            (Planted::LostData, _, Event::Data { data, .. }) if !data.is_empty() => Vec::new(),
            (Planted::SwallowedEnd, Role::Client, Event::Finished { .. }) => Vec::new(),
            (Planted::RepeatedEnd, Role::Client, Event::Finished { .. }) => {
                vec![event.clone(), event]
            }
            (Planted::MildVerdict, Role::Client, Event::Failed { stream, error }) => {
                let id = self.links[at].client.streams.get(stream);
                let acted = id.is_some_and(|&id| self.attempts[id].executed);
                if !acted || error.retry == Retry::Safe {
                    return vec![event];
                }
                let (stream, mut error) = (*stream, *error);
                error.retry = Retry::Safe;
                vec![Event::Failed { stream, error }]
            }
            (Planted::OthersHead, Role::Client, Event::Response { stream, then, .. }) => {
                let head = ResponseHead::new(200).field(b"x-mark", &mark(999)).finish();
                let (stream, then) = (*stream, *then);
                vec![Event::Response { stream, head, then }]
            }
            (Planted::OthersField, Role::Client, Event::Response { stream, then, head }) => {
                let fields = head.fields();
                let fields = fields.map(|field| (field.name, field.value, field.sensitive));
                let head = fields.fold(ResponseHead::new(200), put);
                let head = head.field(b"x-own", b"of another").finish();
                let (stream, then) = (*stream, *then);
                vec![Event::Response { stream, head, then }]
            }
            (Planted::LostHint, Role::Client, Event::Interim { .. }) => Vec::new(),
            (Planted::LooseCredit, _, Event::Data { stream, data, .. }) if data.len() > 1 => {
                self.links[at].raw(role).took(*stream, 1);
                vec![event]
            }
            (Planted::AfterClosed, _, Event::Closed { .. }) => vec![event.clone(), event],
            (_, Role::Server, Event::Request { head, .. }) if !self.is_proxied(at) => {
                let path = head.path().and_then(|path| std::str::from_utf8(path).ok());
                let id = path.and_then(|path| path.strip_prefix('/')?.parse::<usize>().ok());
                match id.is_some_and(|id| self.plant_at_server(at, id, planted, &event)) {
                    true => vec![event],
                    false => return vec![event],
                }
            }
            _ => return vec![event],
        };
        self.planted = None;
        self.marks.hit("planted");
        told
    }

    /// At the server at the end of the way; answers whether it came to pass.
    fn plant_at_server(&mut self, at: usize, id: usize, planted: Planted, event: &Event) -> bool {
        let n = self.attempts[id].n;
        let calm = !self.requests[n].touched && !self.links[at].troubled;
        match (planted, event) {
            (Planted::ActedTwice, _) if !self.plan.requests[n].idempotent => {
                self.requests[n].executed += 1;
                true
            }
            (Planted::SentTooOften, _) => {
                self.requests[n].sent += self.plan.budget;
                true
            }
            // On the far hop nobody knows that it was touched, either.
            (Planted::UntouchedReset, Event::Request { stream, .. })
                if calm
                    && self.plan.topology == Topology::Pool
                    && self.links[at].hop == Hop::Near =>
            {
                let conn = &mut self.links[at].server.conn;
                conn.reset(*stream, ErrorCode::INTERNAL_ERROR);
                true
            }
            _ => false,
        }
    }
}

fn run(topology: Topology, seed: u64, planted: Planted) -> (Result<(), Fault>, bool) {
    let (mut tape, mut trace) = (Tape::from_seed(seed), Trace::keeping(0));
    let plan = Plan::draw(&mut tape, topology);
    let mut world = World::new(&mut tape, &mut trace, plan);
    world.planted = Some(planted);
    let result = world.drive();
    let passed = world.planted.is_none();
    (result, passed)
}

/// Every fault, and the beginnings of what may be said of it.
const ALL: [(Planted, &[&str]); 13] = [
    (Planted::FlippedBit, &["I-04"]),
    (Planted::LostData, &["I-04", "I-10"]),
    (Planted::SwallowedEnd, &["I-01", "I-16", "I-21", "I-22"]),
    (Planted::RepeatedEnd, &["I-01"]),
    (Planted::MildVerdict, &["I-02"]),
    (Planted::OthersHead, &["I-31"]),
    (Planted::OthersField, &["I-31"]),
    (Planted::LostHint, &["I-31"]),
    (Planted::ActedTwice, &["I-06"]),
    (Planted::LooseCredit, &["I-10"]),
    (Planted::UntouchedReset, &["I-30"]),
    (Planted::SentTooOften, &["I-06"]),
    (Planted::AfterClosed, &["I-29"]),
];

#[test]
fn planted_faults_are_reported() {
    for topology in [Topology::Pool, Topology::Proxy] {
        for (planted, names) in ALL {
            let (mut found, mut missed) = (0, Vec::new());
            for seed in 0..16 {
                let (result, passed) = run(topology, seed, planted);
                match result {
                    Err(fault) => {
                        let named = names.iter().any(|name| fault.what.contains(name));
                        assert!(named, "{topology:?} {planted:?}, seed {seed}: {fault}");
                        found += 1;
                    }
                    // A request that may be sent again may be well after all.
                    Ok(()) if passed => missed.push(seed),
                    Ok(()) => {}
                }
            }
            println!("{topology:?} {planted:?}: {found} found, missed {missed:?}");
            let occurs = planted != Planted::UntouchedReset || topology == Topology::Pool;
            assert_eq!(
                found > 0,
                occurs,
                "{topology:?} {planted:?}, missed {missed:?}"
            );
        }
    }
}
