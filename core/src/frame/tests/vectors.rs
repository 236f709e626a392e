//! The frames of <https://github.com/http2jp/http2-frame-test-case>, read and written back.

use alloc::format;

use alloc::vec::Vec;
use std::path::{Path, PathBuf};
use std::{eprintln, fs};

use bytes::BytesMut;
use serde_json::Value;

use super::super::*;
use super::{ROOMY, id, raw};
use crate::violation::Violation;

/// How many vectors the collection has; one that goes missing is a fault of the checkout.
const COUNT: usize = 34;

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What the decoder says to `wire`, with the parts that only the engine can judge decided as the engine does.
fn judge(wire: &[u8]) -> Result<Frame, Violation> {
    let mut decoder = Decoder::new(ROOMY);
    let head = Head::read(wire);
    if head.kind == Kind::Continuation {
        // The vectors show one frame each; this kind needs an open block.
        let mut opening = BytesMut::from(&raw(0x1, 0, head.stream.to_u32(), b"")[..]);
        assert!(decoder.next(&mut opening).is_ok());
    }
    let mut input = BytesMut::from(wire);
    match decoder.next(&mut input) {
        Ok(Some(Frame::WindowUpdate {
            increment: 0,
            stream,
        })) if stream.is_zero() => Err(Violation::WindowUpdateZeroOnConnection),
        Ok(Some(Frame::WindowUpdate { increment: 0, .. })) => {
            Err(Violation::WindowUpdateZeroOnStream)
        }
        Ok(frame) => {
            assert!(input.is_empty());
            Ok(frame.expect("a vector is a whole frame"))
        }
        Err((violation, _)) => Err(violation),
    }
}

/// The properties of a vector's payload, by the names of the collection. The engine drops padding, so that its length
/// and bytes are taken from the wire.
struct Want<'a>(&'a Value);

impl Want<'_> {
    fn number(&self, name: &str) -> u32 {
        self.0[name]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or_else(|| panic!("{name}"))
    }

    fn text(&self, name: &str) -> &[u8] {
        self.0[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}"))
            .as_bytes()
    }

    fn priority(&self) -> Option<PriorityFields> {
        self.0["exclusive"]
            .as_bool()
            .map(|exclusive| PriorityFields {
                exclusive,
                dependency: id(self.number("stream_dependency")),
                // The collection gives the weight, the wire one less.
                weight: u8::try_from(self.number("weight") - 1).unwrap(),
            })
    }

    fn settings(&self) -> Vec<(u16, u32)> {
        serde_json::from_value(self.0["settings"].clone()).expect("pairs")
    }

    fn padding(&self) -> Option<&[u8]> {
        self.0["padding"].as_str().map(str::as_bytes)
    }
}

/// The decoded frame against the vector's properties.
fn compare(frame: &Frame, want: &Want<'_>) {
    match frame {
        Frame::Data { data, .. } => assert_eq!(data, want.text("data")),
        Frame::Headers {
            fragment, priority, ..
        } => {
            assert_eq!(fragment, want.text("header_block_fragment"));
            assert_eq!(*priority, want.priority());
        }
        Frame::Continuation { fragment, .. } => {
            assert_eq!(fragment, want.text("header_block_fragment"));
        }
        Frame::PushPromise {
            promised, fragment, ..
        } => {
            assert_eq!(fragment, want.text("header_block_fragment"));
            assert_eq!(promised.to_u32(), want.number("promised_stream_id"));
        }
        Frame::Priority { priority, .. } => assert_eq!(Some(*priority), want.priority()),
        Frame::RstStream { code, .. } => assert_eq!(code.to_u32(), want.number("error_code")),
        Frame::Settings(settings) => {
            let got: Vec<_> = settings.iter().map(Setting::to_wire).collect();
            assert_eq!(got, want.settings());
        }
        Frame::Ping { payload, .. } => assert_eq!(payload, want.text("opaque_data")),
        Frame::GoAway { last, code, debug } => {
            assert_eq!(last.to_u32(), want.number("last_stream_id"));
            assert_eq!(code.to_u32(), want.number("error_code"));
            assert_eq!(debug, want.text("additional_debug_data"));
        }
        Frame::WindowUpdate { increment, .. } => {
            assert_eq!(*increment, want.number("window_size_increment"));
        }
        Frame::SettingsAck | Frame::PriorityUpdate { .. } | Frame::Unknown { .. } => {
            panic!("no vector has {frame:?}")
        }
    }
}

