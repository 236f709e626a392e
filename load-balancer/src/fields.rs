//! What a proxy does to the fields of the messages that pass through it.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Method, Version, request, response};

use crate::refusal::Refusal;

/// Our name in Via. RFC 9110 §7.6.3: a pseudonym serves where a host name is nobody's business.
const PSEUDONYM: &str = "raddle";

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// RFC 9110 §7.6.1, with the fields of HTTP/1 that were never registered but are sent, and the two that speak to a
/// proxy that asked for them, which this one does not.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// What anyone can claim about where a request came from.
const CLAIMS: [HeaderName; 8] = [
    header::FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];

/// Who sent a request, as far as the proxy knows it.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
}

/// How requests are rewritten.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite {
    /// Whether to believe what a client says in Forwarded and X-Forwarded-*. Off, because anyone can write these; on
    /// where another proxy stands in front.
    pub forwarded_trusted: bool,
    /// See [`Limits::passes_max`](crate::limits::Limits::passes_max).
    pub passes_max: usize,
}

impl Rewrite {
    /// Makes a client's request one that can be sent to a backend, and returns the authority that the client meant;
    /// `None` if it named none, as HTTP/1.0 may.
    ///
    /// # Errors
    ///
    /// The refusal with which the request is to be answered instead.
    pub fn request(
        &self,
        head: &mut request::Parts,
        client: Client,
    ) -> Result<Option<Authority>, Refusal> {
        if head.method == Method::CONNECT {
            return Err(Refusal::NoTunnel);
        }
        let authority = authority(head)?;
        let fields = &mut head.headers;
        if passes(fields) >= self.passes_max {
            return Err(Refusal::Circle);
        }
        let trailers_wanted = wants_trailers(fields);
        strip_hop_by_hop(fields);
        say_length_once(fields);
        fields.remove(header::HOST);
        if trailers_wanted {
            fields.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        self.tell_origin(fields, client, authority.as_ref());
        append_via(fields, head.version);
        Ok(authority)
    }

    fn tell_origin(&self, fields: &mut HeaderMap, client: Client, authority: Option<&Authority>) {
        if !self.forwarded_trusted {
            for name in &CLAIMS {
                fields.remove(name);
            }
        }
        append(
            fields,
            &X_FORWARDED_FOR,
            &client.address.to_canonical().to_string(),
        );
        // A proxy that is believed knows better which scheme the client used.
        if !fields.contains_key(&X_FORWARDED_PROTO) {
            let scheme = if client.encrypted { "https" } else { "http" };
            fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
        if let Some(authority) = authority.filter(|_| !fields.contains_key(&X_FORWARDED_HOST))
            && let Ok(value) = HeaderValue::from_str(authority.as_str())
        {
            fields.insert(X_FORWARDED_HOST, value);
        }
    }
}

/// Makes a backend's response one that can be sent to a client.
pub fn rewrite_response(head: &mut response::Parts) {
    strip_hop_by_hop(&mut head.headers);
    say_length_once(&mut head.headers);
    append_via(&mut head.headers, head.version);
}

/// Says the length of the content once. RFC 9110 §8.6: equal ones, in a list or in fields of their own, are one or none, and
/// who passes them on as they came leaves it to the next one to see it in the same way. Different ones never get here.
fn say_length_once(fields: &mut HeaderMap) {
    let mut all = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = all.next() else {
        return;
    };
    if all.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let member = first.as_bytes().split(|octet| *octet == b',').next();
    if let Ok(once) = HeaderValue::from_bytes(member.unwrap_or_default().trim_ascii()) {
        fields.insert(header::CONTENT_LENGTH, once);
    }
}

/// Removes the fields that mean something to one connection only, and those that Connection lists.
pub fn strip_hop_by_hop(fields: &mut HeaderMap) {
    if fields.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = tokens(fields, &header::CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
            .collect();
        for name in listed {
            fields.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        fields.remove(name);
    }
}

/// The one authority that a request means.
///
/// RFC 9112 §3.2: exactly one Host in HTTP/1.1, and a target in absolute form overrides it. RFC 9113 §8.3.1:
/// `:authority` and Host must not disagree; two readers that pick different ones are how requests are smuggled.
fn authority(head: &request::Parts) -> Result<Option<Authority>, Refusal> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::BadRequest("more than one Host"));
    }
    let target = head.uri.authority();
    let host = match host {
        None => None,
        Some(value) if value.is_empty() => None,
        Some(value) => {
            let host = Authority::try_from(value.as_bytes())
                .map_err(|_| Refusal::BadRequest("bad Host"))?;
            // RFC 9110 §4.2.4: no user information here.
            if host.as_str().contains('@') {
                return Err(Refusal::BadRequest("bad Host"));
            }
            Some(host)
        }
    };
    match (target, host) {
        (Some(target), Some(host)) if head.version == Version::HTTP_2 && *target != host => {
            Err(Refusal::BadRequest("Host and :authority disagree"))
        }
        (Some(target), _) if target.as_str().contains('@') => {
            Err(Refusal::BadRequest("bad authority"))
        }
        (Some(target), _) => Ok(Some(target.clone())),
        (None, Some(host)) => Ok(Some(host)),
        (None, None)
            if head.version == Version::HTTP_11 && !head.headers.contains_key(header::HOST) =>
        {
            Err(Refusal::BadRequest("no Host"))
        }
        (None, None) => Ok(None),
    }
}

fn wants_trailers(fields: &HeaderMap) -> bool {
    tokens(fields, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// How often the request has been here.
fn passes(fields: &HeaderMap) -> usize {
    tokens(fields, &header::VIA)
        .filter(|hop| {
            hop.split_ascii_whitespace()
                .nth(1)
                .is_some_and(|by| by.eq_ignore_ascii_case(PSEUDONYM))
        })
        .count()
}

fn append_via(fields: &mut HeaderMap, version: Version) {
    let version = match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_3 => "3",
        _ => "2",
    };
    append(fields, &header::VIA, &format!("{version} {PSEUDONYM}"));
}

/// Adds to a list field, joining it into one line so that what is ours is visibly last.
fn append(fields: &mut HeaderMap, name: &HeaderName, item: &str) {
    let mut line: Vec<u8> = Vec::with_capacity(item.len());
    for value in fields.get_all(name) {
        if !value.is_empty() {
            line.extend_from_slice(value.as_bytes());
            line.extend_from_slice(b", ");
        }
    }
    line.extend_from_slice(item.as_bytes());
    // Values of fields that were valid, joined by a comma: valid as well.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(line)) {
        fields.insert(name, value);
    }
}

/// The members of a list field over all of its lines. Members that are not text name nothing that we know.
fn tokens<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    fields
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests;
