//! RFC 9113 §10.5: what an endpoint may refuse to carry. The attacks themselves are in `violations.rs` and the honest
//! peers that must not be taken for them in `benign.rs`.

use crate::*;

#[test]
fn a_list_that_is_too_large_costs_its_stream_only() {
    let long = "x".repeat(120);
    let fields = [GET, &[("a", &long[..]); 500]].concat();
    let block = wire::block(&fields);
    let mut hand = Hand::server();
    let (first, rest) = block.split_at(16_384);
    hand.says(wire::frame(kind::HEADERS, flag::END_STREAM, 1, first));
    for part in rest.chunks(16_384) {
        let last = part.as_ptr_range().end == rest.as_ptr_range().end;
        hand.says(wire::frame(
            kind::CONTINUATION,
            if last { flag::END_HEADERS } else { 0 },
            1,
            part,
        ));
    }
    hand.resets(1, Violation::HeaderListTooLarge);
    hand.request(3, Then::End);
}

#[test]
fn a_row_of_interim_responses_has_an_end() {
    let mut hand = Hand::client();
    hand.open(Then::End);
    for _ in 0..16 {
        hand.says(wire::headers(1, &[(":status", "103")], false));
    }
    assert_eq!(hand.frames(), []);
    hand.says(wire::headers(1, &[(":status", "103")], false));
    hand.resets(1, Violation::TooManyInformational);
}

#[test]
fn a_block_that_never_ends_ends_the_connection() {
    let open = wire::frame(kind::HEADERS, 0, 3, b"");
    let part = wire::frame(kind::CONTINUATION, 0, 3, &[0x82]);
    ends(
        Role::Server,
        [open, part.repeat(1_000)].concat(),
        Violation::ContinuationFlood,
    );
}
