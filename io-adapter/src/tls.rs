//! TLS by rustls with the ring provider: what a client needs to dial `https`, and a server to accept it.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::{Error, Kind};

/// HTTP/2 in ALPN (RFC 9113 §3.2).
const H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN.
const HTTP1: &[u8] = b"http/1.1";

/// A TLS stream of either end.
pub use tokio_rustls::TlsStream;

/// How servers are to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By a certificate of a public authority.
    Public,
    /// Not at all: any certificate will do. For tests and self-signed servers; it gives up what TLS is for.
    Anyone,
}

/// Dials TLS and insists on HTTP/2.
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector for servers that are trusted as `trust` says.
    ///
    /// # Panics
    /// Never: the provider supports the default versions of TLS.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports TLS 1.2 and 1.3");
        let config = match trust {
            Trust::Public => {
                let roots = RootCertStore {
                    roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
                };
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Trust::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
                .with_no_client_auth(),
        };
        Self::with_config(config)
    }

    /// A connector with a configuration of the caller's; only its ALPN is set here.
    #[must_use]
    pub fn with_config(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![H2.to_vec()];
        Self {
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// Makes a TLS stream of `io` to the server called `host`. It takes as long as the server does; a
    /// [`Dialer`](crate::Dialer) gives it a limit.
    ///
    /// Not cancel safe: a handshake that is dropped halfway takes `io` with it.
    ///
    /// # Errors
    /// [`Kind::Tls`] when `host` is no name, the handshake fails, or the server does not speak HTTP/2.
    pub async fn connect<T>(&self, host: &str, io: T) -> Result<TlsStream<T>, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // An IPv6 address stands in brackets in a URI, and without them in a certificate.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Error::with_source(Kind::Tls, error))?;
        let stream = self
            .tls
            .connect(name, io)
            .await
            .map_err(|error| Error::with_source(Kind::Tls, error))?;
        // RFC 9113 §3.2: HTTP/2 over TLS is agreed on by ALPN.
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(Error::with_source(
                Kind::Tls,
                "the server does not offer HTTP/2 in ALPN",
            ));
        }
        Ok(stream.into())
    }
}

/// A configuration for a server that offers HTTP/2 and, when `http1` is set, HTTP/1.1 as well.
///
/// # Errors
/// [`Kind::Tls`] when the key does not fit the certificate.
///
/// # Panics
/// Never: the provider supports the default versions of TLS.
pub fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    http1: bool,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| Error::with_source(Kind::Tls, error))?;
    config.alpn_protocols = vec![H2.to_vec()];
    if http1 {
        config.alpn_protocols.push(HTTP1.to_vec());
    }
    Ok(Arc::new(config))
}

/// Accepts TLS on `io`. Answers the stream, and whether HTTP/2 was agreed on. It takes as long as the client does, so
/// that a server gives it a limit, by `tokio::time::timeout` for one, and does not await it where it accepts others.
///
/// Not cancel safe: a handshake that is dropped halfway takes `io` with it.
///
/// # Errors
/// [`Kind::Tls`] when the handshake fails.
pub async fn accept<T>(config: Arc<ServerConfig>, io: T) -> Result<(TlsStream<T>, bool), Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let stream = TlsAcceptor::from(config)
        .accept(io)
        .await
        .map_err(|error| Error::with_source(Kind::Tls, error))?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    Ok((stream.into(), h2))
}

/// Takes every certificate, but not a signature that is wrong.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
