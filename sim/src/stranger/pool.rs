//! Field lists that the peer draws: good ones of all kinds, and what can be wrong with them.

use crate::{tape::Tape, wire::Line};

/// Fields that any list may have.
const FIELDS: [(&str, &str); 20] = [
    ("priority", "u=1"),
    ("priority", "u=5, i"),
    ("x-a", "v"),
    ("accept", "*/*"),
    ("x-empty", ""),
    ("x-old", "caf\u{e9} \u{1f4a1}"),
    ("x!#$%&'*+-.^_`|~1", "{\"a\": [1, 2]}"),
    ("te", "trailers"),
    ("te", "Trailers"),
    ("cookie", "a=b"),
    ("cookie", "c=d; e=f"),
    ("cookie", "session=0123456789abcdef"),
    ("authorization", "Bearer 0123"),
    ("cache-control", "no-cache"),
    ("accept-encoding", "gzip, deflate"),
    ("proxy-authenticate", "Basic"),
    ("via", "1.1 a, 1.1 b"),
    ("date", "Tue, 01 Jan 2030 00:00:00 GMT"),
    ("www-authenticate", "Basic realm=\"a\""),
    ("keep", "alive"),
];

/// What a request says of its urgency.
pub(super) const URGENCIES: [&[u8]; 2] = [b"u=1", b"u=5, i"];

const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "M-SEARCH", "CONNECT",
];
const AUTHORITIES: [&str; 8] = [
    "a",
    "a:443",
    "example.com",
    "[::1]",
    "[2001:db8::1]:8443",
    "127.0.0.1:80",
    "A.b-c:",
    "x_y~z",
];
const PATHS: [&str; 6] = ["/", "/index.html", "/a?b=c&d", "/%20/;x=y", "/{}|^", "//"];
const STATUSES: [&str; 16] = [
    "200", "200", "204", "206", "304", "400", "404", "500", "418", "599", "600", "999", "201",
    "100", "103", "199",
];
const LENGTHS: [&str; 8] = [
    "0",
    "5",
    "700",
    "5, 5",
    "00005",
    "0",
    "4294967301",
    "18446744073709551615",
];

/// What a field's value, or a pseudo-field's, may not be, and some that it may.
const VALUES: [&[u8]; 22] = [
    b"",
    b"v",
    b" v",
    b"v ",
    b"\tv",
    b"v\t",
    b"a\nb",
    b"a\rb",
    b"a\0b",
    b"\n",
    b"gzip",
    b"trailers, deflate",
    b"+5",
    b"-5",
    b"5x",
    b"5, 6",
    b"99999999999999999999",
    b"u@a",
    b"a b",
    b"*",
    b"101",
    b"20",
];
const NAMES: [&[u8]; 26] = [
    b"",
    b"X-A",
    b"aB",
    b"a b",
    b"a:b",
    b"a\0",
    b"a\n",
    b"a(",
    b"a\x80",
    b"connection",
    b"proxy-connection",
    b"keep-alive",
    b"transfer-encoding",
    b"upgrade",
    b"te",
    b"host",
    b"content-length",
    b":method",
    b":path",
    b":scheme",
    b":authority",
    b":status",
    b":protocol",
    b":foo",
    b":",
    b"x-b",
];

/// Regular fields: some, none, or many.
pub(super) fn regular(tape: &mut Tape, lines: &mut Vec<Line>) {
    for _ in 0..tape.below(5) {
        let (name, value) = tape.pick(&FIELDS);
        let mut line = Line::new(name, value);
        if tape.chance(1, 16) {
            line.value = vec![b'x'; tape.size(300)];
        }
        line.sensitive = tape.chance(1, 6);
        lines.push(line);
    }
    if tape.chance(1, 4) {
        let length = tape.pick(&LENGTHS);
        for _ in 0..tape.between(1, 2) {
            lines.push(Line::new("content-length", length));
        }
    }
}

