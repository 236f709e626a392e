//! What the configuration changes about the heads of messages.

use std::{vec, vec::Vec};

use bytes::Bytes;

use super::pair::Pair;
use crate::{
    Config, Event, Fields, OpenError, RequestHead, ResponseHead, SendError, Then, Violation,
};

/// What a server of `config` makes of a request with these fields behind its pseudo-fields, sent by a client that
/// forwards everything.
fn received(config: Config, fields: &[(&str, &str, bool)]) -> Result<RequestHead, Violation> {
    let forwards = Config {
        forward_oddities: true,
        ..Config::default()
    };
    let mut pair = Pair::new(forwards, config);
    pair.settle();
    pair.server.take_events();
    // A proxy's head came from a peer; here the same judge makes it.
    let pseudo = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ];
    let mut list = Fields::builder();
    for (name, value) in pseudo {
        list.push(name.as_bytes(), value.as_bytes(), false);
    }
    for (name, value, sensitive) in fields {
        list.push(name.as_bytes(), value.as_bytes(), *sensitive);
    }
    let rules = crate::head::Rules {
        extended_connect: false,
        oddities: crate::head::Oddities::Forward,
    };
    let head = crate::head::parse_request(list.finish(), &rules)?;
    pair.client.connection.open(head, Then::End).unwrap();
    pair.settle();
    let events = pair.server.take_events();
    if let [Event::Request { head, .. }] = &events[..] {
        return Ok(head.clone());
    }
    let failed = pair
        .client
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            Event::Failed { error, .. } => Some(error),
            _ => None,
        });
    assert_eq!(failed.unwrap().code, crate::ErrorCode::PROTOCOL_ERROR);
    Err(Violation::FieldValueInvalid)
}

fn cookies(head: &RequestHead) -> Vec<&[u8]> {
    let cookies = head.fields().filter(|field| field.name == b"cookie");
    cookies.map(|field| field.value).collect()
}

const CRUMBS: &[(&str, &str, bool)] = &[
    ("cookie", "a=1", false),
    ("accept", "*/*", false),
    ("cookie", "b=2", true),
    ("cookie", "c=3", false),
];

// RFC 9113 §8.2.3
#[test]
fn cookie_crumbs_are_joined_where_the_first_was() {
    let head = received(Config::default(), CRUMBS).unwrap();
    assert_eq!(cookies(&head), [b"a=1; b=2; c=3"]);
    assert!(
        head.fields().any(|field| field.sensitive),
        "as one crumb was"
    );
    let names: Vec<_> = head.fields().map(|field| field.name).collect();
    assert_eq!(names, [&b"cookie"[..], b"accept"]);
}

// RFC 9113 §8.2.1 and §8.2.3: what is wrong with a crumb does not vanish in the whole, and one without a byte is no fault.
#[test]
fn crumbs_are_judged_before_they_are_joined() {
    for odd in ["b ", " b", "b\t", "b\n"] {
        for crumbs in [["a=1", odd, "c=3"], [odd, "b", "c"]] {
            let crumbs = crumbs.map(|crumb| ("cookie", crumb, false));
            let refused = received(Config::default(), &crumbs);
            assert!(refused.is_err(), "{crumbs:?}");
        }
    }
    for (crumbs, whole) in [
        (["a=1", "", ""], "a=1"),
        (["a", "", "c"], "a; ; c"),
        ([""; 3], ""),
    ] {
        let crumbs = crumbs.map(|crumb| ("cookie", crumb, false));
        let head = received(Config::default(), &crumbs).unwrap();
        assert_eq!(cookies(&head), [whole.as_bytes()]);
    }
}

#[test]
fn a_proxy_may_keep_the_crumbs() {
    let config = Config {
        join_cookies: false,
        ..Config::default()
    };
    let head = received(config, CRUMBS).unwrap();
    assert_eq!(cookies(&head), [b"a=1", b"b=2", b"c=3"]);
    let one = received(Config::default(), &CRUMBS[..1]).unwrap();
    assert_eq!(cookies(&one), [b"a=1"]);
}

