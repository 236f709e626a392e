//! `load_balancer`: HTTPS in front, HTTP/2 behind.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use http::Uri;
use raddle_io::Target;
use raddle_lb::{
    limits::Limits,
    start::{Options, Running, Signals, StartError, say, start},
};

/// An HTTPS load balancer: HTTP/1.1 and HTTP/2 for clients, few HTTP/2 connections to the backends.
#[derive(Debug, Parser)]
#[command(
    max_term_width = 100,
    after_help = "Without --backend, two echo backends are started to try it with:
  load_balancer
  curl -k https://127.0.0.1:9443/"
)]
struct Flags {
    /// Where to listen for clients; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9443", value_name = "ADDR")]
    listen: SocketAddr,
    /// A backend: http://HOST:PORT (HTTP/2 with prior knowledge) or https://HOST:PORT (ALPN). Repeatable.
    #[arg(long = "backend", value_name = "URL", value_parser = backend)]
    backends: Vec<Target>,
    /// Certificate chain in PEM; without it, a self-signed certificate is made.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Take any certificate of an https backend.
    #[arg(long)]
    insecure_backends: bool,
}

fn backend(text: &str) -> Result<Target, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| "not a URL; write http://HOST:PORT or https://HOST:PORT".to_owned())?;
    if uri.path_and_query().is_some_and(|path| path != "/") {
        return Err("must end after the port: requests keep their own path".to_owned());
    }
    Target::of(&uri).map_err(|_| "write http://HOST:PORT or https://HOST:PORT".to_owned())
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::new(format!("no runtime: {error}"))),
    };
    runtime.block_on(run(flags))
}

async fn run(flags: Flags) -> ExitCode {
    let options = Options {
        listen: flags.listen,
        backends: flags.backends,
        certificate: flags.cert.zip(flags.key),
        insecure_backends: flags.insecure_backends,
        limits: Limits::default(),
    };
    let mut signals = match Signals::watch() {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    let running = match start(options).await {
        Ok(running) => running,
        Err(error) => return fail(&error),
    };
    greet(&running);
    signals.next().await;
    say(format_args!("draining; a second Ctrl-C ends at once"));
    tokio::select! {
        biased;
        drained = running.finish() => if !drained {
            eprintln!("load_balancer: some requests did not finish in time and were cut");
        },
        () = signals.next() => {}
    }
    ExitCode::SUCCESS
}

fn greet(running: &Running) {
    say(format_args!("listening on https://{}", running.address));
    for backend in &running.backends {
        say(format_args!("backend {backend}"));
    }
    say(format_args!("try: curl -k https://{}/", running.address));
}

fn fail(error: &StartError) -> ExitCode {
    eprintln!("load_balancer: {error}");
    ExitCode::from(2)
}
