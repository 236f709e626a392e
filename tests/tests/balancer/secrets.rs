//! What one side marks as never to be indexed is so marked for the other (RFC 7541 §6.2.3): the bit is on the wire on both sides
//! of the proxy.

use raddle_hpack::{Decoder, DecoderConfig, Sink, Verdict};
use raddle_lb::limits::Limits;
use raddle_tests::{
    raw::RawPeer,
    wire::{self, Frame, GET, flag, kind},
};

use super::world::{World, expect};

/// The names of the fields, and whether each came as a literal that is never indexed.
#[derive(Default)]
struct Marks(Vec<(String, bool)>);

impl Sink for Marks {
    fn field(&mut self, name: &[u8], _: &[u8], sensitive: bool) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.0.push((name, sensitive));
    }
}

impl Marks {
    /// Those of the first header block of a connection.
    fn of(head: &Frame) -> Self {
        assert_ne!(head.flags & flag::END_HEADERS, 0, "in one frame");
        let mut decoder = Decoder::new(DecoderConfig {
            table_size_max: 4_096,
            list_size_max: u32::MAX,
            fields_max: u32::MAX,
            string_len_max: u32::MAX,
        });
        let mut marks = Self::default();
        decoder.decode(&head.payload, &mut marks).unwrap();
        assert_eq!(decoder.finish(), Ok(Verdict::Complete));
        marks
    }

    fn of_name(&self, name: &str) -> Option<bool> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, sensitive)| *sensitive)
    }
}

/// A head with two fields more, `x-secret` as a literal that is never indexed, and `x-plain` as one that may be.
fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = wire::block(fields);
    block.extend(b"\x10\x08x-secret\x04hush");
    block.extend(b"\x00\x07x-plain\x04told");
    wire::frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &block,
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_never_to_be_indexed_stays_so_through_the_proxy_both_ways() {
    let mut world = World::new(1, Limits::default());
    let (near, far) = tokio::io::duplex(65_536);
    tokio::spawn(world.serving(far));
    let mut client = RawPeer::client(near, &[]).await;
    client.send(&head(GET)).await;
    let mut backend = world.backend().await;
    let marks = Marks::of(&expect(&mut backend, kind::HEADERS).await);
    assert_eq!(marks.of_name("x-secret"), Some(true), "{:?}", marks.0);
    assert_eq!(marks.of_name("x-plain"), Some(false), "{:?}", marks.0);
    backend.send(&head(&[(":status", "200")])).await;
    let marks = Marks::of(&expect(&mut client, kind::HEADERS).await);
    assert_eq!(marks.of_name("x-secret"), Some(true), "{:?}", marks.0);
    assert_eq!(marks.of_name("x-plain"), Some(false), "{:?}", marks.0);
}