// RFC 9113 §8.2.1, §8.2.2 and §8.3.1
#[test]
fn a_proxy_may_pass_on_oddities_and_nobody_else_takes_them() {
    let forwards = || Config {
        forward_oddities: true,
        ..Config::default()
    };
    for odd in [
        ("x", " a ", false),
        ("te", "gzip", false),
        ("host", "b", false),
        ("x", "\t", false),
    ] {
        assert!(received(Config::default(), &[odd]).is_err(), "{odd:?}");
        let head = received(forwards(), &[odd]).unwrap();
        let field = head.fields().next().unwrap();
        assert_eq!(
            (field.name, field.value),
            (odd.0.as_bytes(), odd.1.as_bytes())
        );
    }
    for bad in [
        ("x", "a\0", false),
        ("x", "a\rb", false),
        ("connection", "close", false),
    ] {
        assert!(received(forwards(), &[bad]).is_err(), "{bad:?}");
    }
    // Responses and trailers, too.
    let mut pair = Pair::new(forwards(), forwards());
    pair.settle();
    pair.server.take_events();
    pair.client
        .connection
        .open(super::get("/"), Then::End)
        .unwrap();
    pair.settle();
    let [Event::Request { stream, .. }] = pair.server.take_events()[..] else {
        panic!("a request was sent")
    };
    let server = &mut pair.server.connection;
    server
        .respond(stream, ResponseHead::new(200).finish(), Then::More)
        .unwrap();
    let mut trailers = Fields::builder();
    trailers.push(b"x", b" a", false);
    server.send_trailers(stream, trailers.finish()).unwrap();
    pair.settle();
    let events = pair.client.take_events();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Trailers { .. })),
        "{events:?}"
    );
}

// What an application makes of fields is judged as what a peer sends.
#[test]
fn a_proxy_may_build_what_it_passes_on() {
    let forwards = || Config {
        forward_oddities: true,
        ..Config::default()
    };
    let request = |name: &[u8], value: &[u8]| {
        RequestHead::new(b"POST", b"https", Some(b"a"), b"/")
            .field(name, value)
            .field(b"content-length", b"3")
            .finish()
    };
    let odd = || request(b"te", b"gzip");
    assert_eq!(odd().violation(), Some(Violation::TeNotTrailers));
    let mut strict = Pair::new(Config::default(), Config::default());
    strict.settle();
    let refused = strict.client.connection.open(odd(), Then::More);
    assert!(matches!(refused, Err((OpenError::Malformed(_), _))));
    let mut pair = Pair::new(forwards(), forwards());
    pair.settle();
    pair.server.take_events();
    let client = &mut pair.client.connection;
    let bad = client.open(request(b"connection", b"close"), Then::More);
    assert!(matches!(bad, Err((OpenError::Malformed(_), _))));
    let stream = client.open(odd(), Then::More).unwrap();
    // What else is in it counts, too.
    let long = client.send_data(stream, &mut Bytes::from_static(b"1234"), Then::End);
    assert!(matches!(long, Err(SendError::Malformed(_))), "{long:?}");
    let sent = client.send_data(stream, &mut Bytes::from_static(b"123"), Then::End);
    assert_eq!(sent, Ok(3));
    pair.settle();
    let events = pair.server.take_events();
    let Event::Request { stream, head, .. } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(head.content_length(), Some(3));
    let answer = || ResponseHead::new(200).field(b"x", b" v").finish();
    let early = ResponseHead::new(103).field(b"x", b"v ").finish();
    let server = &mut pair.server.connection;
    server.inform(*stream, early).unwrap();
    server.respond(*stream, answer(), Then::End).unwrap();
    pair.settle();
    let heard = pair.client.take_events();
    assert!(
        matches!(&heard[..], [Event::Ready, Event::Interim { .. }, Event::Response { head, .. }, ..] if *head == answer()),
        "{heard:?}"
    );
}

