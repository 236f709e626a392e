//! Regular fields, in heads and trailers.

use super::*;

// RFC 9113 §8.2.1: every byte in a name, and every byte in a value.
#[test]
fn section_8_2_1_every_byte() {
    for byte in 0..=255_u8 {
        let fault = |name: &[u8], value: &[u8]| {
            parse_trailers(
                [(name, value)].into_iter().collect::<Fields>(),
                Oddities::Refuse,
            )
            .err()
        };
        let token = byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || b"!#$%&'*+-.^_`|~".contains(&byte);
        let want = match byte {
            _ if token => None,
            b'A'..=b'Z' => Some(Violation::FieldNameUppercase),
            _ => Some(Violation::FieldNameInvalid),
        };
        assert_eq!(
            fault(&[b'x', byte, b'x'], b""),
            want,
            "{byte:#x} inside a name"
        );
        let first = if byte == b':' {
            Some(Violation::PseudoFieldInTrailers)
        } else {
            want
        };
        assert_eq!(fault(&[byte, b'x'], b""), first, "{byte:#x} begins a name");

        let control = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
        let want = control.then_some(Violation::FieldValueInvalid);
        assert_eq!(
            fault(b"x", &[b'x', byte, b'x']),
            want,
            "{byte:#x} inside a value"
        );
        let edge = control || matches!(byte, b' ' | b'\t');
        let want = edge.then_some(Violation::FieldValueInvalid);
        assert_eq!(fault(b"x", &[byte, b'x']), want, "{byte:#x} begins a value");
        assert_eq!(fault(b"x", &[b'x', byte]), want, "{byte:#x} ends a value");
    }
}

// RFC 9113 §8.2.1, in every kind of field section.
#[test]
fn section_8_2_1_names_and_values() {
    let table = [
        (("x-name", "value"), None),
        (("x-name", ""), None),
        (("x-name", "a\tb c"), None),
        (("x-name", "caf\u{e9}"), None),
        (("x-Name", "value"), Some(Violation::FieldNameUppercase)),
        (("", "value"), Some(Violation::FieldNameInvalid)),
        (("x name", "value"), Some(Violation::FieldNameInvalid)),
        (("x:name", "value"), Some(Violation::FieldNameInvalid)),
        (("x-name\u{e9}", "value"), Some(Violation::FieldNameInvalid)),
        (("x-name", " value"), Some(Violation::FieldValueInvalid)),
        (("x-name", "value\t"), Some(Violation::FieldValueInvalid)),
        (("x-name", "a\0b"), Some(Violation::FieldValueInvalid)),
        (("x-name", "a\r\nb: c"), Some(Violation::FieldValueInvalid)),
    ];
    for (field, want) in table {
        assert_eq!(regular_fault(&[field]), want, "{field:?}");
        assert_eq!(
            regular_fault(&[("first", "x"), field, ("last", "x")]),
            want,
            "{field:?}"
        );
    }
}

// RFC 9113 §8.2.2: fields of HTTP/1.1 connections, whatever they say; and their likes, which are no such fields.
#[test]
fn section_8_2_2_connection_specific() {
    let fault = Some(Violation::ConnectionSpecificField);
    for name in [
        "connection",
        "proxy-connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ] {
        for value in ["", "close", "chunked", "trailers"] {
            assert_eq!(regular_fault(&[(name, value)]), fault, "{name}");
        }
    }
    for name in [
        "connectiom",
        "proxy-connectiom",
        "keep-aliv3",
        "transfer-encodinh",
        "upgrado",
        "accept-encoding",
        // As long as content-length, and no number.
        "accept-charset",
    ] {
        assert_eq!(regular_fault(&[(name, "close")]), None, "{name}");
    }
    let te = [
        ("trailers", None),
        ("Trailers", None),
        ("", Some(Violation::TeNotTrailers)),
        ("gzip", Some(Violation::TeNotTrailers)),
        ("trailers, gzip", Some(Violation::TeNotTrailers)),
        ("trailers;q=0.5", Some(Violation::TeNotTrailers)),
    ];
    for (value, want) in te {
        assert_eq!(regular_fault(&[("te", value)]), want, "te: {value}");
    }
}

// RFC 9113 §8.2.3: crumbs of a cookie are kept as they came.
#[test]
fn section_8_2_3_cookie_crumbs() {
    let head = get_with(&[("cookie", "a=b"), ("accept", "*/*"), ("cookie", "c=d")]).unwrap();
    let crumbs: Vec<_> = head
        .fields()
        .filter(|field| field.name == b"cookie")
        .collect();
    assert_eq!(
        crumbs.iter().map(|field| field.value).collect::<Vec<_>>(),
        [b"a=b", b"c=d"]
    );
}

// RFC 9113 §8.1: no pseudo-field in trailers, wherever it stands and whatever it is.
#[test]
fn section_8_1_trailers() {
    let fault = Some(Violation::PseudoFieldInTrailers);
    for name in [":status", ":path", ":method", ":unknown", ":"] {
        assert_eq!(trailers(&[(name, "x")]).err(), fault, "{name}");
        assert_eq!(
            trailers(&[("grpc-status", "0"), (name, "x")]).err(),
            fault,
            "{name}"
        );
        assert_eq!(
            check_trailers(&list(&[(name, "x")]), Oddities::Refuse).err(),
            fault,
            "{name}"
        );
    }
    assert!(trailers(&[]).is_ok());
    assert!(trailers(&[("grpc-status", "0"), ("grpc-message", "")]).is_ok());
}

// RFC 9110 §6.5.1: taken from a peer, since it harms nobody here, but never sent.
#[test]
fn section_6_5_1_content_length_is_no_trailer() {
    let fields = [("content-length", "5")];
    assert!(trailers(&fields).is_ok());
    assert_eq!(
        check_trailers(&list(&fields), Oddities::Refuse),
        Err(Violation::ContentLengthForbidden)
    );
    assert_eq!(
        check_trailers(&list(&[("content-type", "5")]), Oddities::Refuse),
        Ok(())
    );
}

// RFC 9113 §8.2.1 and §8.2.2: what a proxy may let pass is white space at the ends of values, and TE. Nothing of that
// can end a line of HTTP/1.1; control characters, upper case and fields of a connection are faults all the same.
#[test]
fn oddities_that_are_forwarded_are_two() {
    let fault = |name: &[u8], value: &[u8]| {
        parse_trailers(
            [(name, value)].into_iter().collect::<Fields>(),
            Oddities::Forward,
        )
        .err()
    };
    for byte in 0..=255_u8 {
        let control = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
        let want = control.then_some(Violation::FieldValueInvalid);
        for at in 0..12 {
            let mut value = *b"twelve bytes";
            value[at] = byte;
            assert_eq!(fault(b"x", &value), want, "{byte:#x} at {at}");
        }
        assert_eq!(fault(b"x", &[byte]), want, "{byte:#x} alone");
    }
    assert_eq!(fault(b"te", b"gzip"), None);
    assert_eq!(fault(b"X", b""), Some(Violation::FieldNameUppercase));
    assert_eq!(fault(b"", b""), Some(Violation::FieldNameInvalid));
    let connection = Some(Violation::ConnectionSpecificField);
    assert_eq!(fault(b"connection", b"te"), connection);
}
