//! The types of the ecosystem fit as they are.

use axum::{Router, extract::Path, routing};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use raddle_io::Config;
use tower_service::Service;

/// What tonic's generated clients and tower's layers ask of a service.
fn fits<S, B>(service: S) -> S
where
    S: Service<Request<B>, Response = http::Response<raddle_io::RecvBody>> + Clone + Send + 'static,
    S::Error: Into<raddle_io::BoxError> + Send,
    S::Future: Send,
{
    service
}

#[tokio::test]
async fn an_axum_router_is_served_as_it_is() {
    let echo = routing::post(|body: Bytes| async move { body });
    let greet = routing::get(|Path(name): Path<String>| async move { format!("hello {name}") });
    let router: Router = Router::new()
        .route("/echo", echo)
        .route("/hello/{name}", greet);
    let (near, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(far, router, Config::default()));
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let mut client = fits::<_, Full<Bytes>>(client);
    let mut fetch = async |request: http::request::Builder, body: &'static str| {
        let body = Full::new(Bytes::from(body));
        let request = request.body(body).unwrap();
        let response = client.call(request).await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    };
    let hello = fetch(Request::get("http://test/hello/ann"), "").await;
    assert_eq!(hello, (200, Bytes::from_static(b"hello ann")));
    let echoed = fetch(Request::post("http://test/echo"), "and back").await;
    assert_eq!(echoed, (200, Bytes::from_static(b"and back")));
    assert_eq!(fetch(Request::get("http://test/nothing"), "").await.0, 404);
}
