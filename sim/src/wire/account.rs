//! What passes of the windows, counted in both directions at one end.

use super::{Observer, Passing, kind};

/// Bytes of DATA, and of credit in WINDOW_UPDATE, that one end has sent and read; of a stream or of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) data_sent: i64,
    pub(crate) data_read: i64,
    pub(crate) credit_sent: i64,
    pub(crate) credit_read: i64,
}

impl Observer {
    /// What has passed of the connection's windows.
    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// What has passed of the windows of each stream that nobody has reset, as far as this end knows.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (u32, Account)> + '_ {
        let open = self.streams.iter();
        let open = open.filter(|(_, s)| s.head || s.got_head);
        let open = open.filter(|(_, s)| !s.is_closed());
        open.map(|(id, stream)| (id, stream.account))
    }

    /// The same for one stream.
    pub(crate) fn account_of(&self, id: u32) -> Option<Account> {
        let stream = self.streams.get(id)?;
        (!stream.sent_reset && !stream.got_reset).then_some(stream.account)
    }

    /// The window that streams begin with: as this end knows it of its peer, to send, and as it grants it, to receive.
    pub(crate) fn bases(&self) -> (i64, i64) {
        // RFC 9113 §6.9.3: until it is acknowledged, the peer may go by either.
        let grants = match self.acknowledged {
            true => self.announced,
            false => self.announced.max(65_535),
        };
        (self.window_base, grants)
    }

    /// A frame is read.
    pub(super) fn note_taken(&mut self, frame: &Passing<'_>) {
        self.count_taken(frame);
        match frame.kind {
            kind::HEADERS | kind::CONTINUATION => self.messages.block_read(frame.ends_headers()),
            kind::SETTINGS if frame.is_ack() => self.acknowledged = true,
            kind::DATA => self.note(frame, |account| {
                account.data_read += frame.payload.len() as i64;
            }),
            kind::WINDOW_UPDATE => self.note(frame, |account| {
                account.credit_read += i64::from(frame.word(0));
            }),
            _ => {}
        }
    }

    /// A frame is sent.
    pub(super) fn note_sent(&mut self, frame: &Passing<'_>) {
        self.count_sent(frame);
        match frame.kind {
            kind::SETTINGS if !frame.is_ack() => {
                let window = frame.settings().find(|&(id, _)| id == 4);
                self.announced = window.map_or(self.announced, |(_, value)| i64::from(value));
            }
            kind::DATA => self.note(frame, |account| {
                account.data_sent += frame.payload.len() as i64;
            }),
            kind::WINDOW_UPDATE => self.note(frame, |account| {
                account.credit_sent += i64::from(frame.word(0));
            }),
            _ => {}
        }
    }

    /// WINDOW_UPDATE of the connection counts there alone, and DATA in both places.
    fn note(&mut self, frame: &Passing<'_>, add: impl Fn(&mut Account)) {
        let id = frame.stream;
        if id == 0 || frame.kind == kind::DATA {
            add(&mut self.account);
        }
        if let Some(stream) = self.streams.get_mut(id) {
            add(&mut stream.account);
        }
    }
}
