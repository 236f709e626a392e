//! What a field list has to be (RFC 9113 §8.2 and §8.3), read from the text once more.

use super::Line;

/// What a list stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Of a request, to a server that takes extended CONNECT or does not (RFC 8441).
    Request {
        extended: bool,
        odd: bool,
    },
    Response {
        odd: bool,
    },
    Trailers {
        odd: bool,
    },
}

impl List {
    /// Whether it may be what §8 forbids although it changes neither the framing of a message nor where it goes.
    fn may_be_odd(self) -> bool {
        let (Self::Request { odd, .. } | Self::Response { odd } | Self::Trailers { odd }) = self;
        odd
    }
}

/// Whether a message with this list is well-formed, as far as the list alone tells.
pub(crate) fn well_formed(lines: &[Line], list: List) -> bool {
    // §8.3: pseudo-fields come first, each once, and are those of this kind of list.
    let pseudo: Vec<&Line> = lines.iter().filter(|line| is_pseudo(line)).collect();
    let leading = lines.iter().take_while(|line| is_pseudo(line)).count();
    let known: &[&[u8]] = match list {
        List::Request { .. } => &[
            b":method",
            b":scheme",
            b":authority",
            b":path",
            b":protocol",
        ],
        List::Response { .. } => &[b":status"],
        List::Trailers { .. } => &[],
    };
    let once = |name: &[u8]| pseudo.iter().filter(|line| line.name == name).count() <= 1;
    leading == pseudo.len()
        && pseudo.iter().all(|line| known.contains(&&line.name[..]))
        && known.iter().all(|name| once(name))
        && pseudo.iter().all(|line| value_is_good(&line.value))
        && lines[leading..]
            .iter()
            .all(|line| field_is_good(line, list.may_be_odd()))
        && lengths_agree(lines)
        && lines.iter().filter(|line| line.name == b"host").count() <= 1
        && match list {
            List::Request { extended, odd } => request_is_good(lines, extended, odd),
            List::Response { .. } => status_is_good(find(lines, b":status")),
            List::Trailers { .. } => true,
        }
}

fn is_pseudo(line: &Line) -> bool {
    line.name.first() == Some(&b':')
}

/// The value of the first field of this name.
pub(crate) fn find<'l>(lines: &'l [Line], name: &[u8]) -> Option<&'l [u8]> {
    let found = lines.iter().find(|line| line.name == name);
    found.map(|line| &line.value[..])
}

/// §8.2.1: no NUL, line feed or carriage return anywhere.
fn has_controls(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r'))
}

/// §8.2.1: none of those, and no white space at either end.
fn value_is_good(value: &[u8]) -> bool {
    let white = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !has_controls(value) && !white(value.first()) && !white(value.last())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_char)
}

/// §8.2.1 and §8.2.2: names in lower case, and none of those that are for one connection of HTTP/1.1.
fn field_is_good(line: &Line, odd: bool) -> bool {
    let Line { name, value, .. } = line;
    let hop: [&[u8]; 5] = [
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"transfer-encoding",
        b"upgrade",
    ];
    is_token(name)
        && (value_is_good(value) || (odd && !has_controls(value)))
        && !name.iter().any(u8::is_ascii_uppercase)
        && !hop.contains(&&name[..])
        && (odd || name != b"te" || value.eq_ignore_ascii_case(b"trailers"))
}

/// RFC 9110 §8.6: all say the same number.
fn lengths_agree(lines: &[Line]) -> bool {
    let fields = lines.iter().filter(|line| line.name == b"content-length");
    let members: Vec<_> = fields
        .flat_map(|line| line.value.split(|&byte| byte == b','))
        .map(|member| length(member.trim_ascii()))
        .collect();
    members
        .iter()
        .all(|member| member.is_some() && *member == members[0])
}

