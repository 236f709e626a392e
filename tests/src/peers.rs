//! Programs that others wrote, run as peers of ours.
//!
//! None of them outlives the test that started it: a server is killed and waited for on drop, and a client is killed
//! when the future that runs it is dropped. A program that is not installed makes no test fail; see [`Program::find`].

#![expect(
    clippy::disallowed_methods,
    reason = "another process starts in its own time"
)]

use std::{
    env,
    ffi::OsString,
    fmt,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::net::{TcpSocket, TcpStream};

use crate::patience::within;

/// nghttp2's server.
pub const NGHTTPD: Program = Program::new("nghttpd", "nghttp2-server");
/// nghttp2's client.
pub const NGHTTP: Program = Program::new("nghttp", "nghttp2-client");
/// nghttp2's load generator.
pub const H2LOAD: Program = Program::new("h2load", "nghttp2-client");
/// A load generator for HTTP/1.1.
pub const WRK: Program = Program::new("wrk", "wrk");
/// The client that everybody has.
pub const CURL: Program = Program::new("curl", "curl");

/// nghttp2's proxy.
pub const NGHTTPX: Program = Program::new("nghttpx", "nghttp2-proxy");
/// A load balancer that speaks HTTP/2 to both sides.
pub const HAPROXY: Program = Program::new("haproxy", "haproxy");
/// A web server, and a proxy that speaks HTTP/2 to the backends of gRPC.
pub const NGINX: Program = Program::new("nginx", "nginx-light");
/// JavaScript, with nghttp2 inside.
pub const NODE: Program = Program::new("node", "nodejs");
/// Python, for its package `h2`.
pub const PYTHON: Program = Program::new("python3", "python3-h2");

/// From the start of a server until it accepts connections. Milliseconds are usual; the rest is for a busy machine.
const START_MAX: Duration = Duration::from_secs(10);
/// Between two attempts to connect to a server that starts.
const START_POLL: Duration = Duration::from_millis(5);

/// A program by name.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
    package: &'static str,
}

impl Program {
    /// A program, and the Debian package that brings it.
    #[must_use]
    pub const fn new(name: &'static str, package: &'static str) -> Self {
        Self { name, package }
    }

    /// Where the program is installed. Says in one line that a test is skipped when it is not.
    #[must_use]
    pub fn find(&self) -> Option<Installed> {
        self.find_that(&[])
    }

    /// As [`Program::find`], one that succeeds with these arguments: there may be several of a name. With none of them any
    /// will do.
    #[must_use]
    pub fn find_that(&self, succeeds: &[&str]) -> Option<Installed> {
        let does = |path: &PathBuf| {
            let mut command = Command::new(path);
            command.args(succeeds).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            succeeds.is_empty() || command.status().is_ok_and(|status| status.success())
        };
        let found = search(self.name).find(does);
        if found.is_none() {
            // Past the capture of the test harness: a test that did nothing must be seen even though it passes.
            let _ = writeln!(
                io::stdout().lock(),
                "skipped: {} is not installed (Debian package {})",
                self.name,
                self.package
            );
        }
        Some(Installed {
            name: self.name,
            path: found?,
        })
    }
}

fn search(name: &str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian puts nghttpd where the search path of an ordinary user does not lead.
    let more = ["/usr/local/sbin", "/usr/sbin", "/usr/bin"].map(PathBuf::from);
    let folders: Vec<_> = env::split_paths(&path).chain(more).collect();
    folders
        .into_iter()
        .map(move |directory| directory.join(name))
        .filter(|path| path.is_file())
}

/// A program that is here.
#[derive(Clone, Debug)]
pub struct Installed {
    name: &'static str,
    path: PathBuf,
}

