//! From an origin to a connection: name, TCP, TLS, HTTP/2.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use raddle_core::Config;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use crate::{
    addresses,
    client::{self, Client},
    error::{Error, Kind},
};

/// Whom requests go to: a scheme, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    https: bool,
    host: String,
    port: u16,
}

impl Target {
    /// The origin of a URI, with the scheme's port where it names none.
    ///
    /// # Errors
    /// [`Kind::Head`] for a scheme other than `http` and `https`, for a URI without a host, and for a port that is none.
    pub fn of(uri: &Uri) -> Result<Self, Error> {
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => {
                return Err(Error::new(Kind::Head(
                    "the URI begins with neither http:// nor https://",
                )));
            }
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host
            .ok_or_else(|| Error::new(Kind::Head("the URI names no host")))?
            .to_ascii_lowercase();
        // `http` takes any digits for a port, and says of those that are too large that there is none.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let place = authority.rsplit('@').next().unwrap_or(authority);
        let port = match (uri.port_u16(), place.rsplit_once(':')) {
            (Some(port), _) => port,
            (None, Some((_, text))) if text.ends_with(|end: char| end.is_ascii_digit()) => {
                return Err(Error::new(Kind::Head("the URI's port is above 65,535")));
            }
            (None, _) if https => 443,
            (None, _) => 80,
        };
        Ok(Self { https, host, port })
    }

    /// Whether the transport is TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self.https {
            true => Scheme::HTTPS,
            false => Scheme::HTTP,
        }
    }

    /// The host in lower case, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Opens connections: TCP with prior knowledge of HTTP/2 for `http`, TLS with ALPN for `https`.
///
/// Of a name with several addresses it tries the next one when the last has failed or has not answered in 250 ms, by turns
/// of IPv6 and IPv4, and takes the first that is there (RFC 8305).
///
/// For each connection to a target that ended with ENHANCE_YOUR_CALM the next ones keep alive half as often: servers of
/// gRPC say so to clients that send more PINGs than they want. Each one that lasted for a minute and ended otherwise takes
/// half of that back. Clones of a dialer know of it together.
#[derive(Clone, Debug)]
pub struct Dialer {
    config: Config,
    calm: Calm,
    timeout: Duration,
    #[cfg(feature = "tls")]
    tls: crate::tls::Connector,
}

/// Time for name, TCP and TLS together. Two lost SYNs cost 3 s; what takes longer than 10 is rarely worth the wait.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Dialer {
    /// A dialer whose connections get `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            calm: Calm::default(),
            timeout: TIMEOUT,
            #[cfg(feature = "tls")]
            tls: crate::tls::Connector::new(crate::tls::Trust::Public),
        }
    }

    /// Dials TLS by `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::Connector) -> Self {
        self.tls = tls;
        self
    }

    /// Gives up after `timeout`, in which name, TCP and TLS have to be done together. 10 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens a connection and spawns its driver.
    ///
    /// Cancel safe: a connection that is not complete is closed.
    ///
    /// # Errors
    /// [`Kind::Connect`], [`Kind::ConnectTimeout`] or [`Kind::Tls`]; nothing was sent then.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn dial(&self, target: &Target) -> Result<Client, Error> {
        let (client, driver) = self.connect(target).await?;
        // What else its result is is told by the requests on the connection.
        tokio::spawn(driver);
        Ok(client)
    }

    /// Opens a connection. Its driver is to be spawned, as that of [`connect`](crate::connect): for who wants to know when
    /// it ends, or to end it, by dropping it.
    ///
    /// Cancel safe: a connection that is not complete is closed.
    ///
    /// # Errors
    /// As [`Dialer::dial`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(
        &self,
        target: &Target,
    ) -> Result<
        (
            Client,
            impl Future<Output = Result<(), Error>> + Send + use<>,
        ),
        Error,
    > {
        let dial = async {
            let io = self.open(target).await?;
            let config = self.config_for(target);
            // Without TLS it is the socket itself.
            let scheme = Some(target.scheme());
            let (client, driver) = client::start(io, !target.https, scheme, config);
            let (calm, target) = (self.calm.clone(), target.clone());
            let begun = Instant::now();
            let driver = async move {
                let ended = driver.await;
                calm.note(target, ended.as_ref().err(), begun.elapsed());
                ended
            };
            Ok((client, driver))
        };
        match tokio::time::timeout(self.timeout, dial).await {
            Ok(result) => result,
            Err(_) => Err(overdue(target, self.timeout)),
        }
    }

    /// What the next connection to `target` gets.
    pub(crate) fn config_for(&self, target: &Target) -> Config {
        self.calm.config(&self.config, target)
    }

    /// Opens the transport alone: for callers who want to watch the bytes.
    ///
    /// Cancel safe: a transport that is not complete is closed.
    ///
    /// # Errors
    /// As [`Dialer::dial`], without the limit in time.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(&self, target: &Target) -> Result<Box<dyn Transport>, Error> {
        let connect = |error| Error::with_source(Kind::Connect, error);
        let host = target.host.trim_start_matches('[').trim_end_matches(']');
        let addresses = tokio::net::lookup_host((host, target.port))
            .await
            .map_err(connect)?;
        let io = addresses::connect(addresses).await.map_err(connect)?;
        if !target.https {
            return Ok(Box::new(io));
        }
        #[cfg(feature = "tls")]
        return Ok(Box::new(self.tls.connect(&target.host, io).await?));
        #[cfg(not(feature = "tls"))]
        Err(Error::with_source(
            Kind::Tls,
            "raddle-io was built without its feature `tls`",
        ))
    }
}