fn length(digits: &[u8]) -> Option<u64> {
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The length that the list says a body has.
pub(crate) fn content_length(lines: &[Line]) -> Option<u64> {
    let value = find(lines, b"content-length")?;
    length(value.split(|&byte| byte == b',').next()?.trim_ascii())
}

/// §8.3.1 and §8.5, RFC 8441 §4.
fn request_is_good(lines: &[Line], extended: bool, odd: bool) -> bool {
    let get = |name: &[u8]| find(lines, name);
    let (scheme, path) = (get(b":scheme"), get(b":path"));
    let authority = get(b":authority");
    let method = get(b":method").unwrap_or_default();
    let hosts: Vec<_> = lines.iter().filter(|line| line.name == b"host").collect();
    let host_is_good = |scheme: &[u8]| match (hosts.as_slice(), authority) {
        ([], _) => true,
        // Who takes that goes by the authority.
        _ if odd => true,
        ([host], None) => host.value.iter().all(is_of_authority),
        ([host], Some(authority)) => entity(scheme, &host.value) == entity(scheme, authority),
        _ => false,
    };
    if method == b"CONNECT" && get(b":protocol").is_none() {
        return scheme.is_none()
            && path.is_none()
            && authority.is_some_and(names_a_port)
            && host_is_good(b"");
    }
    let protocol_is_good = match get(b":protocol") {
        None => true,
        Some(protocol) => extended && method == b"CONNECT" && is_token(protocol),
    };
    let (Some(scheme), Some(path)) = (scheme, path) else {
        return false;
    };
    let path_is_good = path.starts_with(b"/") || (path == b"*" && method == b"OPTIONS");
    let visible = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
    is_token(method)
        && protocol_is_good
        && [&b"http"[..], b"https"].contains(&&scheme.to_ascii_lowercase()[..])
        && path_is_good
        && path.iter().all(visible)
        && authority.is_none_or(authority_is_good)
        && host_is_good(scheme)
}

/// RFC 3986 §3.2 without user information (§8.3.1), and with a host (RFC 9110 §4.2.1).
fn authority_is_good(authority: &[u8]) -> bool {
    !authority.is_empty() && authority[0] != b':' && authority.iter().all(is_of_authority)
}

fn is_of_authority(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte)
}

