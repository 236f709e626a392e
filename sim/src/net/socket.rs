//! From a simulated socket to what a client or a server is given: faults, then TLS in some runs, then a witness when a
//! recording is asked for.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use raddle_core::Role;
use raddle_io::tls::Connector;
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

use super::{book::Book, tap::Tap};
use crate::{faulty::FaultStream, outcome::Fault, view::Passage};

/// What carries a connection.
pub(super) type Socket = Box<dyn raddle_io::Transport>;

/// Both ends' configurations of TLS, made once in a process. The keys differ from process to process and the bytes from
/// run to run; nothing that is compared sees either.
struct Tls {
    client: Connector,
    server: Arc<ServerConfig>,
}

fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| make().expect("a certificate of our own is a good one"))
}

fn make() -> Result<Tls, Box<dyn std::error::Error>> {
    // Ed25519: its signatures all have one length. So has the serial number.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let names = super::weather::SERVERS.map(str::to_owned).to_vec();
    let mut params = rcgen::CertificateParams::new(names)?;
    params.serial_number = Some(rcgen::SerialNumber::from(vec![1; 8]));
    let certificate = params.self_signed(&key)?.der().clone();
    let private = PrivateKeyDer::try_from(key.serialize_der())?;
    let server = raddle_io::tls::server_config(vec![certificate.clone()], private, false)?;
    let mut server = (*server).clone();
    // What is kept for later connections would make runs depend on those before them.
    server.send_tls13_tickets = 0;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    Ok(Tls {
        client: Connector::with_config(client),
        server: Arc::new(server),
    })
}

/// What a server is given; `None` when TLS fails, which it may where sockets fail.
pub(super) async fn accepted(io: FaultStream<TcpStream>, book: &Book) -> Option<Socket> {
    if !book.plan.tls {
        return Some(witnessed(io, Role::Server, "", book));
    }
    if let Some(alpn) = book.takes_older() {
        return older(io, alpn, book).await;
    }
    match raddle_io::tls::accept(Arc::clone(&tls().server), io).await {
        Ok((io, _)) => Some(witnessed(io, Role::Server, "", book)),
        Err(error) => {
            book.note(format_args!("the server's TLS fails: {:?}", error.kind()));
            None
        }
    }
}

/// A server that does not speak HTTP/2 is left without a word of it (RFC 9113 §3.2).
async fn older(io: FaultStream<TcpStream>, alpn: &[&[u8]], book: &Book) -> Option<Socket> {
    let mut config = (*tls().server).clone();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    match raddle_io::tls::accept(Arc::new(config), io).await {
        Ok((mut io, h2)) => {
            let mut first = [0];
            let said = io.read(&mut first).await.unwrap_or(0) > 0;
            if h2 || said {
                book.fault(Fault::run("H07: HTTP/2 is spoken to who does not speak it"));
            }
        }
        Err(error) => book.note(format_args!("older: {:?}", error.kind())),
    }
    None
}

/// What a client of `host` is given.
///
/// # Errors
/// When TLS fails.
pub(super) async fn dialled(
    io: FaultStream<TcpStream>,
    host: &str,
    book: &Book,
) -> Result<Socket, raddle_io::Error> {
    if !book.plan.tls {
        return Ok(witnessed(io, Role::Client, host, book));
    }
    let io = match tls().client.connect(host, io).await {
        Ok(io) => io,
        Err(error) => {
            book.is_refused_by_older(&error);
            return Err(error);
        }
    };
    book.mark("tls");
    Ok(witnessed(io, Role::Client, host, book))
}

fn witnessed(
    io: impl raddle_io::Transport + 'static,
    side: Role,
    host: &str,
    book: &Book,
) -> Socket {
    let ours = match side {
        Role::Client => !book.plan.h2_client,
        Role::Server => !book.plan.h2_server,
    };
    match ours {
        true => recorded(Tap::new(io, side, host, book.clone()), side, book),
        false => recorded(io, side, book),
    }
}

fn recorded(io: impl raddle_io::Transport + 'static, side: Role, book: &Book) -> Socket {
    if book.takes_witness(side) {
        let book = book.clone();
        return Box::new(Witness { io, side, book });
    }
    Box::new(io)
}

/// Tells the recorder of everything that passes.
struct Witness<T> {
    io: T,
    side: Role,
    book: Book,
}

impl<T: AsyncRead + Unpin> AsyncRead for Witness<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        this.book.record(this.side, Passage::Received, read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Witness<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, buf))?;
        this.book.record(this.side, Passage::Sent, &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            left -= part.len();
            this.book.record(this.side, Passage::Sent, part);
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
