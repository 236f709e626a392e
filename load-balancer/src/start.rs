//! From flags to a running process: what both binaries share.

use std::{
    fmt, fs,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use raddle_io::{Connect, Dialer, Dialing, Error, Pool, Target, tls};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use tokio::net::TcpListener;

use crate::{
    backends::Backends,
    echo::Echo,
    front::Front,
    limits::Limits,
    proxy::Proxy,
    shutdown::{Guards, Shutdown},
};

/// What a load balancer is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen for clients.
    pub listen: SocketAddr,
    /// The backends; with none, two echo backends are started in this process.
    pub backends: Vec<Target>,
    /// Certificate chain and private key, as PEM files; without them a self-signed certificate is made.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Take any certificate of an `https` backend.
    pub insecure_backends: bool,
    /// The bounds to work under.
    pub limits: Limits,
}

/// Why a process cannot start. Reads as one line.
#[derive(Debug)]
pub struct StartError(String);

impl StartError {
    /// An error that says this.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A load balancer that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its backends are.
    pub backends: Vec<Target>,
    /// What answers.
    pub proxy: Arc<Proxy>,
    /// The front ends first: its last requests need the backends.
    front: Shutdown,
    /// Connections to backends.
    links: Shutdown,
    embedded: Shutdown,
    limits: Limits,
}

/// How long connections to backends, and the embedded backends, may take to say goodbye once no request is left. The adapter
/// reads on for a second, for what the other side has not said yet.
const GOODBYE: Duration = Duration::from_secs(2);

/// Starts a load balancer in tasks of the current runtime.
///
/// # Errors
/// When an address cannot be listened on, or a certificate cannot be used.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let limits = options.limits;
    let tls = server_tls(options.certificate.as_ref(), true)?;
    let listener = listen(options.listen).await?;
    let [front_end, links_end, embedded_end] = std::array::from_fn(|_| Shutdown::default());
    let mut backends = options.backends;
    if backends.is_empty() {
        for _ in 0..2 {
            backends.push(embedded(&embedded_end).await?);
        }
    }
    if backends.len() > limits.backends_max {
        return Err(StartError(format!(
            "more than {} backends",
            limits.backends_max
        )));
    }
    let trust = if options.insecure_backends {
        tls::Trust::Anyone
    } else {
        tls::Trust::Public
    };
    let dialer = Dialer::new(limits.backend_config())
        .tls(tls::Connector::new(trust))
        .timeout(limits.dial);
    let proxy = Arc::new(Proxy::new(
        Backends::new(backends.clone(), &limits),
        Pool::new(Links::new(dialer, links_end.guards()), limits.pool_config()),
        limits.clone(),
    ));
    let front = Front::new(listener, tls, Arc::clone(&proxy), limits.clone());
    let address = front
        .address()
        .map_err(|error| StartError(error.to_string()))?;
    tokio::spawn(front.run(front_end.guard()));
    Ok(Running {
        address,
        backends,
        proxy,
        front: front_end,
        links: links_end,
        embedded: embedded_end,
        limits,
    })
}

impl Running {
    /// Takes no more clients, lets the requests in progress finish within [`Limits::drain`], and ends. Answers whether they
    /// all did; those that did not are cut, and two seconds later so is whatever a backend keeps from ending. Nothing of
    /// it goes on after that, and nothing when this is dropped.
    pub async fn finish(self) -> bool {
        let drained = self.front.finish(self.limits.drain).await;
        self.proxy.pool().drain();
        tokio::join!(
            biased;
            self.links.finish(GOODBYE),
            self.embedded.finish(GOODBYE)
        );
        drained
    }
}

/// Connections to backends, each of them with a guard.
struct Links {
    dialer: Dialer,
    guards: Guards,
}

impl Links {
    fn new(dialer: Dialer, guards: Guards) -> Self {
        Self { dialer, guards }
    }
}

