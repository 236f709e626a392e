//! Requests.

use alloc::format;

use super::*;

/// A request of these four pseudo-fields; an empty name leaves one out.
fn of(method: &str, scheme: &str, authority: Option<&str>, path: &str) -> Option<Violation> {
    let mut fields: Vec<_> = [(":method", method), (":scheme", scheme), (":path", path)].into();
    fields.extend(authority.map(|authority| (":authority", authority)));
    request(&fields).err()
}

#[test]
fn a_head_answers_from_its_fields() {
    let head = RequestHead::new(b"POST", b"https", Some(b"example.com:8443"), b"/a?b")
        .field(b"content-length", b"12")
        .sensitive_field(b"authorization", b"Bearer 0123")
        .finish();
    assert_eq!(head.violation(), None);
    assert_eq!(head.method(), b"POST");
    assert_eq!(head.scheme(), Some(&b"https"[..]));
    assert_eq!(head.authority(), Some(&b"example.com:8443"[..]));
    assert_eq!(head.path(), Some(&b"/a?b"[..]));
    assert_eq!(head.protocol(), None);
    assert_eq!(head.content_length(), Some(12));
    assert_eq!((head.fields().count(), head.all().count()), (2, 6));
    assert_eq!(head.list_size(), head.as_fields().list_size());
    let wire: Vec<_> = head.all().map(|field| field.name).collect();
    assert_eq!(
        wire[..4],
        [&b":method"[..], b":scheme", b":authority", b":path"]
    );

    // The same list, received: the same head, in every respect but who made it.
    assert_eq!(
        parse_request(head.as_fields().clone(), &EVERYTHING),
        Ok(head.clone())
    );
    assert_ne!(head, request(&GET).unwrap());
    let text = format!("{head:?}");
    assert!(
        text.contains("authorization: (sensitive)") && !text.contains("0123"),
        "{text}"
    );
}

#[test]
fn pseudo_fields_are_found_in_any_order() {
    let head = request(&[
        (":path", "/x"),
        (":authority", "a"),
        (":protocol", "websocket"),
        (":method", "CONNECT"),
        (":scheme", "http"),
        ("origin", "b"),
    ])
    .unwrap();
    assert_eq!(
        (head.method(), head.path()),
        (&b"CONNECT"[..], Some(&b"/x"[..]))
    );
    assert_eq!(
        (head.scheme(), head.authority()),
        (Some(&b"http"[..]), Some(&b"a"[..]))
    );
    assert_eq!(head.protocol(), Some(&b"websocket"[..]));
    assert_eq!(
        head.fields().map(|field| field.name).collect::<Vec<_>>(),
        [b"origin"]
    );
}

// RFC 9113 §8.3: pseudo-fields once, known, of this direction, and in front.
#[test]
fn section_8_3_pseudo_fields() {
    for missing in [0, 1, 3] {
        let mut fields = Vec::from(GET);
        fields.remove(missing);
        assert_eq!(
            request(&fields).err(),
            Some(Violation::PseudoFieldMissing),
            "{missing}"
        );
    }
    for (name, value) in GET {
        assert_eq!(
            get_with(&[(name, value)]).err(),
            Some(Violation::PseudoFieldDuplicate)
        );
        let behind = get_with(&[("accept", "*/*"), (name, value)]).err();
        assert_eq!(behind, Some(Violation::PseudoFieldAfterRegular));
    }
    assert_eq!(request(&[]).err(), Some(Violation::PseudoFieldMissing));
    assert_eq!(
        get_with(&[(":status", "200")]).err(),
        Some(Violation::PseudoFieldWrongDirection)
    );
    for name in [":", ":Method", ":host", "::path", ":path "] {
        assert_eq!(
            get_with(&[(name, "/")]).err(),
            Some(Violation::PseudoFieldUnknown),
            "{name}"
        );
    }
    let blank = request(&[GET[0], GET[1], (":path", "/ ")]).err();
    assert_eq!(blank, Some(Violation::FieldValueInvalid));
    assert!(
        request(&[GET[3], GET[2], GET[1], GET[0]]).is_ok(),
        "in any order"
    );
}