/// The error for a connection that was not there after `limit`.
pub(crate) fn overdue(target: &Target, limit: Duration) -> Error {
    let text = format!(
        "there was none to {target} after {limit:?}; see whether it can be reached, or allow more time"
    );
    Error::with_source(Kind::ConnectTimeout, text)
}

/// Targets that are remembered for having asked for calm. The first of them by name gives way to another.
const CALM_MAX: usize = 256;
/// How long a connection has to last for its end to say that its PINGs are welcome: one that is over before they are sent
/// says nothing.
const CALM_AFTER: Duration = Duration::from_secs(60);
/// How often their interval doubles: from half a minute to half an hour.
const DOUBLINGS_MAX: u32 = 6;

/// How often each target has asked for calm of late.
#[derive(Clone, Debug, Default)]
struct Calm(Arc<Mutex<BTreeMap<Target, u32>>>);

impl Calm {
    fn times(&self) -> MutexGuard<'_, BTreeMap<Target, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes account of how a connection ended, and of how long it had lasted.
    fn note(&self, target: Target, error: Option<&Error>, lasted: Duration) {
        let asks = |error: &Error| matches!(error.kind(), Kind::Connection(error) if error.asks_for_calm());
        let mut times = self.times();
        if error.is_some_and(asks) {
            if times.len() >= CALM_MAX && !times.contains_key(&target) {
                times.pop_first();
            }
            let asked = times.entry(target).or_default();
            // What is beyond changes nothing, and would have to be taken back first.
            *asked = (*asked + 1).min(DOUBLINGS_MAX);
        } else if lasted >= CALM_AFTER
            && let Some(asked) = times.get_mut(&target)
        {
            *asked /= 2;
            if *asked == 0 {
                times.remove(&target);
            }
        }
    }

    /// `config` with the intervals that the target wants.
    fn config(&self, config: &Config, target: &Target) -> Config {
        let times = self.times().get(target).copied().unwrap_or_default();
        let longer = |time: Duration| time.saturating_mul(1 << times);
        Config {
            keep_alive_interval: config.keep_alive_interval.map(longer),
            keep_alive_quiet_interval: longer(config.keep_alive_quiet_interval),
            ..config.clone()
        }
    }
}

/// Whatever carries a connection.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_what_the_uri_says() {
        let target =
            |uri: &'static str| Target::of(&Uri::from_static(uri)).map(|target| target.to_string());
        assert_eq!(target("https://a/x").as_deref().ok(), Some("https://a:443"));
        assert_eq!(
            target("http://[::1]:8080/").as_deref().ok(),
            Some("http://[::1]:8080")
        );
        // Names of hosts have no case (RFC 9110 §4.2.3).
        assert_eq!(
            target("http://A.Test:/").as_deref().ok(),
            Some("http://a.test:80")
        );
        assert_eq!(
            target("http://me:1@a1/").as_deref().ok(),
            Some("http://a1:80")
        );
        // What looks like a port is not to be overlooked.
        assert!(target("http://a:99999/").is_err());
        assert!(target("http://[::1]:65536/").is_err());
        assert!(target("ftp://a/").is_err());
        assert!(target("/x").is_err());
    }

    /// How a connection ends whose peer asks for calm.
    fn asking() -> Error {
        Error::new(Kind::Connection(raddle_core::ConnectionError {
            origin: raddle_core::Origin::Remote,
            code: raddle_core::ErrorCode::ENHANCE_YOUR_CALM,
            violation: None,
        }))
    }

    /// How many seconds lie between PINGs to `target` that are asked for once a second.
    fn interval(calm: &Calm, target: &Target) -> u64 {
        let config = Config {
            keep_alive_interval: Some(Duration::from_secs(1)),
            ..Config::default()
        };
        let interval = calm.config(&config, target).keep_alive_interval;
        interval.map_or(0, |interval| interval.as_secs())
    }

    fn named(name: &str) -> Target {
        Target::of(&format!("http://{name}/").parse().unwrap()).unwrap()
    }

    #[test]
    fn calm_is_asked_for_and_comes_to_an_end() {
        let (calm, target) = (Calm::default(), named("a"));
        for seconds in [2, 4, 8, 16, 32, 64, 64] {
            calm.note(target.clone(), Some(&asking()), CALM_AFTER * 2);
            assert_eq!(interval(&calm, &target), seconds);
        }
        // What is over at once has not met with a PING, however it ended.
        calm.note(target.clone(), None, CALM_AFTER / 2);
        calm.note(target.clone(), Some(&Error::new(Kind::Io)), CALM_AFTER / 2);
        assert_eq!(interval(&calm, &target), 64);
        calm.note(target.clone(), None, CALM_AFTER);
        assert_eq!(interval(&calm, &target), 8);
        calm.note(target.clone(), Some(&Error::new(Kind::Io)), CALM_AFTER);
        assert_eq!(interval(&calm, &target), 2);
        calm.note(named("b"), None, CALM_AFTER);
        calm.note(target.clone(), None, CALM_AFTER);
        assert_eq!(interval(&calm, &target), 1);
        assert!(calm.times().is_empty());
    }

    #[test]
    fn the_target_that_has_just_asked_is_remembered() {
        let calm = Calm::default();
        for n in 0..CALM_MAX {
            calm.note(named(&format!("b{n:03}")), Some(&asking()), CALM_AFTER);
        }
        // Before all others by name.
        for seconds in [2, 4] {
            calm.note(named("a"), Some(&asking()), CALM_AFTER);
            assert_eq!(interval(&calm, &named("a")), seconds);
        }
        assert_eq!(calm.times().len(), CALM_MAX);
        assert_eq!(interval(&calm, &named("b000")), 1, "it has given way");
        assert_eq!(interval(&calm, &named("b001")), 2);
    }
}
