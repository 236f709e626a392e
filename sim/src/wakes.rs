//! Whether an application is woken for something (I-22, I-23): who is told that there is room was without it before.

use std::collections::BTreeSet;

use raddle_core::{Connection, Event, StreamHandle};

use crate::outcome::Fault;

/// What one application waits to be told of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakes {
    /// There was no room for another request.
    full: bool,
    /// Streams of which the engine has taken less than it was offered.
    short: BTreeSet<StreamHandle>,
}

impl Wakes {
    /// Something may have taken the last room for a request: one was opened, or events are about to be asked for.
    pub(crate) fn look(&mut self, conn: &Connection) {
        self.full |= conn.openable() == 0;
    }

    /// The engine has taken less of a body than it was offered.
    pub(crate) fn refused(&mut self, stream: StreamHandle) {
        self.short.insert(stream);
    }

    /// The next event, if there was need of it.
    pub(crate) fn poll(&mut self, conn: &mut Connection) -> Result<Option<Event>, Fault> {
        self.look(conn);
        let event = conn.poll_event();
        if let Some(event) = &event {
            self.hear(conn, event)?;
        }
        Ok(event)
    }

    fn hear(&mut self, conn: &Connection, event: &Event) -> Result<(), Fault> {
        match *event {
            Event::Openable => {
                if !std::mem::take(&mut self.full) {
                    return Err(Fault::run("I-22: openable, and it always was"));
                }
                self.look(conn);
            }
            Event::Writable { stream } if !self.short.remove(&stream) => {
                return Err(Fault::run("I-22: writable, and nothing was refused"));
            }
            Event::Finished { stream } | Event::Failed { stream, .. } => {
                self.short.remove(&stream);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use raddle_core::{Config, RequestHead, Role, Then, Timestamp};

    use super::*;

    fn client() -> Connection {
        Connection::new(Role::Client, Config::default(), Timestamp(0))
    }

    #[test]
    fn who_had_room_all_the_time_is_not_to_be_woken() {
        let conn = client();
        let mut wakes = Wakes::default();
        wakes.look(&conn);
        assert!(wakes.hear(&conn, &Event::Openable).is_err());
        wakes.full = true;
        assert!(wakes.hear(&conn, &Event::Openable).is_ok());
        assert!(wakes.hear(&conn, &Event::Openable).is_err());
    }

    #[test]
    fn who_was_refused_nothing_is_not_to_be_woken() {
        let mut conn = client();
        let head = RequestHead::new(b"GET", b"https", Some(b"a"), b"/").finish();
        let stream = conn.open(head, Then::More).expect("there is room");
        let mut wakes = Wakes::default();
        assert!(wakes.hear(&conn, &Event::Writable { stream }).is_err());
        wakes.refused(stream);
        assert!(wakes.hear(&conn, &Event::Writable { stream }).is_ok());
        assert!(wakes.hear(&conn, &Event::Writable { stream }).is_err());
    }
}
