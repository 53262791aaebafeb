//! What a daemon says, as lines on standard error: words for people, or JSON.

use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::cli::paint::safe;
use crate::daemon::journal::{Level, Line, Sink};
use crate::model::date::Date;

/// Writes each line at once.
pub struct Lines {
    form: Form,
}

enum Form {
    /// With the time in front.
    Words,
    /// With the level as journald wants it, which knows the time.
    Journald,
    Json,
}

impl Lines {
    /// On standard error.
    pub fn standard(json: bool) -> Lines {
        let form = match (json, std::env::var_os("JOURNAL_STREAM")) {
            (true, _) => Form::Json,
            (false, Some(_)) => Form::Journald,
            (false, None) => Form::Words,
        };
        Lines { form }
    }

    fn text(&self, line: &Line) -> String {
        match self.form {
            Form::Json => json(line),
            Form::Journald => format!("<{}>{}", priority(line.level), words(line)),
            Form::Words => format!("{} {:5} {}", time(line.at), line.level.word(), words(line)),
        }
    }
}

impl Sink for Lines {
    fn say(&self, line: &Line) {
        // Where even that fails there is nobody left to tell.
        let _ = writeln!(io::stderr().lock(), "{}", self.text(line));
    }
}

/// `met share=docs peer=laptop changed=3`
fn words(line: &Line) -> String {
    let mut text = line.what.to_owned();
    for (name, value) in &line.facts {
        let quoted = value.is_empty() || value.contains([' ', '"', '=']);
        let value = if quoted { format!("{value:?}") } else { safe(value).to_string() };
        text.push_str(&format!(" {}={value}", name.replace(' ', "-")));
    }
    text
}

fn json(line: &Line) -> String {
    let mut object = Map::new();
    object.insert("v".into(), 1.into());
    object.insert("type".into(), "log".into());
    object.insert("at".into(), time(line.at).into());
    object.insert("level".into(), line.level.word().into());
    object.insert("what".into(), line.what.into());
    for (name, value) in &line.facts {
        object.insert(name.replace(' ', "_"), value.clone().into());
    }
    Value::Object(object).to_string()
}

fn time(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Date::of_seconds(seconds).to_string()
}

const fn priority(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Info => 6,
        Level::Warn => 4,
        Level::Error => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_in_every_form() {
        let line = Line {
            level: Level::Warn,
            at: SystemTime::UNIX_EPOCH,
            what: "not met",
            facts: vec![("peer", "laptop".into()), ("tries left", "2".into()), ("why", "a\nb \"c\"".into())],
        };
        let text = |form| Lines { form }.text(&line);
        let words = "not met peer=laptop tries-left=2 why=\"a\\nb \\\"c\\\"\"";
        assert_eq!(text(Form::Words), format!("1970-01-01T00:00:00Z warn  {words}"));
        assert_eq!(text(Form::Journald), format!("<4>{words}"));
        let json: Value = serde_json::from_str(&text(Form::Json)).expect("JSON");
        assert_eq!((&json["tries_left"], &json["level"]), (&"2".into(), &"warn".into()));
    }
}
