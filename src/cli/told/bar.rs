//! The one bar on a terminal: a spinner while the roots are compared, then a bar with exact totals.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::progress::{Pace, Phase, Progress};

const SPINNER: &str = "{spinner} {wide_msg}";
const BAR: &str = "[{bar:12}] {percent:>3}% {wide_msg}";

/// The bar, or the spinner before it. It is drawn only when it is shown, and goes away before anything else is written:
/// so thousands of lines cost a few drawings a second.
#[derive(Default)]
pub struct Bar {
    drawn: Option<ProgressBar>,
    pace: Pace,
    phase: Phase,
}

impl Bar {
    /// Draws how far it is.
    pub fn show(&mut self, at: Duration, progress: &Progress) {
        if self.phase != progress.phase {
            self.phase = progress.phase;
            self.clear();
        }
        self.pace.note(at, progress.bytes);
        let bar = self.drawn.get_or_insert_with(|| draw(progress.phase));
        bar.set_position(progress.permille());
        bar.set_message(progress.text(&self.pace));
        if progress.phase == Phase::Scan {
            bar.tick();
        }
    }

    /// Takes the bar away until it is shown again.
    pub fn clear(&mut self) {
        if let Some(bar) = self.drawn.take() {
            bar.finish_and_clear();
        }
    }
}

fn draw(phase: Phase) -> ProgressBar {
    let template = match phase {
        Phase::Scan => SPINNER,
        Phase::Transfer => BAR,
    };
    let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
    ProgressBar::new(1000).with_style(style.progress_chars("=> "))
}
