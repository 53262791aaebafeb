//! `--exclude`, `--include`, `--exclude-from`: patterns in the order in which they were typed, as the last match counts.

use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};

use crate::cli::failure::Failure;

/// The patterns as typed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Exclude(String),
    Include(String),
    From(PathBuf),
}

impl Filter {
    /// The gitignore lines that the patterns stand for.
    pub fn lines(&self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for rule in &self.rules {
            match rule {
                Rule::Exclude(pattern) => lines.push(exclude(pattern)),
                Rule::Include(pattern) => lines.push(format!("!{pattern}")),
                Rule::From(path) => lines.extend(read(path)?),
            }
        }
        Ok(lines)
    }
}

/// A pattern that starts with `#` would be a comment in an ignore file; typed, it is meant.
fn exclude(pattern: &str) -> String {
    if pattern.starts_with('#') { format!("\\{pattern}") } else { pattern.into() }
}

fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| {
        Failure::usage(format!("cannot read the patterns in `{}`", path.display()))
            .caused_by(&source)
            .hint("`--exclude-from` names a text file with one gitignore pattern a line")
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}

// Written by hand, as the order among three flags is not known to derived code.
impl Args for Filter {
    fn augment_args(command: Command) -> Command {
        let pattern = |name: &'static str| {
            // Lines of the environment: a pattern cannot hold a line's end.
            Arg::new(name).long(name).action(ArgAction::Append).value_name("PATTERN").value_delimiter('\n')
        };
        let file = Arg::new("exclude-from").long("exclude-from").action(ArgAction::Append).value_name("FILE");
        command
            .arg(pattern("exclude").help("Leave out what matches (gitignore syntax)"))
            .arg(pattern("include").help("Take in again what an earlier pattern left out"))
            .arg(
                file.value_parser(value_parser!(PathBuf))
                    .value_hint(ValueHint::FilePath)
                    .value_delimiter('\n')
                    .help("Read gitignore lines from a file"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Filter::augment_args(command)
    }
}

impl FromArgMatches for Filter {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Filter, clap::Error> {
        let mut rules: Vec<(bool, usize, Rule)> = Vec::new();
        place(matches, "exclude", Rule::Exclude, &mut rules);
        place(matches, "include", Rule::Include, &mut rules);
        place(matches, "exclude-from", Rule::From, &mut rules);
        // The environment comes first, so that what was typed has the last word.
        rules.sort_by_key(|&(typed, place, _)| (typed, place));
        Ok(Filter { rules: rules.into_iter().map(|(_, _, rule)| rule).filter(Rule::is_some).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Filter::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Rule {
    /// The environment's list may end in a line's end, and then has an empty last line.
    fn is_some(&self) -> bool {
        match self {
            Rule::Exclude(pattern) | Rule::Include(pattern) => !pattern.is_empty(),
            Rule::From(path) => !path.as_os_str().is_empty(),
        }
    }
}

/// Adds the values of a flag, each with whether it was typed, and where.
fn place<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    name: &str,
    rule: fn(T) -> Rule,
    rules: &mut Vec<(bool, usize, Rule)>,
) {
    let typed = matches.value_source(name) == Some(ValueSource::CommandLine);
    let places = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<T>(name).into_iter().flatten();
    rules.extend(places.zip(values).map(|(place, value)| (typed, place, rule(value.clone()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(arguments: &[&str]) -> Vec<String> {
        let command = Filter::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).expect("legal arguments");
        Filter::from_arg_matches(&matches).expect("a filter").lines().expect("no file to read")
    }

    #[test]
    fn patterns_keep_the_order_in_which_they_were_typed() {
        let typed = ["--exclude", "*.o", "--include=keep.o", "--exclude", "a", "--exclude=b", "--include", "b/c"];
        assert_eq!(lines(&typed), ["*.o", "!keep.o", "a", "b", "!b/c"]);
    }

    #[test]
    fn a_typed_hash_is_no_comment() {
        assert_eq!(lines(&["--exclude", "#*#", "--include", "#a#"]), ["\\#*#", "!#a#"]);
    }

    #[test]
    fn a_missing_file_of_patterns_is_named() {
        let filter = Filter { rules: vec![Rule::From("/nonexistent/patterns".into())] };
        let failure = filter.lines().expect_err("no such file");
        assert_eq!(failure.message, "cannot read the patterns in `/nonexistent/patterns`");
        assert_eq!(failure.causes, ["no such file or directory"]);
    }
}
