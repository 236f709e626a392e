//! Two wires as the transport of a connection.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{drive::End, wire::Wire};

/// More than a script asks for before it writes a message.
const SCRIPT_ROOM: usize = 64 * 1024;

/// One end of two wires.
pub(super) struct Pipe {
    pub(super) input: Rc<RefCell<Wire>>,
    pub(super) output: Rc<RefCell<Wire>>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.input.borrow_mut();
        let len = wire.waiting().len().min(buffer.remaining());
        if len == 0 {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer.put_slice(&wire.waiting()[..len]);
        wire.consume(len);
        if let Some(writer) = wire.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.output.borrow_mut();
        let mut written = 0;
        for part in parts {
            let len = wire.write(part);
            written += len;
            if len < part.len() {
                break;
            }
        }
        if written == 0 {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(reader) = wire.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Pipe {
    /// The client's end and the server's.
    pub(super) fn both() -> (Self, Self) {
        let up = Rc::new(RefCell::new(Wire::new()));
        let down = Rc::new(RefCell::new(Wire::new()));
        let near = Self {
            input: Rc::clone(&down),
            output: Rc::clone(&up),
        };
        let far = Self {
            input: up,
            output: down,
        };
        (near, far)
    }

    /// Lets a script act on what waits, and arranges to be called again.
    pub(super) fn drive(&self, script: &mut dyn End, cx: &Context<'_>) {
        let mut input = self.input.borrow_mut();
        script.input(&mut input);
        input.reader = Some(cx.waker().clone());
        if let Some(writer) = input.writer.take() {
            writer.wake();
        }
        let mut output = self.output.borrow_mut();
        let before = output.carried;
        script.output(&mut output);
        // A script that was stopped for want of room has left little of it.
        if output.room() < SCRIPT_ROOM {
            output.writer = Some(cx.waker().clone());
        }
        if output.carried > before
            && let Some(reader) = output.reader.take()
        {
            reader.wake();
        }
    }
}
