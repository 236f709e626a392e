//! A small curl for HTTP/2.
//!
//! ```text
//! $ cargo run --release -p raddle-io --example get -- http://127.0.0.1:8080/
//! hello from 127.0.0.1:8080
//! ```
//!
//! `http://` is HTTP/2 with prior knowledge, `https://` agrees on it by ALPN; `-k` takes any certificate. `-d DATA` or
//! `-d @FILE` sends a body, `-H 'name: value'` a field, `-v` prints every frame. Several URLs of one origin go as
//! concurrent streams over one connection; their bodies come out in the order of the URLs.
//!
//! The exit status is 0 when every response arrived whole, whatever its HTTP status; 1 when one did not, with the
//! reason on stderr and whether the request may be sent again; 2 for a wrong command line.

use std::{
    collections::BTreeMap,
    io::Write,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use clap::Parser;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use raddle_io::{Client, Config, Dialer, Error, Kind, Retry, Target, tls};
use tower_service::Service;

#[path = "support/url.rs"]
mod url;
#[path = "support/watch.rs"]
mod watch;

#[derive(Debug, Parser)]
#[command(about = "Fetches URLs over HTTP/2", max_term_width = 100)]
struct Options {
    /// What to fetch; those of one origin share a connection.
    #[arg(required = true, value_name = "URL", value_parser = url::parse)]
    urls: Vec<Uri>,
    /// Take any certificate.
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Send this as the body, or the content of a file: DATA or @FILE. The method becomes POST.
    #[arg(short, long, value_name = "DATA|@FILE")]
    data: Option<String>,
    /// Add a field to each request: "name: value".
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = parse_field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Print every frame, sent and received, to stderr.
    #[arg(short, long)]
    verbose: bool,
}

fn parse_field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a field is written \"name: value\"")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("{:?} is not a field name", name.trim()))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("{:?} is not a field value", value.trim()))?;
    Ok((name, value))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let body = match read_body(options.data.as_deref()) {
        Ok(body) => body,
        Err(error) => {
            eprintln!("get: {error}");
            return ExitCode::from(2);
        }
    };
    let mut whole = true;
    let mut clients = BTreeMap::new();
    let mut answers = Vec::new();
    for uri in &options.urls {
        let answer = match client_for(uri, &options, &mut clients).await {
            Ok(mut client) => Ok(client.call(request_for(uri, &options, body.clone()))),
            Err(error) => Err(error),
        };
        answers.push((uri, answer));
    }
    // Every request is under way before the first answer is waited for.
    for (uri, answer) in answers {
        let fetched = match answer {
            Ok(answer) => print(answer.await).await,
            Err(error) => Err(error),
        };
        if let Err(error) = fetched {
            whole = false;
            let hint = hint(uri, &error, &clients);
            let verdict = verdict(&error);
            let told = format!("get: {uri}: {error}{verdict}{hint}\n");
            // Whoever closed it does not want to know.
            let _ = std::io::stderr().write_all(told.as_bytes());
        }
    }
    if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read_body(data: Option<&str>) -> Result<Option<Bytes>, String> {
    Ok(match data {
        None => None,
        Some(data) => Some(match data.strip_prefix('@') {
            Some(path) => std::fs::read(path)
                .map_err(|error| format!("{path}: {error}"))?
                .into(),
            None => Bytes::copy_from_slice(data.as_bytes()),
        }),
    })
}

async fn client_for(
    uri: &Uri,
    options: &Options,
    clients: &mut BTreeMap<Target, Client>,
) -> Result<Client, Error> {
    let target = Target::of(uri)?;
    if let Some(client) = clients.get(&target) {
        return Ok(client.clone());
    }
    let trust = if options.insecure {
        tls::Trust::Anyone
    } else {
        tls::Trust::Public
    };
    let dialer = Dialer::new(Config::default()).tls(tls::Connector::new(trust));
    let client = if options.verbose {
        let io = watch::Watched::new(dialer.open(&target).await?, Arc::new(Mutex::new(())));
        let (client, driver) = raddle_io::connect(io, Config::default()).await?;
        tokio::spawn(driver);
        client
    } else {
        dialer.dial(&target).await?
    };
    clients.insert(target, client.clone());
    Ok(client)
}

fn request_for(uri: &Uri, options: &Options, body: Option<Bytes>) -> Request<Full<Bytes>> {
    let method = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let mut request = Request::new(Full::new(body.unwrap_or_default()));
    *request.method_mut() = method;
    *request.uri_mut() = uri.clone();
    for (name, value) in &options.headers {
        request.headers_mut().append(name, value.clone());
    }
    request
}

async fn print(answer: Result<http::Response<raddle_io::RecvBody>, Error>) -> Result<(), Error> {
    let mut body = answer?.into_body();
    let mut out = std::io::stdout().lock();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            // Whoever closed our output wants no more of it.
            if out.write_all(data).is_err() {
                return Ok(());
            }
        }
    }
    let _ = out.flush();
    Ok(())
}

/// What may help with the commonest mistakes.
fn hint(uri: &Uri, error: &Error, clients: &BTreeMap<Target, Client>) -> &'static str {
    let client = Target::of(uri).ok().and_then(|target| clients.get(&target));
    match error.kind() {
        Kind::Tls if error.to_string().contains("certificate") => "; -k takes any certificate",
        _ if client.is_some_and(|client| client.stats().frames_received == 0) => {
            "; it has said nothing in HTTP/2: does it speak it without TLS?"
        }
        _ => "",
    }
}

fn verdict(error: &Error) -> &'static str {
    match (error.kind(), error.retry()) {
        // It says so itself.
        (Kind::Stream(_), _) => "",
        (_, Retry::Safe) => "; the server did not act on it, so it is safe to send it again",
        (_, Retry::IfIdempotent) => {
            "; the server may have acted on it, so send it again only if it is idempotent"
        }
        (_, Retry::Never) => "; do not send it again",
    }
}
