//! How far a campaign has come, for people who watch.

#![expect(
    clippy::disallowed_methods,
    reason = "how long things took is told, and when to stop; no run depends on it"
)]

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is printed when nobody looks at a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How often the bar's text changes.
const BAR_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    told: Instant,
}

impl Progress {
    pub(crate) fn new(runs: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(runs);
            // The template is a constant, and a good one.
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} eta {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            started: Instant::now(),
            told: Instant::now(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn step(&mut self, done: u64, failures: u64, races: impl Fn() -> (usize, usize)) {
        let every = match self.bar {
            Some(_) => BAR_EVERY,
            None => LINE_EVERY,
        };
        // Looking at the clock is not free.
        if !done.is_multiple_of(16) || self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let races = races();
        let rate = done as f64 / self.started.elapsed().as_secs_f64();
        let text = format!(
            "{rate:.0} runs/s, {} of {} races hit, {failures} failures",
            races.0, races.1
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(text);
            }
            None => eprintln!("{done} runs, {text}"),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