// RFC 9113 §8.3.1 with RFC 9110 §9.1 and RFC 3986 §3.1.
#[test]
fn section_8_3_1_method_and_scheme() {
    for method in ["GET", "get", "M-SEARCH", "!"] {
        assert_eq!(of(method, "https", None, "/"), None, "{method}");
    }
    for method in ["", "GE T", "GET/", "G\u{e9}T"] {
        assert_eq!(
            of(method, "https", None, "/"),
            Some(Violation::MethodInvalid),
            "{method}"
        );
    }
    for scheme in ["http", "https", "HTTPS", "ws", "coap+tcp", "a1"] {
        assert_eq!(of("GET", scheme, None, "/"), None, "{scheme}");
    }
    for scheme in ["", "1http", "ht tp", "http:", "https://"] {
        assert_eq!(
            of("GET", scheme, None, "/"),
            Some(Violation::SchemeInvalid),
            "{scheme}"
        );
    }
}

// RFC 9113 §8.3.1: what a path is depends on scheme and method.
#[test]
fn section_8_3_1_path() {
    use Violation::{PathEmpty, PathInvalid};
    let table = [
        ("GET", "https", "/", None),
        ("GET", "https", "/a/b;c?d=e&f={g}|h%20", None),
        ("GET", "https", "//", None),
        ("GET", "https", "/caf\u{e9}", None),
        ("GET", "https", "/*", None),
        ("OPTIONS", "https", "*", None),
        ("OPTIONS", "http", "/", None),
        ("GET", "https", "", Some(PathEmpty)),
        ("OPTIONS", "http", "", Some(PathEmpty)),
        ("OPTIONS", "HTTP", "", Some(PathEmpty)),
        ("GET", "https", "*", Some(PathInvalid)),
        ("OPTIONS", "https", "**", Some(PathInvalid)),
        ("GET", "http", "a", Some(PathInvalid)),
        ("GET", "https", "?q", Some(PathInvalid)),
        ("GET", "https", "https://example.com/", Some(PathInvalid)),
        ("GET", "https", "/a b", Some(PathInvalid)),
        ("GET", "https", "/a#b", Some(PathInvalid)),
        ("GET", "urn", "", None),
        ("GET", "urn", "isbn:0", None),
        ("GET", "urn", "isbn 0", Some(PathInvalid)),
    ];
    for (method, scheme, path, want) in table {
        assert_eq!(
            of(method, scheme, None, path),
            want,
            "{method} {scheme} {path}"
        );
    }
}

// RFC 9113 §8.3.1: no user information; RFC 9110 §4.2.1: no empty host.
#[test]
fn section_8_3_1_authority() {
    let good = [
        "example.com",
        "example.com:8443",
        "example.com:",
        "[::1]:443",
        "127.0.0.1",
        "a%20b",
    ];
    for authority in good {
        assert_eq!(
            of("GET", "https", Some(authority), "/"),
            None,
            "{authority}"
        );
    }
    let bad = [
        "",
        ":443",
        "user@example.com",
        "user:secret@example.com",
        "a b",
        "a/b",
        "a?b",
        "caf\u{e9}",
    ];
    for authority in bad {
        let want = Some(Violation::AuthorityInvalid);
        assert_eq!(
            of("GET", "https", Some(authority), "/"),
            want,
            "{authority}"
        );
    }
    assert_eq!(of("GET", "ftp", Some("user@example.com"), "/"), None);
    assert_eq!(of("GET", "ftp", Some(""), "/"), None);
    assert_eq!(
        of("GET", "ftp", Some("user@exa mple"), "/"),
        Some(Violation::AuthorityInvalid)
    );
}

// RFC 9113 §8.3.1: Host names the entity of :authority, once; RFC 9110 §4.2.3: a default port changes nothing.
#[test]
fn section_8_3_1_host() {
    let with = |scheme: &str, authority: &str, hosts: &[&str]| {
        let mut fields = Vec::from([GET[0], (":scheme", scheme), GET[3]]);
        if !authority.is_empty() {
            fields.push((":authority", authority));
        }
        fields.extend(hosts.iter().map(|host| ("host", *host)));
        request(&fields).err()
    };
    let same = [
        ("https", "example.com", "example.com"),
        ("https", "example.com", "EXAMPLE.com"),
        ("https", "example.com", "example.com:443"),
        ("https", "example.com:443", "example.com"),
        ("http", "example.com:80", "example.com"),
        ("https", "example.com:", "example.com"),
        ("ftp", "example.com:21", "example.com:21"),
        ("https", "", "example.com"),
        ("https", "", ""),
    ];
    for (scheme, authority, host) in same {
        assert_eq!(
            with(scheme, authority, &[host]),
            None,
            "{scheme} {authority} {host}"
        );
    }
    let different = [
        ("https", "example.com", "example.org"),
        ("https", "example.com", ""),
        ("https", "example.com", "example.com:80"),
        ("http", "example.com:443", "example.com"),
        ("https", "example.com:8443", "example.com"),
        ("ftp", "example.com:21", "example.com"),
        // The port of https is nothing to other schemes that are as long, nor that of http.
        ("coaps", "example.com:443", "example.com"),
        ("coap", "example.com:80", "example.com"),
    ];
    for (scheme, authority, host) in different {
        let want = Some(Violation::HostMismatch);
        assert_eq!(
            with(scheme, authority, &[host]),
            want,
            "{scheme} {authority} {host}"
        );
    }
    assert_eq!(
        with("https", "a", &["a", "a"]),
        Some(Violation::HostMismatch),
        "twice"
    );
    assert_eq!(
        with("https", "", &["u@a"]),
        Some(Violation::AuthorityInvalid)
    );
}