impl Installed {
    /// Runs the program to its end, which must be a success within `limit`, and answers what it printed.
    ///
    /// # Panics
    /// When it cannot be started, takes too long, or fails.
    pub async fn run<A>(&self, limit: Duration, arguments: A) -> Printed
    where
        A: IntoIterator,
        A::Item: Into<OsString>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let mut command = tokio::process::Command::new(&self.path);
        command
            .args(&arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let what = format!("{} {arguments:?}", self.name);
        let output = match within(limit, &what, command.output()).await {
            Ok(output) => output,
            Err(error) => panic!("{what}: {error}"),
        };
        let printed = Printed {
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(
            output.status.success(),
            "{what}: {}\n{printed}",
            output.status
        );
        printed
    }

    /// Starts the program as a server on a free port of 127.0.0.1, with the arguments that `arguments` makes of the
    /// port, and waits until it accepts connections.
    ///
    /// # Panics
    /// When it cannot be started, ends, or does not listen in time.
    pub async fn serve<A>(&self, arguments: impl FnOnce(u16) -> A) -> Server
    where
        A: IntoIterator,
        A::Item: Into<OsString>,
    {
        let (place, address) = match reserve() {
            Ok(reserved) => reserved,
            Err(error) => panic!("no port for {}: {error}", self.name),
        };
        let child = Command::new(&self.path)
            .args(arguments(address.port()).into_iter().map(Into::into))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) => panic!("{}: {error}", self.name),
        };
        let mut server = Server {
            name: self.name,
            child,
            address,
            _place: place,
        };
        server.wait_until_it_listens().await;
        server
    }
}

/// A port that the system chose.
///
/// Not every server tells which port it got when it is asked to listen on port 0, so that the port is chosen before
/// the server starts. On Linux a socket that is bound and does not listen keeps it: the system gives it to nobody who
/// asks for any port, and yet lets a server have it that asks for this one with SO_REUSEADDR, as servers do. Elsewhere
/// the port is let go, and another process could be faster.
fn reserve() -> io::Result<(Option<TcpSocket>, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = socket.local_addr()?;
    Ok((cfg!(target_os = "linux").then_some(socket), address))
}

/// A server in a process of its own, which ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    _place: Option<TcpSocket>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(self.address).await {
            let ended = self.child.try_wait().ok().flatten();
            if let Some(status) = ended {
                panic!("{} ended before it listened: {status}", self.name);
            }
            assert!(
                start.elapsed() < START_MAX,
                "{} does not listen on {} after {START_MAX:?}: {error}",
                self.name,
                self.address
            );
            tokio::time::sleep(START_POLL).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Neither fails but for a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program printed until its end.
#[derive(Clone, Debug)]
pub struct Printed {
    /// As it came: a client may print a body.
    pub stdout: Vec<u8>,
    /// As text.
    pub stderr: String,
}

impl Printed {
    /// The standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Asserts that the standard output says this.
    ///
    /// # Panics
    /// With all that was printed, when it does not.
    pub fn assert_says(&self, what: &str) {
        assert!(self.text().contains(what), "{what:?} is not in\n{self}");
    }

    /// Asserts that h2load got `count` answers with a 2xx status, and nothing else.
    ///
    /// # Panics
    /// With all that was printed, when it did not.
    pub fn assert_h2load_succeeded(&self, count: usize) {
        self.assert_says(&format!(
            "{count} done, {count} succeeded, 0 failed, 0 errored, 0 timeout"
        ));
        self.assert_says(&format!("status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx"));
    }
}

impl fmt::Display for Printed {
    /// Both outputs, cut where a body would drown the rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS_MAX: usize = 4_000;
        let text: String = self.text().chars().take(CHARACTERS_MAX).collect();
        write!(f, "{text}\n{}", self.stderr)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "sleep [\"60\"]: not done after 50ms")]
    async fn a_client_that_hangs_is_named() {
        let sleep = Program::new("sleep", "coreutils").find().unwrap();
        sleep.run(Duration::from_millis(50), ["60"]).await;
    }

    #[tokio::test]
    #[should_panic(expected = "false ended before it listened")]
    async fn a_server_that_ends_at_once_is_named() {
        let program = Program::new("false", "coreutils").find().unwrap();
        program.serve(|port| [port.to_string()]).await;
    }
}
