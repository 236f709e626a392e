//! Responses.

use alloc::format;
use alloc::string::ToString;

use super::*;

// RFC 9113 §8.3.2: every status that three digits can write, and what is none.
#[test]
fn section_8_3_2_status() {
    for status in 0..=1100_u16 {
        let text = format!("{status:03}");
        let want = match status {
            101 => Err(Violation::SwitchingProtocols),
            100..=999 => Ok(status),
            _ => Err(Violation::StatusInvalid),
        };
        let received = response(&[(":status", &text)]);
        assert_eq!(received.map(|head| head.status()), want, "{status}");
        let head = ResponseHead::new(status).finish();
        let sent = check_response(&head, Answered::Other);
        assert_eq!(sent.err(), want.err(), "{status}");
        if want.is_ok() {
            assert_eq!(head.is_informational(), status < 200);
            assert_eq!(
                head.all().next().map(|field| field.value),
                Some(text.as_bytes())
            );
        }
    }
    assert_eq!(
        ResponseHead::new(65_535).finish().violation(),
        Some(Violation::StatusInvalid)
    );
    for value in ["", "20", "2000", "20a", "+20", "2.0", "0x1", "\u{662}00"] {
        let fault = response(&[(":status", value)]).err();
        assert_eq!(fault, Some(Violation::StatusInvalid), "{value}");
    }
    assert_eq!(
        response(&[(":status", " 200")]).err(),
        Some(Violation::FieldValueInvalid)
    );
}

// RFC 9113 §8.3: pseudo-fields once, known, of this direction, and in front.
#[test]
fn section_8_3_pseudo_fields() {
    assert_eq!(response(&[]).err(), Some(Violation::PseudoFieldMissing));
    assert_eq!(
        response(&[("a", "b")]).err(),
        Some(Violation::PseudoFieldMissing)
    );
    assert_eq!(
        ok_with(&[(":status", "200")]).err(),
        Some(Violation::PseudoFieldDuplicate)
    );
    for name in [":method", ":scheme", ":authority", ":path", ":protocol"] {
        assert_eq!(
            ok_with(&[(name, "/")]).err(),
            Some(Violation::PseudoFieldWrongDirection)
        );
        assert_eq!(
            response(&[(name, "/")]).err(),
            Some(Violation::PseudoFieldWrongDirection)
        );
    }
    assert_eq!(
        ok_with(&[(":reason", "ok")]).err(),
        Some(Violation::PseudoFieldUnknown)
    );
    let behind = response(&[("a", "b"), (":status", "200")]).err();
    assert_eq!(
        behind,
        Some(Violation::PseudoFieldMissing),
        "what leads is not :status"
    );
    let behind = ok_with(&[("a", "b"), (":status", "200")]).err();
    assert_eq!(behind, Some(Violation::PseudoFieldAfterRegular));
}

// RFC 9110 §8.6: where content-length must not be sent. From a peer it is ignored there.
#[test]
fn section_8_6_content_length_forbidden() {
    let table = [
        (100, Answered::Other, true),
        (103, Answered::Other, true),
        (204, Answered::Other, true),
        (204, Answered::Head, true),
        (200, Answered::Connect, true),
        (299, Answered::Connect, true),
        (300, Answered::Connect, false),
        (200, Answered::Other, false),
        (200, Answered::Head, false),
        (205, Answered::Other, false),
        (304, Answered::Other, false),
        (404, Answered::Connect, false),
    ];
    for (status, answered, forbidden) in table {
        let head = ResponseHead::new(status)
            .field(b"content-length", b"0")
            .finish();
        let want = if forbidden {
            Err(Violation::ContentLengthForbidden)
        } else {
            Ok(())
        };
        assert_eq!(
            check_response(&head, answered),
            want,
            "{status} to {answered:?}"
        );
        assert!(response(&[(":status", &status.to_string()), ("content-length", "0")]).is_ok());
        assert_eq!(
            check_response(&ResponseHead::new(status).finish(), answered),
            Ok(())
        );
    }
}

#[test]
fn a_head_answers_from_its_fields() {
    let head = ResponseHead::new(200)
        .field(b"content-length", b"5")
        .sensitive_field(b"set-cookie", b"id=0123")
        .finish();
    assert_eq!(
        (head.status(), head.content_length(), head.violation()),
        (200, Some(5), None)
    );
    assert_eq!((head.fields().count(), head.all().count()), (2, 3));
    assert_eq!(head.list_size(), 42 + 14 + 1 + 32 + 10 + 7 + 32);
    assert_eq!(
        parse_response(head.as_fields().clone(), Oddities::Refuse),
        Ok(head.clone())
    );
    assert_ne!(head, ResponseHead::new(200).finish());
    let text = format!("{head:?}");
    assert!(
        text.contains("set-cookie: (sensitive)") && !text.contains("0123"),
        "{text}"
    );
}
