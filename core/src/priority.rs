//! How urgent a message is: the priority parameters of RFC 9218, and their text (RFC 9651 dictionaries).

use core::fmt;

/// How urgently a message is sent (RFC 9218 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    /// 0 is the most urgent, 7 the least; larger numbers count as 7.
    pub urgency: u8,
    /// Whether parts of the message are of use before the rest.
    pub incremental: bool,
}

/// The least urgent (RFC 9218 §4.1).
const URGENCY_MAX: u8 = 7;

impl Default for Priority {
    /// RFC 9218 §4.1 and §4.2: urgency 3, not incremental.
    fn default() -> Self {
        Self {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// Reads the value of a `priority` field or of a PRIORITY_UPDATE frame; `None` when it is no dictionary.
    ///
    /// Parameters that are unknown, of another type or out of range are ignored (RFC 9218 §4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        Self::default().merge(value)
    }

    /// What the client asked for, with what the `priority` field of the response says otherwise; `None` when that is no
    /// dictionary. A parameter that is not there changes nothing (RFC 9218 §8).
    pub(crate) fn merge(self, value: &[u8]) -> Option<Self> {
        let mut priority = self;
        let mut text = Text(value);
        text.skip_spaces();
        while !text.0.is_empty() {
            let key = text.key()?;
            let item = match text.eat(b'=') {
                true => text.item_or_list()?,
                false => Item::Boolean(true),
            };
            text.parameters()?;
            match (key, item) {
                // RFC 9651 §4.2.2: of a key that occurs twice the last counts.
                (b"u", Item::Integer(urgency @ 0..=7)) => priority.urgency = urgency as u8,
                (b"u", _) => priority.urgency = self.urgency,
                (b"i", Item::Boolean(incremental)) => priority.incremental = incremental,
                (b"i", _) => priority.incremental = self.incremental,
                _ => {}
            }
            text.skip_white();
            if text.0.is_empty() {
                break;
            }
            if !text.eat(b',') {
                return None;
            }
            text.skip_white();
            if text.0.is_empty() {
                return None;
            }
        }
        Some(priority)
    }

    /// The urgency as one of eight levels.
    pub(crate) fn level(self) -> u8 {
        self.urgency.min(URGENCY_MAX)
    }
}

impl fmt::Display for Priority {
    /// The value as a `priority` field carries it, defaults included, so that it is never empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u={}", self.level())?;
        f.write_str(if self.incremental { ", i" } else { "" })
    }
}

/// What a member of a dictionary holds, as far as it matters here.
enum Item {
    Integer(i64),
    Boolean(bool),
    Other,
}

