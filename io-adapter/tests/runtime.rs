//! What surrounds the adapter: a runtime that ends under everything that is in progress (J07), and code of users that
//! calls back from within (J05).

use std::{
    future::{Future, poll_fn},
    panic,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use raddle_io::{
    BoxError, Client, Config, Connect, Dialing, Pool, PoolConfig, RecvBody, Responder,
    ResponseFuture, Retry, Server, Target,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// Real time, for what would stand still for ever.
const MINUTE: Duration = Duration::from_secs(60);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics from now on, those that a runtime catches among them.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(what);
        }));
    });
}

/// A body that begins and never goes on.
struct Stuck(Option<Bytes>);

impl Body for Stuck {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.take() {
            Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
            None => Poll::Pending,
        }
    }
}

fn stuck() -> Stuck {
    Stuck(Some(Bytes::from_static(&[7; 1_000])))
}

/// The first dial connects, and every other one never ends.
struct Dials(Mutex<Option<Client>>);

impl Connect for Dials {
    fn connect(&self, _: Target) -> Dialing {
        match self.0.lock().unwrap().take() {
            Some(client) => Box::pin(async { Ok(client) }),
            None => Box::pin(std::future::pending()),
        }
    }
}

/// Everything that a caller can have in his hands while it is in progress.
struct Hands {
    client: Client,
    pool: Pool,
    server: Server,
    waiting: Client,
    unanswered: ResponseFuture,
    uploads: ResponseFuture,
    pooled: Vec<<Pool as Service<Request<Stuck>>>::Future>,
    body: RecvBody,
    requests: Vec<(Request<RecvBody>, Responder)>,
}

async fn connected(tcp: bool, config: Config) -> (Client, Server) {
    let taken = Config {
        concurrent_streams_max: config.concurrent_streams_assumed,
        ..Config::default()
    };
    let (client, server) = if tcp {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap());
        let near = near.await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (client, driver) = raddle_io::connect(near, config).await.unwrap();
        tokio::spawn(driver);
        let (server, driver) = raddle_io::accept(far, taken).await.unwrap();
        tokio::spawn(driver);
        (client, server)
    } else {
        let (near, far) = tokio::io::duplex(4_096);
        let (client, driver) = raddle_io::connect(near, config).await.unwrap();
        tokio::spawn(driver);
        let (server, driver) = raddle_io::accept(far, taken).await.unwrap();
        tokio::spawn(driver);
        (client, server)
    };
    (client, server)
}

async fn hands(tcp: bool) -> Hands {
    let few = Config {
        concurrent_streams_assumed: 4,
        ..Config::default()
    };
    let (mut client, mut server) = connected(tcp, few).await;
    let (pools, mut pools_server) = connected(tcp, Config::default()).await;
    let answered = client.call(get("/answered"));
    let (_, responder) = server.accept().await.unwrap();
    tokio::spawn(responder.respond(Response::new(stuck())));
    let body = answered.await.unwrap().into_body();
    let unanswered = client.call(get("/unanswered"));
    let upload = Request::post("http://test/upload").body(stuck()).unwrap();
    let uploads = client.call(upload);
    let mut requests = Vec::new();
    for _ in 0..2 {
        requests.push(server.accept().await.unwrap());
    }
    // One takes the last place and does not use it, and one stands in line behind it.
    let mut keeps = client.clone();
    poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut keeps, cx))
        .await
        .unwrap();
    let mut waiting = client.clone();
    let asks = poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut waiting, cx));
    let asks = tokio::time::timeout(Duration::ZERO, asks).await;
    assert!(asks.is_err(), "there is no place");
    tokio::spawn(async move {
        let _ = keeps.ping().await;
        std::future::pending::<()>().await;
    });
    let pool = Pool::new(Dials(Mutex::new(Some(pools))), PoolConfig::default());
    let mut pooled = Vec::new();
    for uri in ["http://a/", "http://b/", "http://b/"] {
        let request = Request::post(uri).body(stuck()).unwrap();
        pooled.push(pool.clone().call(request));
    }
    // The first is on its way, and the others wait for a dial that does not end.
    let made = poll_fn(|cx| {
        for call in &mut pooled {
            assert!(call.as_mut().poll(cx).is_pending());
        }
        pin!(pools_server.accept()).poll(cx)
    });
    requests.push(made.await.unwrap());
    Hands {
        client,
        pool,
        server,
        waiting,
        unanswered,
        uploads,
        pooled,
        body,
        requests,
    }
}

fn runtimes() -> [Runtime; 2] {
    let threads = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let current = Builder::new_current_thread().enable_all().build();
    [current.unwrap(), threads.unwrap()]
}

