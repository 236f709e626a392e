//! A peer that speaks frames by hand over any stream of bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::wire::{self, Frame, flag, kind};

/// One end of a connection, played by a test.
#[derive(Debug)]
pub struct RawPeer<T> {
    io: T,
    buffer: Vec<u8>,
    written: u64,
}

impl<T: AsyncRead + AsyncWrite + Unpin> RawPeer<T> {
    /// Plays a server up to the exchange of SETTINGS, with these of its own.
    ///
    /// # Panics
    /// When the other end does not begin with its preface and SETTINGS.
    pub async fn server(io: T, settings: &[(u16, u32)]) -> Self {
        let mut peer = Self {
            io,
            buffer: Vec::new(),
            written: 0,
        };
        while peer.buffer.len() < wire::PREFACE.len() {
            assert!(peer.read().await, "the preface");
        }
        let rest = peer.buffer.split_off(wire::PREFACE.len());
        assert_eq!(peer.buffer, wire::PREFACE);
        peer.buffer = rest;
        peer.shake(settings).await;
        peer
    }

    /// Plays a client up to the exchange of SETTINGS, with these of its own.
    ///
    /// # Panics
    /// When the other end does not begin with SETTINGS.
    pub async fn client(io: T, settings: &[(u16, u32)]) -> Self {
        let mut peer = Self {
            io,
            buffer: Vec::new(),
            written: 0,
        };
        peer.send(wire::PREFACE).await;
        peer.shake(settings).await;
        peer
    }

    async fn shake(&mut self, settings: &[(u16, u32)]) {
        self.send(&wire::settings(settings)).await;
        let first = self.next().await.expect("SETTINGS");
        assert!(first.is(kind::SETTINGS, 0) && first.flags == flag::NONE);
        self.send(&wire::settings_ack()).await;
    }

    async fn read(&mut self) -> bool {
        self.io
            .read_buf(&mut self.buffer)
            .await
            .is_ok_and(|len| len > 0)
    }

    /// Writes bytes and sees them off.
    ///
    /// # Panics
    /// When the other end has gone.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        self.io.write_all(bytes).await.expect("the other end reads");
        self.io.flush().await.expect("the other end reads");
    }

    /// The same, if the other end is there; whether it was.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.written += bytes.len() as u64;
        self.io.write_all(bytes).await.is_ok() && self.io.flush().await.is_ok()
    }

    /// Bytes that were written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The next frame; `None` at the end of the transport.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let (mut frames, rest) = wire::frames(&self.buffer);
            if !frames.is_empty() {
                let first = frames.swap_remove(0);
                self.buffer.drain(..9 + first.payload.len());
                return Some(first);
            }
            debug_assert_eq!(rest, self.buffer.len());
            if !self.read().await {
                return None;
            }
        }
    }

    /// The next frame of this kind; others are passed over.
    ///
    /// # Panics
    /// When the transport ends first.
    pub async fn expect(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await;
            let frame = frame
                .unwrap_or_else(|| panic!("the transport ended before a frame of kind {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Every frame up to the end of the transport.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}
