//! One transport out of the addresses that a name has (RFC 8305).

use std::{
    future::{Future, pending, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tokio::net::TcpStream;

/// How long an attempt goes on alone (RFC 8305 §5). Most connections are there by then; a path of one family that leads
/// nowhere costs a user this and no more.
const HEAD_START: Duration = Duration::from_millis(250);

/// Tries the addresses one after the other, the next one when the last has failed or has had its head start, and answers
/// the first transport that is there. The others are dropped.
///
/// # Errors
/// When every attempt has failed: why, of each.
pub(crate) async fn race<T, F>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut left = mixed(addresses).into_iter();
    let mut attempts = Vec::new();
    let mut failures = Vec::new();
    loop {
        match left.next() {
            Some(address) => attempts.push((address, Box::pin(attempt(address)))),
            None if attempts.is_empty() => return Err(why(failures)),
            None => {}
        }
        let more = left.len() > 0;
        let head_start = async {
            match more {
                true => tokio::time::sleep(HEAD_START).await,
                false => pending().await,
            }
        };
        tokio::select! {
            biased;
            (address, ended) = first(&mut attempts) => match ended {
                Ok(transport) => return Ok(transport),
                Err(error) => failures.push((address, error)),
            },
            () = head_start => {}
        }
    }
}

/// By turns of the two families, in the order in which the resolver has put each (RFC 8305 §4).
fn mixed(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let preferred = addresses.first().is_none_or(SocketAddr::is_ipv6);
    let (ours, theirs): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == preferred);
    let (mut ours, mut theirs) = (ours.into_iter(), theirs.into_iter());
    let mut mixed = Vec::new();
    while ours.len() + theirs.len() > 0 {
        mixed.extend(ours.next());
        mixed.extend(theirs.next());
    }
    mixed
}

/// The attempt that ends first.
async fn first<T, F>(attempts: &mut Vec<(SocketAddr, Pin<Box<F>>)>) -> (SocketAddr, io::Result<T>)
where
    F: Future<Output = io::Result<T>>,
{
    poll_fn(|cx| {
        for at in 0..attempts.len() {
            if let Poll::Ready(ended) = attempts[at].1.as_mut().poll(cx) {
                return Poll::Ready((attempts.remove(at).0, ended));
            }
        }
        Poll::Pending
    })
    .await
}

/// A connection to the first of the addresses that takes one.
pub(crate) async fn connect(
    addresses: impl IntoIterator<Item = SocketAddr>,
) -> io::Result<TcpStream> {
    let io = race(addresses, TcpStream::connect).await?;
    // Frames are gathered before they are written; what is written is meant to leave.
    io.set_nodelay(true)?;
    Ok(io)
}

/// One error for all of them.
fn why(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match failures.len() {
        0 => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        1 => failures.remove(0).1,
        _ => {
            let kind = failures[0].1.kind();
            let texts = failures
                .iter()
                .map(|(address, error)| format!("{address}: {error}"));
            io::Error::new(kind, texts.collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::{Instant, sleep};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// What attempts at an address do, after so many milliseconds; `None` is never.
    struct Network {
        after: [(&'static str, Option<u64>, bool); 3],
        begun: RefCell<Vec<String>>,
        alive: Cell<usize>,
    }

    struct Alive<'a>(&'a Cell<usize>);

    impl Drop for Alive<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    impl Network {
        fn new(after: [(&'static str, Option<u64>, bool); 3]) -> Self {
            Self {
                after,
                begun: RefCell::default(),
                alive: Cell::new(0),
            }
        }

        async fn attempt(&self, to: SocketAddr) -> io::Result<SocketAddr> {
            self.begun.borrow_mut().push(to.to_string());
            self.alive.set(self.alive.get() + 1);
            let _alive = Alive(&self.alive);
            let found = self.after.iter().find(|(name, ..)| address(name) == to);
            let &(_, after, opens) = found.unwrap();
            match after {
                Some(after) => sleep(Duration::from_millis(after)).await,
                None => pending().await,
            }
            match opens {
                true => Ok(to),
                false => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }

        /// Who won after how many milliseconds, and who was tried.
        async fn race(&self) -> (io::Result<String>, u128, Vec<String>) {
            let begin = Instant::now();
            let addresses = self.after.map(|(name, ..)| address(name));
            let won = race(addresses, |to| self.attempt(to)).await;
            assert_eq!(self.alive.get(), 0, "nobody goes on");
            let won = won.map(|address| address.to_string());
            (won, begin.elapsed().as_millis(), self.begun.take())
        }
    }

    const SIX: [&str; 2] = ["[::1]:80", "[::2]:80"];
    const FOUR: &str = "127.0.0.1:80";

    #[tokio::test(start_paused = true)]
    async fn a_family_that_leads_nowhere_costs_a_head_start() {
        let network = Network::new([
            (SIX[0], None, true),
            (SIX[1], None, true),
            (FOUR, Some(20), true),
        ]);
        let (won, after, begun) = network.race().await;
        assert_eq!((won.unwrap().as_str(), after), (FOUR, 270));
        assert_eq!(begun, [SIX[0], FOUR], "the other family comes second");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_one_begins_at_once() {
        let network = Network::new([
            (SIX[0], Some(5), false),
            (FOUR, Some(5), false),
            (SIX[1], Some(5), true),
        ]);
        let (won, after, _) = network.race().await;
        assert_eq!((won.unwrap().as_str(), after), (SIX[1], 15));
    }

    #[tokio::test(start_paused = true)]
    async fn who_began_first_and_is_slow_may_still_win() {
        let network = Network::new([
            (SIX[0], Some(600), true),
            (FOUR, None, true),
            (SIX[1], Some(300), false),
        ]);
        let (won, after, begun) = network.race().await;
        assert_eq!((won.unwrap().as_str(), after), (SIX[0], 600));
        assert_eq!(begun.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_have_failed_each_is_told() {
        let network = Network::new([
            (SIX[0], Some(300), false),
            (FOUR, Some(5), false),
            (SIX[1], Some(5), false),
        ]);
        let (won, _, _) = network.race().await;
        let error = won.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        for address in [SIX[0], SIX[1], FOUR] {
            assert!(text.contains(address), "{text}");
        }
        let nobody = race([], |to| network.attempt(to)).await.unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::NotFound);
    }

    // With Nagle's rule a small frame waits until the one before it is acknowledged, which takes 40 ms.
    #[tokio::test]
    async fn what_is_written_leaves_at_once() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let address = listener.as_ref().unwrap().local_addr().unwrap();
        let io = connect([address]).await.unwrap();
        assert!(io.nodelay().unwrap());
    }
}
