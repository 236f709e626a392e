//! Single frames, and how they arrive.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::*;
use super::{ROOMY, decode, decode_pieces, every_kind, id, raw, raw_head};
use crate::violation::Violation;

// RFC 9113 §4.1: frames do not depend on how the transport cuts them.
#[test]
fn cuts_do_not_matter() {
    let wire = every_kind();
    let whole = decode(&wire);
    assert_eq!(whole.len(), 18);
    assert_eq!(whole.iter().filter(|outcome| outcome.is_err()).count(), 1);
    for cut in 0..=wire.len() {
        let (left, right) = wire.split_at(cut);
        assert_eq!(decode_pieces(ROOMY, [left, right]), whole, "cut at {cut}");
    }
    assert_eq!(decode_pieces(ROOMY, wire.chunks(1)), whole);
    for size in 2..20 {
        assert_eq!(
            decode_pieces(ROOMY, wire.chunks(size)),
            whole,
            "pieces of {size}"
        );
    }
}

// RFC 9113 §4.2 and §6: what nine bytes show to be wrong is answered before the payload is there.
#[test]
fn heads_are_judged_alone() {
    use Violation as V;
    let table = [
        (raw_head(16_385, 0x0, 0, 1), V::FrameTooLarge),
        (raw_head(16_385, 0x77, 0, 1), V::FrameTooLarge),
        (raw_head(0xff_ffff, 0x1, 0, 1), V::FrameTooLarge),
        (raw_head(1, 0x0, 0, 0), V::DataOnStreamZero),
        (raw_head(1, 0x1, 4, 0), V::HeadersOnStreamZero),
        (raw_head(5, 0x2, 0, 0), V::PriorityOnStreamZero),
        (raw_head(4, 0x3, 0, 0), V::RstStreamOnStreamZero),
        (raw_head(6, 0x4, 0, 1), V::SettingsOnStream),
        (raw_head(0, 0x4, 1, 1), V::SettingsOnStream),
        (raw_head(4, 0x5, 4, 0), V::PushPromiseOnStreamZero),
        (raw_head(8, 0x6, 0, 1), V::PingOnStream),
        (raw_head(8, 0x7, 0, 1), V::GoAwayOnStream),
        (raw_head(1, 0x9, 4, 0), V::ContinuationUnexpected),
        (raw_head(0, 0x0, 0x8, 1), V::DataFrameSize),
        (raw_head(0, 0x1, 0x8, 1), V::HeadersFrameSize),
        (raw_head(4, 0x1, 0x20, 1), V::HeadersFrameSize),
        (raw_head(5, 0x1, 0x28, 1), V::HeadersFrameSize),
        (raw_head(4, 0x2, 0, 1), V::PriorityFrameSize),
        (raw_head(6, 0x2, 0, 1), V::PriorityFrameSize),
        (raw_head(3, 0x3, 0, 1), V::RstStreamFrameSize),
        (raw_head(5, 0x3, 0, 1), V::RstStreamFrameSize),
        (raw_head(6, 0x4, 1, 0), V::SettingsAckWithPayload),
        (raw_head(5, 0x4, 0, 0), V::SettingsFrameSize),
        (raw_head(7, 0x4, 0, 0), V::SettingsFrameSize),
        (raw_head(33 * 6, 0x4, 0, 0), V::SettingsTooMany),
        (raw_head(3, 0x5, 0, 1), V::PushPromiseFrameSize),
        (raw_head(4, 0x5, 0x8, 1), V::PushPromiseFrameSize),
        (raw_head(7, 0x6, 0, 0), V::PingFrameSize),
        (raw_head(9, 0x6, 1, 0), V::PingFrameSize),
        (raw_head(7, 0x7, 0, 0), V::GoAwayFrameSize),
        (raw_head(3, 0x8, 0, 0), V::WindowUpdateFrameSize),
        (raw_head(5, 0x8, 0, 1), V::WindowUpdateFrameSize),
    ];
    for (head, violation) in table {
        let stream = Head::read(&head).stream;
        let mut decoder = Decoder::new(ROOMY);
        let mut input = BytesMut::from(&head[..8]);
        assert_eq!(decoder.next(&mut input), Ok(None), "{head:?}");
        assert_eq!(decoder.needed(&input), 1);
        input.put_u8(head[8]);
        assert_eq!(
            decoder.next(&mut input),
            Err((violation, stream)),
            "{head:?}"
        );
    }
}

