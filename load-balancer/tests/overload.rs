//! What a front survives that has run out of descriptors.

#![expect(
    clippy::disallowed_methods,
    reason = "another process takes its own time"
)]
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use raddle_io::{Config, Dialer, Pool, PoolConfig, tls};
use tower_service::Service;

const BALANCER: &str = env!("CARGO_BIN_EXE_load_balancer");
/// Descriptors of the process: enough for itself and its backends, and not for what comes.
const DESCRIPTORS: usize = 48;
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// The load balancer with few descriptors, and where it listens.
    /// What it says on stderr is read once it has ended.
    fn start() -> (Self, String) {
        let limited = format!("ulimit -n {DESCRIPTORS}; exec {BALANCER} --listen 127.0.0.1:0");
        let child = Command::new("sh")
            .args(["-c", &limited])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut process = Self(child);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.split("https://").nth(1).unwrap();
        let address = address.split_whitespace().next().unwrap();
        (process, address.trim_end_matches('/').to_owned())
    }

    /// Ends it. Answers what it has said on stderr.
    fn end(mut self) -> String {
        self.0.kill().unwrap();
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }

    /// Waits until so many descriptors are open.
    fn wait_for_descriptors(&self, wanted: impl Fn(usize) -> bool) {
        let folder = format!("/proc/{}/fd", self.0.id());
        let start = Instant::now();
        loop {
            let open = fs::read_dir(&folder).unwrap().count();
            if wanted(open) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{open} descriptors are open");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn status(address: &str) -> StatusCode {
    let dialer = Dialer::new(Config::default()).tls(tls::Connector::new(tls::Trust::Anyone));
    let mut pool = Pool::new(dialer, PoolConfig::default());
    let request = Request::get(format!("https://{address}/"));
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let response = tokio::time::timeout(PATIENCE, pool.call(request)).await;
    response.expect("an answer in time").unwrap().status()
}

// An accept that fails, for want of descriptors or because of its connection, ends nothing.
#[tokio::test]
async fn v51_accept_goes_on_after_errors() {
    let (process, address) = Process::start();
    assert_eq!(status(&address).await, StatusCode::OK);
    for round in 0..2 {
        let mut crowd: Vec<TcpStream> = (0..2 * DESCRIPTORS)
            .map(|_| TcpStream::connect(&address).unwrap())
            .collect();
        process.wait_for_descriptors(|open| open >= DESCRIPTORS);
        // Some say what is no TLS, some half of what could be, some nothing.
        for (n, socket) in crowd.iter_mut().enumerate() {
            let said = [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 2, 0, 1], b""][n % 3];
            let _ = socket.write_all(said);
        }
        drop(crowd);
        process.wait_for_descriptors(|open| open < DESCRIPTORS / 2);
        assert_eq!(status(&address).await, StatusCode::OK, "round {round}");
    }
    // In two rounds of dozens of failures, and once a minute at most.
    let said = process.end();
    assert_eq!(
        said.matches("a client cannot be accepted: ").count(),
        1,
        "{said}"
    );
}
