//! The end that answers.

use std::{collections::VecDeque, rc::Rc};

use super::{Blocks, MESSAGE_ROOM, Script, frames};
use crate::{
    drive::End,
    wire::Wire,
    workload::{Answer, Seen, Texts, Workload},
};

/// Answers requests in the order in which they came, whatever they ask for.
#[derive(Debug)]
pub(crate) struct ScriptServer {
    script: Script,
    workload: &'static Workload,
    texts: Rc<Texts>,
    blocks: Blocks,
    prepared: usize,
    /// Streams to be answered.
    due: VecDeque<u32>,
}

impl ScriptServer {
    pub(crate) fn new(workload: &'static Workload, texts: Rc<Texts>) -> Self {
        let mut opening = Vec::new();
        let [a, b, c, d] = workload.stream_window.to_be_bytes();
        let [e, f, g, h] = (workload.streams.max(100) as u32).to_be_bytes();
        // MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE.
        let settings = [0, 3, e, f, g, h, 0, 4, a, b, c, d];
        frames::push(&mut opening, frames::SETTINGS, 0, 0, &settings);
        let more = workload.connection_window as usize - 65_535;
        if more > 0 {
            frames::push_credit(&mut opening, 0, more);
        }
        Self {
            // The client's preface comes before its frames.
            script: Script::new(workload, &opening, 24),
            workload,
            texts,
            blocks: Blocks::new(),
            prepared: 0,
            due: VecDeque::new(),
        }
    }

    fn answer(&mut self, id: u32, wire: &mut Wire) {
        let block = self.blocks.next();
        self.script.write_block(wire, id, false, block);
        let trailers = !self.workload.trailers.is_empty();
        if let Answer::Body(len) | Answer::Unary(len) = self.workload.answer {
            self.script.begin(id, len, true, !trailers);
            self.script.write_bodies(wire);
        }
        if trailers {
            assert!(
                self.script.sending.is_empty(),
                "a body before trailers is small"
            );
            let block = self.blocks.next();
            self.script.write_block(wire, id, true, block);
        }
    }

    fn echo(&mut self, head: frames::Head) {
        let sending = self.script.sending.iter_mut();
        let mut of_stream = sending.filter(|sending| sending.id == head.id);
        let sending = of_stream.next().expect("its head came before");
        sending.left += head.len;
        sending.whole = head.ends();
    }
}

impl End for ScriptServer {
    fn prepare(&mut self, requests: usize) {
        if self.workload.answer == Answer::Never {
            return;
        }
        self.blocks.restart();
        for n in self.prepared..self.prepared + requests {
            self.blocks.push(&self.workload.response(&self.texts, n));
            if !self.workload.trailers.is_empty() {
                self.blocks.push(self.workload.trailers);
            }
        }
        self.prepared += requests;
    }

    fn input(&mut self, wire: &mut Wire) {
        while let Some(head) = self.script.next(wire) {
            match (self.workload.answer, head.kind) {
                (Answer::Body(_), frames::HEADERS) => self.due.push_back(head.id),
                (Answer::Unary(_), _) if head.ends() => self.due.push_back(head.id),
                (Answer::Echo, frames::HEADERS) => {
                    self.due.push_back(head.id);
                    self.script.begin(head.id, 0, false, true);
                }
                (Answer::Echo, frames::DATA) => self.echo(head),
                _ => {}
            }
        }
    }

    fn output(&mut self, wire: &mut Wire) {
        if !self.script.write_owed(wire) {
            return;
        }
        while let Some(id) = self.due.pop_front() {
            if wire.room() < MESSAGE_ROOM {
                self.due.push_front(id);
                // No body before its head.
                return;
            }
            self.answer(id, wire);
        }
        self.script.write_bodies(wire);
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.script.seen)
    }
}
