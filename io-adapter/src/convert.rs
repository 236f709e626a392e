//! Between the `http` crate's types and the engine's heads.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    request, response, uri::Scheme,
};
use raddle_core::{Field, Fields, FieldsBuilder, RequestHead, ResponseHead};

use crate::error::{Error, Kind};

/// The protocol that a CONNECT is to carry (RFC 8441 §4), `websocket` for one. A request of method CONNECT with this among
/// its extensions has a scheme and a path, too, and its bodies are the two directions of that protocol.
///
/// A server sees such requests when [`Config::enable_connect_protocol`](raddle_core::Config::enable_connect_protocol)
/// is set. A client may make them once the server's SETTINGS have said that it takes them, which
/// [`Client::settled`](crate::Client::settled) waits for; a [`Pool`](crate::Pool) does so by itself. To a server that does not
/// take them nothing is sent: the error is [`OpenError::ConnectProtocolDisabled`](raddle_core::OpenError).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol(pub String);

/// The engine's head for a request.
///
/// The URI gives scheme, authority and path; a `host` field gives the authority where the URI has none, and the connection
/// the scheme, where it is known: a server may take `https` for a promise that nobody listens. Fields that belong to
/// HTTP/1.1 connections are an error, rather than silently left out (RFC 9113 §8.2.2).
pub(crate) fn request_head(
    parts: &request::Parts,
    connection: Option<&Scheme>,
) -> Result<RequestHead, Error> {
    let uri = &parts.uri;
    let host = parts.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let authority = uri
        .authority()
        .map(|authority| authority.as_str().as_bytes())
        .or(host);
    // RFC 9113 §8.3.1: user information MUST NOT be part of :authority.
    let authority =
        authority.map(
            |authority| match authority.iter().rposition(|&byte| byte == b'@') {
                Some(at) => &authority[at + 1..],
                None => authority,
            },
        );
    let mut fields = FieldsBuilder::new();
    fields.push(b":method", parts.method.as_str().as_bytes(), false);
    let protocol = parts.extensions.get::<Protocol>();
    let tunnel = parts.method == Method::CONNECT && protocol.is_none();
    if let Some(Protocol(protocol)) = protocol {
        fields.push(b":protocol", protocol.as_bytes(), false);
    }
    if !tunnel {
        // RFC 9113 §8.3.1: exactly one valid value, that of the target URI (RFC 9110 §7.1).
        let scheme = uri.scheme().or(connection);
        let unknown =
            "neither the URI nor the connection has a known scheme; give it to Client::scheme";
        let scheme = scheme.ok_or_else(|| Error::new(Kind::Head(unknown)))?;
        fields.push(b":scheme", scheme.as_str().as_bytes(), false);
    }
    if let Some(authority) = authority {
        fields.push(b":authority", authority, false);
    }
    if !tunnel {
        fields.push(b":path", path_of(uri, &parts.method), false);
    }
    push_headers(&mut fields, &parts.headers, true);
    let head = fields.finish_request();
    match head.violation() {
        None => Ok(head),
        Some(violation) => Err(Error::new(Kind::Open(raddle_core::OpenError::Malformed(
            violation,
        )))),
    }
}

fn path_of<'a>(uri: &'a Uri, method: &Method) -> &'a [u8] {
    match uri.path_and_query().map(|path| path.as_str()) {
        // RFC 9113 §8.3.1: OPTIONS without a path is the asterisk, anything else the root.
        None | Some("") if *method == Method::OPTIONS => b"*",
        None | Some("") => b"/",
        Some(path) => path.as_bytes(),
    }
}

/// The engine's head for a response.
pub(crate) fn response_head(parts: &response::Parts) -> Result<ResponseHead, Error> {
    let mut fields = FieldsBuilder::new();
    fields.push(b":status", parts.status.as_str().as_bytes(), false);
    push_headers(&mut fields, &parts.headers, false);
    let head = fields.finish_response();
    match head.violation() {
        None => Ok(head),
        Some(violation) => Err(Error::new(Kind::Send(raddle_core::SendError::Malformed(
            violation,
        )))),
    }
}

/// The engine's trailers.
pub(crate) fn trailers(map: &HeaderMap) -> Fields {
    let mut fields = FieldsBuilder::new();
    push_headers(&mut fields, map, false);
    fields.finish()
}

fn push_headers(fields: &mut FieldsBuilder, map: &HeaderMap, request: bool) {
    for (name, value) in map {
        // The authority stands in a pseudo-field; two that differ would be a fault.
        if request && name == header::HOST {
            continue;
        }
        fields.push(
            name.as_str().as_bytes(),
            value.as_bytes(),
            value.is_sensitive(),
        );
    }
}

