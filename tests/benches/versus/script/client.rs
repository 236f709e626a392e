//! The end that makes requests.

use std::rc::Rc;

use super::{Blocks, MESSAGE_ROOM, Script, frames};
use crate::{
    drive::{Asks, End},
    wire::Wire,
    workload::{Seen, Texts, Workload},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Makes requests from prepared header blocks, and counts what ends.
#[derive(Debug)]
pub(crate) struct ScriptClient {
    script: Script,
    workload: &'static Workload,
    texts: Rc<Texts>,
    blocks: Blocks,
    prepared: usize,
    asked: usize,
    opened: usize,
    ended: usize,
}

impl ScriptClient {
    pub(crate) fn new(workload: &'static Workload, texts: Rc<Texts>) -> Self {
        let mut opening = PREFACE.to_vec();
        let [a, b, c, d] = workload.stream_window.to_be_bytes();
        // ENABLE_PUSH off, INITIAL_WINDOW_SIZE.
        let settings = [0, 2, 0, 0, 0, 0, 0, 4, a, b, c, d];
        frames::push(&mut opening, frames::SETTINGS, 0, 0, &settings);
        let more = workload.connection_window as usize - 65_535;
        if more > 0 {
            frames::push_credit(&mut opening, 0, more);
        }
        Self {
            script: Script::new(workload, &opening, 0),
            workload,
            texts,
            blocks: Blocks::new(),
            prepared: 0,
            asked: 0,
            opened: 0,
            ended: 0,
        }
    }
}

impl End for ScriptClient {
    fn prepare(&mut self, requests: usize) {
        self.blocks.restart();
        for n in self.prepared..self.prepared + requests {
            self.blocks.push(&self.workload.request(&self.texts, n));
        }
        self.prepared += requests;
    }

    fn input(&mut self, wire: &mut Wire) {
        while let Some(head) = self.script.next(wire) {
            self.ended += usize::from(head.ends());
        }
    }

    fn output(&mut self, wire: &mut Wire) {
        if !self.script.write_owed(wire) {
            return;
        }
        let upload = self.texts.upload.len();
        while self.opened < self.asked && self.opened - self.ended < self.workload.streams {
            if wire.room() < MESSAGE_ROOM {
                break;
            }
            let id = 2 * self.opened as u32 + 1;
            let block = self.blocks.next();
            self.script.write_block(wire, id, upload == 0, block);
            self.opened += 1;
            if upload > 0 {
                self.script.begin(id, upload, true, true);
                self.script.write_bodies(wire);
            }
        }
        self.script.write_bodies(wire);
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.script.seen)
    }
}

impl Asks for ScriptClient {
    fn ask(&mut self, requests: usize) {
        self.asked += requests;
    }

    fn is_done(&self) -> bool {
        self.ended == self.asked
    }
}
