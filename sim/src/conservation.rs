//! I-10: of a window nothing is lost or made, counted over both ends of a connection to the byte.
//!
//! What a sender may send, with the DATA and the credit that are on their way, is what its peer lets it send; and that,
//! with what the peer holds and has not given back yet, is its window, as the engine asserts of itself. What the engines
//! say is compared with what has passed, which [`Observer`] counts at each end.

use raddle_core::{Connection, StreamId};

use crate::{
    outcome::Fault,
    wire::{Account, Observer},
};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) observer: &'a Observer,
}

/// Compares both ends, in both directions: the connection's windows, and the `streams`' when asked for. Once either has ended the rest is not read, and there is nothing to compare.
///
/// # Errors
/// Where the sum is another one, with its parts.
pub(crate) fn conserved(one: Half<'_>, other: Half<'_>, streams: bool) -> Result<(), Fault> {
    if one.conn.error().is_some() || other.conn.error().is_some() {
        return Ok(());
    }
    for (sender, receiver) in [(one, other), (other, one)] {
        connection(sender, receiver)?;
        if !streams {
            continue;
        }
        for (id, account) in sender.observer.accounts() {
            stream(sender, receiver, id, account)?;
        }
    }
    Ok(())
}

fn connection(sender: Half<'_>, receiver: Half<'_>) -> Result<(), Fault> {
    compare(
        || format!("the connection, from {:?}", sender.conn.role()),
        sender.conn.audit().send_window,
        (sender.observer.account(), receiver.observer.account()),
        receiver.conn.audit().window,
    )
}

fn stream(sender: Half<'_>, receiver: Half<'_>, id: u32, sent: Account) -> Result<(), Fault> {
    let stream = StreamId::from_u32(id);
    let may = sender
        .conn
        .audit_stream(stream)
        .and_then(|audit| audit.send_window);
    let lets = receiver
        .conn
        .audit_stream(stream)
        .and_then(|audit| audit.window);
    let (Some(may), Some(lets), Some(read)) = (may, lets, receiver.observer.account_of(id)) else {
        return Ok(());
    };
    // What one side knows already of a window that SETTINGS have moved, and the other does not.
    let (begins, _) = sender.observer.bases();
    let (_, grants) = receiver.observer.bases();
    compare(
        || format!("stream {id}, from {:?}", sender.conn.role()),
        may - begins,
        (sent, read),
        lets - grants,
    )
}

fn compare(
    of: impl Fn() -> String,
    may: i64,
    (sent, read): (Account, Account),
    lets: i64,
) -> Result<(), Fault> {
    let data = sent.data_sent - read.data_read;
    let credit = read.credit_sent - sent.credit_read;
    if may + data + credit == lets {
        return Ok(());
    }
    Err(Fault::run(format!(
        "I-10: {}: {may} to send, {data} of DATA and {credit} of credit on their way make {}, but the peer lets {lets}",
        of(),
        may + data + credit
    )))
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use raddle_core::{Config, RequestHead, Role, StreamHandle, Then, Timestamp, Transmit};

    use super::*;
    use crate::wire::{Frame, kind};

    struct End {
        conn: Connection,
        out: Transmit,
        input: BytesMut,
        observer: Observer,
    }

    impl End {
        fn new(role: Role) -> Self {
            let config = Config {
                stream_window_bytes: 1_000,
                ..Config::default()
            };
            Self {
                conn: Connection::new(role, config, Timestamp(0)),
                out: Transmit::new(),
                input: BytesMut::new(),
                observer: Observer::new(role == Role::Client),
            }
        }

        /// Everything that it has to say goes to its peer, but for the last `lost` bytes.
        fn pass(&mut self, peer: &mut Self, lost: usize) {
            self.conn.poll_transmit(&mut self.out, Timestamp(0));
            let bytes: Vec<u8> = self.out.parts().flatten().copied().collect();
            bytes::Buf::advance(&mut self.out, bytes.len());
            self.observer
                .sent(&bytes, None)
                .expect("nothing is wrong with it");
            let bytes = &bytes[..bytes.len() - lost];
            peer.input.extend_from_slice(bytes);
            peer.observer.arrived(bytes);
            let before = peer.input.len();
            peer.conn.handle_input(&mut peer.input, Timestamp(0));
            peer.observer.read(before - peer.input.len());
            while peer.conn.poll_event().is_some() {}
        }

        fn half(&self) -> Half<'_> {
            Half {
                conn: &self.conn,
                observer: &self.observer,
            }
        }
    }

    /// A client that has sent 500 bytes of a body, of which `lost` have not arrived, and its server.
    fn ends(lost: usize) -> (End, End, StreamHandle) {
        let (mut client, mut server) = (End::new(Role::Client), End::new(Role::Server));
        client.pass(&mut server, 0);
        server.pass(&mut client, 0);
        let head = RequestHead::new(b"POST", b"https", Some(b"a"), b"/").finish();
        let stream = client.conn.open(head, Then::More);
        let stream = stream.map_err(|(error, _)| error).expect("there is room");
        let mut body = Bytes::from_static(&[7; 500]);
        let taken = client.conn.send_data(stream, &mut body, Then::More);
        assert_eq!(taken, Ok(500));
        client.pass(&mut server, lost);
        (client, server, stream)
    }

    #[test]
    fn what_is_held_and_what_is_on_its_way_add_up() {
        for lost in [0, 1, 100] {
            let (client, server, _) = ends(lost);
            conserved(client.half(), server.half(), true).expect("all is there");
        }
    }

    #[test]
    fn credit_that_only_one_side_counts_is_found() {
        for (stream, of) in [
            (0, "the connection, from Client"),
            (1, "stream 1, from Client"),
        ] {
            let (mut client, server, _) = ends(0);
            // The wire has given the client a byte that its engine does not know of.
            let mut forged = Vec::new();
            Frame::new(kind::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]).write(&mut forged);
            client.observer.arrived(&forged);
            client.observer.read(forged.len());
            let found = conserved(client.half(), server.half(), true);
            let fault = found.expect_err("a byte is counted twice");
            assert!(
                fault.what.contains("I-10") && fault.what.contains(of),
                "{fault}"
            );
        }
    }

    #[test]
    fn data_that_never_was_is_found() {
        let (client, mut server, _) = ends(0);
        let mut forged = Vec::new();
        Frame::new(kind::DATA, 0, 1, b"x").write(&mut forged);
        server.input.extend_from_slice(&forged);
        server.conn.handle_input(&mut server.input, Timestamp(0));
        let found = conserved(client.half(), server.half(), true);
        assert!(found.expect_err("nobody sent it").what.contains("I-10"));
    }
}
