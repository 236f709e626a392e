//! Field lists as lines of text, by which they are compared.

use super::{BETWEEN, END, NEVER, line};

/// Field lines, one after the other, as `name: value` and a line feed each.
/// What no hop may index says so at its end.
pub(crate) fn lines<'f>(fields: impl IntoIterator<Item = (&'f [u8], &'f [u8], bool)>) -> Vec<u8> {
    let mut lines = Vec::with_capacity(256);
    for (name, value, sensitive) in fields {
        line(&mut lines, name, value);
        if sensitive {
            lines.truncate(lines.len() - END.len());
            lines.extend_from_slice(NEVER);
        }
    }
    lines
}

/// Whether these are the lines of `fields`.
pub(crate) fn are_lines<'f>(
    mut lines: &[u8],
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8], bool)>,
) -> bool {
    let all = fields.into_iter().all(|(name, value, sensitive)| {
        let end = if sensitive { NEVER } else { END };
        let rest = [name, BETWEEN, value, end]
            .iter()
            .try_fold(lines, |rest, part| rest.strip_prefix(*part));
        lines = rest.unwrap_or_default();
        rest.is_some()
    });
    all && lines.is_empty()
}
