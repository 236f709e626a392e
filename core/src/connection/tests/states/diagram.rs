//! The edges that change a state, as diagrams.

use core::fmt::Write;
use std::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Edge, Halves};
use crate::Role;

/// Edges by where they begin and end, with the inputs that take them.
#[derive(Default)]
struct Edges(BTreeMap<(String, String), BTreeSet<&'static str>>);

impl Edges {
    fn add(&mut self, from: String, to: String, input: &'static str) {
        if from != to {
            self.0.entry((from, to)).or_default().insert(input);
        }
    }

    fn draw(&self, text: &mut String) {
        text.push_str("```mermaid\nstateDiagram-v2\n");
        for ((from, to), inputs) in &self.0 {
            let inputs: Vec<_> = inputs.iter().map(|&input| input.to_owned()).collect();
            let _ = writeln!(text, "    {from} --> {to}: {}", inputs.join(", "));
        }
        text.push_str("```\n");
    }
}

/// What ends the connection, or follows from its end, would be an edge from everywhere.
fn is_of_the_stream(edge: &Edge) -> bool {
    !edge.answer.starts_with("connection ends")
        && !["end of the transport", "close"].contains(&edge.input)
}

/// The state of RFC 9113 §5.1.
fn rfc_state(halves: Halves) -> String {
    let (send, recv, bound) = match halves {
        Halves::Idle => return "idle".to_string(),
        Halves::Gone => return "closed".to_string(),
        Halves::Live { send, recv, bound } => (send, recv, bound),
    };
    let over = |state: String| ["Ended", "Reset"].contains(&&state[..]);
    match (over(format!("{send:?}")), over(format!("{recv:?}"))) {
        (true, true) => "closed",
        (false, false) if !bound => "idle",
        (false, false) => "open",
        (true, false) => "half_closed_local",
        (false, true) => "half_closed_remote",
    }
    .to_string()
}

fn half(halves: Halves, sending: bool) -> Option<String> {
    match halves {
        Halves::Live { send, .. } if sending => Some(format!("{send:?}")),
        Halves::Live { recv, .. } => Some(format!("{recv:?}")),
        _ => None,
    }
}

/// Before a stream is in the table, it begins; after it has left, it is where it was going to be.
fn ends_of(edge: &Edge, sending: bool) -> Option<(String, String)> {
    let from = half(edge.before, sending);
    let to = half(edge.after, sending);
    match (from, to) {
        (None, Some(to)) if edge.before == Halves::Idle => Some(("[*]".to_string(), to)),
        (Some(from), Some(to)) => Some((from, to)),
        (Some(from), None) => {
            // Forgotten at once. What is reset is not complete, also when the stream is as good as that.
            let over = ["Ended", "Reset"].contains(&&from[..]);
            let complete = edge.told.iter().any(|told| told == "Finished")
                && !edge.input.to_lowercase().contains("reset")
                && !edge.input.starts_with("RST_STREAM");
            let to = if complete { "Ended" } else { "Reset" };
            (!over).then(|| (from, to.to_string()))
        }
        _ => None,
    }
}

pub(super) fn page(edges: &[Edge]) -> String {
    let mut text = String::from(
        "# The states of a stream\n\n\
         Generated from the engine, by the test `states` of `raddle-core`, which fails when this page and the engine \
         disagree;\n`RADDLE_WRITE_STATES=1 cargo test -p raddle-core states` writes it anew. Every input in every state \
         is in\n[`core/src/stream/states.txt`](../core/src/stream/states.txt); what ends the whole connection is left \
         out here. Upper case is a\nframe of the peer's, lower case a command of the caller's.\n",
    );
    for role in [Role::Client, Role::Server] {
        let of_role = || {
            edges
                .iter()
                .filter(move |edge| edge.role == role && is_of_the_stream(edge))
        };
        let name = format!("{role:?}");
        let _ = write!(text, "\n## {name}: as RFC 9113 §5.1 names them\n\n");
        let mut whole = Edges::default();
        for edge in of_role() {
            whole.add(rfc_state(edge.before), rfc_state(edge.after), edge.input);
        }
        whole.draw(&mut text);
        for (sending, title) in [(true, "sending half"), (false, "receiving half")] {
            let _ = write!(text, "\n## {name}: the {title}\n\n");
            let mut halves = Edges::default();
            for edge in of_role() {
                if let Some((from, to)) = ends_of(edge, sending) {
                    halves.add(from, to, edge.input);
                }
            }
            halves.draw(&mut text);
        }
    }
    text
}
