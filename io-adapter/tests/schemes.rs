//! The scheme of a request whose URI names none (RFC 9113 §8.3.1): that of the connection.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body_util::{BodyExt, Empty, Full};
use raddle_io::{
    Client, Config, Dialing, Kind, Pool, PoolConfig, PoolTarget, RecvBody, Retry, Target,
};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Answer, Echo};

/// Answers with the scheme that the request came with.
fn scheme_of(request: Request<RecvBody>) -> Answer {
    let scheme = request.uri().scheme_str().unwrap_or("none").to_owned();
    let body = Full::new(Bytes::from(scheme));
    let body = body.map_err(|never: Infallible| match never {});
    Response::new(body.boxed_unsync())
}

fn ask(uri: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(uri).header("host", "test").body(Empty::new());
    request.unwrap()
}

async fn text(answer: Response<RecvBody>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// What a server makes of a request whose URI is a path.
async fn seen(client: &mut Client) -> String {
    text(client.call(ask("/x")).await.unwrap()).await
}

/// Both ends of a connection over loopback.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test]
async fn over_a_bare_socket_it_is_http() {
    let (near, far) = sockets().await;
    let serving = raddle_io::serve_connection(far, Echo(scheme_of), Config::default());
    tokio::spawn(serving);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    assert_eq!(seen(&mut client).await, "http");
    // What a URI names is passed on: a proxy may ask for it in somebody's name.
    let named = client.call(ask("https://test/x")).await.unwrap();
    assert_eq!(text(named).await, "https");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_tls_it_is_https() {
    use raddle_io::tls::{self, Connector, Trust};

    let (near, far) = sockets().await;
    let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let config = tls::server_config(vec![made.cert.der().clone()], key, false).unwrap();
    tokio::spawn(async move {
        let (far, _) = tls::accept(config, far).await.unwrap();
        raddle_io::serve_connection(far, Echo(scheme_of), Config::default()).await
    });
    let near = Connector::new(Trust::Anyone).connect("test", near).await;
    let (mut client, driver) = raddle_io::connect(near.unwrap(), Config::default())
        .await
        .unwrap();
    tokio::spawn(driver);
    assert_eq!(seen(&mut client).await, "https");
}

#[tokio::test]
async fn over_what_may_be_either_nothing_is_made_up() {
    let mut client = support::client_of(scheme_of);
    let refused = client.call(ask("/x")).await.unwrap_err();
    assert!(matches!(refused.kind(), Kind::Head(_)), "{refused}");
    assert_eq!(refused.retry(), Retry::Never);
    assert_eq!(client.stats().streams_opened, 0);
    for scheme in [Scheme::HTTP, Scheme::HTTPS] {
        let mut told = client.clone().scheme(scheme.clone());
        assert_eq!(seen(&mut told).await, scheme.as_str());
        assert_eq!(seen(&mut told.clone()).await, scheme.as_str());
    }
}

#[tokio::test]
async fn a_pool_knows_it_of_its_targets() {
    let connect = |_: Target| -> Dialing { Box::pin(async { Ok(support::client_of(scheme_of)) }) };
    let mut pool = Pool::new(connect, PoolConfig::default());
    for scheme in ["http", "https"] {
        let target = Target::of(&format!("{scheme}://test").parse().unwrap()).unwrap();
        let mut request = ask("/x");
        request.extensions_mut().insert(PoolTarget(target));
        assert_eq!(text(pool.call(request).await.unwrap()).await, scheme);
    }
}