pub(super) fn request(tape: &mut Tape, extended: bool) -> Vec<Line> {
    let method = tape.pick(&METHODS);
    let authority = tape.pick(&AUTHORITIES);
    let mut lines = vec![Line::new(":method", method)];
    match (method, extended && tape.chance(1, 2)) {
        ("CONNECT", false) => {
            lines.push(Line::new(
                ":authority",
                tape.pick(&["a:1", "[::1]:65535", "a.b:443"]),
            ));
            regular(tape, &mut lines);
            return lines;
        }
        ("CONNECT", true) => lines.push(Line::new(":protocol", "websocket")),
        _ => {}
    }
    lines.push(Line::new(":scheme", tape.pick(&["https", "http", "HTTPS"])));
    let path = match method {
        "OPTIONS" => tape.pick(&["*", "/"]),
        _ => tape.pick(&PATHS),
    };
    lines.push(Line::new(":path", path));
    if tape.chance(3, 4) {
        lines.push(Line::new(":authority", authority));
    }
    shuffle(tape, &mut lines);
    if tape.chance(1, 4) {
        let port = tape.pick(&["", "", ":443", ":80", ":"]);
        let host = authority.to_owned()
            + if authority.contains([':', ']']) {
                ""
            } else {
                port
            };
        let host = if tape.chance(1, 2) {
            host.to_uppercase()
        } else {
            host
        };
        lines.push(Line::new("host", host));
    }
    regular(tape, &mut lines);
    lines
}

pub(super) fn response(tape: &mut Tape) -> Vec<Line> {
    let status = tape.pick(&STATUSES);
    let mut lines = vec![Line::new(":status", status)];
    regular(tape, &mut lines);
    // RFC 9110 §8.6: no server sends it with these.
    if status.starts_with('1') || status == "204" {
        lines.retain(|line| line.name != b"content-length");
    }
    lines
}

pub(super) fn trailers(tape: &mut Tape) -> Vec<Line> {
    let mut lines = vec![Line::new("x-end", "0")];
    regular(tape, &mut lines);
    lines.retain(|line| line.name != b"content-length");
    lines
}

fn shuffle(tape: &mut Tape, lines: &mut [Line]) {
    for at in (1..lines.len()).rev() {
        lines.swap(at, tape.index(at + 1));
    }
}

/// Changes something about a list, which is most often wrong then.
pub(super) fn spoil(tape: &mut Tape, lines: &mut Vec<Line>) {
    let at = tape.index(lines.len());
    match tape.below(10) {
        0 => {
            let line = lines[at].clone();
            lines.insert(tape.index(lines.len() + 1), line);
        }
        1 => drop(lines.remove(at)),
        2 => {
            let line = lines.remove(at);
            lines.insert(tape.index(lines.len() + 1), line);
        }
        3 | 4 => lines[at].value = tape.pick(&VALUES).to_vec(),
        5 => lines[at].name = tape.pick(&NAMES).to_vec(),
        6 => {
            let byte = tape.pick(b"\0\n\r ");
            let value = &mut lines[at].value;
            value.insert(tape.index(value.len() + 1), byte);
        }
        7 => {
            let byte = tape.pick(b"A \0(:\x80");
            let name = &mut lines[at].name;
            name.insert(tape.index(name.len() + 1), byte);
        }
        _ => {
            let (name, value) = (tape.pick(&NAMES), tape.pick(&VALUES));
            lines.insert(tape.index(lines.len() + 1), Line::new(name, value));
        }
    }
}

/// Schemes of others have rules of others: what would be one is none at all.
pub(super) fn keep_to_http(lines: &mut [Line]) {
    for line in lines.iter_mut().filter(|line| line.name == b":scheme") {
        let scheme = line.value.to_ascii_lowercase();
        if scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && ![&b"http"[..], b"https"].contains(&&scheme[..])
        {
            line.value = b"5x".to_vec();
        }
    }
}
