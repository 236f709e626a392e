//! Honest peers that could be mistaken for others.

use super::by_hand::{GET, head, millis, ready, update, violation};
use crate::{Config, Event, ResponseHead, Role, Then};

#[test]
fn a_window_may_be_opened_by_hand_for_each_request() {
    let mut end = ready(Role::Server, Config::default(), &[]);
    for n in 0..10_000u32 {
        // 200 in a second, none of which is answered with a body.
        let now = millis(u64::from(n) * 5);
        let stream = 2 * n + 1;
        let bytes = [head(stream, GET, true), update(stream, 1 << 20)].concat();
        end.input(&bytes, now);
        for event in end.take_events() {
            if let Event::Request { stream, .. } = event {
                let head = ResponseHead::new(204).finish();
                end.connection.respond(stream, head, Then::End).unwrap();
            }
        }
        end.output(now);
        assert_eq!(violation(&end), None, "after {n} requests");
    }
}
