//! Every future of the adapter, dropped at each of its polls: nothing of it stays, and what it had taken passes on.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use raddle_io::{Client, Config, Connect, Dialing, Error, Pool, PoolConfig, RecvBody, Target};
use tokio::{task::yield_now, time::timeout};
use tower_service::Service;

/// In virtual time: longer than anything takes that is not stuck.
const MINUTE: Duration = Duration::from_secs(60);
/// Polls after which a future must have come to its end.
const POLLS_MAX: usize = 2_000;
/// Bytes of a request, many times what the pipe takes at once.
const BODY: usize = 5_000;

/// Lets every task have one turn. Tokio's `yield_now` lets them run until all of them wait.
async fn turn() {
    let mut passed = false;
    poll_fn(|cx| match std::mem::replace(&mut passed, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Polls a future so many times, with a turn for everybody else behind each, and drops it. Answers whether it had ended.
async fn polled<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx)))
            .await
            .is_ready()
        {
            return true;
        }
        turn().await;
    }
    false
}

/// Runs a test as one task among others, so that each of its turns is one of theirs.
async fn in_turn(test: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(test).await.unwrap();
}

/// A server of two streams at a time, behind a few turns of dialing.
struct Servers;

impl Connect for Servers {
    fn connect(&self, _: Target) -> Dialing {
        Box::pin(async {
            for _ in 0..3 {
                yield_now().await;
            }
            connected().await
        })
    }
}

/// A client whose server answers with what it was sent, after a few turns.
async fn connected() -> Result<Client, Error> {
    let (near, far) = tokio::io::duplex(256);
    let limited = Config {
        concurrent_streams_max: 2,
        ..Config::default()
    };
    let (mut server, driver) = raddle_io::accept(far, limited).await?;
    tokio::spawn(driver);
    tokio::spawn(async move {
        while let Some((request, responder)) = server.accept().await {
            tokio::spawn(async move {
                yield_now().await;
                let answered = responder.respond(Response::new(request.into_body()));
                // A client that has gone is no news.
                let _ = answered.await;
            });
        }
    });
    let assumed = Config {
        concurrent_streams_assumed: 2,
        ..Config::default()
    };
    let (client, driver) = raddle_io::connect(near, assumed).await?;
    tokio::spawn(driver);
    Ok(client)
}

fn post() -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(vec![7; BODY]));
    Request::post("http://test/").body(body).unwrap()
}

async fn whole(response: Result<Response<RecvBody>, Error>) {
    let body = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes().len(), BODY);
}

async fn exchange(client: &mut Client) {
    poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(client, cx))
        .await
        .unwrap();
    // A place is kept now, and not used yet.
    turn().await;
    whole(client.call(post()).await).await;
}

/// Asks until there is an end at `polls` polls or below; answers how many that were.
async fn every_cut<F, R>(mut cut: F) -> usize
where
    F: FnMut(usize) -> R,
    R: Future<Output = bool>,
{
    for polls in 0..POLLS_MAX {
        if cut(polls).await {
            return polls;
        }
    }
    panic!("no end after {POLLS_MAX} polls");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_dropped_anywhere_leaves_its_stream_to_others() {
    in_turn(async {
        let client = connected().await.unwrap();
        let polls = every_cut(async |polls| {
            let mut cut = client.clone();
            let ended = polled(exchange(&mut cut), polls).await;
            drop(cut);
            // Both streams are there.
            let (mut one, mut other) = (client.clone(), client.clone());
            let both = async { tokio::join!(biased; exchange(&mut one), exchange(&mut other)) };
            timeout(MINUTE, both).await.expect("two streams are free");
            assert_eq!(client.streams(), 0, "after {polls} polls");
            ended
        })
        .await;
        assert!(polls > 10, "{polls} polls are no cuts");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_in_line_who_leaves_anywhere_lets_the_next_one_pass() {
    in_turn(async {
        let client = connected().await.unwrap();
        let polls = every_cut(async |polls| {
            // Two take the streams, one waits and leaves, one waits behind it.
            let mut all = [(); 4].map(|()| client.clone());
            let [first, second, cut, last] = &mut all;
            let taken = async { tokio::join!(biased; exchange(first), exchange(second)) };
            let cut = polled(exchange(cut), polls);
            let run = async { tokio::join!(biased; taken, cut, exchange(last)) };
            let (_, ended, ()) = timeout(MINUTE, run).await.expect("the last passes");
            drop(all);
            yield_now().await;
            assert_eq!(client.streams(), 0, "after {polls} polls");
            ended
        })
        .await;
        assert!(polls > 10, "{polls} polls are no cuts");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_pool_that_is_dropped_anywhere_keeps_nothing() {
    in_turn(async {
        let config = PoolConfig {
            connections_max: 1,
            waiting_max: 3,
            ..PoolConfig::default()
        };
        let polls = every_cut(async |polls| {
            let pool = Pool::new(Servers, config.clone());
            let ask = async || whole(pool.clone().call(post()).await).await;
            let ended = polled(ask(), polls).await;
            // The places of all who may wait, and both streams, are there.
            let all = async { tokio::join!(biased; ask(), ask(), ask()) };
            timeout(MINUTE, all).await.expect("nothing was kept");
            yield_now().await;
            let stats = pool.stats();
            assert_eq!((stats.opened, stats.streams), (1, 0), "after {polls} polls");
            ended
        })
        .await;
        assert!(polls > 10, "{polls} polls are no cuts");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_dropped_anywhere_is_forgotten() {
    in_turn(async {
        let client = connected().await.unwrap();
        for _ in 0..20 {
            every_cut(async |polls| {
                let ended = polled(client.ping(), polls).await;
                timeout(MINUTE, client.ping()).await.unwrap().unwrap();
                ended
            })
            .await;
        }
    })
    .await;
}
