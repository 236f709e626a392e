//! What whoever runs the process is told while it runs: a line each, on stderr.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
};

/// Where notices go.
pub struct Notices(Box<dyn Fn(&str) + Send + Sync>);

impl Notices {
    /// Hands each line to `tell`, which is called by whatever task has met with the matter.
    pub fn to(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Box::new(tell))
    }

    /// Tells one line.
    pub fn tell(&self, line: fmt::Arguments<'_>) {
        self.0(&line.to_string());
    }
}

impl Default for Notices {
    /// To stderr. Nobody has to read them: a closed pipe is no reason to stop serving.
    fn default() -> Self {
        Self::to(|line| {
            let _ = io::stderr().write_all(format!("load_balancer: {line}\n").as_bytes());
        })
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

/// An error and its causes, as one line. Some errors name their cause themselves.
pub fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !line.contains(&text) {
            line += ": ";
            line += &text;
        }
        next = cause.source();
    }
    // What a peer has to say may come in several.
    line.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Caused(&'static str, Option<Box<Caused>>);

    impl fmt::Display for Caused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Caused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn each_cause_is_named_once_and_in_one_line() {
        let deepest = Caused("no\nroute", None);
        let named = Caused("refused", Some(Box::new(deepest)));
        let error = Caused("it failed: refused", Some(Box::new(named)));
        assert_eq!(causes(&error), "it failed: refused: no route");
    }
}
