//! A client and a server of the `h2` crate in one thread: a task for each of the two connections and for each stream
//! of the client, on an executor without timers and sockets. The server answers from its connection's task, and has a
//! task of its own only for a request whose body is not there yet. A script takes the place of either as one more task.

mod call;
mod idle;
mod job;
mod pipe;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::Poll,
};

use bytes::Bytes;
use h2::{
    client::{self, SendRequest},
    server,
};
use tokio::{
    runtime::Runtime,
    task::{LocalSet, spawn_local},
};

use crate::{
    drive::{Asks, End, Pair},
    script::{ScriptClient, ScriptServer},
    wire::Wire,
    workload::{Seen, Side, Texts, Workload},
};
use call::Call;
pub(crate) use idle::{client_held, server_held};
use job::{Job, see};
use pipe::Pipe;

pub(crate) struct H2Ends {
    runtime: Runtime,
    tasks: LocalSet,
    near: Near,
    /// The other end, when it is not `h2` either.
    far: Option<Rc<RefCell<ScriptServer>>>,
    job: Rc<Job>,
    up: Rc<RefCell<Wire>>,
    down: Rc<RefCell<Wire>>,
}

/// The end that makes requests.
enum Near {
    H2(SendRequest<Bytes>),
    Script(Box<ScriptClient>, Pipe),
}

impl H2Ends {
    pub(crate) fn new(workload: &'static Workload, side: Side) -> Self {
        let (runtime, tasks) = executor();
        let job = Rc::new(Job::new(workload));
        let texts = Rc::new(Texts::new(workload));
        let (near, far) = Pipe::both();
        let (up, down) = (Rc::clone(&near.output), Rc::clone(&near.input));
        let script = RefCell::new(ScriptServer::new(workload, Rc::clone(&texts)));
        let script = (side == Side::Client).then(|| Rc::new(script));
        let near = tasks.block_on(&runtime, async {
            match script.clone() {
                Some(script) => {
                    spawn_local(poll_fn(move |cx| {
                        far.drive(&mut *script.borrow_mut(), cx);
                        Poll::<()>::Pending
                    }));
                }
                None => {
                    spawn_local(serve(far, Rc::clone(&job)));
                }
            }
            if side == Side::Server {
                let client = ScriptClient::new(workload, texts);
                return Near::Script(Box::new(client), near);
            }
            Near::H2(connect(near, workload).await)
        });
        Self {
            runtime,
            tasks,
            near,
            far: script,
            job,
            up,
            down,
        }
    }
}

fn executor() -> (Runtime, LocalSet) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without a driver asks nothing of the system");
    (runtime, LocalSet::new())
}

async fn connect(io: Pipe, workload: &Workload) -> SendRequest<Bytes> {
    let (client, connection) = client::Builder::new()
        .enable_push(false)
        .initial_window_size(workload.stream_window)
        .initial_connection_window_size(workload.connection_window)
        .handshake(io)
        .await
        .expect("a connection");
    spawn_local(async move { connection.await.expect("the connection goes on") });
    client
}

async fn listen(io: Pipe, workload: &Workload) -> server::Connection<Pipe, Bytes> {
    server::Builder::new()
        .max_concurrent_streams(workload.streams.max(100) as u32)
        .initial_window_size(workload.stream_window)
        .initial_connection_window_size(workload.connection_window)
        .handshake::<_, Bytes>(io)
        .await
        .expect("a connection")
}

impl Pair for H2Ends {
    fn prepare(&mut self, requests: usize) {
        if let Near::Script(script, _) = &mut self.near {
            script.prepare(requests);
        }
        if let Some(script) = &self.far {
            script.borrow_mut().prepare(requests);
        }
    }

    fn run(&mut self, requests: usize) -> Seen {
        self.job.left.set(requests);
        let mut scripts = Seen::default();
        match &mut self.near {
            Near::H2(client) => self.tasks.block_on(&self.runtime, async {
                let streams: Vec<_> = (0..self.job.workload.streams)
                    .map(|_| spawn_local(stream(client.clone(), Rc::clone(&self.job))))
                    .collect();
                for stream in streams {
                    stream.await.expect("the stream's task does not panic");
                }
            }),
            Near::Script(script, pipe) => {
                script.ask(requests);
                let done = poll_fn(|cx| {
                    pipe.drive(script.as_mut(), cx);
                    if script.is_done() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                });
                self.tasks.block_on(&self.runtime, done);
                scripts.add(&script.seen());
            }
        }
        if let Some(script) = &self.far {
            scripts.add(&script.borrow_mut().seen());
        }
        scripts.add(&self.job.seen.take());
        scripts
    }

    fn carried(&self) -> (u64, u64) {
        (self.up.borrow().carried, self.down.borrow().carried)
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
    let mut connection = listen(io, job.workload).await;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request.expect("the connection goes on");
        let mut call = Call::new(request, respond, &job);
        let at_once = poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx))).await;
        if at_once.is_pending() {
            spawn_local(call);
        }
    }
}
