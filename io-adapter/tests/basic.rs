//! Client and server of this crate over a pipe in memory.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use raddle_io::{Config, RecvBody};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{client_of, echo, get};

#[tokio::test]
async fn a_get_is_answered() {
    let mut client = client_of(echo);
    let response = client.call(get("/hello")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "GET /hello"
    );
}

#[tokio::test]
async fn a_large_body_comes_back_with_trailers() {
    let mut client = client_of(echo);
    let whole = Bytes::from(
        (0..3_000_000u32)
            .map(|at| (at % 251) as u8)
            .collect::<Vec<_>>(),
    );
    let request = Request::post("http://test/echo")
        .body(Full::new(whole.clone()))
        .unwrap();
    let collected = client
        .call(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(collected.trailers().unwrap()["x-end"], "yes");
    assert_eq!(collected.to_bytes(), whole);
}

#[tokio::test]
async fn a_thousand_requests_share_a_connection() {
    let client = client_of(echo);
    let mut tasks = JoinSet::new();
    for n in 0..1_000 {
        let mut client = client.clone();
        tasks.spawn(async move {
            std::future::poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut client, cx))
                .await
                .unwrap();
            let response = client.call(get(&format!("/{n}"))).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, format!("GET /{n}"));
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_streamed_upload_arrives_part_by_part() {
    let mut client = client_of(echo);
    let (send, mut receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = StreamBody::new(futures_of(move |cx| {
        receive
            .poll_recv(cx)
            .map(|part| part.map(|data| Ok::<_, std::io::Error>(http_body::Frame::data(data))))
    }));
    let request = Request::post("http://test/echo").body(body).unwrap();
    let mut response = client.call(request).await.unwrap().into_body();
    for n in 0..10u8 {
        send.send(Bytes::from(vec![n; 10])).await.unwrap();
        assert_eq!(
            response
                .frame()
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap(),
            vec![n; 10]
        );
    }
    drop(send);
    assert!(response.frame().await.unwrap().unwrap().is_trailers());
    assert!(response.frame().await.is_none());
}

/// A stream out of a function.
fn futures_of<T>(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
) -> impl futures_core::Stream<Item = T> {
    struct Stream<F>(F);
    impl<T, F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin>
        futures_core::Stream for Stream<F>
    {
        type Item = T;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            (self.0)(cx)
        }
    }
    Stream(poll)
}

#[tokio::test]
async fn dropping_the_last_client_ends_the_connection_gracefully() {
    let (near, far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let server = tokio::spawn(raddle_io::serve_connection(
        far,
        support::Echo(echo),
        Config::default(),
    ));
    let driver = tokio::spawn(driver);
    let mut last = client.clone();
    drop(client);
    let response = last.call(get("/")).await.unwrap();
    drop(last);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "GET /"
    );
    driver.await.unwrap().unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn dropping_the_driver_fails_every_request() {
    let (near, _far) = tokio::io::duplex(65_536);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let pending = client.call(get("/"));
    drop(driver);
    assert!(pending.await.is_err());
    assert!(client.call(get("/")).await.is_err());
}

#[allow(
    dead_code,
    reason = "shows that the body is what the ecosystem expects"
)]
fn body_is_send(body: RecvBody) -> impl http_body::Body<Data = Bytes> + Send + Unpin {
    let _: Option<Response<HeaderMap>> = None;
    body
}

/// A body that panics when it is asked for its first part.
struct Panicking;

impl http_body::Body for Panicking {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        panic!("planted: the body")
    }
}

#[tokio::test]
async fn a_request_body_that_panics_leaves_nothing_behind() {
    let mut client = client_of(echo);
    let request = Request::post("http://test/echo").body(Panicking).unwrap();
    let call = std::panic::AssertUnwindSafe(|| drop(client.call(request)));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(client.streams(), 0);
    assert_eq!(client.call(get("/next")).await.unwrap().status(), 200);
}

// RFC 9110 §6.4.1: what content-length says there is said of another response.
#[tokio::test]
async fn nobody_is_promised_a_body_behind_head_and_304() {
    // SETTINGS; HEADERS with the status and a content-length of 1000 that do not end the stream; an empty DATA that does.
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let head = |status| [0, 0, 7, 1, 4, 0, 0, 0, 1, status, 0x5c, 4, 49, 48, 48, 48];
    let end = [0, 0, 0, 0, 1, 0, 0, 0, 1];
    for (method, status) in [("HEAD", 0x88), ("GET", 0x8b)] {
        let (near, mut far) = tokio::io::duplex(65_536);
        let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
        tokio::spawn(driver);
        let request = Request::builder().method(method).uri("http://test/");
        let asked = client.call(request.body(RecvBody::empty()).unwrap());
        far.write_all(&settings).await.unwrap();
        // What has come ends with the request, as nothing is owed yet but the answer to SETTINGS.
        let mut seen = Vec::new();
        while !seen.windows(5).any(|at| at == [1, 5, 0, 0, 0]) {
            far.read_buf(&mut seen).await.unwrap();
        }
        far.write_all(&head(status)).await.unwrap();
        let response = asked.await.unwrap();
        assert_eq!(response.headers()["content-length"], "1000");
        let body = response.into_body();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(0));
        far.write_all(&end).await.unwrap();
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    }
}

/// A service that is not `Unpin`.
#[derive(Clone)]
struct Pinned(std::marker::PhantomPinned);

impl Service<Request<RecvBody>> for Pinned {
    type Response = support::Answer;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        std::future::ready(Ok(echo(request)))
    }
}

#[tokio::test]
async fn what_serves_needs_nothing_more_of_a_service_than_its_signature_says() {
    let (near, far) = tokio::io::duplex(65_536);
    let service = Pinned(std::marker::PhantomPinned);
    let mut serving = raddle_io::serve_connection(far, service, Config::default());
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let answer = client.call(get("/"));
    // By reference, as beside a signal to stop.
    let answer = tokio::select! {
        biased;
        ended = &mut serving => panic!("{ended:?}"),
        answer = answer => answer.unwrap(),
    };
    assert_eq!(answer.status(), 200);
    drop((answer, client));
    std::pin::Pin::new(&mut serving).graceful_shutdown();
    serving.await.unwrap();
}
