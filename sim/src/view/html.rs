//! Recordings as a page for a browser.

use super::{event::Recording, json};

const PAGE: &str = include_str!("page/timeline.html");
const STYLE: &str = include_str!("page/timeline.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 5] = [
    include_str!("page/model.js"),
    include_str!("page/draw.js"),
    include_str!("page/windows.js"),
    include_str!("page/detail.js"),
    include_str!("page/main.js"),
];

/// One file: it asks the network for nothing.
pub(super) fn write(recording: &Recording) -> String {
    let title = match recording.header.seed {
        Some(seed) => format!("raddle trace, seed {seed}"),
        None => "raddle trace".to_owned(),
    };
    // Inside of strings, which is where JSON has them, these are the same letters; and no text can end the element.
    let trace = json::write(recording).replace('<', "\\u003c");
    let script = SCRIPTS.join("\n");
    let parts = [
        ("{{title}}", title),
        ("{{style}}", STYLE.to_owned()),
        ("{{script}}", script),
    ];
    let page = parts.iter().fold(PAGE.to_owned(), |page, (name, part)| {
        page.replace(name, part)
    });
    // The last one, because what is recorded may contain any text.
    page.replacen("{{trace}}", &trace, 1)
}