/// RFC 9110 §9.3.6.
fn names_a_port(authority: &[u8]) -> bool {
    let Some(colon) = authority.iter().rposition(|&byte| byte == b':') else {
        return false;
    };
    let port = std::str::from_utf8(&authority[colon + 1..]).unwrap_or_default();
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    authority_is_good(authority) && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Host and port without case, and without the port that goes without saying (RFC 9110 §4.2.3).
fn entity(scheme: &[u8], authority: &[u8]) -> Vec<u8> {
    let lower = authority.to_ascii_lowercase();
    let port: &[u8] = match &scheme.to_ascii_lowercase()[..] {
        b"http" => b":80",
        b"https" => b":443",
        _ => return lower,
    };
    let found = lower.strip_suffix(port).or(lower.strip_suffix(b":"));
    found.unwrap_or(&lower).to_vec()
}

/// §8.3.2 and §8.6: three digits, and not 101.
fn status_is_good(status: Option<&[u8]>) -> bool {
    let digits = |status: &[u8]| status.len() == 3 && status.iter().all(u8::is_ascii_digit);
    status.is_some_and(|status| digits(status) && status[0] != b'0' && status != b"101")
}

/// The same list as a server's application gets it: with the crumbs of its cookie in one field (§8.2.3), but for empty
/// ones at the end, which would leave white space there.
pub(crate) fn with_cookie_joined(lines: &[Line]) -> Vec<Line> {
    let is_cookie = |line: &&Line| line.name == b"cookie";
    let crumbs: Vec<&Line> = lines.iter().filter(is_cookie).collect();
    if !crumbs.iter().all(|crumb| value_is_good(&crumb.value)) {
        // What is odd about one would be hidden in the whole.
        return lines.to_vec();
    }
    let full = |crumb: &&Line| !crumb.value.is_empty();
    let end = crumbs.iter().rposition(full).map_or(0, |last| last + 1);
    let whole = Line {
        name: b"cookie".to_vec(),
        value: crumbs[..end]
            .iter()
            .map(|crumb| &crumb.value[..])
            .collect::<Vec<_>>()
            .join(&b"; "[..]),
        sensitive: crumbs.iter().any(|crumb| crumb.sensitive),
    };
    let mut whole = Some(whole);
    let kept = lines
        .iter()
        .filter_map(|line| match line.name == b"cookie" {
            true => whole.take(),
            false => Some(line.clone()),
        });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fields: &[(&str, &str)]) -> Vec<Line> {
        let lines = fields.iter().map(|&(name, value)| Line::new(name, value));
        lines.collect()
    }

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a:443"),
        (":path", "/"),
    ];

    #[test]
    fn requests_are_told_from_what_is_none() {
        let request = List::Request {
            extended: false,
            odd: false,
        };
        for more in [
            &[][..],
            &[("te", "trailers"), ("host", "A")],
            &[("content-length", "5, 5"), ("content-length", "5")],
            &[("x!", ""), ("cookie", "a"), ("cookie", "b")],
        ] {
            assert!(
                well_formed(&lines(&[&GET, more].concat()), request),
                "{more:?}"
            );
        }
        for more in [
            ("Te", "trailers"),
            ("te", "gzip"),
            ("", "v"),
            ("a b", "v"),
            ("a", "v "),
            ("a", "v\n"),
            ("host", "b"),
            ("upgrade", "h2c"),
            ("content-length", "+5"),
            (":path", "/"),
            (":status", "200"),
            (":protocol", "websocket"),
        ] {
            assert!(
                !well_formed(&lines(&[&GET[..], &[more]].concat()), request),
                "{more:?}"
            );
        }
        for left in [0, 1, 3] {
            let mut fields = GET.to_vec();
            fields.remove(left);
            assert!(!well_formed(&lines(&fields), request), "{fields:?}");
        }
    }

    #[test]
    fn connect_has_a_form_of_its_own() {
        let plain = [(":method", "CONNECT"), (":authority", "a:1")];
        let full = [&GET[1..], &[(":method", "CONNECT"), (":protocol", "p")]].concat();
        for extended in [false, true] {
            let request = List::Request {
                extended,
                odd: false,
            };
            assert!(well_formed(&lines(&plain), request));
            assert_eq!(well_formed(&lines(&full), request), extended);
            assert!(!well_formed(&lines(&[(":method", "CONNECT")]), request));
        }
    }

    #[test]
    fn responses_and_trailers_are_told_from_what_is_none() {
        for (status, good) in [("200", true), ("999", true), ("101", false), ("20", false)] {
            assert_eq!(
                well_formed(
                    &lines(&[(":status", status)]),
                    List::Response { odd: false }
                ),
                good
            );
        }
        assert!(!well_formed(
            &lines(&[("a", "b")]),
            List::Response { odd: false }
        ));
        assert!(well_formed(
            &lines(&[("a", "b")]),
            List::Trailers { odd: false }
        ));
        assert!(!well_formed(
            &lines(&[("a", "b"), (":status", "200")]),
            List::Trailers { odd: false }
        ));
    }

    #[test]
    fn what_is_odd_and_harmless_is_told_from_what_is_not() {
        let odd = List::Request {
            extended: false,
            odd: true,
        };
        for more in [("te", "gzip"), ("a", " v\t"), ("host", "b")] {
            assert!(well_formed(&lines(&[&GET[..], &[more]].concat()), odd));
        }
        for more in [("upgrade", "h2c"), ("a", "v\n"), ("A", "v"), (":path", "/")] {
            assert!(!well_formed(&lines(&[&GET[..], &[more]].concat()), odd));
        }
        let mut blank = GET;
        blank[3].1 = "/ ";
        assert!(!well_formed(&lines(&blank), odd));
    }
}
