//! What must hold when everything is over, whatever crossed.

use std::collections::BTreeMap;

use raddle_core::{Event, Lifecycle, Origin, Retry, StreamError, StreamHandle};
use raddle_tests::engine::assert_ends_once;

use crate::world::World;

type Outcome = Result<(), StreamError>;

pub(crate) fn judge(world: World) {
    let client = outcomes(&world.client_told);
    let server = outcomes(&world.server_told);
    // Each stream ends once, with its last event.
    assert_eq!(assert_ends_once(&world.client_told), client.len());
    assert_eq!(assert_ends_once(&world.server_told), server.len());
    assert_eq!(client.len(), world.requests.len(), "of the client's");
    assert_eq!(server.len(), world.seen.len(), "of the server's");
    for (end, told) in [
        (&world.client, &world.client_told),
        (&world.server, &world.server_told),
    ] {
        assert_eq!(end.connection.lifecycle(), Lifecycle::Closed);
        assert!(matches!(told.last(), Some(Event::Closed { .. })));
        let closed = told
            .iter()
            .filter(|event| matches!(event, Event::Closed { .. }));
        assert_eq!(closed.count(), 1);
        // Honest peers do not accuse each other.
        let error = end.connection.error();
        assert_eq!(error.and_then(|error| error.violation), None);
        if !world.cut_off {
            assert_eq!(error, None, "nobody cut it off");
        }
    }
    for (path, stream) in &world.requests {
        let seen = world.seen.get(path).map(|stream| server[stream]);
        agree(path, client[stream], seen, world.cut_off);
    }
}

fn outcomes(told: &[Event]) -> BTreeMap<StreamHandle, Outcome> {
    let mut found = BTreeMap::new();
    for event in told {
        let (stream, outcome) = match event {
            Event::Finished { stream } => (*stream, Ok(())),
            Event::Failed { stream, error } => (*stream, Err(*error)),
            _ => continue,
        };
        found.insert(stream, outcome);
    }
    found
}

/// The two ends agree about one request, or a crossing explains the difference.
fn agree(path: &str, client: Outcome, server: Option<Outcome>, cut_off: bool) {
    let what = format!("{path}: {client:?}, {server:?}");
    if let Err(error) = client {
        assert_eq!(error.violation, None, "{what}");
        // The verdict is sound: what the application saw is never safe to send again.
        assert!(server.is_none() || error.retry != Retry::Safe, "{what}");
        // And it is no more careful than it has to be: who was told that nobody saw it, knows.
        if server.is_none() && error.origin == Origin::Remote {
            assert_eq!(error.retry, Retry::Safe, "{what}");
        }
    }
    if let Some(Err(error)) = server {
        assert_eq!(error.violation, None, "{what}");
        assert_eq!(error.retry, Retry::Never, "a server sends nothing again");
    }
    use Origin::{Local, Remote, Transport};
    let origin = |outcome: Outcome| outcome.err().map(|error| error.origin);
    let explained = match (origin(client), server.map(origin)) {
        (None, Some(None)) => true,
        // The server gave up in the moment when the client had everything.
        (None, Some(Some(Local))) => true,
        // The client gave up: before the server saw it, or when the server had everything or gave up, too.
        (Some(Local), None | Some(None | Some(Local | Remote))) => true,
        // The server gave up, or never looked at it.
        (Some(Remote), None | Some(Some(Local))) => true,
        // One end ended everything, or the network did.
        (Some(Transport), _) | (_, Some(Some(Transport))) => cut_off,
        // Nobody finishes what nobody saw, or hears of a reset that nobody sent.
        (None, None) | (None, Some(Some(Remote))) => false,
        (Some(Remote), Some(None | Some(Remote))) => false,
    };
    assert!(explained, "{what}");
}
