//! Colour and escaping for a terminal: nothing that a name, a peer or ssh says may drive it.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    // On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something new.
    New,
    /// Something that goes.
    Gone,
    /// Something that moves or changes.
    Changed,
    /// A failure.
    Error,
    /// Advice.
    Hint,
}

/// Paints, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Decides for one stream.
    pub fn new(color: Color, stream: &impl IsTerminal) -> Paint {
        let wanted = || {
            let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
            stream.is_terminal() && !refused && !dumb
        };
        let on = match color {
            Color::Auto => wanted(),
            Color::Always => true,
            Color::Never => false,
        };
        Paint { on }
    }

    /// The text in its tone. The text must be safe already.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        if !self.on {
            return text.into();
        }
        let code = match tone {
            Tone::New => "32",
            Tone::Gone => "31",
            Tone::Changed => "36",
            Tone::Error => "1;31",
            Tone::Hint => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Text from outside on one line, with its control characters escaped.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_drive_the_terminal() {
        assert_eq!(safe("plain \u{e9}"), "plain \u{e9}");
        assert_eq!(safe("\x1b[2J\r\n\u{9b}1m"), "\\u{1b}[2J\\r\\n\\u{9b}1m");
    }

    #[test]
    fn colour_is_off_unless_asked_for() {
        let never = Paint { on: false };
        assert_eq!(never.tone(Tone::Gone, ">-"), ">-");
        assert_eq!(Paint { on: true }.tone(Tone::Gone, ">-"), "\x1b[31m>-\x1b[0m");
    }
}
