//! Requests of which the transport has taken only a part.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use raddle_io::{Config, Retry};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tower_service::Service;

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What ends the connection.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Dropped,
    Shut,
    Stuck,
}

const ENDINGS: [Ending; 3] = [Ending::Dropped, Ending::Shut, Ending::Stuck];

/// The verdicts of two requests, the first with a head of some 3,000 bytes, whose server reads so many bytes of them and then
/// says no more.
async fn verdicts(reads: usize, ending: Ending) -> [Retry; 2] {
    let (near, mut far) = tokio::io::duplex(64);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    let ask = |value: &str| {
        // What Huffman's code makes no shorter.
        let request = Request::get("http://test/").header("x-long", value);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        tokio::spawn(client.clone().call(request))
    };
    let asked = [ask(&"\\".repeat(1_200)), ask("")];
    far.write_all(SETTINGS).await.unwrap();
    // All that there is, where it is less.
    let mut read = vec![0; reads];
    let _ = timeout(Duration::from_secs(1), far.read_exact(&mut read)).await;
    match ending {
        Ending::Dropped => driver.abort(),
        // It would read on, and says that nothing will come.
        Ending::Shut => far.shutdown().await.unwrap(),
        // The deadline for writing passes.
        Ending::Stuck => {}
    }
    let mut verdicts = Vec::new();
    for asked in asked {
        let answered = timeout(Duration::from_secs(60), asked).await.unwrap();
        verdicts.push(answered.unwrap().unwrap_err().retry());
    }
    // What the verdict is about does not go out afterwards.
    drop(client);
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(60), far.read_to_end(&mut rest));
    read.await.unwrap().unwrap();
    assert!(
        rest.len() <= 64 || verdicts[1] != Retry::Safe,
        "{} bytes",
        rest.len()
    );
    verdicts.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_the_transport_did_not_take_whole_is_safe_to_send_again() {
    for ending in ENDINGS {
        // Far inside of the first head, with 64 bytes in the pipe; and behind both.
        let whole = [Retry::IfIdempotent; 2];
        assert_eq!(
            verdicts(1_000, ending).await,
            [Retry::Safe; 2],
            "{ending:?}"
        );
        assert_eq!(verdicts(5_000, ending).await, whole, "{ending:?}");
    }
}
