//! A command that failed as a whole: what is printed (`error`, `cause`, `hint`) and the exit status.

use std::error::Error;

use super::exit::Exit;
use super::output::Output;
use super::paint::{Tone, safe};

/// The longest chain of causes that is printed.
const CAUSES_MAX: usize = 8;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What failed, in lower case.
    pub message: String,
    /// Why, the nearest cause first.
    pub causes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(exit: Exit, message: String) -> Failure {
        Failure { exit, message, causes: Vec::new(), hints: Vec::new() }
    }

    /// The command line makes no sense.
    pub fn usage(message: String) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// Adds a cause in words.
    pub fn because(mut self, cause: &str) -> Failure {
        self.causes.push(plain(cause));
        self
    }

    /// Adds an error and the chain of its sources as causes.
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Failure {
        let mut next = Some(error);
        while let Some(error) = next.filter(|_| self.causes.len() < CAUSES_MAX) {
            let cause = plain(&error.to_string());
            // Wrappers that only repeat what they wrap are told once.
            if self.causes.last() != Some(&cause) && self.message != cause {
                self.causes.push(cause);
            }
            next = error.source();
        }
        self
    }

    /// Adds advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Prints it, and says how the process ends.
    pub fn tell(&self, output: &mut Output) -> Exit {
        output.error(safe(&self.message));
        for cause in &self.causes {
            output.complain(format_args!("cause: {}", safe(cause)));
        }
        for hint in &self.hints {
            let label = output.alarm.tone(Tone::Hint, "hint");
            output.complain(format_args!("{label}: {}", safe(hint)));
        }
        self.exit
    }
}

/// What a system or a peer says, as we write it: in lower case, and without the number of the system's error.
fn plain(text: &str) -> String {
    let numbered = |tail: &str| tail.strip_suffix(')').is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    let text = match text.rsplit_once(" (os error ") {
        Some((text, tail)) if numbered(tail) => text,
        _ => text,
    };
    // `No such file` becomes `no such file`; `ENOENT` and `I/O error` stay.
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::cli::output::tests::pages;

    #[test]
    fn a_failure_prints_error_then_causes_then_hints() {
        let (mut output, out, err) = pages();
        let missing = io::Error::from_raw_os_error(2);
        let failure = Failure::new(Exit::Root, "cannot open the directory `photos`".into())
            .caused_by(&missing)
            .hint("the first argument is the source");
        assert_eq!(failure.tell(&mut output), Exit::Root);
        assert_eq!(out.text(), "");
        assert_eq!(
            err.text(),
            "error: cannot open the directory `photos`\ncause: no such file or directory\nhint: the first argument is the source\n"
        );
    }

    #[test]
    fn what_a_peer_says_is_escaped() {
        let (mut output, _, err) = pages();
        Failure::new(Exit::Root, "cannot open `\x1b[2J`".into()).because("a\nb").tell(&mut output);
        assert_eq!(err.text(), "error: cannot open `\\u{1b}[2J`\ncause: a\\nb\n");
    }

    #[test]
    fn abbreviations_keep_their_capitals() {
        assert_eq!(plain("I/O error"), "I/O error");
        assert_eq!(plain("Broken link"), "broken link");
        assert_eq!(plain("No such file or directory (os error 2)"), "no such file or directory");
        assert_eq!(plain("odd (os error x)"), "odd (os error x)");
    }
}