impl Connect for Links {
    fn connect(&self, target: Target) -> Dialing {
        let (dialer, guard) = (self.dialer.clone(), self.guards.guard());
        Box::pin(async move {
            let over = || Error::connect("the load balancer ends");
            let guard = guard.ok_or_else(over)?;
            let dialed = guard.clone().until_over(dialer.connect(&target)).await;
            let dialed = dialed.ok_or_else(over)?;
            let (client, driver) = dialed?;
            tokio::spawn(guard.until_over(driver));
            Ok(client)
        })
    }
}

/// The address that a flag names, by number or by name.
///
/// # Errors
/// One line that says how to write it.
pub async fn address(text: &str) -> Result<SocketAddr, StartError> {
    let wrong = |what: &dyn fmt::Display| {
        StartError(format!(
            "--listen {text}: {what}; write HOST:PORT, such as 127.0.0.1:9443"
        ))
    };
    let mut found = tokio::net::lookup_host(text)
        .await
        .map_err(|error| wrong(&error))?;
    found
        .next()
        .ok_or_else(|| wrong(&"this name has no address"))
}

/// Listens, or says in one line why not.
///
/// # Errors
/// When the system refuses the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| cannot_listen(address, &error))
}

/// Why an address cannot be listened on, and what to do about it.
#[must_use]
pub fn cannot_listen(address: SocketAddr, error: &io::Error) -> StartError {
    StartError(match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: another program does; choose a free port with --listen"
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "cannot listen on {address}: ports below 1024 are for the superuser; choose another with --listen"
            )
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

async fn embedded(shutdown: &Shutdown) -> Result<Target, StartError> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let echo = Echo::bind(address, None)
        .await
        .map_err(|error| cannot_listen(address, &error))?;
    let bound = echo
        .address()
        .map_err(|error| StartError(error.to_string()))?;
    tokio::spawn(echo.run(shutdown.guard()));
    let uri = format!("http://{bound}")
        .parse()
        .map_err(|_| StartError::new("an address is not a URI"))?;
    Target::of(&uri).map_err(|error| StartError(error.to_string()))
}

/// TLS for a server: from files, or with a certificate made for this run.
///
/// # Errors
/// One line that names the file.
pub fn server_tls(
    files: Option<&(PathBuf, PathBuf)>,
    http1: bool,
) -> Result<Arc<ServerConfig>, StartError> {
    let (chain, key) = match files {
        None => self_signed()?,
        Some((certificate, key)) => {
            let bad = |path: &PathBuf, what: &dyn fmt::Display| {
                StartError(format!("{}: {what}", path.display()))
            };
            let pem = fs::read(certificate).map_err(|error| bad(certificate, &error))?;
            let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
                .collect::<Result<_, _>>()
                .map_err(|_| bad(certificate, &"not a certificate in PEM"))?;
            if chain.is_empty() {
                return Err(bad(certificate, &"holds no certificate in PEM"));
            }
            let pem = fs::read(key).map_err(|error| bad(key, &error))?;
            let key = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|_| bad(key, &"holds no private key in PEM"))?;
            (chain, key)
        }
    };
    tls::server_config(chain, key, http1)
        .map_err(|error| StartError(format!("the certificate cannot be used: {error}")))
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), StartError> {
    let failed = |error: rcgen::Error| StartError(format!("no certificate could be made: {error}"));
    let names = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let mut params = rcgen::CertificateParams::new(names).map_err(failed)?;
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "raddle");
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((vec![certificate.der().clone()], key))
}

/// Prints a line for whoever watches. Nobody has to: a closed pipe is no reason to stop serving.
pub fn say(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = out
        .write_fmt(line)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
}

/// Ctrl-C and SIGTERM, watched from the moment this exists: one that comes early is not lost, and does not kill.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to watch. Must be called within a runtime, and before anybody is told that the process is ready.
    ///
    /// # Errors
    /// When signals cannot be watched.
    pub fn watch() -> Result<Self, StartError> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let watch = |kind| {
                signal(kind)
                    .map_err(|error| StartError(format!("signals cannot be watched: {error}")))
            };
            Ok(Self {
                interrupt: watch(SignalKind::interrupt())?,
                terminate: watch(SignalKind::terminate())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Ready at the next signal. Cancel safe.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
