//! What is answered when the arguments cannot be understood: the parser's findings in our words. Also help and version.

use std::io;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::exit::Exit;
use super::failure::Failure;
use super::flags::rsync;
use super::output::Output;
use super::paint::Color;

/// Prints help, version or what is wrong, and says how the process ends.
pub fn answer(error: &Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(failure) if failure.kind() != io::ErrorKind::BrokenPipe => Exit::Root,
            _ => Exit::Alike,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => failure(error).tell(&mut Output::standard(Color::Auto)),
    }
}

/// The parser's finding in our words.
fn failure(error: &Error) -> Failure {
    let subject = bare(&one(error, ContextKind::InvalidArg).unwrap_or_default());
    let value = one(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(error, &subject),
        ErrorKind::InvalidSubcommand => {
            let name = one(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            suggested(error, ContextKind::SuggestedSubcommand, Failure::usage(format!("no command `{name}`")))
                .hint("`alike help` lists the commands")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = many(error, ContextKind::InvalidArg).join(" ");
            with_usage(error, Failure::usage(format!("missing: {missing}")))
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            with_usage(error, Failure::usage(format!("`{subject}` needs a value")))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let failure = Failure::usage(format!("`{value}` is no value for `{subject}`"));
            let failure = match std::error::Error::source(error) {
                Some(source) => failure.because(&source.to_string()),
                None => failure,
            };
            match many(error, ContextKind::ValidValue) {
                values if values.is_empty() => failure,
                values => failure.hint(format!("it takes {}", values.join(", "))),
            }
        }
        ErrorKind::ArgumentConflict => {
            let other: Vec<String> = many(error, ContextKind::PriorArg).iter().map(|flag| bare(flag)).collect();
            let other = other.join("`, `");
            Failure::usage(format!("`{subject}` cannot be used together with `{other}`"))
        }
        _ => with_usage(error, Failure::usage(first_line(error))),
    }
}

/// A flag without the name of its value: `--color` of `--color <WHEN>`. A place such as `<SHELL>` stays.
fn bare(flag: &str) -> String {
    flag.split_once(" <").map_or(flag, |(flag, _)| flag).into()
}

fn unknown(error: &Error, flag: &str) -> Failure {
    if !flag.starts_with('-') {
        return with_usage(error, Failure::usage(format!("one argument too many: `{flag}`")));
    }
    let name = flag.split('=').next().unwrap_or(flag);
    let failure = Failure::usage(format!("no flag `{name}`"));
    match rsync::instead_of(name) {
        Some(instead) => failure.hint(instead),
        None => suggested(error, ContextKind::SuggestedArg, failure).hint("`--help` lists the flags"),
    }
}

fn suggested(error: &Error, kind: ContextKind, failure: Failure) -> Failure {
    match many(error, kind).first() {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None => failure,
    }
}

fn with_usage(error: &Error, failure: Failure) -> Failure {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => failure.hint(plain(usage)),
        _ => failure.hint("`--help` says how it is used"),
    }
}

/// `Usage: alike mirror [OPTIONS] ...` without its styles, on one line.
fn plain(usage: &StyledStr) -> String {
    let text = usage.to_string();
    let words: Vec<&str> = text.split_whitespace().skip(1).collect();
    format!("usage: {}", words.join(" "))
}

fn first_line(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).into()
}

fn one(error: &Error, kind: ContextKind) -> Option<String> {
    many(error, kind).into_iter().next()
}

fn many(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
