//! What either end may do. Each action is a command or two of an application, or an event of its transport.

use bytes::Bytes;
use raddle_core::{ErrorCode, Fields, Priority, ResponseHead, Then};

use crate::world::{WINDOW, World};

pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) act: fn(&mut World),
}

const fn does(name: &'static str, act: fn(&mut World)) -> Action {
    Action { name, act }
}

/// More than a window has room for.
const LARGE: usize = 60_000;

/// What a client does. Its upload on stream A is half sent, and its request on stream B whole.
pub(crate) const CLIENT: [Action; 24] = [
    does("nothing", |_| ()),
    does("opens a GET", |w| {
        w.open("/c", Then::End);
    }),
    does("opens an upload", |w| {
        let stream = w.open("/c", Then::More);
        if let Some(stream) = stream {
            w.send_up(stream, 30_000, Then::End);
        }
    }),
    does("opens three and cancels the middle one", |w| {
        w.open("/c", Then::End);
        let middle = w.open("/d", Then::End);
        w.open("/e", Then::End);
        if let Some(middle) = middle {
            w.client_resets(middle, ErrorCode::CANCEL);
        }
    }),
    does("opens one and cancels it on the wire", |w| {
        let stream = w.open("/c", Then::End);
        w.flush();
        if let Some(stream) = stream {
            w.client_resets(stream, ErrorCode::CANCEL);
        }
    }),
    does("opens one while B is cancelled", |w| {
        w.client_resets(w.b.0, ErrorCode::CANCEL);
        w.open("/c", Then::End);
    }),
    does("uploads a little on A", |w| {
        w.send_up(w.a.0, 10, Then::More)
    }),
    does("uploads more on A than there is window", |w| {
        w.send_up(w.a.0, LARGE, Then::More);
    }),
    does("ends A", |w| w.send_up(w.a.0, 10, Then::End)),
    does("ends A without a byte", |w| w.send_up(w.a.0, 0, Then::End)),
    does("ends A with trailers", |w| {
        let fields = Fields::from_iter([(&b"sum"[..], &b"1"[..])]);
        let _ = w.client.connection.send_trailers(w.a.0, fields);
    }),
    does("cancels A", |w| w.client_resets(w.a.0, ErrorCode::CANCEL)),
    does("cancels A behind a large upload", |w| {
        w.send_up(w.a.0, LARGE, Then::End);
        w.flush();
        w.client_resets(w.a.0, ErrorCode::CANCEL);
    }),
    does("cancels B", |w| w.client_resets(w.b.0, ErrorCode::CANCEL)),
    does("cancels A and B", |w| {
        w.client_resets(w.a.0, ErrorCode::CANCEL);
        w.client_resets(w.b.0, ErrorCode::NO_ERROR);
    }),
    does("reads A", |w| {
        w.client.connection.release(w.a.0, usize::MAX)
    }),
    does("wants no more of A's body", |w| {
        w.client.connection.discard(w.a.0)
    }),
    does("sends a PING", |w| {
        w.client.connection.ping();
    }),
    does("prioritizes B", |w| {
        w.client.connection.prioritize(
            w.b.0,
            Priority {
                urgency: 0,
                incremental: true,
            },
        );
    }),
    does("lowers the windows", |w| w.settings_up(&[(4, 10)])),
    does("lowers and raises the windows", |w| {
        w.settings_up(&[(4, 0)]);
        w.settings_up(&[(4, WINDOW), (1, 0), (1, 4_096)]);
    }),
    does("drains", |w| w.client.connection.drain()),
    does("closes", |w| {
        w.cut_off = true;
        w.client
            .connection
            .close(ErrorCode::INTERNAL_ERROR, Bytes::from_static(b"bye"));
    }),
    does("goes away", World::client_goes),
];

/// What a server does. Its answer on stream A is half sent, and there is none on stream B.
pub(crate) const SERVER: [Action; 24] = [
    does("nothing", |_| ()),
    does("answers B", |w| w.respond(w.b.1, Then::End)),
    does("begins an answer to B", |w| w.respond(w.b.1, Then::More)),
    does("answers B with a large body", |w| {
        w.respond(w.b.1, Then::More);
        w.send_down(w.b.1, LARGE, Then::End);
    }),
    does("answers B with hints, a body and trailers", |w| {
        let hints = ResponseHead::new(103).finish();
        let _ = w.server.connection.inform(w.b.1, hints);
        w.respond(w.b.1, Then::More);
        w.send_down(w.b.1, 10, Then::More);
        let fields = Fields::from_iter([(&b"sum"[..], &b"1"[..])]);
        let _ = w.server.connection.send_trailers(w.b.1, fields);
    }),
    does("sends hints for B", |w| {
        let hints = ResponseHead::new(103).finish();
        let _ = w.server.connection.inform(w.b.1, hints);
    }),
    does("sends a little on A", |w| {
        w.send_down(w.a.1, 10, Then::More)
    }),
    does("sends more on A than there is window", |w| {
        w.send_down(w.a.1, LARGE, Then::More);
    }),
    does("ends A", |w| w.send_down(w.a.1, 10, Then::End)),
    does("ends A with trailers", |w| {
        let fields = Fields::from_iter([(&b"sum"[..], &b"1"[..])]);
        let _ = w.server.connection.send_trailers(w.a.1, fields);
    }),
    does("ends A and stops its upload", |w| {
        w.send_down(w.a.1, 10, Then::End);
        w.server_resets(w.a.1, ErrorCode::NO_ERROR);
    }),
    does("cancels A", |w| w.server_resets(w.a.1, ErrorCode::CANCEL)),
    does("cancels B", |w| {
        w.server_resets(w.b.1, ErrorCode::INTERNAL_ERROR)
    }),
    does("cancels A behind the end of its answer", |w| {
        w.send_down(w.a.1, 10, Then::End);
        w.flush();
        w.server_resets(w.a.1, ErrorCode::INTERNAL_ERROR);
    }),
    does("reads A", |w| {
        w.server.connection.release(w.a.1, usize::MAX)
    }),
    does("wants no more of A's body", |w| {
        w.server.connection.discard(w.a.1)
    }),
    does("sends a PING", |w| {
        w.server.connection.ping();
    }),
    does("lowers the windows", |w| w.settings_down(&[(4, 10)])),
    does("allows no more streams", |w| w.settings_down(&[(3, 0)])),
    does("allows no more streams and then one", |w| {
        w.settings_down(&[(3, 0)]);
        w.settings_down(&[(3, 3), (5, 20_000), (1, 0)]);
    }),
    does("drains", |w| w.server.connection.drain()),
    does("closes", |w| {
        w.cut_off = true;
        w.server.connection.close(ErrorCode::NO_ERROR, Bytes::new());
    }),
    does("goes away", World::server_goes),
    does("loses the network", World::network_fails),
];
