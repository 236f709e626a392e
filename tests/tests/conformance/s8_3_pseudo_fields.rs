//! RFC 9113 §8.3: the fields that stand for HTTP/1.1's first line.

use crate::*;
use Violation as V;

fn request(fields: &[(&str, &str)], violation: Option<Violation>) {
    let mut hand = Hand::server();
    hand.says(wire::headers(1, fields, true));
    match violation {
        Some(violation) => hand.resets(1, violation),
        None => assert!(heard!(hand.events(), Event::Request { .. }), "{fields:?}"),
    }
}

/// A GET with one pseudo-field replaced.
fn replaced(name: &str, value: &'static str, violation: Option<Violation>) {
    let mut fields = GET.to_vec();
    for field in &mut fields {
        if field.0 == name {
            field.1 = value;
        }
    }
    request(&fields, violation);
}

#[test]
fn a_request_has_each_mandatory_pseudo_field_once() {
    for name in [":method", ":scheme", ":path"] {
        let without: Vec<_> = GET
            .iter()
            .copied()
            .filter(|field| field.0 != name)
            .collect();
        request(&without, Some(V::PseudoFieldMissing));
        let twice: Vec<_> = GET
            .iter()
            .flat_map(|&field| {
                if field.0 == name {
                    vec![field; 2]
                } else {
                    vec![field]
                }
            })
            .collect();
        request(&twice, Some(V::PseudoFieldDuplicate));
    }
}

#[test]
fn pseudo_fields_stand_in_front() {
    request(
        &[GET, &[("a", "b"), (":path", "/")]].concat(),
        Some(V::PseudoFieldAfterRegular),
    );
}

#[test]
fn unknown_pseudo_fields_and_those_of_responses_are_malformed() {
    request(&with(&[(":colour", "red")]), Some(V::PseudoFieldUnknown));
    request(
        &with(&[(":status", "200")]),
        Some(V::PseudoFieldWrongDirection),
    );
}

#[test]
fn paths_begin_with_a_slash() {
    replaced(":path", "", Some(V::PathEmpty));
    replaced(":path", "index", Some(V::PathInvalid));
    replaced(":path", "*", Some(V::PathInvalid));
    replaced(":path", "/?a=/b", None);
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")];
    request(&options, None);
}

#[test]
fn authorities_name_no_user_and_agree_with_host() {
    replaced(":authority", "user@test", Some(V::AuthorityInvalid));
    replaced(":authority", "", Some(V::AuthorityInvalid));
    replaced(":authority", "[::1]:80", None);
    request(&with(&[("host", "test")]), None);
    request(&with(&[("host", "other")]), Some(V::HostMismatch));
    // Host may stand alone.
    let host = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        ("host", "test"),
    ];
    request(&host, None);
}

#[test]
fn methods_are_tokens() {
    replaced(":method", "G T", Some(V::MethodInvalid));
    replaced(":method", "", Some(V::MethodInvalid));
    replaced(":method", "BREW", None);
}

#[test]
fn a_response_has_one_status_of_three_digits() {
    for (fields, violation) in [
        (&[("a", "b")][..], V::PseudoFieldMissing),
        (
            &[(":status", "200"), (":status", "200")],
            V::PseudoFieldDuplicate,
        ),
        (&[("a", "b"), (":status", "200")], V::PseudoFieldMissing),
        (
            &[(":status", "200"), ("a", "b"), (":status", "200")],
            V::PseudoFieldAfterRegular,
        ),
        (&[(":status", "20")], V::StatusInvalid),
        (&[(":status", "2000")], V::StatusInvalid),
        (&[(":status", "abc")], V::StatusInvalid),
        (&[(":status", "")], V::StatusInvalid),
        (
            &[(":path", "/"), (":status", "200")],
            V::PseudoFieldWrongDirection,
        ),
    ] {
        let mut hand = Hand::client();
        let stream = hand.open(Then::End);
        hand.says(wire::headers(1, fields, true));
        hand.resets(1, violation);
        assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent);
    }
}

#[test]
fn authorities_and_hosts_are_compared_as_their_scheme_has_them() {
    request(&with(&[("host", "TEST:80")]), None);
    request(&with(&[("host", "test:443")]), Some(V::HostMismatch));
}
