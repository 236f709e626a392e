//! A server that does next to nothing: every request gets the same answer, out of bytes made beforehand. What is
//! measured against it is the client.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::wire::{self, flag, kind};

/// Bytes read at a time. More than a hundred requests, so that those which came together are answered together.
const READ_BYTES: usize = 64 * 1024;
/// What the body of every answer is.
pub const BODY: &[u8] = &[b'x'; 100];
/// Fields that the compression table remembers from the first answer on.
const REMEMBERED: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("content-length", "100"),
    ("date", "Tue, 04 Mar 2025 09:00:00 GMT"),
    ("server", "scripted"),
    ("vary", "accept-encoding"),
    ("cache-control", "max-age=60"),
];
/// Fields that every answer spells out.
const SPELLED: &[(&str, &str)] = &[("etag", "\"0123456789abcdef\"")];

/// Starts a server on a free port of 127.0.0.1, with a thread of its own for each connection. It ends with the process.
///
/// # Errors
/// What the system says.
pub fn spawn() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A client that goes away is no news.
            thread::spawn(move || drop(serve(socket)));
        }
    });
    Ok(address)
}

/// Serves one connection to its end.
fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut preface = [0; wire::PREFACE.len()];
    socket.read_exact(&mut preface)?;
    socket.write_all(&wire::settings(&[]))?;
    let mut script = Script::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        let len = socket.read(&mut buffer[filled..])?;
        if len == 0 {
            return Ok(());
        }
        filled += len;
        let read = script.read(&buffer[..filled]);
        buffer.copy_within(read..filled, 0);
        filled -= read;
        socket.write_all(&script.out)?;
        script.out.clear();
    }
}

/// The answers, and those that are to be written.
#[derive(Debug)]
struct Script {
    /// Field section of the next answer, DATA behind it.
    answer: Vec<u8>,
    /// That of the one after it.
    later: Vec<u8>,
    out: Vec<u8>,
}

impl Script {
    fn new() -> Self {
        // RFC 7541 §6.1 and appendix A: `:status: 200` has index 8, and what was inserted last has index 62.
        let status = 0x80 | 8;
        let mut first = vec![status];
        let mut later = vec![status];
        for (at, field) in REMEMBERED.iter().enumerate() {
            let mut literal = wire::block(&[*field]);
            // RFC 7541 §6.2.1: the same, with indexing.
            literal[0] = 0x40;
            first.extend(literal);
            later.push(0x80 | (62 + at as u8));
        }
        first.extend(wire::block(SPELLED));
        later.extend(wire::block(SPELLED));
        Self {
            answer: frames(&first),
            later: frames(&later),
            out: Vec::new(),
        }
    }

    /// Answers what is whole in these bytes, and tells how much that was.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let Some((head, behind)) = rest.split_first_chunk::<9>() {
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some((payload, behind)) = behind.split_at_checked(len) else {
                break;
            };
            rest = behind;
            self.frame(head, payload);
        }
        bytes.len() - rest.len()
    }

    fn frame(&mut self, head: &[u8; 9], payload: &[u8]) {
        let flags = head[4];
        match head[3] {
            kind::HEADERS | kind::DATA if flags & flag::END_STREAM != 0 => {
                let at = self.out.len();
                self.out.extend_from_slice(&self.answer);
                // The stream of HEADERS, and that of DATA, which is the last frame.
                let data = self.out.len() - BODY.len() - 9;
                self.out[at + 5..at + 9].copy_from_slice(&head[5..]);
                self.out[data + 5..data + 9].copy_from_slice(&head[5..]);
                self.answer.clone_from(&self.later);
            }
            kind::SETTINGS if flags & flag::ACK == 0 => self.out.extend(wire::settings_ack()),
            kind::PING if flags & flag::ACK == 0 => {
                self.out
                    .extend(wire::frame(kind::PING, flag::ACK, 0, payload));
            }
            _ => {}
        }
    }
}

/// HEADERS and DATA of stream 0, which is to be replaced.
fn frames(block: &[u8]) -> Vec<u8> {
    let mut frames = wire::frame(kind::HEADERS, flag::END_HEADERS, 0, block);
    frames.extend(wire::data(0, BODY, true));
    frames
}
