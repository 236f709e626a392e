//! RFC 9113 §6.7: PING.

use crate::*;

#[test]
fn a_ping_is_answered_with_what_it_carried() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::ping(*b"12345678", false));
        assert_eq!(hand.end.output(), wire::ping(*b"12345678", true));
    }
}

#[test]
fn answers_overtake_bodies() {
    let (mut hand, stream) = open(Role::Client);
    hand.send(stream, &[0; 60_000], Then::End);
    hand.says(wire::ping([9; 8], false));
    let frames = hand.frames();
    assert!(frames[0].is(kind::PING, 0), "{frames:?}");
}

#[test]
fn an_answer_is_not_answered() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::ping([5; 8], true));
        assert_eq!(hand.frames(), []);
        assert_eq!(hand.events(), [], "nobody asked");
        hand.lives();
    }
}

#[test]
fn our_pings_find_their_answers() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        let id = hand.end.connection.ping().unwrap();
        let frames = hand.frames();
        let payload = frames[0].payload.clone().try_into().unwrap();
        hand.says(wire::ping(payload, true));
        assert_eq!(hand.events(), [Event::Pong { id }]);
    }
}

#[test]
fn a_ping_on_a_stream_or_of_another_length_is_an_error() {
    for role in ROLES {
        ends(
            role,
            wire::frame(kind::PING, 0, 1, &[0; 8]),
            Violation::PingOnStream,
        );
        ends(
            role,
            wire::frame(kind::PING, 0, 0, &[0; 9]),
            Violation::PingFrameSize,
        );
    }
}
