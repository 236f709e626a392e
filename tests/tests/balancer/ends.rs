//! What the end of one hop is to the other one.

use std::time::Duration;

use http_body_util::BodyExt;
use raddle_io::{ErrorCode, Kind, Retry};
use raddle_lb::limits::Limits;
use raddle_tests::{
    patience::within,
    raw::RawPeer,
    wire::{self, kind},
};
use tokio::time::{Instant, sleep};

use super::world::{MINUTE, OK, World, data, expect, get, head, post, request, settle, whole};

const CANCEL: u32 = 8;
const INTERNAL: u32 = 2;
const REFUSED: u32 = 7;

#[tokio::test(start_paused = true)]
async fn l01_what_a_client_gives_up_is_reset_at_its_backend() {
    let mut world = World::new(1, Limits::default());
    let mut client = world.client().await;
    let kept = get(&mut client);
    let mut backend = world.backend().await;
    let kept_at = request(&mut backend).await;
    let waits = get(&mut client);
    // Before its answer has begun.
    let stream = request(&mut backend).await;
    drop(waits);
    let reset = expect(&mut backend, kind::RST_STREAM).await;
    assert_eq!((reset.stream, reset.number(0)), (stream, CANCEL));
    // Behind the head of its answer.
    let reads = get(&mut client);
    let stream = request(&mut backend).await;
    backend.send(&wire::headers(stream, OK, false)).await;
    drop(head(reads).await.unwrap());
    let reset = expect(&mut backend, kind::RST_STREAM).await;
    assert_eq!((reset.stream, reset.number(0)), (stream, CANCEL));
    // Within its own body.
    let (uploads, sent) = post(&mut client);
    let stream = request(&mut backend).await;
    sent.send(data(b"half")).unwrap();
    assert_eq!(expect(&mut backend, kind::DATA).await.payload, b"half");
    drop(uploads);
    let reset = expect(&mut backend, kind::RST_STREAM).await;
    assert_eq!((reset.stream, reset.number(0)), (stream, CANCEL));
    // Nobody else noticed.
    backend.send(&wire::headers(kept_at, OK, true)).await;
    assert_eq!(head(kept).await.unwrap().status(), 200);
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn l01_a_client_is_told_to_send_again_only_what_nobody_processed() {
    let mut world = World::new(1, Limits::default());
    let mut client = world.client().await;
    let first = get(&mut client);
    let mut backend = world.backend().await;
    let mut stream = request(&mut backend).await;
    let mut asked = first;
    for code in [INTERNAL, CANCEL, 0, 11, 0xffff] {
        // It may have been processed: it is answered, and neither sent again nor called refused.
        backend.send(&wire::rst_stream(stream, code)).await;
        assert_eq!(head(asked).await.unwrap().status(), 502, "code {code}");
        asked = get(&mut client);
        stream = request(&mut backend).await;
    }
    // A refusal behind the head is a contradiction, and no refusal for the client.
    backend.send(&wire::headers(stream, OK, false)).await;
    let mut body = head(asked).await.unwrap().into_body();
    backend.send(&wire::rst_stream(stream, REFUSED)).await;
    let error = within(MINUTE, "an end", body.frame()).await;
    let error = error.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(ErrorCode::INTERNAL_ERROR));
    assert_eq!(error.retry(), Retry::Never);
    // What is refused is sent again, and not for ever.
    let refused = get(&mut client);
    for _ in 0..Limits::default().attempts_max {
        let stream = request(&mut backend).await;
        backend.send(&wire::rst_stream(stream, REFUSED)).await;
    }
    assert_eq!(head(refused).await.unwrap().status(), 502);
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn l02_an_upload_that_was_not_processed_goes_elsewhere_from_its_first_byte() {
    let mut world = World::new(2, Limits::default());
    let mut client = world.client().await;
    let (answer, sent) = post(&mut client);
    sent.send(data(b"kept ")).unwrap();
    let mut old = world.backend().await;
    request(&mut old).await;
    assert_eq!(expect(&mut old, kind::DATA).await.payload, b"kept ");
    old.send(&wire::goaway(0, 0)).await;
    let mut new = world.backend().await;
    let stream = request(&mut new).await;
    assert_eq!(expect(&mut new, kind::DATA).await.payload, b"kept ");
    // What comes now goes to one place.
    sent.send(data(b"and more")).unwrap();
    drop(sent);
    assert_eq!(expect(&mut new, kind::DATA).await.payload, b"and more");
    new.send(&wire::headers(stream, OK, true)).await;
    assert_eq!(head(answer).await.unwrap().status(), 200);
    assert!(
        old.rest()
            .await
            .iter()
            .all(|frame| frame.kind != kind::DATA)
    );
}

#[tokio::test(start_paused = true)]
async fn l02_an_upload_that_was_not_kept_is_sent_once() {
    let limits = Limits {
        replay_bytes_max: 4,
        ..Limits::default()
    };
    let mut world = World::new(2, limits);
    let mut client = world.client().await;
    let (answer, sent) = post(&mut client);
    sent.send(data(b"more than is kept")).unwrap();
    let mut old = world.backend().await;
    request(&mut old).await;
    expect(&mut old, kind::DATA).await;
    old.send(&wire::goaway(0, 0)).await;
    assert_eq!(head(answer).await.unwrap().status(), 502);
    assert_eq!(world.dials(), 1, "nobody else saw a part of it");
}

#[tokio::test(start_paused = true)]
async fn l02_an_upload_that_may_be_processed_goes_on_where_it_is() {
    let mut world = World::new(2, Limits::default());
    let mut client = world.client().await;
    let (answer, sent) = post(&mut client);
    sent.send(data(b"first ")).unwrap();
    let mut backend = world.backend().await;
    let stream = request(&mut backend).await;
    expect(&mut backend, kind::DATA).await;
    backend.send(&wire::goaway(stream, 0)).await;
    sent.send(data(b"second")).unwrap();
    drop(sent);
    assert_eq!(expect(&mut backend, kind::DATA).await.payload, b"second");
    backend.send(&wire::headers(stream, OK, true)).await;
    assert_eq!(head(answer).await.unwrap().status(), 200);
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn l02_nothing_is_sent_again_once_the_client_has_a_head() {
    let mut world = World::new(2, Limits::default());
    let mut client = world.client().await;
    let (answer, sent) = post(&mut client);
    sent.send(data(b"kept")).unwrap();
    let mut backend = world.backend().await;
    let stream = request(&mut backend).await;
    backend.send(&wire::headers(stream, OK, false)).await;
    let body = head(answer).await.unwrap().into_body();
    // It says that it did not process what it has begun to answer.
    backend.send(&wire::goaway(0, 0)).await;
    let error = whole(body).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn l03_a_dial_that_nobody_waits_for_any_more_serves_the_next_request() {
    let mut world = World::slow(1, Limits::default(), Duration::from_secs(2));
    let mut client = world.client().await;
    let gone = get(&mut client);
    settle().await;
    assert_eq!(world.dials(), 1);
    drop(gone);
    let mut other = world.client().await;
    // The whole connection goes, too.
    drop(client);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answer = get(&mut other);
    let mut backend = world.backend().await;
    let stream = request(&mut backend).await;
    assert_eq!(stream, 1, "what was given up was never sent");
    backend.send(&wire::headers(stream, OK, true)).await;
    assert_eq!(head(answer).await.unwrap().status(), 200);
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn l07_a_backend_that_fails_behind_its_head_ends_one_stream_and_nothing_is_sent_again() {
    for transport in [false, true] {
        let mut world = World::new(2, Limits::default());
        let mut client = world.client().await;
        let fails = get(&mut client);
        let mut failing = world.backend().await;
        let stream = request(&mut failing).await;
        let kept = get(&mut client);
        let mut sound = world.backend().await;
        let kept_at = request(&mut sound).await;
        failing.send(&wire::headers(stream, OK, false)).await;
        failing.send(&wire::data(stream, b"half", false)).await;
        let body = head(fails).await.unwrap().into_body();
        settle().await;
        match transport {
            true => drop(failing),
            false => failing.send(&wire::rst_stream(stream, INTERNAL)).await,
        }
        let error = whole(body).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Stream(_)), "{error}");
        assert_eq!(error.retry(), Retry::Never);
        sound.send(&wire::headers(kept_at, OK, true)).await;
        assert_eq!(head(kept).await.unwrap().status(), 200);
        assert_eq!(world.dials(), 2, "on the same two connections");
    }
}

#[tokio::test(start_paused = true)]
async fn l08_a_backend_that_drains_gets_no_request_more_on_that_connection() {
    let mut world = World::new(1, Limits::default());
    let mut client = world.client().await;
    let before = get(&mut client);
    let mut old = world.backend().await;
    let stream = request(&mut old).await;
    // The first of a drain's two: nothing has failed, and nothing is named.
    old.send(&wire::goaway(0x7fff_ffff, 0)).await;
    settle().await;
    let after = get(&mut client);
    let mut new = world.backend().await;
    let next = request(&mut new).await;
    new.send(&wire::headers(next, OK, true)).await;
    assert_eq!(head(after).await.unwrap().status(), 200);
    old.send(&wire::goaway(stream, 0)).await;
    old.send(&wire::headers(stream, OK, true)).await;
    assert_eq!(head(before).await.unwrap().status(), 200);
    let rest = within(MINUTE, "the end of the old one", old.rest()).await;
    assert!(
        rest.iter().all(|frame| frame.kind != kind::HEADERS),
        "{rest:?}"
    );
    assert_eq!(world.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn l10_a_drain_fails_no_request_that_crosses_it() {
    let mut world = World::new(1, Limits::default());
    let (near, far) = tokio::io::duplex(65_536);
    let mut serving = Box::pin(world.serving(far));
    let (begin, begun) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        tokio::select! {
            biased;
            ended = &mut serving => return ended,
            _ = begun => serving.as_mut().graceful_shutdown(),
        }
        serving.await
    });
    let mut client = RawPeer::client(near, &[]).await;
    client.send(&wire::headers(1, wire::GET, true)).await;
    let mut backend = world.backend().await;
    let first = request(&mut backend).await;
    begin.send(()).unwrap();
    let goaway = expect(&mut client, kind::GOAWAY).await;
    assert_eq!((goaway.number(0), goaway.number(4)), (0x7fff_ffff, 0));
    // It was sent before the client could know.
    client.send(&wire::headers(3, wire::GET, true)).await;
    let second = request(&mut backend).await;
    let ping = expect(&mut client, kind::PING).await;
    client.send(&wire::pongs(&[ping])).await;
    let goaway = expect(&mut client, kind::GOAWAY).await;
    assert_eq!((goaway.number(0), goaway.number(4)), (3, 0));
    for stream in [second, first] {
        backend.send(&wire::headers(stream, OK, true)).await;
        let answer = expect(&mut client, kind::HEADERS).await;
        assert_eq!(answer.flags & 1, 1);
    }
    let rest = within(MINUTE, "the end", client.rest()).await;
    let failed = |kind| kind == kind::RST_STREAM || kind == kind::GOAWAY;
    assert!(!rest.iter().any(|frame| failed(frame.kind)), "{rest:?}");
    served.await.unwrap().unwrap();
}

// The alarm was that of who had to speak when it was set, which is the other one once something has moved.
#[tokio::test(start_paused = true)]
async fn whoever_falls_silent_has_the_limit_of_his_own() {
    let second = Duration::from_secs(1);
    let limits = |response_head, request_body| Limits {
        response_head,
        request_body,
        ..Limits::default()
    };
    // A client within its body, where the backend would have much longer.
    let mut world = World::new(1, limits(50 * second, 2 * second));
    let mut client = world.client().await;
    let begun = Instant::now();
    let (answer, _sent) = post(&mut client);
    let mut backend = world.backend().await;
    request(&mut backend).await;
    assert_eq!(head(answer).await.unwrap().status(), 408);
    assert_eq!(begun.elapsed(), 2 * second);
    // A backend behind the whole body, where the client would have had.
    let mut world = World::new(1, limits(2 * second, 50 * second));
    let mut client = world.client().await;
    let begun = Instant::now();
    let (answer, sent) = post(&mut client);
    let mut backend = world.backend().await;
    request(&mut backend).await;
    sleep(5 * second).await;
    drop(sent);
    assert_eq!(head(answer).await.unwrap().status(), 504);
    assert_eq!(begun.elapsed(), 7 * second);
}
