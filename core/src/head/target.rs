//! What a request is for: scheme, authority, path and Host (RFC 9113 §8.3.1 and §8.5).

use super::chars;
use crate::violation::Violation;

/// The pseudo-fields of a request, each value a field value already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) method: Option<&'a [u8]>,
    pub(super) scheme: Option<&'a [u8]>,
    pub(super) authority: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) protocol: Option<&'a [u8]>,
}

impl Target<'_> {
    /// Judges the pseudo-fields with each other.
    ///
    /// # Errors
    /// The first rule that they break.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let method = self.method.ok_or(Violation::PseudoFieldMissing)?;
        if !chars::is_token(method) {
            return Err(Violation::MethodInvalid);
        }
        if method == b"CONNECT" {
            return self.check_connect();
        }
        // RFC 8441 §4: :protocol belongs to CONNECT.
        if self.protocol.is_some() {
            return Err(Violation::ConnectMalformed);
        }
        // RFC 9113 §8.3.1: :method, :scheme and :path MUST be there.
        let (Some(scheme), Some(path)) = (self.scheme, self.path) else {
            return Err(Violation::PseudoFieldMissing);
        };
        let http = check_scheme(scheme)?;
        check_path(method, http, path)?;
        self.authority
            .map_or(Ok(()), |authority| check_authority(http, authority))
    }

    fn check_connect(&self) -> Result<(), Violation> {
        let Some(protocol) = self.protocol else {
            // RFC 9113 §8.5: :scheme and :path MUST be omitted, :authority is the host and port to connect to.
            let authority = self.authority.ok_or(Violation::ConnectMalformed)?;
            if self.scheme.is_some() || self.path.is_some() {
                return Err(Violation::ConnectMalformed);
            }
            return check_host_and_port(authority);
        };
        // RFC 8441 §4: :scheme and :path MUST be there, and :authority is read as in any request.
        let (Some(scheme), Some(path)) = (self.scheme, self.path) else {
            return Err(Violation::ConnectMalformed);
        };
        if !chars::is_token(protocol) {
            return Err(Violation::ConnectMalformed);
        }
        let http = check_scheme(scheme)?;
        check_path(b"CONNECT", http, path)?;
        self.authority
            .map_or(Ok(()), |authority| check_authority(http, authority))
    }

    /// Judges the Host field against the authority.
    ///
    /// # Errors
    /// [`Violation::HostMismatch`] when they name different entities, [`Violation::AuthorityInvalid`] when Host is none.
    pub(super) fn check_host(&self, host: &[u8]) -> Result<(), Violation> {
        let Some(authority) = self.authority else {
            // RFC 9110 §7.2: Host is empty when the target has no authority.
            return if chars::is_authority(host) {
                Ok(())
            } else {
                Err(Violation::AuthorityInvalid)
            };
        };
        // RFC 9113 §8.3.1: a request whose Host names another entity than :authority is malformed.
        let scheme = self.scheme.unwrap_or_default();
        if without_default_port(scheme, host)
            .eq_ignore_ascii_case(without_default_port(scheme, authority))
        {
            Ok(())
        } else {
            Err(Violation::HostMismatch)
        }
    }
}

/// Judges a scheme, and tells whether it is one of those that RFC 9113 §8.3.1 has more rules for.
#[inline]
fn check_scheme(scheme: &[u8]) -> Result<bool, Violation> {
    // Nearly all are one of these, in lower case.
    if matches!(scheme, b"https" | b"http") {
        return Ok(true);
    }
    // RFC 9113 §8.3.1: the scheme is that of RFC 3986 §3.1.
    if !chars::is_scheme(scheme) {
        return Err(Violation::SchemeInvalid);
    }
    // RFC 3986 §3.1: schemes are compared without case.
    Ok(scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"http"))
}

fn check_path(method: &[u8], http: bool, path: &[u8]) -> Result<(), Violation> {
    match path {
        // RFC 9113 §8.3.1: the path MUST NOT be empty for http and https.
        [] if http => Err(Violation::PathEmpty),
        // RFC 9113 §8.3.1: OPTIONS for the server as a whole has the path *.
        b"*" if method == b"OPTIONS" => Ok(()),
        // RFC 9113 §8.3.1: a path of http and https begins with a slash.
        [first, ..] if http && *first != b'/' => Err(Violation::PathInvalid),
        _ if chars::is_path(path) => Ok(()),
        _ => Err(Violation::PathInvalid),
    }
}

fn check_authority(http: bool, authority: &[u8]) -> Result<(), Violation> {
    let good = if http {
        // RFC 9113 §8.3.1: no user information. RFC 9110 §4.2.1 and §4.2.2: an empty host MUST be refused.
        !authority.is_empty() && authority[0] != b':' && chars::is_authority(authority)
    } else {
        authority
            .split(|&byte| byte == b'@')
            .all(chars::is_authority)
    };
    if good {
        Ok(())
    } else {
        Err(Violation::AuthorityInvalid)
    }
}

fn check_host_and_port(authority: &[u8]) -> Result<(), Violation> {
    // RFC 9110 §9.3.6: an empty or invalid port MUST be refused.
    let good = authority
        .iter()
        .rposition(|&byte| byte == b':')
        .is_some_and(|colon| {
            let (host, port) = (&authority[..colon], &authority[colon + 1..]);
            !host.is_empty() && chars::is_authority(host) && is_port(port)
        });
    if good {
        Ok(())
    } else {
        Err(Violation::AuthorityInvalid)
    }
}

/// A port from 1 to 65535, in digits only.
fn is_port(digits: &[u8]) -> bool {
    let number = digits.iter().try_fold(0_u16, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.is_some_and(|port| port != 0)
}

/// The authority without a port that its scheme implies anyway (RFC 9110 §4.2.3).
fn without_default_port<'a>(scheme: &[u8], authority: &'a [u8]) -> &'a [u8] {
    let port: &[u8] = match scheme.len() {
        5 if scheme.eq_ignore_ascii_case(b"https") => b":443",
        4 if scheme.eq_ignore_ascii_case(b"http") => b":80",
        _ => return authority,
    };
    authority
        .strip_suffix(port)
        .or(authority.strip_suffix(b":"))
        .unwrap_or(authority)
}
