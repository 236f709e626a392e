//! What the benchmark calls of libnghttp2, as `nghttp2/nghttp2.h` of Debian's libnghttp2-dev (1.52) declares it.

use std::ffi::{c_int, c_void};

macro_rules! opaque {
    ($($name:ident),*) => {$(
        /// Known to the library alone.
        #[repr(C)]
        pub(crate) struct $name {
            _nothing: [u8; 0],
        }
    )*};
}

opaque!(Session, Callbacks, Deflater, Inflater);

pub(crate) const NO_COPY_NAME: u8 = 2;
pub(crate) const NO_COPY_VALUE: u8 = 4;
pub(crate) const DATA_EOF: u32 = 1;
pub(crate) const DATA_NO_END_STREAM: u32 = 2;
pub(crate) const ERR_DEFERRED: isize = -508;
pub(crate) const SETTINGS_ENABLE_PUSH: i32 = 2;
pub(crate) const SETTINGS_MAX_CONCURRENT_STREAMS: i32 = 3;
pub(crate) const SETTINGS_INITIAL_WINDOW_SIZE: i32 = 4;
pub(crate) const INFLATE_FINAL: c_int = 1;
pub(crate) const INFLATE_EMIT: c_int = 2;

/// `nghttp2_nv`, a field.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nv {
    pub(crate) name: *const u8,
    pub(crate) value: *const u8,
    pub(crate) name_len: usize,
    pub(crate) value_len: usize,
    pub(crate) flags: u8,
}

impl Nv {
    /// A field that lives until it has been sent, so that the library need not copy it.
    pub(crate) fn lent(name: &str, value: &str) -> Self {
        Self {
            name: name.as_ptr(),
            value: value.as_ptr(),
            name_len: name.len(),
            value_len: value.len(),
            flags: NO_COPY_NAME | NO_COPY_VALUE,
        }
    }
}

/// `nghttp2_frame_hd`, with which every frame begins.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct FrameHead {
    pub(crate) length: usize,
    pub(crate) stream_id: i32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) reserved: u8,
}

/// `nghttp2_settings_entry`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) id: i32,
    pub(crate) value: u32,
}

/// `nghttp2_data_source`: a union of a file descriptor and a pointer, which the library hands back and never follows.
/// The benchmark keeps a number in it.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) number: usize,
}

/// `nghttp2_data_provider`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) source: Source,
    pub(crate) read: unsafe extern "C" fn(
        *mut Session,
        i32,
        *mut u8,
        usize,
        *mut u32,
        *mut Source,
        *mut c_void,
    ) -> isize,
}

/// `nghttp2_mem`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) user_data: *mut c_void,
    pub(crate) malloc: unsafe extern "C" fn(usize, *mut c_void) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void),
    pub(crate) calloc: unsafe extern "C" fn(usize, usize, *mut c_void) -> *mut c_void,
    pub(crate) realloc: unsafe extern "C" fn(*mut c_void, usize, *mut c_void) -> *mut c_void,
}

#[link(name = "nghttp2")]
unsafe extern "C" {
    pub(crate) fn nghttp2_session_callbacks_new(callbacks: *mut *mut Callbacks) -> c_int;
    pub(crate) fn nghttp2_session_callbacks_del(callbacks: *mut Callbacks);
    pub(crate) fn nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks: *mut Callbacks,
        call: unsafe extern "C" fn(*mut Session, *const FrameHead, *mut c_void) -> c_int,
    );
    pub(crate) fn nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks: *mut Callbacks,
        call: unsafe extern "C" fn(*mut Session, u8, i32, *const u8, usize, *mut c_void) -> c_int,
    );
    pub(crate) fn nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks: *mut Callbacks,
        call: unsafe extern "C" fn(*mut Session, i32, u32, *mut c_void) -> c_int,
    );
    pub(crate) fn nghttp2_session_callbacks_set_on_header_callback(
        callbacks: *mut Callbacks,
        call: unsafe extern "C" fn(
            *mut Session,
            *const FrameHead,
            *const u8,
            usize,
            *const u8,
            usize,
            u8,
            *mut c_void,
        ) -> c_int,
    );
    pub(crate) fn nghttp2_session_client_new3(
        session: *mut *mut Session,
        callbacks: *const Callbacks,
        user_data: *mut c_void,
        option: *const c_void,
        memory: *mut Memory,
    ) -> c_int;
    pub(crate) fn nghttp2_session_server_new3(
        session: *mut *mut Session,
        callbacks: *const Callbacks,
        user_data: *mut c_void,
        option: *const c_void,
        memory: *mut Memory,
    ) -> c_int;
    pub(crate) fn nghttp2_session_del(session: *mut Session);
    pub(crate) fn nghttp2_session_mem_send(session: *mut Session, data: *mut *const u8) -> isize;
    pub(crate) fn nghttp2_session_mem_recv(
        session: *mut Session,
        input: *const u8,
        len: usize,
    ) -> isize;
    pub(crate) fn nghttp2_session_resume_data(session: *mut Session, stream_id: i32) -> c_int;
    pub(crate) fn nghttp2_session_set_local_window_size(
        session: *mut Session,
        flags: u8,
        stream_id: i32,
        window_size: i32,
    ) -> c_int;
    pub(crate) fn nghttp2_submit_settings(
        session: *mut Session,
        flags: u8,
        entries: *const Setting,
        count: usize,
    ) -> c_int;
    pub(crate) fn nghttp2_submit_request(
        session: *mut Session,
        priority: *const c_void,
        fields: *const Nv,
        count: usize,
        provider: *const Provider,
        stream_user_data: *mut c_void,
    ) -> i32;
    pub(crate) fn nghttp2_submit_response(
        session: *mut Session,
        stream_id: i32,
        fields: *const Nv,
        count: usize,
        provider: *const Provider,
    ) -> c_int;
    pub(crate) fn nghttp2_submit_trailer(
        session: *mut Session,
        stream_id: i32,
        fields: *const Nv,
        count: usize,
    ) -> c_int;
    pub(crate) fn nghttp2_hd_deflate_new(deflater: *mut *mut Deflater, table_max: usize) -> c_int;
    pub(crate) fn nghttp2_hd_deflate_del(deflater: *mut Deflater);
    pub(crate) fn nghttp2_hd_deflate_hd(
        deflater: *mut Deflater,
        out: *mut u8,
        out_len: usize,
        fields: *const Nv,
        count: usize,
    ) -> isize;
    pub(crate) fn nghttp2_hd_inflate_new(inflater: *mut *mut Inflater) -> c_int;
    pub(crate) fn nghttp2_hd_inflate_del(inflater: *mut Inflater);
    pub(crate) fn nghttp2_hd_inflate_hd2(
        inflater: *mut Inflater,
        field: *mut Nv,
        flags: *mut c_int,
        input: *const u8,
        len: usize,
        last: c_int,
    ) -> isize;
    pub(crate) fn nghttp2_hd_inflate_end_headers(inflater: *mut Inflater) -> c_int;
}
