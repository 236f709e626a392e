//! The application of a session: it reads every field and every body byte, and answers.

use std::{
    ffi::{c_int, c_void},
    ptr, slice,
};

use super::{
    Echo, State,
    ffi::{self, Callbacks, FrameHead, NO_COPY_NAME, Nv, Provider, Session, Source},
};
use crate::workload::{Answer, Texts};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// Callbacks that a session copies.
pub(super) fn new() -> *mut Callbacks {
    let mut callbacks = ptr::null_mut();
    // SAFETY: they take the state that every session here is made with.
    unsafe {
        assert_eq!(ffi::nghttp2_session_callbacks_new(&mut callbacks), 0);
        ffi::nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        ffi::nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        ffi::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        ffi::nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    }
    callbacks
}

/// The state behind a callback's last argument.
///
/// # Safety
/// It is the state of the session that calls, and nobody else uses it during the callback.
unsafe fn state<'a>(user: *mut c_void) -> &'a mut State {
    // SAFETY: as above.
    unsafe { &mut *user.cast::<State>() }
}

unsafe extern "C" fn on_header(
    _: *mut Session,
    _: *const FrameHead,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
    _: u8,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the library's strings are valid during the call.
    let (state, name, value) = unsafe {
        (
            state(user),
            slice::from_raw_parts(name, name_len),
            slice::from_raw_parts(value, value_len),
        )
    };
    state.seen.field(name, value);
    if !state.client && state.workload.varies && name == b"x-request-id" {
        state.id.clear();
        state.id.extend_from_slice(value);
    }
    0
}

unsafe extern "C" fn on_frame(
    session: *mut Session,
    frame: *const FrameHead,
    user: *mut c_void,
) -> c_int {
    // SAFETY: every frame begins with its head.
    let (state, frame) = unsafe { (state(user), &*frame) };
    if state.client {
        return 0;
    }
    let id = frame.stream_id;
    let message = matches!(frame.kind, DATA | HEADERS);
    let ends = message && frame.flags & END_STREAM != 0;
    match state.workload.answer {
        Answer::Body(len) if frame.kind == HEADERS => respond(session, state, id, len, read_body),
        Answer::Unary(len) if ends => respond(session, state, id, len, read_unary),
        Answer::Echo if frame.kind == HEADERS => {
            let bytes = state.spare.pop().unwrap_or_default();
            let echo = Echo {
                bytes,
                whole: ends,
                ..Echo::default()
            };
            state.echoes.insert(id, echo);
            respond(session, state, id, 0, read_echo);
        }
        Answer::Echo if ends => {
            if let Some(echo) = state.echoes.get_mut(&id) {
                echo.whole = true;
            }
            resume(session, state, id);
        }
        _ => {}
    }
    0
}

unsafe extern "C" fn on_data(
    session: *mut Session,
    _: u8,
    id: i32,
    data: *const u8,
    len: usize,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the library's bytes are valid during the call.
    let (state, data) = unsafe { (state(user), slice::from_raw_parts(data, len)) };
    state.seen.body(data);
    if let Some(echo) = state.echoes.get_mut(&id) {
        echo.bytes.extend_from_slice(data);
        resume(session, state, id);
    }
    0
}

unsafe extern "C" fn on_close(_: *mut Session, id: i32, code: u32, user: *mut c_void) -> c_int {
    assert_eq!(code, 0, "stream {id} was reset");
    // SAFETY: see `state`.
    unsafe { state(user) }.ended += 1;
    0
}

/// Says that there is more of an echo.
fn resume(session: *mut Session, state: &mut State, id: i32) {
    if let Some(echo) = state.echoes.get_mut(&id)
        && std::mem::take(&mut echo.waits)
    {
        // SAFETY: the session is alive; the library defers the data until it is asked to send.
        let resumed = unsafe { ffi::nghttp2_session_resume_data(session, id) };
        assert_eq!(resumed, 0);
    }
}

