//! How streams and connections end.

use super::*;

// GOAWAY woke every stream as if it were done: status 0 looked like an answer, and requests that were never processed
// were not sent again.
#[test]
fn origin_09_goaway_gives_a_verdict_to_what_was_not_processed_and_lets_the_rest_finish() {
    let mut end = client();
    let processed = end.connection.open(get("/1"), Then::End).unwrap();
    let ignored = end.connection.open(post("/2"), Then::End).unwrap();
    end.output();
    let unsent = end.connection.open(post("/3"), Then::End).unwrap();
    end.input(&wire::goaway(1, 0));
    let events = end.take_events();
    for stream in [ignored, unsent] {
        assert_eq!(failure(&events, stream).retry, Retry::Safe);
    }
    assert!(events.contains(&Event::PeerDraining));
    assert_eq!(
        end.connection
            .open(get("/4"), Then::End)
            .map_err(|(error, _)| error),
        Err(OpenError::Closing)
    );
    end.input(&wire::headers(1, OK, true));
    let events = end.take_events();
    assert!(events.contains(&Event::Finished { stream: processed }));
    assert_eq!(events.last(), Some(&Event::Closed { error: None }));
}

// A lost connection woke waiters in the same way: a truncated body was reported whole.
#[test]
fn origin_10_a_lost_connection_is_no_end_of_a_body() {
    for end_of_transport in [TransportEnd::Eof, TransportEnd::Failed] {
        let mut end = client();
        let half = end.connection.open(get("/1"), Then::End).unwrap();
        let none = end.connection.open(get("/2"), Then::End).unwrap();
        let whole = end.connection.open(get("/3"), Then::End).unwrap();
        end.output();
        end.input(&wire::headers(5, OK, true));
        end.input(&wire::headers(1, OK, false));
        end.input(&wire::data(1, b"half of i", false));
        end.connection
            .handle_transport_end(end_of_transport, Timestamp(0));
        let events = end.take_events();
        let half = failure(&events, half);
        assert_eq!((half.origin, half.retry), (Origin::Transport, Retry::Never));
        assert_eq!(failure(&events, none).retry, Retry::IfIdempotent);
        assert!(events.contains(&Event::Finished { stream: whole }));
        assert!(matches!(
            events.last(),
            Some(Event::Closed { error: Some(_) })
        ));
    }
}

// A reset stream's error was read once and lost when a second waiter looked.
#[test]
fn origin_19_the_end_of_a_connection_answers_the_same_for_ever() {
    let mut end = client();
    let stream = end.connection.open(post("/"), Then::More).unwrap();
    end.output();
    end.input(&wire::frame(kind::PING, 0, 1, &[0; 8]));
    let error = end.connection.error();
    assert_eq!(
        error.and_then(|error| error.violation),
        Some(Violation::PingOnStream)
    );
    end.take_events();
    for _ in 0..3 {
        assert_eq!(end.connection.error(), error);
        let mut body = Bytes::from_static(b"x");
        let sent = end.connection.send_data(stream, &mut body, Then::End);
        assert_eq!(sent, Err(SendError::Gone));
        assert_eq!(
            end.connection
                .open(get("/"), Then::End)
                .map_err(|(error, _)| error),
            Err(OpenError::Closing)
        );
        end.input(&wire::ping([0; 8], false));
        end.connection.handle_timeout(Timestamp(u64::MAX));
        end.connection
            .handle_transport_end(TransportEnd::Eof, Timestamp(u64::MAX));
        assert!(end.take_events().is_empty());
    }
}
