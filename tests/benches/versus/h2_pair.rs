//! A client and a server of the `h2` crate in one thread: a task for each of the two connections and for each stream
//! of the client, on an executor without timers and sockets. The server answers from its connection's task, and has a
//! task of its own only for a request whose body is not there yet.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client, client::SendRequest, server, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Runtime,
    task::{LocalSet, spawn_local},
};

use crate::{
    Pair,
    wire::Wire,
    workload::{AUTHORITY, Answer, SCHEME, Seen, Workload},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) struct H2Pair {
    runtime: Runtime,
    tasks: LocalSet,
    client: SendRequest<Bytes>,
    job: Rc<Job>,
    up: Rc<RefCell<Wire>>,
    down: Rc<RefCell<Wire>>,
}

/// What all tasks share: the values of the fields as `h2` takes them, and what was seen.
struct Job {
    workload: &'static Workload,
    method: Method,
    uris: Vec<Uri>,
    ids: Vec<HeaderValue>,
    tags: Vec<HeaderValue>,
    request_fields: Vec<(HeaderName, HeaderValue)>,
    response_fields: Vec<(HeaderName, HeaderValue)>,
    trailers: Vec<(HeaderName, HeaderValue)>,
    upload: Bytes,
    download: Bytes,
    opened: Cell<usize>,
    answered: Cell<usize>,
    /// Requests that are still to be opened.
    left: Cell<usize>,
    seen: RefCell<Seen>,
}

impl H2Pair {
    pub(crate) fn new(workload: &'static Workload) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without a driver asks nothing of the system");
        let tasks = LocalSet::new();
        let job = Rc::new(Job::new(workload));
        let up = Rc::new(RefCell::new(Wire::new()));
        let down = Rc::new(RefCell::new(Wire::new()));
        let near = Pipe {
            input: Rc::clone(&down),
            output: Rc::clone(&up),
        };
        let far = Pipe {
            input: Rc::clone(&up),
            output: Rc::clone(&down),
        };
        let client = tasks.block_on(&runtime, async {
            spawn_local(serve(far, Rc::clone(&job)));
            let (client, connection) = client::Builder::new()
                .enable_push(false)
                .initial_window_size(workload.stream_window)
                .initial_connection_window_size(workload.connection_window)
                .handshake(near)
                .await
                .expect("a connection");
            spawn_local(async move { connection.await.expect("the connection goes on") });
            client
        });
        Self {
            runtime,
            tasks,
            client,
            job,
            up,
            down,
        }
    }
}

impl Pair for H2Pair {
    fn run(&mut self, requests: usize) -> Seen {
        self.job.left.set(requests);
        self.tasks.block_on(&self.runtime, async {
            let streams: Vec<_> = (0..self.job.workload.streams)
                .map(|_| spawn_local(stream(self.client.clone(), Rc::clone(&self.job))))
                .collect();
            for stream in streams {
                stream.await.expect("the stream's task does not panic");
            }
        });
        self.job.seen.take()
    }

    fn carried(&self) -> (u64, u64) {
        (self.up.borrow().carried, self.down.borrow().carried)
    }
}

