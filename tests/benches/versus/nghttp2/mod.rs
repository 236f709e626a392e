//! The two ends of a connection as sessions of libnghttp2, with the callbacks that are their application.
//!
//! All `unsafe` code for libnghttp2 is in this folder. What it relies on: a session is used from one thread; the
//! state that callbacks get is a box that lives as long as its session; outside of `mem_recv` and `mem_send`, during
//! which callbacks run, nobody but the owner of the session looks at it; strings that are lent to the library belong
//! to the workload's texts, which the state keeps.

#![allow(clippy::disallowed_types, reason = "its order is never seen")]

mod callbacks;
pub(crate) mod ffi;
pub(crate) mod hpack;
mod memory;

use std::{collections::HashMap, ffi::c_void, ptr, rc::Rc};

use ffi::{Nv, Provider, Setting, Source};

use crate::{
    drive::{Asks, End},
    wire::Wire,
    workload::{AUTHORITY, SCHEME, Seen, Texts, Workload},
};

/// The most that one read takes, as in the other engines' loops.
const READ_BYTES: usize = 16 * 1024 + 512;

/// One session of either role.
pub(crate) struct Ends {
    raw: *mut ffi::Session,
    state: *mut State,
    /// What the session has given to be sent and the wire has not taken; valid until it is asked for more.
    rest: (*const u8, usize),
    /// What was read last.
    inbox: Vec<u8>,
}

/// What callbacks use.
struct State {
    client: bool,
    workload: &'static Workload,
    texts: Rc<Texts>,
    seen: Seen,
    asked: usize,
    opened: usize,
    ended: usize,
    answered: usize,
    /// Fields of a head in the making.
    fields: Vec<Nv>,
    /// The latest request's x-request-id.
    id: Vec<u8>,
    echoes: HashMap<i32, Echo>,
    /// Memory of echoes that have ended.
    spare: Vec<Vec<u8>>,
}

/// A request's body on its way back.
#[derive(Default)]
struct Echo {
    bytes: Vec<u8>,
    sent: usize,
    whole: bool,
    /// Whether the library waits to be told that there is more.
    waits: bool,
}

impl Ends {
    pub(crate) fn client(workload: &'static Workload, texts: Rc<Texts>) -> Self {
        let settings = [Setting {
            id: ffi::SETTINGS_ENABLE_PUSH,
            value: 0,
        }];
        Self::new(true, workload, texts, settings)
    }

    pub(crate) fn server(workload: &'static Workload, texts: Rc<Texts>) -> Self {
        let settings = [Setting {
            id: ffi::SETTINGS_MAX_CONCURRENT_STREAMS,
            value: workload.streams.max(100) as u32,
        }];
        Self::new(false, workload, texts, settings)
    }

    fn new(
        client: bool,
        workload: &'static Workload,
        texts: Rc<Texts>,
        [setting]: [Setting; 1],
    ) -> Self {
        let state = Box::into_raw(Box::new(State {
            client,
            workload,
            texts,
            seen: Seen::default(),
            asked: 0,
            opened: 0,
            ended: 0,
            answered: 0,
            fields: Vec::new(),
            id: Vec::new(),
            echoes: HashMap::new(),
            spare: Vec::new(),
        }));
        let settings = [
            setting,
            Setting {
                id: ffi::SETTINGS_INITIAL_WINDOW_SIZE,
                value: workload.stream_window,
            },
        ];
        let mut raw = ptr::null_mut();
        let mut memory = memory::counted();
        let make = if client {
            ffi::nghttp2_session_client_new3
        } else {
            ffi::nghttp2_session_server_new3
        };
        // SAFETY: the library copies what the pointers lead to, but for the state, which outlives the session.
        unsafe {
            let callbacks = callbacks::new();
            let user = state.cast::<c_void>();
            let made = make(&mut raw, callbacks, user, ptr::null(), &mut memory);
            assert_eq!(made, 0, "a session");
            ffi::nghttp2_session_callbacks_del(callbacks);
            let told = ffi::nghttp2_submit_settings(raw, 0, settings.as_ptr(), settings.len());
            assert_eq!(told, 0, "settings");
            let window = workload.connection_window as i32;
            let set = ffi::nghttp2_session_set_local_window_size(raw, 0, 0, window);
            assert_eq!(set, 0, "a window");
        }
        Self {
            raw,
            state,
            rest: (ptr::null(), 0),
            inbox: Vec::new(),
        }
    }