/// What goes out and comes in when a client sends `cookie`.
fn sent(split: bool, cookie: &str, server: Config) -> (usize, Option<RequestHead>) {
    let client = Config {
        split_cookies: split,
        ..Config::default()
    };
    let mut pair = Pair::new(client, server);
    pair.settle();
    pair.server.take_events();
    let head = RequestHead::new(b"GET", b"https", Some(b"a"), b"/")
        .field(b"cookie", cookie.as_bytes())
        .finish();
    if pair.client.connection.open(head, Then::End).is_err() {
        return (0, None);
    }
    let bytes = pair.client.output(pair.now);
    pair.server.input(&bytes, pair.now);
    let head = match pair.server.take_events().pop() {
        Some(Event::Request { head, .. }) => Some(head),
        _ => None,
    };
    (bytes.len(), head)
}

// RFC 9113 §8.2.3
#[test]
fn a_cookie_may_be_sent_in_crumbs_and_is_the_same_again() {
    let keeps = Config {
        join_cookies: false,
        ..Config::default()
    };
    for cookie in ["a=1", "a=1; b=2; c=3", "a=1;b=2", "", "a=1; ; b=2"] {
        let (_, head) = sent(true, cookie, Config::default());
        assert_eq!(cookies(&head.unwrap()), [cookie.as_bytes()]);
        let (_, head) = sent(true, cookie, keeps.clone());
        let crumbs: Vec<_> = cookie.split("; ").map(str::as_bytes).collect();
        assert_eq!(cookies(&head.unwrap()), crumbs);
        let (_, head) = sent(false, cookie, keeps.clone());
        assert_eq!(cookies(&head.unwrap()), [cookie.as_bytes()]);
    }
}

/// The cookies as they come, sent in crumbs if that may be, and whether the request is taken.
fn cut(cookie: &str, header_list_bytes_max: u32) -> Option<usize> {
    let server = Config {
        header_list_bytes_max,
        join_cookies: false,
        ..Config::default()
    };
    let (_, whole) = sent(false, cookie, server.clone());
    let (_, head) = sent(true, cookie, server);
    assert_eq!(whole.is_some(), head.is_some(), "it matters to nobody");
    Some(cookies(&head?).len())
}

#[test]
fn crumbs_count_as_the_fields_that_they_are_sent_as() {
    let cookie = vec!["a=1"; 20].join("; ");
    // Four pseudo-fields of 167 bytes by the formula; a field of 136, or 20 of 41 each.
    for (limit, count) in [(302, None), (303, Some(1)), (986, Some(1)), (987, Some(20))] {
        assert_eq!(cut(&cookie, limit), count, "{limit}");
    }
}

#[test]
fn a_cookie_of_very_many_crumbs_stays_whole() {
    for (crumbs, count) in [(65, 65), (66, 1), (600, 1)] {
        let cookie = vec!["a=1"; crumbs].join("; ");
        assert_eq!(cut(&cookie, 1 << 16), Some(count));
    }
}

// RFC 9113 §8.2.1: what one connection lets in, another one that is strict does not let out.
#[test]
fn an_oddity_that_was_let_in_does_not_leave_by_a_strict_connection() {
    let forwards = Config {
        forward_oddities: true,
        ..Config::default()
    };
    let head = received(forwards.clone(), &[("x", " a ", false)]).expect("it is let in");
    let open = |config: Config, head: &RequestHead| {
        let mut pair = Pair::new(config, Config::default());
        pair.settle();
        let opened = pair.client.connection.open(head.clone(), Then::End);
        opened.map(|_| ()).map_err(|(error, _)| error)
    };
    assert_eq!(open(forwards.clone(), &head), Ok(()));
    assert_eq!(
        open(Config::default(), &head),
        Err(OpenError::Malformed(Violation::FieldValueInvalid))
    );
    let plain = received(forwards, &[("x", "a", false)]).expect("nothing is wrong with it");
    assert_eq!(open(Config::default(), &plain), Ok(()));
}