impl Job {
    fn new(workload: &'static Workload) -> Self {
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
    fn claim(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    fn request(&self) -> Request<()> {
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

    fn response(&self, request: &HeaderMap) -> Response<()> {
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

    fn see_request(&self, request: &Request<RecvStream>) {
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

    fn see_response(&self, response: &Response<RecvStream>) {
        let mut seen = self.seen.borrow_mut();
        seen.field(b":status", response.status().as_str().as_bytes());
        see(&mut seen, response.headers());
    }

    fn take(&self, body: &mut RecvStream, data: &Bytes) {
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
fn map(fields: &[(HeaderName, HeaderValue)], more: usize) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len() + more);
    for (name, value) in fields {
        map.insert(name.clone(), value.clone());
    }
    map
}

fn see(seen: &mut Seen, headers: &HeaderMap) {
    for (name, value) in headers {
        seen.field(name.as_str().as_bytes(), value.as_bytes());
    }
}

/// One stream of the client after the other.
async fn stream(mut client: SendRequest<Bytes>, job: Rc<Job>) {
    while job.claim() {
        poll_fn(|cx| client.poll_ready(cx))
            .await
            .expect("room for a stream");
        let empty = job.upload.is_empty();
        let (response, mut send) = client
            .send_request(job.request(), empty)
            .expect("a request");
        if !empty {
            send.send_data(job.upload.clone(), true).expect("a body");
        }
        let response = response.await.expect("a response");
        job.see_response(&response);
        let mut body = response.into_body();
        while let Some(data) = body.data().await {
            job.take(&mut body, &data.expect("a body"));
        }
        if !job.trailers.is_empty() {
            let trailers = body.trailers().await.expect("trailers");
            see(
                &mut job.seen.borrow_mut(),
                &trailers.expect("they were sent"),
            );
        }
    }
}

async fn serve(io: Pipe, job: Rc<Job>) {
    let mut connection = server::Builder::new()
        .max_concurrent_streams(100)
        .initial_window_size(job.workload.stream_window)
        .initial_connection_window_size(job.workload.connection_window)
        .handshake::<_, Bytes>(io)
        .await
        .expect("a connection");
    while let Some(request) = connection.accept().await {
        let (request, respond) = request.expect("the connection goes on");
        let mut call = Call::new(request, respond, &job);
        let at_once = poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx))).await;
        if at_once.is_pending() {
            spawn_local(call);
        }
    }
}

/// The server's side of one request.
struct Call {
    job: Rc<Job>,
    headers: HeaderMap,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    /// After the head of the response.
    send: Option<SendStream<Bytes>>,
}

impl Call {
    fn new(request: Request<RecvStream>, respond: SendResponse<Bytes>, job: &Rc<Job>) -> Self {
        job.see_request(&request);
        let (parts, body) = request.into_parts();
        Self {
            job: Rc::clone(job),
            headers: parts.headers,
            body,
            respond,
            send: None,
        }
    }

    fn respond(&mut self) -> SendStream<Bytes> {
        let response = self.job.response(&self.headers);
        self.respond
            .send_response(response, false)
            .expect("the stream takes a head")
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(data) = ready!(self.body.poll_data(cx)) else {
            return Poll::Ready(None);
        };
        let data = data.expect("a body");
        self.job.take(&mut self.body, &data);
        Poll::Ready(Some(data))
    }

    fn poll_echo(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut send = match self.send.take() {
            Some(send) => send,
            None => self.respond(),
        };
        loop {
            match self.poll_data(cx) {
                Poll::Pending => {
                    self.send = Some(send);
                    return Poll::Pending;
                }
                Poll::Ready(data) => {
                    let end = data.is_none() || self.body.is_end_stream();
                    send.send_data(data.unwrap_or_default(), end)
                        .expect("the stream takes data");
                    if end {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    fn poll_unary(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_data(cx)).is_some() {}
        let mut send = self.respond();
        send.send_data(self.job.download.clone(), false)
            .expect("the stream takes data");
        send.send_trailers(map(&self.job.trailers, 0))
            .expect("the stream takes trailers");
        Poll::Ready(())
    }
}

impl Future for Call {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.job.workload.answer {
            Answer::Body(_) => {
                let body = self.job.download.clone();
                self.respond()
                    .send_data(body, true)
                    .expect("the stream takes data");
                Poll::Ready(())
            }
            Answer::Echo => self.poll_echo(cx),
            Answer::Unary(_) => self.poll_unary(cx),
        }
    }
}

/// One end of two wires.
struct Pipe {
    input: Rc<RefCell<Wire>>,
    output: Rc<RefCell<Wire>>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.input.borrow_mut();
        let len = wire.waiting().len().min(buffer.remaining());
        if len == 0 {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer.put_slice(&wire.waiting()[..len]);
        wire.consume(len);
        if let Some(writer) = wire.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.output.borrow_mut();
        let mut written = 0;
        for part in parts {
            let len = wire.write(part);
            written += len;
            if len < part.len() {
                break;
            }
        }
        if written == 0 {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(reader) = wire.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
