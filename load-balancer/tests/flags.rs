//! The binaries as a user meets them.

#![expect(
    clippy::disallowed_methods,
    reason = "another process takes its own time"
)]

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use raddle_io::{Config, Dialer, Pool, PoolConfig, tls};
use tower_service::Service;

const BALANCER: &str = env!("CARGO_BIN_EXE_load_balancer");
const ECHO: &str = env!("CARGO_BIN_EXE_test_backend_echo");
/// Less than the ten seconds that both give to what is in progress when they end.
const SOON: Duration = Duration::from_secs(7);

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

/// Asserts exit status 2 and one line on stderr with this in it.
fn assert_refused(program: &str, arguments: &[&str], what: &str) {
    let output = run(program, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(stderr.contains(what), "{arguments:?}: {stderr}");
}

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and waits for its first line, which names what it listens on.
fn start(program: &str, arguments: &[&str]) -> (Process, String) {
    let child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (process, line)
}

#[test]
fn wrong_flags_are_refused_with_status_2() {
    assert_refused(BALANCER, &["--bogus"], "--bogus");
    assert_refused(BALANCER, &["--cert", "c.pem"], "--key");
    assert_refused(ECHO, &[], "--listen");
}

#[test]
fn a_bad_address_is_one_line() {
    for (program, arguments, what) in [
        (BALANCER, ["--listen", "nowhere"], "write HOST:PORT"),
        (ECHO, ["--listen", "127.0.0.1"], "write HOST:PORT"),
        (BALANCER, ["--listen", "no such host:1"], "write HOST:PORT"),
        (
            BALANCER,
            ["--backend", "127.0.0.1:80"],
            "write http://HOST:PORT",
        ),
        (
            BALANCER,
            ["--backend", "ftp://a:80"],
            "write http://HOST:PORT",
        ),
        (
            BALANCER,
            ["--backend", "http://a/path"],
            "must end after the port",
        ),
        (
            BALANCER,
            ["--backend", "http://a:99999"],
            "port is above 65,535",
        ),
        (BALANCER, ["--backend", "http://a:0"], "port 0"),
        (
            BALANCER,
            ["--backend", "http://user:secret@a:80"],
            "leave them out",
        ),
        (BALANCER, ["--backend", "https://user@a"], "leave them out"),
    ] {
        assert_refused(program, &arguments, what);
        let output = run(program, &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.lines().count(), 1);
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_one_line() {
    let missing = [
        "--listen",
        "127.0.0.1:0",
        "--cert",
        "no-such.pem",
        "--key",
        "no-such.pem",
    ];
    let output = run(BALANCER, &missing);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.starts_with("load_balancer: no-such.pem: ") && stderr.lines().count() == 1,
        "{stderr}"
    );
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert_refused(
        BALANCER,
        &[
            "--listen",
            "127.0.0.1:0",
            "--cert",
            manifest,
            "--key",
            manifest,
        ],
        "holds no certificate in PEM",
    );
}

#[test]
fn a_port_that_is_taken_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for program in [BALANCER, ECHO] {
        let output = run(program, &["--listen", &address]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains("another program does") && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
}

#[test]
fn help_is_not_an_error() {
    let output = run(BALANCER, &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("curl -k https://127.0.0.1:9443/"));
}

#[test]
fn each_says_which_version_it_is() {
    for (program, name) in [(BALANCER, "load_balancer"), (ECHO, "test_backend_echo")] {
        let output = run(program, &["--version"]);
        assert_eq!(output.status.code(), Some(0));
        let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), version);
    }
}

#[cfg(unix)]
fn interrupt(process: &Process) {
    let interrupted = Command::new("kill")
        .args(["-INT", &process.0.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
}

/// How long a process takes to end, which has to be well.
#[cfg(unix)]
fn time_to_end(process: &mut Process, mut meanwhile: impl FnMut(&Process)) -> Duration {
    let start = Instant::now();
    loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            return start.elapsed();
        }
        meanwhile(process);
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_drains_and_exits_with_0() {
    for (program, arguments) in [
        (BALANCER, &["--listen", "127.0.0.1:0"][..]),
        (ECHO, &["--listen", "127.0.0.1:0", "--tls"]),
    ] {
        let (mut process, line) = start(program, arguments);
        assert!(
            line.starts_with("listening on https://127.0.0.1:"),
            "{line}"
        );
        interrupt(&process);
        assert_eq!(process.0.wait().unwrap().code(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn nobody_waits_for_the_handshake_of_a_silent_client() {
    for (program, arguments) in [
        (BALANCER, &["--listen", "127.0.0.1:0"][..]),
        (ECHO, &["--listen", "127.0.0.1:0", "--tls"]),
    ] {
        let (mut process, line) = start(program, arguments);
        let address = line.trim().rsplit('/').next().unwrap();
        let silent = TcpStream::connect(address).unwrap();
        // Long enough for it to be accepted.
        thread::sleep(Duration::from_millis(200));
        interrupt(&process);
        assert!(time_to_end(&mut process, |_| {}) < SOON, "{program}");
        drop(silent);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_ends_what_is_in_progress() {
    for (program, arguments) in [
        (BALANCER, &["--listen", "127.0.0.1:0"][..]),
        (ECHO, &["--listen", "127.0.0.1:0", "--tls"]),
    ] {
        let (mut process, line) = start(program, arguments);
        let uri = line.trim().rsplit(' ').next().unwrap();
        let dialer = Dialer::new(Config::default()).tls(tls::Connector::new(tls::Trust::Anyone));
        let mut pool = Pool::new(dialer, PoolConfig::default());
        // One is answered before the other one is sent, over the same connection.
        let get = |path| {
            let request = Request::get(format!("{uri}{path}"));
            request.body(Empty::<Bytes>::new()).unwrap()
        };
        assert_eq!(pool.call(get("/")).await.unwrap().status(), 200);
        let held = tokio::spawn(pool.call(get("/delay/60000")));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut interrupts = 0;
        // Those that come before the first is seen are one with it.
        let took = time_to_end(&mut process, |process| {
            interrupts += 1;
            interrupt(process);
        });
        assert!(took < SOON, "{program}: {took:?}");
        assert!(interrupts >= 2, "{program}: the first does not end it");
        assert!(held.await.unwrap().is_err());
    }
}
