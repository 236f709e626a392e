//! Streams in every state, each brought there by what a peer and a caller may do.

use std::vec::Vec;

use bytes::Bytes;

use super::{
    NOW, Subject,
    inputs::{PREFACE_AND_SETTINGS, SETTINGS, SETTINGS_ACK, frame, respond},
};
use crate::{
    Config, ErrorCode, Event, Role, Then,
    connection::tests::{get, pair::End, post},
};

/// How a state comes to be.
pub(super) struct Setup {
    pub(super) role: Role,
    pub(super) name: &'static str,
    pub(super) make: fn() -> Subject,
}

const fn state(role: Role, name: &'static str, make: fn() -> Subject) -> Setup {
    Setup { role, name, make }
}

/// Every state.
pub(super) const ALL: &[Setup] = &[
    state(Role::Client, "idle", || established(Role::Client)),
    state(Role::Client, "waits for its turn", waiting),
    state(Role::Client, "open", || sent(Then::More)),
    state(Role::Client, "half closed (local)", || sent(Then::End)),
    state(Role::Client, "open, answer begun", || answered(Then::More)),
    state(Role::Client, "half closed (local), answer begun", || {
        answered(Then::End)
    }),
    state(Role::Client, "half closed (remote)", half_closed_remote),
    state(Role::Client, "complete, body unread", unread),
    state(Role::Client, "complete", complete),
    state(Role::Client, "reset by us", || {
        let mut subject = sent(Then::More);
        reset(&mut subject);
        subject
    }),
    state(Role::Client, "reset by us, body unread", || {
        let mut subject = answered(Then::More);
        says(&mut subject, 0, 0, b"body");
        reset(&mut subject);
        subject
    }),
    state(Role::Client, "reset by the peer", || {
        let mut subject = sent(Then::More);
        says(&mut subject, 3, 0, &[0, 0, 0, 8]);
        subject
    }),
    state(Role::Server, "idle", || established(Role::Server)),
    state(Role::Server, "open", || asked(Then::More)),
    state(Role::Server, "half closed (remote)", || asked(Then::End)),
    state(Role::Server, "open, answer begun", || {
        let mut subject = asked(Then::More);
        answer(&mut subject, Then::More);
        subject
    }),
    state(Role::Server, "half closed (remote), answer begun", || {
        let mut subject = asked(Then::End);
        answer(&mut subject, Then::More);
        subject
    }),
    state(Role::Server, "half closed (local)", || {
        let mut subject = asked(Then::More);
        answer(&mut subject, Then::End);
        subject
    }),
    state(Role::Server, "answered, upload stopped", || {
        let mut subject = asked(Then::More);
        says(&mut subject, 0, 0, b"body");
        answer(&mut subject, Then::End);
        let stream = subject.stream.unwrap();
        subject.end.connection.reset(stream, ErrorCode::NO_ERROR);
        subject
    }),
    state(Role::Server, "complete", || {
        let mut subject = asked(Then::End);
        answer(&mut subject, Then::End);
        subject
    }),
    state(Role::Server, "reset by us", || {
        let mut subject = asked(Then::More);
        reset(&mut subject);
        subject
    }),
    state(Role::Server, "reset by the peer", || {
        let mut subject = asked(Then::More);
        says(&mut subject, 3, 0, &[0, 0, 0, 8]);
        subject
    }),
];

fn established(role: Role) -> Subject {
    let mut end = End::new(role, Config::default());
    end.input(
        match role {
            Role::Client => SETTINGS,
            Role::Server => PREFACE_AND_SETTINGS,
        },
        NOW,
    );
    end.output(NOW);
    end.input(SETTINGS_ACK, NOW);
    Subject {
        end,
        stream: None,
        id: 1,
    }
}

/// The peer says a frame on the stream.
fn says(subject: &mut Subject, kind: u8, flags: u8, payload: &[u8]) {
    let bytes: Vec<u8> = frame(kind, flags, subject.id, payload);
    subject.end.input(&bytes, NOW);
}

fn sent(then: Then) -> Subject {
    let mut subject = established(Role::Client);
    let head = if then.is_end() { get("/") } else { post("/") };
    subject.stream = Some(subject.end.connection.open(head, then).unwrap());
    subject.end.output(NOW);
    subject
}

fn waiting() -> Subject {
    let mut subject = established(Role::Client);
    // SETTINGS_MAX_CONCURRENT_STREAMS = 0
    let bytes = frame(4, 0, 0, &[0, 3, 0, 0, 0, 0]);
    subject.end.input(&bytes, NOW);
    subject.stream = Some(subject.end.connection.open(post("/"), Then::More).unwrap());
    subject
}

fn answered(then: Then) -> Subject {
    let mut subject = sent(then);
    says(&mut subject, 1, 4, b"\x88");
    subject
}

fn half_closed_remote() -> Subject {
    let mut subject = sent(Then::More);
    says(&mut subject, 1, 5, b"\x88");
    subject
}

fn unread() -> Subject {
    let mut subject = answered(Then::End);
    says(&mut subject, 0, 1, b"body");
    subject
}

fn complete() -> Subject {
    let mut subject = sent(Then::End);
    says(&mut subject, 1, 5, b"\x88");
    subject
}

fn reset(subject: &mut Subject) {
    let stream = subject.stream.unwrap();
    subject.end.connection.reset(stream, ErrorCode::CANCEL);
}

fn answer(subject: &mut Subject, then: Then) {
    respond(subject, then);
    subject.end.output(NOW);
}

fn asked(then: Then) -> Subject {
    let mut subject = established(Role::Server);
    let flags = if then.is_end() { 5 } else { 4 };
    says(&mut subject, 1, flags, b"\x83\x87\x84\x41\x04test");
    let events = subject.end.take_events();
    let Some(Event::Request { stream, .. }) = events.last() else {
        panic!("{events:?}")
    };
    subject.stream = Some(*stream);
    subject
}

/// Some bytes of a body.
pub(super) fn body() -> Bytes {
    Bytes::from_static(b"some")
}