/// Asks whatever is left, without a runtime, in turn.
fn ask_everything(hands: Hands, backwards: bool) {
    let Hands {
        mut client,
        pool,
        server,
        mut waiting,
        unanswered,
        mut uploads,
        mut pooled,
        mut body,
        requests,
    } = hands;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(client.is_closed());
    let error = match pin!(unanswered).poll(&mut cx) {
        Poll::Ready(answer) => answer.unwrap_err(),
        Poll::Pending => panic!("it is over"),
    };
    assert_eq!(error.retry(), Retry::IfIdempotent, "{error}");
    assert!(Pin::new(&mut uploads).poll(&mut cx).is_ready());
    // What had arrived is there, and then the error.
    let ended = (0..4).any(|_| {
        let frame = Pin::new(&mut body).poll_frame(&mut cx);
        matches!(frame, Poll::Ready(Some(Err(_))))
    });
    assert!(ended, "the rest of the body does not come");
    let asks = Service::<Request<Full<Bytes>>>::poll_ready(&mut waiting, &mut cx);
    assert!(matches!(asks, Poll::Ready(Err(_))));
    match pin!(client.call(get("/"))).poll(&mut cx) {
        Poll::Ready(Err(error)) => assert_eq!(error.retry(), Retry::Safe),
        other => panic!("{other:?}"),
    }
    client.drain();
    server.drain();
    assert_eq!(
        pool.stats().dials_failed,
        1,
        "the dial ended with the runtime"
    );
    pool.drain();
    if backwards {
        drop((client, waiting));
        drop((pool, server, body, uploads));
        pooled.clear();
        drop(requests);
    } else {
        for (request, responder) in requests {
            responder.reset(raddle_io::ErrorCode::CANCEL);
            drop(request);
        }
        drop((uploads, body, server, pool, waiting, client));
    }
}

#[test]
fn j07_a_runtime_that_ends_leaves_nobody_waiting_and_nothing_panics() {
    count_panics();
    for tcp in [false, true] {
        for asks in [None, Some(false), Some(true)] {
            for runtime in runtimes() {
                let hands = runtime.block_on(hands(tcp));
                match asks {
                    // All of it goes with the runtime, or behind it without a word.
                    None => {
                        drop(runtime);
                        drop(hands);
                    }
                    Some(backwards) => {
                        drop(runtime);
                        ask_everything(hands, backwards);
                    }
                }
            }
            for runtime in runtimes() {
                let hands = runtime.block_on(hands(tcp));
                runtime.shutdown_background();
                drop(hands);
            }
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

/// Calls the client whenever it is called itself.
#[derive(Clone)]
struct Caller {
    client: Client,
    calls: Arc<AtomicUsize>,
    /// What is dropped from within one of these calls.
    falls: Arc<Mutex<Vec<ResponseFuture>>>,
}

impl Caller {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut client = self.client.clone();
        let _ = (client.streams(), client.openable(), client.stats());
        let fallen = self.falls.lock().unwrap().pop();
        drop(fallen);
        let opened = client.call(get("/from-within"));
        drop((client, opened));
    }
}

/// A task's own waker, with a call before it.
struct Calling {
    caller: Caller,
    task: Waker,
}

impl Wake for Calling {
    fn wake(self: Arc<Self>) {
        self.caller.call();
        self.task.wake_by_ref();
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.caller.call();
    }
}

/// Polls a future with wakers that call, and again for nothing, so that one takes the place of another.
async fn watched<F: Future>(caller: &Caller, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        for _ in 0..3 {
            let waker = Waker::from(Arc::new(Calling {
                caller: caller.clone(),
                task: cx.waker().clone(),
            }));
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    })
    .await
}

/// A body that calls whenever it is asked for something, and when it is dropped.
struct CallingBody {
    caller: Caller,
    parts: usize,
}

impl Body for CallingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.caller.call();
        if self.parts == 0 {
            return Poll::Ready(None);
        }
        self.parts -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 30_000])))))
    }

    fn is_end_stream(&self) -> bool {
        self.caller.call();
        false
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.caller.call();
        http_body::SizeHint::new()
    }
}

impl Drop for CallingBody {
    fn drop(&mut self) {
        self.caller.call();
    }
}

async fn calls_back() -> usize {
    let (near, far) = tokio::io::duplex(4_096);
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(echo),
        Config::default(),
    ));
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let caller = Caller {
        client,
        calls: Arc::default(),
        falls: Arc::default(),
    };
    let mut client = caller.client.clone();
    for _ in 0..20 {
        let opened = client.call(get("/falls"));
        caller.falls.lock().unwrap().push(opened);
    }
    for parts in [0, 1, 4] {
        let body = CallingBody {
            caller: caller.clone(),
            parts,
        };
        let request = Request::post("http://test/").body(body).unwrap();
        let answer = watched(&caller, client.call(request)).await.unwrap();
        let body = watched(&caller, answer.into_body().collect()).await;
        assert_eq!(body.unwrap().to_bytes().len(), parts * 30_000);
    }
    let ready = poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut client, cx));
    watched(&caller, ready).await.unwrap();
    watched(&caller, caller.client.ping()).await.unwrap();
    caller.calls.load(Ordering::Relaxed)
}

// A lock that is held while somebody else's code runs shows as a thread that stands still.
#[test]
fn j05_code_of_users_that_calls_back_finds_no_lock_held() {
    let (done, calls) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        done.send(runtime.block_on(calls_back())).unwrap();
    });
    let calls = calls.recv_timeout(MINUTE).expect("nobody stands still");
    assert!(calls > 30, "{calls} calls are no race");
}
