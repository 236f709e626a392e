//! The rules for messages, by section. Each violation stands beside a twin that differs in the one thing that matters.

mod blocks;
mod fields;
mod lengths;
mod regular;
mod request;
mod response;

use alloc::vec::Vec;

use super::*;
use crate::violation::Violation;

/// What a peer may send when everything is enabled.
const EVERYTHING: Rules = Rules {
    oddities: Oddities::Refuse,
    extended_connect: true,
};

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "example.com"),
    (":path", "/"),
];

fn list(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect()
}

/// How a request is judged that consists of these fields. Both sides come to the same verdict.
fn request(fields: &[(&str, &str)]) -> Result<RequestHead, Violation> {
    let received = parse_request(list(fields), &EVERYTHING);
    let sent = check_request(&RequestHead::from_fields(list(fields)), &EVERYTHING);
    assert_eq!(received.as_ref().err(), sent.as_ref().err());
    received
}

/// How a GET request is judged that has these fields as well.
fn get_with(fields: &[(&str, &str)]) -> Result<RequestHead, Violation> {
    request(&[&GET, fields].concat())
}

fn response(fields: &[(&str, &str)]) -> Result<ResponseHead, Violation> {
    parse_response(list(fields), Oddities::Refuse)
}

fn ok_with(fields: &[(&str, &str)]) -> Result<ResponseHead, Violation> {
    response(&[&[(":status", "200")], fields].concat())
}

fn trailers(fields: &[(&str, &str)]) -> Result<Fields, Violation> {
    parse_trailers(list(fields), Oddities::Refuse)
}

/// The fault of regular fields, which is the same in a request, a response and trailers.
fn regular_fault(fields: &[(&str, &str)]) -> Option<Violation> {
    let faults = [
        get_with(fields).err(),
        ok_with(fields).err(),
        trailers(fields).err(),
    ];
    assert!(
        faults.iter().all(|fault| *fault == faults[0]),
        "{fields:?}: {faults:?}"
    );
    faults[0]
}

/// Names and values from which lists of fields are made, right and wrong.
const PARTS: [(&str, &str); 16] = [
    (":method", "GET"),
    (":method", "CONNECT"),
    (":scheme", "https"),
    (":authority", "a:443"),
    (":path", "/"),
    (":path", "*"),
    (":protocol", "websocket"),
    (":status", "200"),
    (":status", "204"),
    (":", ""),
    ("host", "a"),
    ("content-length", "5"),
    ("te", "trailers"),
    ("connection", ""),
    ("Upper", "x"),
    ("x", " y"),
];

// Whatever stands in a list, and in whatever order: a judged head holds what its getters say, and nothing panics.
#[test]
fn every_list_of_three_fields_is_judged() {
    let values = |head: &RequestHead| {
        [
            Some(head.method()),
            head.scheme(),
            head.authority(),
            head.path(),
            head.protocol(),
        ]
        .map(|value| value.map(Vec::from))
    };
    for n in 0..PARTS.len().pow(3) {
        let parts = [n, n / PARTS.len(), n / PARTS.len().pow(2)].map(|n| PARTS[n % PARTS.len()]);
        for fields in [
            list(&parts),
            list(&[&[PARTS[2], PARTS[3]], &parts[..]].concat()),
        ] {
            let head = RequestHead::from_fields(fields.clone());
            assert!(head.fields().count() <= fields.len());
            if head.violation().is_none() {
                let names: [&[u8]; 5] = [
                    b":method",
                    b":scheme",
                    b":authority",
                    b":path",
                    b":protocol",
                ];
                assert_eq!(
                    values(&head),
                    names.map(|name| fields.find(name).map(Vec::from))
                );
                assert!(head.fields().all(|field| field.name[0] != b':'));
            }
            let head = ResponseHead::from_fields(fields.clone());
            if head.violation().is_none() {
                assert_eq!(fields.find(b":status").map(<[u8]>::len), Some(3));
                assert_eq!(head.fields().count() + 1, fields.len());
            }
            let _ = parse_trailers(fields, Oddities::Refuse);
        }
    }
}
