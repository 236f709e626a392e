//! Recordings as captures of packets, for Wireshark and its kin.
//!
//! There were no packets: each frame gets a TCP segment, or some, between two made-up hosts. The client's end is where
//! the capture stands if it was recorded, else the server's.

use raddle_core::Role;

use super::{
    event::{Frame, Passage, Recording, What},
    json,
    wire::{HEAD_LEN, PREFACE},
};

/// Wireshark looks for HTTP here.
const SERVER_PORT: u16 = 80;
const CLIENT_PORT: u16 = 49_152;
/// The documentation's addresses (RFC 5737).
const CLIENT_ADDRESS: [u8; 4] = [192, 0, 2, 1];
const SERVER_ADDRESS: [u8; 4] = [192, 0, 2, 2];
/// Bytes of one segment at most, as Ethernet has them.
const SEGMENT_MAX: usize = 1_460;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x08;

const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const RESOLUTION: u16 = 9;

pub(super) fn write(recording: &Recording) -> Vec<u8> {
    let header = &recording.header;
    let side = match header.sides.first() {
        Some(Role::Server) if !header.sides.contains(&Role::Client) => Role::Server,
        _ => Role::Client,
    };
    let mut capture = Capture::new(recording, side);
    capture.open(recording.events.first().map_or(0, |event| event.at));
    let mut comments = Vec::new();
    for event in &recording.events {
        let (passage, bytes) = match &event.what {
            What::Fault {
                kind, until, text, ..
            } => {
                let kind = json::fault(*kind);
                comments.push(format!("{kind} until {until} ns: {text}"));
                continue;
            }
            What::Preface { side: s, passage } if *s == side => (*passage, PREFACE.to_vec()),
            What::Frame(frame) if frame.side == side => (frame.passage, wire(frame)),
            _ => continue,
        };
        let sender = match passage {
            Passage::Sent => side,
            Passage::Received => !side,
        };
        for part in bytes.chunks(SEGMENT_MAX) {
            let comment = comments.join("\n");
            comments.clear();
            capture.segment(event.at, sender, ACK | PUSH, part, &comment);
        }
    }
    capture.bytes
}

/// The frame as it was on the wire. Zeros stand for what was not kept of its payload.
fn wire(frame: &Frame) -> Vec<u8> {
    let mut bytes = [&frame.head[..], &frame.payload].concat();
    bytes.resize(HEAD_LEN + frame.length() as usize, 0);
    bytes
}

struct Capture {
    bytes: Vec<u8>,
    /// The next sequence number of the client and of the server.
    next: [u32; 2],
    packets: u16,
}

impl Capture {
    /// A capture with the blocks that stand in front of all packets.
    fn new(recording: &Recording, side: Role) -> Self {
        let mut capture = Self {
            bytes: Vec::new(),
            next: [0; 2],
            packets: 0,
        };
        let header = &recording.header;
        let mut comment = header.verdict.clone();
        if let Some(replay) = &header.replay {
            comment += &format!("\nto repeat: {replay}");
        }
        let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        section.extend([1, 0, 0, 0]); // Version 1.0.
        section.extend([0xff; 8]); // Of unknown length.
        option(&mut section, COMMENT, comment.as_bytes());
        end_options(&mut section);
        capture.block(0x0a0d_0d0a, &section);
        // Ethernet, and no limit to a packet's length.
        let mut interface = vec![1, 0, 0, 0, 0, 0, 0, 0];
        option(&mut interface, INTERFACE_NAME, json::side(side).as_bytes());
        // Moments count in 10^-9 seconds.
        option(&mut interface, RESOLUTION, &[9]);
        end_options(&mut interface);
        capture.block(1, &interface);
        capture
    }

    /// The handshake of TCP, without which nobody knows where the bytes begin.
    fn open(&mut self, at: u64) {
        self.segment(at, Role::Client, SYN, &[], "");
        self.segment(at, Role::Server, SYN | ACK, &[], "");
        self.segment(at, Role::Client, ACK, &[], "");
    }

    fn segment(&mut self, at: u64, sender: Role, flags: u8, data: &[u8], comment: &str) {
        let packet = self.packet(sender, flags, data);
        let length = (packet.len() as u32).to_le_bytes();
        let mut block = vec![0; 4]; // The one interface.
        block.extend(((at >> 32) as u32).to_le_bytes());
        block.extend((at as u32).to_le_bytes());
        block.extend(length);
        block.extend(length);
        block.extend(&packet);
        pad(&mut block);
        if !comment.is_empty() {
            option(&mut block, COMMENT, comment.as_bytes());
            end_options(&mut block);
        }
        self.block(6, &block);
        let sent = data.len() as u32 + u32::from(flags & SYN != 0);
        let next = &mut self.next[usize::from(sender == Role::Server)];
        *next = next.wrapping_add(sent);
    }

    /// Ethernet, IPv4 (RFC 791) and TCP (RFC 9293) around `data`.
    fn packet(&mut self, sender: Role, flags: u8, data: &[u8]) -> Vec<u8> {
        let [client, server] = self.next;
        let (from, to, seq, ack) = match sender {
            Role::Client => (
                (CLIENT_ADDRESS, CLIENT_PORT),
                (SERVER_ADDRESS, SERVER_PORT),
                client,
                server,
            ),
            Role::Server => (
                (SERVER_ADDRESS, SERVER_PORT),
                (CLIENT_ADDRESS, CLIENT_PORT),
                server,
                client,
            ),
        };
        let mut tcp = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
        tcp.extend(seq.to_be_bytes());
        let ack = if flags & ACK == 0 { 0 } else { ack };
        tcp.extend(ack.to_be_bytes());
        // Five words of header, a window of everything, no checksum yet, nothing urgent.
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(data);
        let length = (tcp.len() as u16).to_be_bytes();
        let pseudo = [&from.0[..], &to.0, &[0, 6], &length].concat();
        let sum = checksum(&[&pseudo, &tcp]);
        tcp[16..18].copy_from_slice(&sum);

        let total = (20 + tcp.len() as u16).to_be_bytes();
        let number = self.packets.to_be_bytes();
        self.packets = self.packets.wrapping_add(1);
        let mut ip = vec![0x45, 0, total[0], total[1], number[0], number[1]];
        ip.extend([0x40, 0, 64, 6, 0, 0]); // Not to be fragmented; TCP; no checksum yet.
        ip.extend(from.0);
        ip.extend(to.0);
        let sum = checksum(&[&ip]);
        ip[10..12].copy_from_slice(&sum);

        // Locally administered addresses, which end as those of IP do.
        let ethernet = |address: [u8; 4]| [2, 0, 0, 0, 0, address[3]];
        let mut packet = [ethernet(to.0), ethernet(from.0)].concat();
        packet.extend([0x08, 0x00]);
        packet.extend(ip);
        packet.extend(tcp);
        packet
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = (12 + body.len() as u32).to_le_bytes();
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(length);
        self.bytes.extend(body);
        self.bytes.extend(length);
    }
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    // Its length has 16 bits.
    let value = &value[..value.len().min(60_000)];
    block.extend(code.to_le_bytes());
    block.extend((value.len() as u16).to_le_bytes());
    block.extend(value);
    pad(block);
}

fn end_options(block: &mut Vec<u8>) {
    block.extend([0; 4]);
}

fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}

/// The Internet's checksum (RFC 1071) of the parts in a row; each but the last has to be of even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words
        .map(|word| {
            let low = word.get(1).copied().unwrap_or_default();
            u32::from(u16::from_be_bytes([word[0], low]))
        })
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!(folded as u16)).to_be_bytes()
}