/// The request that a head stands for.
pub(crate) fn request(head: &RequestHead) -> Result<Request<()>, Error> {
    let bad = |what: &'static str| move |_| Error::new(Kind::Head(what));
    let method = Method::from_bytes(head.method()).map_err(bad("the method is not one"))?;
    let mut uri = Uri::builder();
    if let (Some(scheme), Some(_)) = (head.scheme(), head.authority()) {
        uri = uri.scheme(scheme);
    }
    if let Some(authority) = head.authority() {
        uri = uri.authority(authority);
    }
    if let Some(path) = head.path() {
        uri = uri.path_and_query(path);
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri
        .build()
        .map_err(|_| Error::new(Kind::Head("the request target is not a URI")))?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = headers(head.as_fields(), head.fields())?;
    if let Some(protocol) = head.protocol() {
        let protocol = std::str::from_utf8(protocol)
            .map_err(|_| Error::new(Kind::Head("the protocol is not text")))?;
        let protocol = Protocol(protocol.to_owned());
        request.extensions_mut().insert(protocol);
    }
    Ok(request)
}

/// The response that a head stands for.
pub(crate) fn response(head: &ResponseHead) -> Result<Response<()>, Error> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status())
        .map_err(|_| Error::new(Kind::Head("the status is not one")))?;
    *response.version_mut() = http::Version::HTTP_2;
    *response.headers_mut() = headers(head.as_fields(), head.fields())?;
    Ok(response)
}

/// The map that trailers stand for.
pub(crate) fn header_map(fields: &Fields) -> Result<HeaderMap, Error> {
    headers(fields, fields.iter())
}

fn headers<'a>(list: &Fields, fields: impl Iterator<Item = Field<'a>>) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name)
            .map_err(|_| Error::new(Kind::Head("a field name is not one")))?;
        let mut value = HeaderValue::from_maybe_shared(list.value_bytes(&field))
            .map_err(|_| Error::new(Kind::Head("a field value is not one")))?;
        value.set_sensitive(field.sensitive);
        // More fields than a map takes are a list that nobody can read; the engine's own limit is far below.
        map.try_append(name, value)
            .map_err(|_| Error::new(Kind::Head("there are too many fields")))?;
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_way_there_and_back() {
        let mut request_in = Request::post("https://user@example.org:8443/a?b=c")
            .body(())
            .expect("is well formed");
        let mut secret = HeaderValue::from_static("Bearer 0123");
        secret.set_sensitive(true);
        request_in.headers_mut().insert("authorization", secret);
        request_in
            .headers_mut()
            .append("x-list", HeaderValue::from_static("1"));
        request_in
            .headers_mut()
            .append("x-list", HeaderValue::from_static("2"));
        let head = request_head(&request_in.into_parts().0, None).expect("is well formed");
        assert_eq!(head.authority(), Some(&b"example.org:8443"[..]));
        let out = request(&head).expect("is well formed");
        assert_eq!(out.uri(), "https://example.org:8443/a?b=c");
        assert!(out.headers()["authorization"].is_sensitive());
        assert_eq!(out.headers().get_all("x-list").iter().count(), 2);
    }

    // RFC 9113 §8.3.1
    #[test]
    fn a_uri_without_a_scheme_has_that_of_the_connection() {
        let head = |uri: &str, connection: Option<&Scheme>| {
            let request = Request::get(uri).header("host", "a").body(());
            let parts = request.expect("is well formed").into_parts().0;
            request_head(&parts, connection)
        };
        for scheme in [Scheme::HTTP, Scheme::HTTPS] {
            let own = head("/x", Some(&scheme)).expect("is well formed");
            assert_eq!(own.scheme(), Some(scheme.as_str().as_bytes()));
            // A proxy asks for `https` over a bare connection to a backend, and is taken at its word.
            let named = head("https://a/x", Some(&scheme)).expect("is well formed");
            assert_eq!(named.scheme(), Some(&b"https"[..]));
        }
        let unknown = head("/x", None).expect_err("nobody knows");
        assert!(matches!(unknown.kind(), Kind::Head(_)), "{unknown}");
        let named = head("http://a/x", None).expect("is well formed");
        assert_eq!(named.scheme(), Some(&b"http"[..]));
    }

    // RFC 9113 §8.2.2
    #[test]
    fn fields_of_http1_connections_are_refused() {
        let request = Request::get("https://a/")
            .header("connection", "close")
            .body(())
            .expect("is well formed");
        assert!(request_head(&request.into_parts().0, None).is_err());
    }

    #[test]
    fn a_tunnel_has_neither_scheme_nor_path() {
        let request = Request::connect("a:443").body(()).expect("is well formed");
        let head = request_head(&request.into_parts().0, None).expect("is well formed");
        assert_eq!(
            (head.scheme(), head.path(), head.authority()),
            (None, None, Some(&b"a:443"[..]))
        );
    }
}
