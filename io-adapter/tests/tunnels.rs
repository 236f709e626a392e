//! What goes beyond a request and its answer: interim responses, tunnels, settings of extensions.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use raddle_io::{
    Client, Config, Dialing, Informational, Kind, Pool, PoolConfig, Protocol, RecvBody, Retry,
    Server, Target, core::OpenError,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::Echo;

/// A body whose parts come over a channel.
fn channel() -> (
    mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>,
    impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
) {
    let (send, receive) = mpsc::unbounded_channel();
    (send, StreamBody::new(Parts(receive)))
}

struct Parts(mpsc::UnboundedReceiver<Result<Frame<Bytes>, Infallible>>);

impl futures_core::Stream for Parts {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// Sends one part.
fn say(side: &mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>, bytes: &'static [u8]) {
    side.send(Ok(Frame::data(Bytes::from_static(bytes))))
        .unwrap();
}

/// What comes next.
async fn hear(body: &mut raddle_io::RecvBody) -> Option<Bytes> {
    let part = body.frame().await?.unwrap();
    Some(part.into_data().unwrap())
}

/// A client and a server, past the exchange of SETTINGS.
async fn connected(config: Config) -> (Client, Server) {
    let (near, far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let (server, driver) = raddle_io::accept(far, config).await.unwrap();
    tokio::spawn(driver);
    client.ping().await.unwrap();
    (client, server)
}

/// Plays both ends of a tunnel that `request` opens, one half after the other closed.
async fn tunnel(mut client: Client, mut server: Server, request: Request<()>) {
    let (up, body) = channel();
    let asked = client.call(request.map(|()| body));
    let (request, responder) = server.accept().await.unwrap();
    assert_eq!(request.method(), Method::CONNECT);
    let mut from_client = request.into_body();
    let (down, body) = channel();
    tokio::spawn(responder.respond(Response::new(body)));
    let response = asked.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut from_server = response.into_body();
    for (said, answered) in [(&b"one"[..], &b"1"[..]), (b"two", b"2")] {
        say(&up, said);
        assert_eq!(hear(&mut from_client).await.unwrap(), said);
        say(&down, answered);
        assert_eq!(hear(&mut from_server).await.unwrap(), answered);
    }
    drop(up);
    assert_eq!(hear(&mut from_client).await, None);
    say(&down, b"the rest");
    assert_eq!(hear(&mut from_server).await.unwrap(), "the rest");
    drop(down);
    assert_eq!(hear(&mut from_server).await, None);
}

#[tokio::test]
async fn a_connect_is_a_tunnel_that_closes_one_half_at_a_time() {
    let (client, server) = connected(Config::default()).await;
    let request = Request::connect("example.org:443").body(()).unwrap();
    tunnel(client, server, request).await;
}

#[tokio::test]
async fn a_connect_may_carry_a_protocol_where_the_server_takes_it() {
    let config = Config {
        enable_connect_protocol: true,
        ..Config::default()
    };
    let chat = || {
        let request = Request::connect("http://example.org/chat?room=1");
        let protocol = Protocol("websocket".to_owned());
        request.extension(protocol).body(()).unwrap()
    };
    let (mut client, mut server) = connected(config.clone()).await;
    let asked = client.call(chat().map(|()| Empty::<Bytes>::new()));
    let (request, responder) = server.accept().await.unwrap();
    assert_eq!(request.uri(), "http://example.org/chat?room=1");
    let protocol = request.extensions().get::<Protocol>();
    assert_eq!(protocol, Some(&Protocol("websocket".to_owned())));
    drop((asked, responder));
    tunnel(client, server, chat()).await;
    // Where it was not announced nothing is sent.
    let (mut client, _server) = connected(Config::default()).await;
    let refused = client.call(chat().map(|()| Empty::<Bytes>::new())).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), DISABLED, "{error}");
    assert_eq!(error.retry(), Retry::Never);
}

// RFC 8441 §3
#[tokio::test(start_paused = true)]
async fn a_client_knows_whether_the_server_takes_them_once_its_settings_have_arrived() {
    for takes in [true, false] {
        let config = Config {
            enable_connect_protocol: takes,
            ..Config::default()
        };
        let (near, far) = tokio::io::duplex(65_536);
        let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
        tokio::spawn(driver);
        tokio::time::sleep(FAR).await;
        // Nothing has arrived: nobody knows, and such a request is refused rather than kept.
        assert_eq!(client.takes_extended_connect(), None);
        let refused = client.clone().call(chat());
        assert_eq!(refused.await.unwrap_err().kind(), DISABLED);
        tokio::spawn(raddle_io::serve_connection(far, Echo(told), config));
        client.settled().await.unwrap();
        assert_eq!(client.takes_extended_connect(), Some(takes));
        let answer = client.clone().call(chat());
        assert_eq!(answer.await.is_ok(), takes);
    }
}

/// A server's SETTINGS did not say that it takes extended CONNECT.
const DISABLED: Kind = Kind::Open(OpenError::ConnectProtocolDisabled);
/// From the end of a dial to the server's SETTINGS.
const FAR: Duration = Duration::from_secs(1);

/// What becomes of a connection of a pool's.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Takes,
    TakesNot,
    Closes,
    SaysNothing,
}

