//! The one bar on a terminal: a spinner while the roots are compared, then a bar with exact totals.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::progress::{Pace, Phase, Progress};

const SPINNER: &str = "{spinner} {msg}";
const BAR: &str = "[{bar:24}] {percent:>3}% {msg}";

/// The bar, or the spinner before it.
pub struct Bar {
    bar: ProgressBar,
    pace: Pace,
    phase: Phase,
}

impl Bar {
    /// A spinner on standard error, drawn when the first progress comes.
    pub fn new() -> Bar {
        let bar = ProgressBar::new(1000);
        bar.set_style(style(SPINNER));
        Bar { bar, pace: Pace::default(), phase: Phase::Scan }
    }

    /// Draws how far it is.
    pub fn show(&mut self, at: Duration, progress: &Progress) {
        if self.phase != progress.phase {
            self.phase = progress.phase;
            self.bar.set_style(style(BAR));
        }
        self.pace.note(at, progress.bytes);
        self.bar.set_position(progress.permille());
        self.bar.set_message(progress.text(&self.pace));
        self.bar.tick();
    }

    /// Takes the bar away while something else is written.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away for good.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
    style.progress_chars("=> ")
}
