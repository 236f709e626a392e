//! What a stream does with every input in every state, as a table that is checked in: an edge that changes is a line
//! that somebody has to look at. `RADDLE_WRITE_STATES=1 cargo test -p raddle-core states` writes the table and the
//! diagrams anew.

mod diagram;
mod inputs;
mod setups;

use core::fmt::Write;
use std::{
    format, fs,
    path::Path,
    string::{String, ToString},
    vec::Vec,
};

use super::pair::End;
use crate::{
    Event, Role, StreamHandle, StreamId, Timestamp, frame,
    stream::{RecvState, SendState},
};

const NOW: Timestamp = Timestamp(0);

/// The halves of a stream, as far as they still are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halves {
    /// No such stream yet.
    Idle,
    /// In the table; `bound` when it has an identifier.
    Live {
        send: SendState,
        recv: RecvState,
        bound: bool,
    },
    /// Forgotten.
    Gone,
}

/// A stream in some state, and the engine that has it.
struct Subject {
    end: End,
    stream: Option<StreamHandle>,
    id: u32,
}

/// What one input did.
struct Edge {
    role: Role,
    state: &'static str,
    before: Halves,
    input: &'static str,
    after: Halves,
    /// The violation that ended the connection, or what a command answered.
    answer: String,
    told: Vec<String>,
    sent: Vec<String>,
}

impl Subject {
    fn halves(&self) -> Halves {
        let Some(stream) = self.stream else {
            return Halves::Idle;
        };
        let found = self.end.connection.streams.get(stream);
        found.map_or(Halves::Gone, |found| Halves::Live {
            send: found.send.state,
            recv: found.recv.state,
            bound: found.is_bound(),
        })
    }

    /// The frames that go out now, by kind and what matters about them.
    fn sent(&mut self) -> Vec<String> {
        let bytes = self.end.output(NOW);
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while let Some((head, body)) = rest.split_first_chunk::<{ frame::HEAD_LEN }>() {
            let len = usize::from(head[1]) << 8 | usize::from(head[2]);
            let dump = frame::describe_frame(head, &body[..len]).to_string();
            let kind = dump.split(' ').next().unwrap_or_default();
            let code = dump.split("error_code=").nth(1);
            let code = code.and_then(|code| code.split('(').next());
            found.push(match code {
                Some(code) => format!("{kind} {code}"),
                None if head[4] & 1 == 1 && head[3] < 2 => format!("{kind}+END"),
                None => kind.to_string(),
            });
            rest = &body[len..];
        }
        found
    }

    /// What the application hears.
    fn told(&mut self) -> Vec<String> {
        self.end.take_events().iter().map(name).collect()
    }
}

fn name(event: &Event) -> String {
    match event {
        Event::Failed { error, .. } => match error.violation {
            Some(violation) => format!("Failed({violation:?}, {:?})", error.retry),
            None => format!("Failed({}, {:?})", error.code, error.retry),
        },
        Event::Closed { error } => match error {
            Some(_) => "Closed(error)".to_string(),
            None => "Closed".to_string(),
        },
        Event::Data { then, .. } if then.is_end() => "Data+End".to_string(),
        event => {
            let text = format!("{event:?}");
            let end = text.find([' ', '{', '(']).unwrap_or(text.len());
            text[..end].to_string()
        }
    }
}

fn halves(halves: Halves) -> String {
    match halves {
        Halves::Idle => "idle".to_string(),
        Halves::Gone => "gone".to_string(),
        Halves::Live { send, recv, bound } => {
            let waits = if bound { "" } else { " (waits)" };
            format!("{send:?}/{recv:?}{waits}")
        }
    }
}

/// Every input in every state.
fn edges() -> Vec<Edge> {
    let mut edges = Vec::new();
    for setup in setups::ALL {
        for input in inputs::ALL {
            if input.role.is_some_and(|role| role != setup.role) {
                continue;
            }
            let mut subject = (setup.make)();
            subject.sent();
            subject.told();
            let before = subject.halves();
            let answer = (input.act)(&mut subject);
            subject.end.connection.check();
            let sent = subject.sent();
            let told = subject.told();
            subject.end.connection.check();
            let error = subject.end.connection.error();
            let fault = error.and_then(|error| error.violation);
            edges.push(Edge {
                role: setup.role,
                state: setup.name,
                before,
                input: input.name,
                after: subject.halves(),
                answer: fault.map_or(answer, |fault| format!("connection ends: {fault:?}")),
                told,
                sent,
            });
        }
    }
    edges
}

fn table(edges: &[Edge]) -> String {
    let mut text = String::from(
        "What a stream does with every input in every state. A state is the sending half and the receiving half.\n\
         Written by the test `states` of raddle-core, which also compares it: RADDLE_WRITE_STATES=1 writes it anew.\n",
    );
    let mut last = None;
    for edge in edges {
        let title = (edge.role, edge.state);
        if last.replace(title) != Some(title) {
            let role = edge.role;
            let _ = write!(
                text,
                "\n{role:?}, {}: {}\n",
                edge.state,
                halves(edge.before)
            );
        }
        let after = match edge.after == edge.before {
            true => "=".to_string(),
            false => halves(edge.after),
        };
        let mut line = format!("  {:<26} {after:<14}", edge.input);
        for (verb, things) in [("tells", &edge.told), ("sends", &edge.sent)] {
            if !things.is_empty() {
                let _ = write!(line, "  {verb} {}", things.join(" "));
            }
        }
        if !edge.answer.is_empty() {
            let _ = write!(line, "  {}", edge.answer);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Compares a file with what it ought to be, or writes it.
fn keep(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("RADDLE_WRITE_STATES").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let mut kept_lines = kept.lines();
    for (at, line) in text.lines().enumerate() {
        assert_eq!(
            kept_lines.next(),
            Some(line),
            "line {} of {} is not what the engine does; see the head of this test",
            at + 1,
            path.display()
        );
    }
    assert_eq!(kept_lines.next(), None, "{} is longer", path.display());
}

#[test]
fn states_and_inputs_have_the_outcomes_of_the_table() {
    let edges = edges();
    keep("src/stream/states.txt", &table(&edges));
    keep("../docs/streams.md", &diagram::page(&edges));
}

#[test]
fn every_state_of_the_halves_is_in_the_table() {
    let edges = edges();
    let seen = |wanted: &dyn Fn(SendState, RecvState) -> bool| {
        edges.iter().any(|edge| match edge.before {
            Halves::Live { send, recv, .. } => wanted(send, recv),
            _ => false,
        })
    };
    use RecvState as R;
    use SendState as S;
    for wanted in [S::Idle, S::Open, S::Ended, S::Reset] {
        assert!(seen(&|send, _| send == wanted), "{wanted:?}");
    }
    for wanted in [R::Head, R::Body, R::Ended, R::Reset] {
        assert!(seen(&|_, recv| recv == wanted), "{wanted:?}");
    }
}

/// The identifier that frames of the peer name.
fn id(subject: &Subject) -> StreamId {
    StreamId::from_u32(subject.id)
}
