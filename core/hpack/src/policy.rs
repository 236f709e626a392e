//! Which fields the encoder indexes when nobody says.

/// Cookies of fewer octets can be guessed in feasible time.
const SHORT_COOKIE: usize = 20;

/// What to do with a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Literal that no hop may index.
    Never,
    /// Static reference or literal without indexing: nobody has put such a
    /// field into the dynamic table, so it is not even looked up there.
    Skip,
    /// Reference or literal without indexing.
    Search,
    /// Reference or literal that enters the table, for which it is known to fit.
    Index,
}

/// What [`Indexing::Auto`] means for a name of the static table.
#[inline]
pub(crate) fn policy(static_name: usize, value_len: usize) -> Plan {
    match static_name {
        // authorization, proxy-authorization
        23 | 49 => Plan::Never,
        // cookie
        32 if value_len < SHORT_COOKIE => Plan::Never,
        // :path, age, content-length, etag, if-modified-since, if-none-match,
        // location, set-cookie
        4 | 21 | 28 | 34 | 40 | 41 | 46 | 55 => Plan::Skip,
        _ => Plan::Index,
    }
}