/// A pool whose connections go to servers that answer everything with its path, each after a while.
fn pool(fates: &'static [Fate]) -> Pool {
    let dials = AtomicUsize::new(0);
    let connect = move |_: Target| -> Dialing {
        let fate = fates[dials.fetch_add(1, Ordering::Relaxed)];
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(65_536);
            tokio::spawn(async move {
                tokio::time::sleep(FAR).await;
                let config = Config {
                    enable_connect_protocol: fate == Fate::Takes,
                    ..Config::default()
                };
                match fate {
                    Fate::Closes => drop(far),
                    Fate::SaysNothing => std::future::pending().await,
                    _ => drop(raddle_io::serve_connection(far, Echo(told), config).await),
                }
            });
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            Ok(client)
        })
    };
    Pool::new(connect, PoolConfig::default())
}

/// Answers with what was asked for.
fn told(request: Request<RecvBody>) -> support::Answer {
    let protocol = request.extensions().get::<Protocol>();
    let protocol = protocol.map_or("none", |Protocol(protocol)| protocol);
    let response = Response::builder().header("protocol", protocol);
    let body = Empty::new().map_err(|never| match never {});
    response.body(body.boxed_unsync()).unwrap()
}

fn chat() -> Request<Empty<Bytes>> {
    let request = Request::connect("http://test/chat").extension(Protocol("websocket".to_owned()));
    request.body(Empty::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pool_waits_for_the_settings_with_a_connect_that_carries_a_protocol() {
    let pool = pool(&[Fate::Takes]);
    let begin = Instant::now();
    // Many at once, on a connection that is new to all of them.
    let mut asked = JoinSet::new();
    for _ in 0..10 {
        let mut pool = pool.clone();
        asked.spawn(async move { pool.call(chat()).await.unwrap() });
    }
    // Who is given up takes nothing with it.
    let given_up = timeout(FAR / 2, pool.clone().call(chat())).await;
    assert!(given_up.is_err());
    for response in asked.join_all().await {
        assert_eq!(response.headers()["protocol"], "websocket");
    }
    assert_eq!(begin.elapsed().as_secs(), FAR.as_secs());
    let stats = pool.stats();
    assert_eq!((stats.opened, stats.resent, stats.streams), (1, 0, 0));
    // On one that is not, nobody waits.
    pool.clone().call(chat()).await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), FAR.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_pool_says_when_a_server_takes_no_protocols() {
    let mut pool = pool(&[Fate::TakesNot]);
    for _ in 0..2 {
        let error = pool.call(chat()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (DISABLED, Retry::Never));
    }
    // The connection is as good as before.
    let request = Request::get("http://test/").body(Empty::<Bytes>::new());
    pool.call(request.unwrap()).await.unwrap();
    let stats = pool.stats();
    assert_eq!((stats.opened, stats.resent, stats.streams), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_before_its_settings_sends_who_waits_to_the_next() {
    let mut pool_of_two = pool(&[Fate::Closes, Fate::Takes]);
    let response = pool_of_two.call(chat()).await.unwrap();
    assert_eq!(response.headers()["protocol"], "websocket");
    assert_eq!(pool_of_two.stats().opened, 2);
    // One that says nothing is left in time.
    let mut silent = pool(&[Fate::SaysNothing; 3]);
    let most = 2 * PoolConfig::default().wait_max;
    let error = timeout(most, silent.call(chat())).await;
    let error = error.expect("it ends").unwrap_err();
    assert_eq!(error.retry(), Retry::Safe, "{error}");
}

#[tokio::test]
async fn interim_responses_come_while_the_final_one_is_still_awaited() {
    let (mut client, mut server) = connected(Config::default()).await;
    let mut asked = client.call(
        Request::get("http://test/")
            .body(Empty::<Bytes>::new())
            .unwrap(),
    );
    let (_, mut responder) = server.accept().await.unwrap();
    let hints = |link: &'static str| {
        let hints = Response::builder().status(103).header("link", link);
        hints.body(()).unwrap()
    };
    responder.inform(hints("</a>")).unwrap();
    let first = asked.informational().await.unwrap().unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["link"]),
        (103, &"</a>".parse().unwrap())
    );
    responder.inform(hints("</b>")).unwrap();
    assert!(responder.inform(Response::new(())).is_err(), "200 is final");
    responder.respond_full(Response::new(Bytes::new()));
    // Those that nobody took stand with the final response.
    let response = asked.await.unwrap();
    let Some(Informational(rest)) = response.extensions().get() else {
        panic!("{response:?}")
    };
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].headers()["link"], "</b>");

    let mut asked = client.call(
        Request::get("http://test/")
            .body(Empty::<Bytes>::new())
            .unwrap(),
    );
    let (_, responder) = server.accept().await.unwrap();
    responder.respond_full(Response::new(Bytes::new()));
    assert!(asked.informational().await.is_none());
    let response = asked.await.unwrap();
    assert!(response.extensions().get::<Informational>().is_none());
}

#[tokio::test]
async fn settings_of_an_extension_reach_the_other_side() {
    let config = Config {
        settings_more: vec![(0xf0a0, 3)],
        ..Config::default()
    };
    let (client, server) = connected(config).await;
    assert_eq!(client.peer_setting(0xf0a0), Some(3));
    assert_eq!(server.peer_setting(0xf0a0), None);
}
