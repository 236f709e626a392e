use http::Request;

use super::*;

const REWRITE: Rewrite = Rewrite {
    forwarded_trusted: false,
    passes_max: 2,
};
const CLIENT: Client = Client {
    address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
    encrypted: true,
};

fn parts(version: Version, target: &str, fields: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::builder().version(version).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a valid request").into_parts().0
}

fn rewrite(rewrite: Rewrite, fields: &[(&str, &str)]) -> HeaderMap {
    let mut head = parts(Version::HTTP_2, "https://example.org/", fields);
    rewrite
        .request(&mut head, CLIENT)
        .expect("a request that may pass");
    head.headers
}

fn refusal(version: Version, target: &str, fields: &[(&str, &str)]) -> Refusal {
    let mut head = parts(version, target, fields);
    REWRITE
        .request(&mut head, CLIENT)
        .expect_err("a request that may not pass")
}

#[test]
fn fields_of_one_hop_stay_on_it() {
    let fields = rewrite(
        REWRITE,
        &[
            ("connection", "close, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("x-kept", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic Zm9vOmJhcg=="),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("te", "gzip"),
        ],
    );
    let mut left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-kept"
        ]
    );
}

#[test]
fn of_te_only_trailers_remains() {
    assert_eq!(
        rewrite(REWRITE, &[("te", "gzip, Trailers")])[header::TE],
        "trailers"
    );
    assert!(!rewrite(REWRITE, &[("te", "gzip;q=0.5")]).contains_key(header::TE));
    // RFC 9110 §10.1.4: TE is to be listed in Connection, and its meaning passes on nevertheless.
    assert_eq!(
        rewrite(REWRITE, &[("te", "trailers"), ("connection", "te")])[header::TE],
        "trailers"
    );
}

#[test]
fn what_a_client_claims_is_dropped_unless_trusted() {
    let claims = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "inner"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
    ];
    let fields = rewrite(REWRITE, &claims);
    assert_eq!(fields["x-forwarded-for"], "192.0.2.7");
    assert_eq!(fields["x-forwarded-proto"], "https");
    assert_eq!(fields["x-forwarded-host"], "example.org");
    assert!(!fields.contains_key("forwarded") && !fields.contains_key("x-real-ip"));

    let fields = rewrite(
        Rewrite {
            forwarded_trusted: true,
            ..REWRITE
        },
        &claims,
    );
    assert_eq!(fields["x-forwarded-for"], "10.0.0.1, 10.0.0.2, 192.0.2.7");
    assert_eq!(fields["x-forwarded-proto"], "http");
    assert_eq!(fields["x-forwarded-host"], "inner");
    assert_eq!(fields["forwarded"], "for=10.0.0.1");
}

#[test]
fn connection_cannot_remove_what_the_proxy_says() {
    let fields = rewrite(REWRITE, &[("connection", "x-forwarded-for, via")]);
    assert_eq!(fields["x-forwarded-for"], "192.0.2.7");
    assert_eq!(fields["via"], "2 raddle");
}

#[test]
fn via_names_the_version_and_ends_circles() {
    let mut head = parts(Version::HTTP_11, "/", &[("host", "a"), ("via", "1.0 fred")]);
    REWRITE.request(&mut head, CLIENT).unwrap();
    assert_eq!(head.headers["via"], "1.0 fred, 1.1 raddle");
    REWRITE
        .request(
            &mut parts(Version::HTTP_2, "http://a/", &[("via", "2 raddle")]),
            CLIENT,
        )
        .unwrap();
    assert_eq!(
        refusal(
            Version::HTTP_2,
            "http://a/",
            &[("via", "2 raddle, 1.1 x, 2 Raddle")]
        ),
        Refusal::Circle
    );
}

#[test]
fn rfc9112_3_2_one_host_and_the_target_wins() {
    let meant = |version, target, fields: &[_]| {
        let mut head = parts(version, target, fields);
        let authority = REWRITE.request(&mut head, CLIENT).unwrap();
        assert!(!head.headers.contains_key(header::HOST));
        authority.map(|a| a.to_string())
    };
    assert_eq!(
        meant(Version::HTTP_11, "/", &[("host", "a:8080")]).as_deref(),
        Some("a:8080")
    );
    assert_eq!(
        meant(Version::HTTP_11, "http://b/", &[("host", "a")]).as_deref(),
        Some("b")
    );
    assert_eq!(meant(Version::HTTP_10, "/", &[]), None);
    assert_eq!(meant(Version::HTTP_11, "/", &[("host", "")]), None);
    assert_eq!(
        meant(Version::HTTP_2, "https://b/", &[("host", "B")]).as_deref(),
        Some("b")
    );

    let bad = |version, target, fields: &[_]| refusal(version, target, fields).status().as_u16();
    assert_eq!(bad(Version::HTTP_11, "/", &[]), 400);
    assert_eq!(
        bad(Version::HTTP_11, "/", &[("host", "a"), ("host", "a")]),
        400
    );
    assert_eq!(bad(Version::HTTP_11, "/", &[("host", "a b")]), 400);
    assert_eq!(bad(Version::HTTP_11, "/", &[("host", "me@a")]), 400);
    assert_eq!(bad(Version::HTTP_2, "https://b/", &[("host", "a")]), 400);
}

#[test]
fn connect_is_refused() {
    let mut head = Request::builder()
        .method("CONNECT")
        .uri("example.org:443")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    assert_eq!(
        REWRITE.request(&mut head, CLIENT).unwrap_err(),
        Refusal::NoTunnel
    );
}

#[test]
fn a_never_indexed_field_stays_one() {
    let mut head = parts(Version::HTTP_2, "https://a/", &[]);
    let mut value = HeaderValue::from_static("secret");
    value.set_sensitive(true);
    head.headers.insert("x-token", value);
    REWRITE.request(&mut head, CLIENT).unwrap();
    assert!(head.headers["x-token"].is_sensitive());
}

#[test]
fn a_length_that_is_said_more_than_once_is_passed_on_once() {
    for said in [&["7"][..], &["7", "7"], &["7, 7"], &["7 ,7", "7"]] {
        let mut fields = HeaderMap::new();
        for value in said {
            let value = HeaderValue::from_static(value);
            fields.append(header::CONTENT_LENGTH, value);
        }
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.headers = fields;
        rewrite_response(&mut head);
        let lengths = head.headers.get_all(header::CONTENT_LENGTH);
        assert_eq!(lengths.iter().collect::<Vec<_>>(), ["7"], "{said:?}");
    }
}
