//! More targets than a pool may know.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use raddle_io::{Client, Config, Dialing, Error, Pool, PoolConfig, Target};
use tokio::time::timeout;
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// In virtual time: long past every other bound of a pool.
const MINUTE: Duration = Duration::from_secs(60);

/// A connection to a server of its own.
async fn served() -> Result<Client, Error> {
    let (near, far) = tokio::io::duplex(65_536);
    let serving = raddle_io::serve_connection(far, Echo(echo), Config::default());
    tokio::spawn(serving);
    let (client, driver) = raddle_io::connect(near, Config::default()).await?;
    tokio::spawn(driver);
    Ok(client)
}

#[tokio::test(start_paused = true)]
async fn a_target_that_gives_way_while_it_is_dialed_is_not_dialed_twice_at_once() {
    let second = Duration::from_secs(1);
    // The dials take nine seconds, and one of them fails.
    for fails in [false, true] {
        let config = PoolConfig {
            origins_max: 1,
            ..PoolConfig::default()
        };
        let dials = Arc::new(Mutex::new(Vec::new()));
        let dialed = Arc::clone(&dials);
        let connect = move |target: Target| -> Dialing {
            let dialed = Arc::clone(&dialed);
            Box::pin(async move {
                dialed.lock().unwrap().push(target.host().to_owned());
                tokio::time::sleep(9 * second).await;
                match fails && target.host() == "test" {
                    true => Err(Error::connect("nobody listens")),
                    false => served().await,
                }
            })
        };
        let mut pool = Pool::new(connect, config);
        let other = || {
            let request = Request::get("http://other/");
            request.body(Full::<Bytes>::default()).unwrap()
        };
        // Whoever has asked goes, and each makes the other give way.
        for _ in 0..3 {
            assert!(timeout(second, pool.call(get("/"))).await.is_err());
            assert!(timeout(second, pool.call(other())).await.is_err());
        }
        let answered = timeout(MINUTE, pool.call(get("/"))).await.unwrap();
        assert_eq!(answered.is_err(), fails);
        assert_eq!(*dials.lock().unwrap(), ["test", "other"]);
        // Nothing is left of them: the next one is a new one.
        tokio::time::sleep(MINUTE).await;
        pool.call(other()).await.unwrap();
        assert_eq!(dials.lock().unwrap().len(), 3);
    }
}
