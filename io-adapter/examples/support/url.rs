//! URLs of the command line.

use http::Uri;
use raddle_io::Target;

/// A URL that can be dialed.
pub(crate) fn parse(text: &str) -> Result<Uri, String> {
    let form = "a URL is written http://host:port/path or https://host:port/path";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {form}"))?;
    match Target::of(&uri) {
        Ok(_) => Ok(uri),
        Err(error) => Err(format!("{error}; {form}")),
    }
}
