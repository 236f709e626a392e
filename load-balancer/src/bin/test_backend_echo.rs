//! `test_backend_echo`: an HTTP/2 server to point a load balancer at.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use raddle_lb::{
    echo::{Echo, PATHS},
    shutdown::Shutdown,
    start::{Signals, StartError, address, cannot_listen, say, server_tls},
};

/// How long requests in progress may take after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(10);

/// An HTTP/2 server (prior knowledge, or TLS with --tls) that echoes request bodies.
#[derive(Debug, Parser)]
#[command(name = "test_backend_echo", version, max_term_width = 100, after_help = PATHS)]
struct Flags {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: String,
    /// Serve over TLS, with a self-signed certificate made for this run.
    #[arg(long)]
    tls: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::new(format!("no runtime: {error}"))),
    };
    let result = runtime.block_on(run(flags));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(flags: Flags) -> Result<(), StartError> {
    let tls = if flags.tls {
        Some(server_tls(None, false)?)
    } else {
        None
    };
    let scheme = if flags.tls { "https" } else { "http" };
    let listen = address(&flags.listen).await?;
    let echo = Echo::bind(listen, tls)
        .await
        .map_err(|error| cannot_listen(listen, &error))?;
    let address = echo
        .address()
        .map_err(|error| StartError::new(error.to_string()))?;
    let mut signals = Signals::watch()?;
    say(format_args!("listening on {scheme}://{address}"));
    let shutdown = Shutdown::default();
    tokio::spawn(echo.run(shutdown.guard()));
    signals.next().await;
    // What has not finished by then is cut, and all of it by a second signal.
    tokio::select! {
        biased;
        _ = shutdown.finish(DRAIN) => {}
        () = signals.next() => {}
    }
    Ok(())
}

fn fail(error: &StartError) -> ExitCode {
    eprintln!("test_backend_echo: {error}");
    ExitCode::from(2)
}
