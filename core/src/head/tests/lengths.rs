//! content-length, and the data that keeps to it or does not.

use super::*;

// RFC 9110 §8.6: digits only, below 2^64, and equal when there are several.
#[test]
fn section_8_6_values() {
    let table: [(&[&str], Option<Option<u64>>); 24] = [
        (&[], Some(None)),
        (&["0"], Some(Some(0))),
        (&["5"], Some(Some(5))),
        (&["005"], Some(Some(5))),
        (&["18446744073709551615"], Some(Some(u64::MAX))),
        (&["5", "5"], Some(Some(5))),
        (&["5, 5"], Some(Some(5))),
        (&["5,5,\t5"], Some(Some(5))),
        (&["5", "05"], Some(Some(5))),
        (&["18446744073709551616"], None),
        (&["99999999999999999999999999"], None),
        (&[""], None),
        (&["+5"], None),
        (&["-5"], None),
        (&["5.0"], None),
        (&["0x5"], None),
        (&["5 5"], None),
        (&["5,"], None),
        (&[",5"], None),
        (&["5,,5"], None),
        (&["5, 6"], None),
        (&["5", "6"], None),
        (&["5", "x"], None),
        (&["\u{665}"], None),
    ];
    for (values, want) in table {
        let fields: Vec<_> = values
            .iter()
            .map(|value| ("content-length", *value))
            .collect();
        let want = want.ok_or(Violation::ContentLengthInvalid);
        assert_eq!(
            get_with(&fields).map(|head| head.content_length()),
            want,
            "{values:?}"
        );
        assert_eq!(
            ok_with(&fields).map(|head| head.content_length()),
            want,
            "{values:?}"
        );
        assert_eq!(trailers(&fields).err(), want.err(), "{values:?}");
    }
}

/// Whether data in these pieces adds up.
fn adds_up(mut body: BodyLength, pieces: &[usize]) -> bool {
    pieces.iter().all(|&piece| body.received(piece).is_ok()) && body.end().is_ok()
}

// RFC 9113 §8.1.1: the data of a message adds up to its content-length.
#[test]
fn section_8_1_1_requests() {
    let body = |fields| BodyLength::of_request(&get_with(fields).unwrap());
    let five = body(&[("content-length", "5")]);
    assert_eq!(five.remaining(), Some(5));
    for (pieces, want) in [
        (&[5][..], true),
        (&[2, 0, 3], true),
        (&[4], false),
        (&[], false),
        (&[6], false),
        (&[5, 1], false),
    ] {
        assert_eq!(adds_up(five, pieces), want, "{pieces:?}");
    }
    assert!(adds_up(body(&[("content-length", "0")]), &[]));
    assert!(!adds_up(body(&[("content-length", "0")]), &[1]));
    assert!(adds_up(body(&[]), &[]) && adds_up(body(&[]), &[usize::MAX, usize::MAX]));

    // RFC 9110 §9.3.6: what a tunnel carries is nobody's content.
    let connect = [
        (":method", "CONNECT"),
        (":authority", "a:1"),
        ("content-length", "5"),
    ];
    assert!(adds_up(
        BodyLength::of_request(&request(&connect).unwrap()),
        &[7]
    ));
}

#[test]
fn too_much_data_is_found_at_once() {
    let mut body = BodyLength::of_request(&get_with(&[("content-length", "5")]).unwrap());
    assert_eq!(body.received(3), Ok(()));
    assert_eq!(body.received(3), Err(Violation::ContentLengthMismatch));
    assert_eq!(body.remaining(), Some(2), "what was refused does not count");
    assert_eq!(body.end(), Err(Violation::ContentLengthMismatch));
}

// RFC 9113 §8.1.1 and RFC 9110 §6.4.1: responses without content, whatever their content-length says.
#[test]
fn section_8_1_1_responses() {
    let length = [("content-length", "5")];
    let table = [
        ("200", &length[..], Answered::Other, Some(5)),
        ("200", &[], Answered::Other, None),
        ("206", &length, Answered::Other, Some(5)),
        ("200", &length, Answered::Head, Some(0)),
        ("200", &[], Answered::Head, Some(0)),
        ("404", &length, Answered::Head, Some(0)),
        ("204", &length, Answered::Other, Some(0)),
        ("204", &[], Answered::Other, Some(0)),
        ("304", &length, Answered::Other, Some(0)),
        ("103", &length, Answered::Other, Some(0)),
        ("200", &length, Answered::Connect, None),
        ("204", &length, Answered::Connect, None),
        ("299", &length, Answered::Connect, None),
        ("300", &length, Answered::Connect, Some(5)),
        ("403", &length, Answered::Connect, Some(5)),
    ];
    for (status, fields, answered, want) in table {
        let head = response(&[&[(":status", status)], fields].concat()).unwrap();
        let body = BodyLength::of_response(&head, answered);
        assert_eq!(
            body.remaining(),
            want,
            "{status} {fields:?} to {answered:?}"
        );
    }
}

#[test]
fn the_method_tells_how_a_request_is_answered() {
    let answered =
        |method: &[u8]| Answered::of(&RequestHead::new(method, b"https", None, b"/").finish());
    assert_eq!(answered(b"HEAD"), Answered::Head);
    assert_eq!(answered(b"CONNECT"), Answered::Connect);
    // Methods are case-sensitive (RFC 9110 §9.1).
    assert_eq!([answered(b"GET"), answered(b"head")], [Answered::Other; 2]);
}