/// The rest of a text that is being read (RFC 9651 §4.2).
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.0.iter().take_while(|&&byte| wanted(byte)).count();
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn skip_spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    fn skip_white(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let first = *self.0.first()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        Some(self.take_while(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'-' | b'.' | b'*')
        }))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.skip_spaces();
            self.key()?;
            if self.eat(b'=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn item_or_list(&mut self) -> Option<Item> {
        if !self.eat(b'(') {
            return self.bare_item();
        }
        loop {
            self.skip_spaces();
            if self.eat(b')') {
                return Some(Item::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn bare_item(&mut self) -> Option<Item> {
        match *self.0.first()? {
            b'?' => {
                self.next();
                let value = self.next()?;
                matches!(value, b'0' | b'1').then_some(Item::Boolean(value == b'1'))
            }
            b'"' => {
                self.next();
                self.string()
            }
            b'%' => {
                self.next();
                if !self.eat(b'"') {
                    return None;
                }
                self.string()
            }
            b':' => {
                self.next();
                self.take_while(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
                });
                self.eat(b':').then_some(Item::Other)
            }
            b'@' => {
                self.next();
                match self.number()? {
                    Item::Integer(_) => Some(Item::Other),
                    _ => None,
                }
            }
            b'-' | b'0'..=b'9' => self.number(),
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.take_while(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                });
                Some(Item::Other)
            }
            _ => None,
        }
    }

    /// The rest of a string whose opening quote is read.
    fn string(&mut self) -> Option<Item> {
        loop {
            match self.next()? {
                b'"' => return Some(Item::Other),
                b'\\' => {
                    let escaped = self.next()?;
                    if !matches!(escaped, b'"' | b'\\') {
                        return None;
                    }
                }
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }

    /// An integer of up to 15 digits, or a decimal of up to 12 and 3.
    fn number(&mut self) -> Option<Item> {
        let negative = self.eat(b'-');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 {
            return None;
        }
        if self.eat(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            let fits = digits.len() <= 12 && (1..=3).contains(&fraction.len());
            return fits.then_some(Item::Other);
        }
        let value = digits
            .iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        Some(Item::Integer(if negative { -value } else { value }))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn parsed(value: &str) -> Option<(u8, bool)> {
        Priority::parse(value.as_bytes()).map(|found| (found.urgency, found.incremental))
    }

    // RFC 9218 §4
    #[test]
    fn parameters_are_read_and_what_is_odd_in_them_ignored() {
        for (value, urgency, incremental) in [
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7, i", 7, true),
            ("  i,u=1  ", 1, true),
            ("i=?0,\tu=2", 2, false),
            ("i=?1;why=\"a\\\"b\";x, u=5;q=1.5", 5, true),
            ("u=8", 3, false),
            ("u=-1, i", 3, true),
            ("u=1.0", 3, false),
            ("u=\"1\"", 3, false),
            ("u", 3, false),
            ("i=1", 3, false),
            ("u=1, u=4", 4, false),
            ("u=1, u=9", 3, false),
            ("i, i=1", 3, false),
            ("u=12", 3, false),
            ("u=123456789012345", 3, false),
            ("a=*x, u=2", 2, false),
            (
                "a=(1 2;x \"y\"), *b=:aGk=:, c=tok/en, d=@12, e=%\"f%c3\", u=6",
                6,
                false,
            ),
        ] {
            assert_eq!(parsed(value), Some((urgency, incremental)), "{value:?}");
        }
    }

    // RFC 9218 §4: a value that cannot be parsed is ignored as a whole.
    #[test]
    fn what_is_no_dictionary_is_nothing() {
        for value in [
            "u=",
            "u=1,",
            ",u=1",
            "U=1",
            "u=1 i",
            "u=1;",
            "=1",
            "u=?2",
            "u=(1",
            "u=(1\"a\")",
            "u=\"",
            "a=\"\\x\"",
            "a=\"\\",
            "a=\"\t\"",
            "a=\"\u{7f}\"",
            "u=1234567890123456",
            "u=1.",
            "u=!",
            "a=:x",
            "a=%x",
            "a=@x",
            "a=@1.5",
            "é",
        ] {
            assert_eq!(parsed(value), None, "{value:?}");
        }
    }

    // RFC 9218 §8
    #[test]
    fn a_response_changes_what_it_names() {
        let asked = Priority {
            urgency: 5,
            incremental: true,
        };
        for (value, merged) in [
            ("", Some((5, true))),
            ("u=1", Some((1, true))),
            ("i=?0", Some((5, false))),
            ("u=0, i=?0", Some((0, false))),
            ("u=9, i=1, x", Some((5, true))),
            ("u=1, u=9", Some((5, true))),
            ("u=", None),
        ] {
            let found = asked.merge(value.as_bytes());
            let found = found.map(|found| (found.urgency, found.incremental));
            assert_eq!(found, merged, "{value:?}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for urgency in 0..8 {
            for incremental in [false, true] {
                let priority = Priority {
                    urgency,
                    incremental,
                };
                assert_eq!(
                    Priority::parse(priority.to_string().as_bytes()),
                    Some(priority)
                );
            }
        }
    }
}