    fn state(&mut self) -> &mut State {
        // SAFETY: no callback runs while the session is borrowed by its owner; see above.
        unsafe { &mut *self.state }
    }

    fn open(&mut self) {
        let raw = self.raw;
        let state = self.state();
        let provider = Provider {
            source: Source {
                number: state.texts.upload.len(),
            },
            read: callbacks::read_upload,
        };
        let body: *const Provider = if state.texts.upload.is_empty() {
            ptr::null()
        } else {
            &provider
        };
        let n = state.opened;
        state.fields.clear();
        state.fields.extend([
            Nv::lent(":method", state.workload.method),
            Nv::lent(":scheme", SCHEME),
            Nv::lent(":authority", AUTHORITY),
            Nv::lent(":path", Texts::nth(&state.texts.paths, n)),
        ]);
        let fields = state.workload.request_fields.iter();
        let fields = fields.map(|(name, value)| Nv::lent(name, value));
        state.fields.extend(fields);
        if state.workload.varies {
            let id = Texts::nth(&state.texts.ids, n);
            state.fields.push(Nv::lent("x-request-id", id));
        }
        state.opened += 1;
        let (fields, count) = (state.fields.as_ptr(), state.fields.len());
        let none = ptr::null_mut();
        // SAFETY: the list is copied, its strings are lent for good, and no callback runs.
        let stream =
            unsafe { ffi::nghttp2_submit_request(raw, ptr::null(), fields, count, body, none) };
        assert!(stream > 0, "a request: {stream}");
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`; the session goes first, since it knows the state.
        unsafe {
            ffi::nghttp2_session_del(self.raw);
            drop(Box::from_raw(self.state));
        }
    }
}

impl End for Ends {
    fn input(&mut self, wire: &mut Wire) {
        while !wire.waiting().is_empty() {
            // As a read of a socket does, and as the loops of the others do.
            let len = wire.waiting().len().min(READ_BYTES);
            self.inbox.clear();
            self.inbox.extend_from_slice(wire.take(len));
            let bytes = &self.inbox;
            // SAFETY: the input is read during the call alone.
            let read =
                unsafe { ffi::nghttp2_session_mem_recv(self.raw, bytes.as_ptr(), bytes.len()) };
            assert_eq!(read, len as isize, "the connection goes on");
        }
    }

    fn output(&mut self, wire: &mut Wire) {
        let streams = self.state().workload.streams;
        while self.state().opened < self.state().asked
            && self.state().opened - self.state().ended < streams
        {
            self.open();
        }
        loop {
            if self.rest.1 == 0 {
                let mut data = ptr::null();
                // SAFETY: what it gives stays valid until the next call, which comes when all of it is written.
                let len = unsafe { ffi::nghttp2_session_mem_send(self.raw, &mut data) };
                assert!(len >= 0, "the connection goes on: {len}");
                self.rest = (data, len as usize);
                if len == 0 {
                    return;
                }
            }
            // SAFETY: as above.
            let bytes = unsafe { std::slice::from_raw_parts(self.rest.0, self.rest.1) };
            let written = wire.write(bytes);
            self.rest = (bytes[written..].as_ptr(), bytes.len() - written);
            if self.rest.1 > 0 {
                return;
            }
        }
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.state().seen)
    }

    fn let_go(&mut self) {
        self.inbox = Vec::new();
    }
}

impl Asks for Ends {
    fn ask(&mut self, requests: usize) {
        self.state().asked += requests;
    }

    fn is_done(&self) -> bool {
        // SAFETY: as in `state`.
        let state = unsafe { &*self.state };
        state.ended == state.asked
    }
}