// RFC 9113 §4.2: a frame of exactly the advertised size is good, at each end of the range of the setting.
#[test]
fn frames_up_to_the_advertised_size_pass() {
    for max_frame_size in [MAX_FRAME_SIZE_MIN, 1 << 20, MAX_FRAME_SIZE_MAX] {
        let limits = Limits {
            max_frame_size,
            ..ROOMY
        };
        let mut decoder = Decoder::new(limits);
        let mut input = BytesMut::from(&raw_head(max_frame_size, 0, 0, 1)[..]);
        assert_eq!(decoder.next(&mut input), Ok(None));
        assert_eq!(decoder.needed(&input), max_frame_size as usize);
        if max_frame_size < MAX_FRAME_SIZE_MAX {
            let mut input = BytesMut::from(&raw_head(max_frame_size + 1, 0, 0, 1)[..]);
            assert!(Decoder::new(limits).next(&mut input).is_err());
        }
    }
}

#[test]
fn every_kind_keeps_its_number() {
    for number in 0..=u8::MAX {
        assert_eq!(Kind::from_u8(number).to_u8(), number);
    }
}

// RFC 9113 §4.1: the reserved bit and undefined flags are ignored.
#[test]
fn reserved_bits_are_ignored() {
    let plain = decode(&raw(0x0, 0x1, 5, b"x"));
    assert_eq!(decode(&raw(0x0, 0xf7, 0x8000_0005, b"x")), plain);
    let update = decode(&raw(0x8, 0, 1, &[0, 0, 0, 9]));
    assert_eq!(decode(&raw(0x8, 0xff, 1, &[0x80, 0, 0, 9])), update);
    let goaway = decode(&raw(0x7, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 0]));
    assert_eq!(
        decode(&raw(0x7, 0, 0x8000_0000, &[0x80, 0, 0, 7, 0, 0, 0, 0])),
        goaway
    );
}

// RFC 9113 §6.2 and §6.3: one bit, 31, and eight.
#[test]
fn priority_signals_share_a_word_with_their_bit() {
    for (payload, exclusive, dependency, weight) in [
        ([0x80, 0, 0, 3, 15], true, 3, 15),
        ([0, 0, 0, 3, 255], false, 3, 255),
        ([0xff, 0xff, 0xff, 0xff, 0], true, 0x7fff_ffff, 0),
        ([0x7f, 0xff, 0xff, 0xff, 0], false, 0x7fff_ffff, 0),
    ] {
        let signal = PriorityFields {
            exclusive,
            dependency: id(dependency),
            weight,
        };
        let alone = Frame::Priority {
            stream: id(5),
            priority: signal,
        };
        assert_eq!(decode(&raw(0x2, 0, 5, &payload)), [Ok(alone)]);
        let headers = Frame::Headers {
            stream: id(5),
            fragment: Bytes::new(),
            end_stream: false,
            end_headers: true,
            priority: Some(signal),
        };
        assert_eq!(decode(&raw(0x1, 0x24, 5, &payload)), [Ok(headers)]);
    }
}

// RFC 9113 §6.1, §6.2 and §6.6: every pad length against every small payload, for every kind that may be padded.
#[test]
fn padding_table() {
    let kinds = [
        (0x0, 0x8, 0, Violation::DataFrameSize),
        (0x1, 0xc, 0, Violation::HeadersFrameSize),
        (0x1, 0x2c, 5, Violation::HeadersFrameSize),
        (0x5, 0xc, 4, Violation::PushPromiseFrameSize),
    ];
    for (kind, flags, fixed, too_small) in kinds {
        for (len, pad) in (0..=300).flat_map(|len| (0..=255).map(move |pad| (len, pad))) {
            let mut payload = vec![0xee; len];
            if let Some(first) = payload.first_mut() {
                *first = pad as u8;
            }
            if kind == 0x5 && len > 4 {
                payload[1..5].copy_from_slice(&[0, 0, 0, 2]);
            }
            let outcomes = decode(&raw(kind, flags, 1, &payload));
            let got = match &outcomes[..] {
                [Ok(Frame::Data { data, flow_len, .. })] => {
                    assert_eq!(*flow_len as usize, len, "padding costs window");
                    Ok(data.len())
                }
                [Ok(Frame::Headers { fragment, .. } | Frame::PushPromise { fragment, .. })] => {
                    Ok(fragment.len())
                }
                [Err((violation, _))] => Err(*violation),
                other => panic!("{other:?}"),
            };
            let want = if len < 1 + fixed {
                Err(too_small)
            } else {
                (len - 1 - fixed)
                    .checked_sub(pad)
                    .ok_or(Violation::PaddingTooLong)
            };
            assert_eq!(
                got, want,
                "kind {kind} flags {flags:#x} len {len} pad {pad}"
            );
        }
    }
}

