//! What the tasks of one connection share: the values of the fields as `h2` takes them, and what was seen.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};

use crate::workload::{AUTHORITY, SCHEME, Seen, Workload};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What all tasks share: the values of the fields as `h2` takes them, and what was seen.
pub(super) struct Job {
    pub(super) workload: &'static Workload,
    pub(super) method: Method,
    pub(super) uris: Vec<Uri>,
    pub(super) ids: Vec<HeaderValue>,
    pub(super) tags: Vec<HeaderValue>,
    pub(super) request_fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) response_fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) trailers: Vec<(HeaderName, HeaderValue)>,
    pub(super) upload: Bytes,
    pub(super) download: Bytes,
    pub(super) opened: Cell<usize>,
    pub(super) answered: Cell<usize>,
    /// Requests that are still to be opened.
    pub(super) left: Cell<usize>,
    pub(super) seen: RefCell<Seen>,
}

impl Job {
    pub(super) fn new(workload: &'static Workload) -> Self {
        let uri = |path: String| {
            let uri = Uri::builder().scheme(SCHEME).authority(AUTHORITY);
            uri.path_and_query(path).build().expect("a URI")
        };
        let value = |text: String| HeaderValue::try_from(text).expect("a field value");
        let (upload, download) = workload.bodies();
        Self {
            workload,
            method: workload.method.parse().expect("a method"),
            uris: workload.paths().into_iter().map(uri).collect(),
            ids: workload.request_ids().into_iter().map(value).collect(),
            tags: workload.tags().into_iter().map(value).collect(),
            request_fields: fields(workload.request_fields),
            response_fields: fields(workload.response_fields),
            trailers: fields(workload.trailers),
            upload,
            download,
            opened: Cell::new(0),
            answered: Cell::new(0),
            left: Cell::new(0),
            seen: RefCell::default(),
        }
    }

    /// Whether one more request is to be made.
    pub(super) fn claim(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    pub(super) fn request(&self) -> Request<()> {
        let n = self.opened.replace(self.opened.get() + 1);
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uris[n % self.uris.len()].clone();
        let mut headers = map(&self.request_fields, 1);
        if self.workload.varies {
            headers.insert(REQUEST_ID, self.ids[n % self.ids.len()].clone());
        }
        *request.headers_mut() = headers;
        request
    }

    pub(super) fn response(&self, request: &HeaderMap) -> Response<()> {
        let n = self.answered.replace(self.answered.get() + 1);
        let mut response = Response::new(());
        let mut headers = map(&self.response_fields, 2);
        if self.workload.varies {
            headers.insert(header::ETAG, self.tags[n % self.tags.len()].clone());
            if let Some(id) = request.get(REQUEST_ID) {
                headers.insert(REQUEST_ID, id.clone());
            }
        }
        *response.headers_mut() = headers;
        response
    }

    pub(super) fn see_request(&self, request: &Request<RecvStream>) {
        let mut seen = self.seen.borrow_mut();
        let (method, uri) = (request.method(), request.uri());
        seen.field(b":method", method.as_str().as_bytes());
        seen.field(b":scheme", uri.scheme_str().unwrap_or_default().as_bytes());
        if let Some(authority) = uri.authority() {
            seen.field(b":authority", authority.as_str().as_bytes());
        }
        if let Some(path) = uri.path_and_query() {
            seen.field(b":path", path.as_str().as_bytes());
        }
        see(&mut seen, request.headers());
    }

    pub(super) fn see_response(&self, response: &Response<RecvStream>) {
        let mut seen = self.seen.borrow_mut();
        seen.field(b":status", response.status().as_str().as_bytes());
        see(&mut seen, response.headers());
    }

    pub(super) fn take(&self, body: &mut RecvStream, data: &Bytes) {
        self.seen.borrow_mut().body(data);
        body.flow_control()
            .release_capacity(data.len())
            .expect("no more than was given");
    }
}

fn fields(fields: &[(&'static str, &'static str)]) -> Vec<(HeaderName, HeaderValue)> {
    fields
        .iter()
        .map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

/// A map of these fields with room for `more`.
pub(super) fn map(fields: &[(HeaderName, HeaderValue)], more: usize) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len() + more);
    for (name, value) in fields {
        map.insert(name.clone(), value.clone());
    }
    map
}

pub(super) fn see(seen: &mut Seen, headers: &HeaderMap) {
    for (name, value) in headers {
        seen.field(name.as_str().as_bytes(), value.as_bytes());
    }
}
