//! `load_balancer`: HTTPS in front, HTTP/2 behind.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use http::Uri;
use raddle_io::{Kind, Target};
use raddle_lb::{
    limits::Limits,
    start::{Options, Running, Signals, StartError, address, say, start},
};

/// An HTTPS load balancer: HTTP/1.1 and HTTP/2 for clients, few HTTP/2 connections to the backends.
#[derive(Debug, Parser)]
#[command(
    name = "load_balancer",
    version,
    max_term_width = 100,
    after_help = "Without --backend, two echo backends are started to try it with:
  load_balancer
  curl -k https://127.0.0.1:9443/"
)]
struct Flags {
    /// Where to listen for clients; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9443", value_name = "HOST:PORT")]
    listen: String,
    /// A backend: http://HOST:PORT (HTTP/2 with prior knowledge) or https://HOST:PORT (ALPN). Repeatable.
    #[arg(long = "backend", value_name = "URL")]
    backends: Vec<String>,
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

/// Reads a backend's address. Not left to clap, whose complaint is several lines long.
fn backend(text: &str) -> Result<Target, StartError> {
    // Not repeated: what is said here ends in logs.
    if text.contains('@') {
        return Err(StartError::new(
            "--backend with a user or a password: requests do not carry them there; leave them out",
        ));
    }
    let wrong = |what: &str| StartError::new(format!("--backend {text}: {what}"));
    let uri: Uri = text
        .parse()
        .map_err(|_| wrong("not a URL; write http://HOST:PORT or https://HOST:PORT"))?;
    if uri.path_and_query().is_some_and(|path| path != "/") {
        return Err(wrong(
            "must end after the port: requests keep their own path",
        ));
    }
    let target = Target::of(&uri).map_err(|error| match error.kind() {
        Kind::Head(what) => wrong(&format!(
            "{what}; write http://HOST:PORT or https://HOST:PORT"
        )),
        _ => wrong("write http://HOST:PORT or https://HOST:PORT"),
    })?;
    if target.port() == 0 {
        return Err(wrong("nobody listens on port 0; write another one"));
    }
    Ok(target)
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::new(format!("no runtime: {error}"))),
    };
    let code = runtime.block_on(run(flags));
    // The lookup of a name may be under way, which nothing can stop and nobody waits for any more.
    runtime.shutdown_background();
    code
}

async fn run(flags: Flags) -> ExitCode {
    match serve(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn serve(flags: Flags) -> Result<(), StartError> {
    let options = Options {
        listen: address(&flags.listen).await?,
        backends: flags
            .backends
            .iter()
            .map(|text| backend(text))
            .collect::<Result<_, _>>()?,
        certificate: flags.cert.zip(flags.key),
        insecure_backends: flags.insecure_backends,
        limits: Limits::default(),
    };
    let mut signals = Signals::watch()?;
    let running = start(options).await?;
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
    Ok(())
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