fn respond(
    session: *mut Session,
    state: &mut State,
    id: i32,
    len: usize,
    read: unsafe extern "C" fn(
        *mut Session,
        i32,
        *mut u8,
        usize,
        *mut u32,
        *mut Source,
        *mut c_void,
    ) -> isize,
) {
    state.fields.clear();
    state.fields.push(Nv::lent(":status", "200"));
    let fields = state.workload.response_fields.iter();
    let fields = fields.map(|(name, value)| Nv::lent(name, value));
    state.fields.extend(fields);
    if state.workload.varies {
        let tag = Texts::nth(&state.texts.tags, state.answered);
        state.fields.push(Nv::lent("etag", tag));
        // Of the request, and overwritten by the next one: this one is copied.
        let request_id = Nv {
            value: state.id.as_ptr(),
            value_len: state.id.len(),
            flags: NO_COPY_NAME,
            ..Nv::lent("x-request-id", "")
        };
        state.fields.push(request_id);
    }
    state.answered += 1;
    let provider = Provider {
        source: Source { number: len },
        read,
    };
    let (fields, count) = (state.fields.as_ptr(), state.fields.len());
    // SAFETY: the list is copied, and its strings too or lent for good.
    let told = unsafe { ffi::nghttp2_submit_response(session, id, fields, count, &provider) };
    assert_eq!(told, 0, "a response");
}

/// Copies the next bytes of `body`, of which `source` knows how many are left; answers how many there were.
///
/// # Safety
/// The library's buffer holds `room` bytes, and its pointers are valid.
unsafe fn fill(
    body: &[u8],
    out: *mut u8,
    room: usize,
    flags: *mut u32,
    source: *mut Source,
) -> usize {
    // SAFETY: as above; `number` starts as the body's length and only shrinks.
    unsafe {
        let left = (*source).number;
        let len = left.min(room);
        ptr::copy_nonoverlapping(body[body.len() - left..].as_ptr(), out, len);
        (*source).number = left - len;
        if len == left {
            *flags |= ffi::DATA_EOF;
        }
        len
    }
}

pub(super) unsafe extern "C" fn read_upload(
    _: *mut Session,
    _: i32,
    out: *mut u8,
    room: usize,
    flags: *mut u32,
    source: *mut Source,
    user: *mut c_void,
) -> isize {
    // SAFETY: the library's contract for this callback.
    unsafe { fill(&state(user).texts.upload, out, room, flags, source) as isize }
}

unsafe extern "C" fn read_body(
    _: *mut Session,
    _: i32,
    out: *mut u8,
    room: usize,
    flags: *mut u32,
    source: *mut Source,
    user: *mut c_void,
) -> isize {
    // SAFETY: as above.
    unsafe { fill(&state(user).texts.download, out, room, flags, source) as isize }
}

unsafe extern "C" fn read_unary(
    session: *mut Session,
    id: i32,
    out: *mut u8,
    room: usize,
    flags: *mut u32,
    source: *mut Source,
    user: *mut c_void,
) -> isize {
    // SAFETY: as above; trailers may be submitted here, and their list is copied.
    unsafe {
        let state = state(user);
        let len = fill(&state.texts.download, out, room, flags, source);
        if *flags & ffi::DATA_EOF != 0 {
            *flags |= ffi::DATA_NO_END_STREAM;
            state.fields.clear();
            let trailers = state.workload.trailers.iter();
            let trailers = trailers.map(|(name, value)| Nv::lent(name, value));
            state.fields.extend(trailers);
            let (fields, count) = (state.fields.as_ptr(), state.fields.len());
            let told = ffi::nghttp2_submit_trailer(session, id, fields, count);
            assert_eq!(told, 0, "trailers");
        }
        len as isize
    }
}

unsafe extern "C" fn read_echo(
    _: *mut Session,
    id: i32,
    out: *mut u8,
    room: usize,
    flags: *mut u32,
    _: *mut Source,
    user: *mut c_void,
) -> isize {
    // SAFETY: as above.
    let state = unsafe { state(user) };
    let echo = state.echoes.get_mut(&id).expect("it came with the head");
    let len = (echo.bytes.len() - echo.sent).min(room);
    if len == 0 && !echo.whole {
        echo.waits = true;
        return ffi::ERR_DEFERRED;
    }
    // SAFETY: the library's buffer holds `room` bytes.
    unsafe { ptr::copy_nonoverlapping(echo.bytes[echo.sent..].as_ptr(), out, len) };
    echo.sent += len;
    if echo.whole && echo.sent == echo.bytes.len() {
        // SAFETY: the library's pointer is valid.
        unsafe { *flags |= ffi::DATA_EOF };
        if let Some(mut echo) = state.echoes.remove(&id) {
            echo.bytes.clear();
            state.spare.push(echo.bytes);
        }
    }
    len as isize
}