// RFC 9113 §4.1 and §5.5: of an unknown kind nothing is kept, however it arrives.
#[test]
fn unknown_kinds_leave_nothing_behind() {
    let wire = raw(0xbe, 0xff, 77, &[0xef; 16_384]);
    for size in [1, 9, 10, 1000, wire.len()] {
        let mut decoder = Decoder::new(ROOMY);
        let mut input = BytesMut::new();
        let mut seen = Vec::new();
        for piece in wire.chunks(size) {
            input.put_slice(piece);
            seen.extend(
                decoder
                    .next(&mut input)
                    .expect("an unknown kind is no fault"),
            );
            assert!(input.len() < HEAD_LEN, "keeps {} bytes", input.len());
        }
        assert_eq!(
            seen,
            [Frame::Unknown {
                kind: 0xbe,
                stream: id(77),
                len: 16_384
            }]
        );
        input.put_slice(&raw(0x6, 0, 0, b"12345678"));
        let ping = Frame::Ping {
            ack: false,
            payload: *b"12345678",
        };
        assert_eq!(decoder.next(&mut input), Ok(Some(ping)));
    }
}

// A caller may read so many bytes before it asks again: of what is dropped, all that is to come.
#[test]
fn what_is_dropped_is_asked_for_as_a_whole() {
    let mut decoder = Decoder::new(ROOMY);
    let mut input = BytesMut::from(&raw(0xbe, 0, 1, &[0; 1_000])[..HEAD_LEN + 100]);
    assert!(matches!(
        decoder.next(&mut input),
        Ok(Some(Frame::Unknown { .. }))
    ));
    assert_eq!((input.len(), decoder.needed(&input)), (0, 900));
    input.put_slice(&[0; 899]);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.needed(&input), 1);
    input.put_slice(&[0; 1]);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.needed(&input), HEAD_LEN);
}

// RFC 9113 §5.4: a fault of the stream costs its frame, one of the connection everything behind it.
#[test]
fn faults_of_the_connection_stick() {
    let ping = raw(0x6, 0, 0, b"12345678");
    let stream_fault = [&raw(0x2, 0, 1, b"1234567")[..], &ping].concat();
    let outcomes = decode(&stream_fault);
    assert_eq!(outcomes[0], Err((Violation::PriorityFrameSize, id(1))));
    assert!(matches!(outcomes[1], Ok(Frame::Ping { .. })));

    for bad in [raw(0x6, 0, 3, b"12345678"), raw(0x0, 8, 3, &[9, 0])] {
        let mut decoder = Decoder::new(ROOMY);
        let mut input = BytesMut::from(&[&bad[..], &ping].concat()[..]);
        let first = decoder.next(&mut input);
        assert!(first.is_err());
        assert_eq!(decoder.next(&mut input), first);
        assert_eq!(decoder.next(&mut BytesMut::from(&ping[..])), first);
    }
}

// RFC 9113 §6.9.1: the whole payload counts, padding and its length too.
#[test]
fn data_is_a_slice_of_the_input() {
    let mut input = BytesMut::from(&raw(0x0, 0x9, 1, b"\x02hello\0\0")[..]);
    let lies_at = input[10..].as_ptr();
    let got = Decoder::new(ROOMY).next(&mut input);
    let want = Frame::Data {
        stream: id(1),
        data: Bytes::from_static(b"hello"),
        flow_len: 8,
        end_stream: true,
    };
    assert_eq!(got, Ok(Some(want)));
    let Ok(Some(Frame::Data { data, .. })) = got else {
        panic!("just compared")
    };
    assert_eq!(data.as_ptr(), lies_at);
}

// RFC 9113 §4.1: nor do faults depend on the cuts. One bit is wrong, anywhere.
#[test]
fn cuts_do_not_matter_to_faults() {
    let wire = every_kind();
    for at in 0..wire.len() {
        for bit in 0..8 {
            let mut wire = wire.clone();
            wire[at] ^= 1 << bit;
            let whole = decode(&wire);
            assert_eq!(
                decode_pieces(ROOMY, wire.chunks(1)),
                whole,
                "bit {bit} of byte {at}"
            );
            let mut frames = 0;
            FrameLog::new().feed(&wire, |frame| {
                frames += 1;
                let _ = frame.to_string();
            });
            // The decoder names a frame of unknown kind before its payload is there, the log does not.
            assert!(frames + 1 >= whole.iter().filter(|outcome| outcome.is_ok()).count());
        }
    }
}
