//! Drains in two phases.

use crate::*;

/// A server, played by hand, that leaves in two phases (RFC 9113 §6.8): it says that it will before it has read the frame
/// `first`, and which streams it takes before `second`. What it says gets to the client so many frames later.
#[derive(Default)]
struct Leaver {
    first: usize,
    second: usize,
    delay: usize,
    read: usize,
    heads: u32,
    /// The highest stream that it takes, once it has said so.
    last: Option<u32>,
    executed: Vec<u32>,
    says: VecDeque<(usize, Vec<u8>)>,
}

impl Leaver {
    /// Reads one frame, or finds that there is none.
    fn read(&mut self, frame: Option<&Frame>) {
        for (at, last) in [(self.first, u32::MAX >> 1), (self.second, self.heads)] {
            if at == self.read {
                self.says.push_back((self.read, wire::goaway(last, 0)));
            }
        }
        if self.read == self.second {
            self.last = Some(self.heads);
        }
        self.read += 1;
        let Some(frame) = frame else { return };
        let taken = self.last.is_none_or(|last| frame.stream <= last);
        if frame.kind == kind::HEADERS {
            self.heads = self.heads.max(frame.stream);
            if taken {
                self.executed.push(frame.stream);
            }
        }
        if taken && frame.flags & 1 != 0 && [kind::DATA, kind::HEADERS].contains(&frame.kind) {
            let answer = wire::headers(frame.stream, OK, true);
            self.says.push_back((self.read, answer));
        }
    }

    /// Reads what the client says now, and lets it hear what has got to it.
    fn exchange(&mut self, hand: &mut Hand) {
        for frame in hand.frames() {
            self.read(Some(&frame));
        }
        hand.says(self.heard());
    }

    /// What has got to the client by now.
    fn heard(&mut self) -> Vec<u8> {
        let due = |(said, _): &mut (usize, Vec<u8>)| *said + self.delay <= self.read;
        let mut heard = Vec::new();
        while let Some((_, bytes)) = self.says.pop_front_if(due) {
            heard.extend(bytes);
        }
        heard
    }
}

// Requests that crossed the second GOAWAY of a drain were lost, or executed twice.
#[test]
fn both_goaways_of_a_drain_between_any_frames_execute_each_request_once() {
    const REQUESTS: u32 = 6;
    /// A head and a body for each, or a head alone.
    const FRAMES: usize = 9;
    let (mut crossed, mut kept_back) = (0, 0);
    for delay in [0, 1, 3, 100] {
        for first in 0..=FRAMES {
            for second in first..=FRAMES {
                let mut hand = Hand::client();
                let mut peer = Leaver {
                    first,
                    second,
                    delay,
                    ..Leaver::default()
                };
                let (mut asked, mut again) = (BTreeMap::new(), Vec::new());
                for n in 0..REQUESTS {
                    let (head, then) = match n % 2 {
                        0 => (post("/"), Then::More),
                        _ => (get("/"), Then::End),
                    };
                    let opened = hand.end.connection.open(head, then).ok();
                    match opened {
                        Some(stream) => drop(asked.insert(stream, n)),
                        None => again.push(n),
                    }
                    peer.exchange(&mut hand);
                    if let Some(stream) = opened.filter(|_| !then.is_end()) {
                        let mut body = Bytes::from_static(b"body");
                        // It may have failed by now.
                        let _ = hand.end.connection.send_data(stream, &mut body, Then::End);
                        peer.exchange(&mut hand);
                    }
                }
                kept_back += again.len();
                while peer.read <= FRAMES + 200 {
                    peer.read(None);
                    hand.says(peer.heard());
                    hand.frames();
                }
                let mut answered = Vec::new();
                for (stream, n) in asked {
                    match hand.outcome(stream) {
                        Some(Ok(())) => answered.push(n),
                        Some(Err(error)) => {
                            assert_eq!(error.retry, Retry::Safe);
                            crossed += 1;
                            again.push(n);
                        }
                        None => panic!("{n} has no outcome: {delay} {first} {second}"),
                    }
                }
                answered.sort_unstable();
                // Each is executed and answered here, or it is safe to send again and was not executed.
                let executed: Vec<_> = peer.executed.iter().map(|stream| stream / 2).collect();
                assert_eq!(executed, answered, "{delay} {first} {second}");
                again.extend(answered);
                again.sort_unstable();
                assert_eq!(
                    again,
                    Vec::from_iter(0..REQUESTS),
                    "{delay} {first} {second}"
                );
            }
        }
    }
    assert!(crossed > 100 && kept_back > 100, "{crossed} {kept_back}");
}