// RFC 9113 §8.5 and RFC 9110 §9.3.6: CONNECT has :method and :authority, with a port.
#[test]
fn section_8_5_connect() {
    let connect =
        |fields: &[(&str, &str)]| request(&[&[(":method", "CONNECT")], fields].concat()).err();
    for authority in ["example.com:443", "[::1]:8080", "10.0.0.1:65535"] {
        assert_eq!(connect(&[(":authority", authority)]), None, "{authority}");
    }
    for authority in [
        "example.com",
        "example.com:",
        ":443",
        "a:0",
        "a:65536",
        "a:+1",
        "u@a:1",
        "a:1 1",
        "",
    ] {
        let want = Some(Violation::AuthorityInvalid);
        assert_eq!(connect(&[(":authority", authority)]), want, "{authority}");
    }
    let malformed = Some(Violation::ConnectMalformed);
    let target = (":authority", "example.com:443");
    assert_eq!(connect(&[]), malformed);
    assert_eq!(connect(&[target, GET[1]]), malformed);
    assert_eq!(connect(&[target, GET[3]]), malformed);
    assert_eq!(connect(&GET[1..]), malformed);
    assert_eq!(connect(&[target, ("host", "example.com:443")]), None);
    assert_eq!(
        connect(&[target, ("host", "example.org:443")]),
        Some(Violation::HostMismatch)
    );

    let head = RequestHead::connect(b"example.com:443")
        .field(b"accept", b"*/*")
        .finish();
    assert_eq!(head.violation(), None);
    assert_eq!(
        (head.method(), head.scheme(), head.path()),
        (&b"CONNECT"[..], None, None)
    );
}

// RFC 8441 §4: the extended CONNECT, when it is enabled.
#[test]
fn rfc_8441_extended_connect() {
    let head = RequestHead::new(b"CONNECT", b"https", Some(b"example.com"), b"/chat")
        .field(b"origin", b"https://example.com")
        .protocol(b"websocket")
        .finish();
    assert_eq!(head.violation(), None);
    assert_eq!(head.protocol(), Some(&b"websocket"[..]));
    assert_eq!(head.fields().count(), 1);
    assert_eq!(check_request(&head, &EVERYTHING), Ok(()));
    let disabled = Err(Violation::ConnectProtocolDisabled);
    assert_eq!(check_request(&head, &Rules::default()), disabled);
    assert_eq!(
        parse_request(head.as_fields().clone(), &Rules::default()).map(drop),
        disabled
    );

    let connect =
        |fields: &[(&str, &str)]| request(&[&[(":method", "CONNECT")], fields].concat()).err();
    let protocol = (":protocol", "websocket");
    let malformed = Some(Violation::ConnectMalformed);
    assert_eq!(connect(&[protocol, GET[1], GET[2], GET[3]]), None);
    assert_eq!(connect(&[protocol, GET[2], GET[3]]), malformed);
    assert_eq!(connect(&[protocol, GET[1], GET[2]]), malformed);
    assert_eq!(
        connect(&[(":protocol", ""), GET[1], GET[2], GET[3]]),
        malformed
    );
    assert_eq!(
        get_with(&[protocol]).err(),
        malformed,
        "only CONNECT has it"
    );
}

#[test]
fn a_head_that_breaks_a_rule_says_so_and_still_answers() {
    let head = RequestHead::new(b"GET", b"https", None, b"no-slash")
        .field(b"Bad", b"")
        .finish();
    assert_eq!(head.violation(), Some(Violation::PathInvalid));
    assert_eq!(head.path(), Some(&b"no-slash"[..]));
    assert_eq!(head.fields().count(), 1);
    assert_eq!(
        check_request(&head, &EVERYTHING),
        Err(Violation::PathInvalid)
    );
    let head = RequestHead::from_fields(Fields::default());
    assert_eq!(
        (head.method(), head.path(), head.fields().count()),
        (&b""[..], None, 0)
    );
}
