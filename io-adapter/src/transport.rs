//! What is known of a transport by its type.

use std::any::TypeId;

use http::uri::Scheme;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

fn is<T: 'static, U: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<U>()
}

/// Whether `T` is a socket of the system's, by whatever name it came here.
pub(crate) fn is_socket<T: 'static>() -> bool {
    #[cfg(unix)]
    if is::<T, UnixStream>() {
        return true;
    }
    is::<T, TcpStream>()
}

/// The scheme of what is asked for over a `T`: `https` where that is TLS (RFC 9110 §4.2.2), `http` where it is a bare
/// socket, and unknown for anything else, which may be either.
pub(crate) fn scheme<T: 'static>() -> Option<Scheme> {
    #[cfg(feature = "tls")]
    if is_tls::<T>() {
        return Some(Scheme::HTTPS);
    }
    is_socket::<T>().then_some(Scheme::HTTP)
}

#[cfg(feature = "tls")]
fn is_tls<T: 'static>() -> bool {
    fn over<T: 'static, U: 'static>() -> bool {
        is::<T, tokio_rustls::TlsStream<U>>() || is::<T, tokio_rustls::client::TlsStream<U>>()
    }
    #[cfg(unix)]
    if over::<T, UnixStream>() {
        return true;
    }
    over::<T, TcpStream>()
}