/// The frame as this engine would send it. It never pads, never sends a priority in HEADERS and never promises; for
/// those the vector's own padding and fields go around the parts that the engine writes.
fn write(frame: &Frame, head: Head, want: &Want<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    let mut payload = Vec::new();
    let padding = want.padding();
    payload.extend(padding.map(|padding| padding.len() as u8));
    match frame {
        Frame::Data { data, .. } => payload.extend_from_slice(data),
        Frame::Headers {
            fragment,
            end_stream,
            end_headers: true,
            stream,
            priority: None,
        } if padding.is_none() => {
            encode::header_block(&mut out, *stream, *end_stream, fragment, MAX_FRAME_SIZE_MIN);
            return out;
        }
        Frame::Headers {
            fragment, priority, ..
        } => {
            if let Some(priority) = priority {
                let mut whole = BytesMut::new();
                encode::priority(&mut whole, head.stream, *priority);
                payload.extend_from_slice(&whole[HEAD_LEN..]);
            }
            payload.extend_from_slice(fragment);
        }
        Frame::Continuation { fragment, .. } => payload.extend_from_slice(fragment),
        Frame::PushPromise {
            promised, fragment, ..
        } => {
            payload.extend_from_slice(&promised.to_u32().to_be_bytes());
            payload.extend_from_slice(fragment);
        }
        Frame::Priority { stream, priority } => encode::priority(&mut out, *stream, *priority),
        Frame::RstStream { stream, code } => encode::rst_stream(&mut out, *stream, *code),
        Frame::Settings(frame) => {
            settings::encode(&mut out, &frame.iter().collect::<Vec<_>>());
        }
        Frame::Ping { ack, payload } => encode::ping(&mut out, *ack, *payload),
        Frame::GoAway { last, code, debug } => encode::goaway(&mut out, *last, *code, debug),
        Frame::WindowUpdate { stream, increment } => {
            encode::window_update(&mut out, *stream, *increment);
        }
        Frame::SettingsAck | Frame::PriorityUpdate { .. } | Frame::Unknown { .. } => {
            panic!("no vector has {frame:?}")
        }
    }
    if out.is_empty() {
        payload.extend_from_slice(padding.unwrap_or_default());
        out.extend_from_slice(&encode::head(
            head.kind,
            head.flags,
            head.stream,
            payload.len(),
        ));
        out.extend_from_slice(&payload);
    }
    out
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let folders = entries(folder).filter(|path| path.is_dir());
    let mut files: Vec<_> = folders
        .flat_map(|path| entries(&path).collect::<Vec<_>>())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    files
}

fn check(path: &Path) {
    let vector: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let wire = hex(vector["wire"].as_str().unwrap());
    let outcome = judge(&wire);
    let name = path.display();
    if let Some(codes) = vector["error"].as_array() {
        let violation = outcome.expect_err(&format!("{name} is wrong"));
        let code = u64::from(violation.error_code().to_u32());
        assert!(
            codes.contains(&Value::from(code)),
            "{name}: {violation:?} is none of {codes:?}"
        );
        return;
    }
    let frame = outcome.unwrap_or_else(|violation| panic!("{name}: {violation}"));
    let head = Head::read(&wire);
    let whole = &vector["frame"];
    let got = [
        head.len,
        head.kind.to_u8().into(),
        head.flags.0.into(),
        head.stream.to_u32(),
    ];
    let names = ["length", "type", "flags", "stream_identifier"];
    assert_eq!(
        got.map(Value::from),
        names.map(|name| whole[name].clone()),
        "{name}"
    );
    let want = Want(&whole["frame_payload"]);
    compare(&frame, &want);
    assert_eq!(write(&frame, head, &want), wire, "{name} written back");
}

#[test]
fn frame_test_cases() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/http2-frame-test-case");
    if !folder.is_dir() {
        eprintln!("skipped: the vectors are not at {}", folder.display());
        return;
    }
    let files = files(&folder);
    assert_eq!(files.len(), COUNT);
    for path in &files {
        check(path);
    }
}
