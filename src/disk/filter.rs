//! What the user left out by pattern, in gitignore syntax. Owns the patterns given for one run, and says whose ignore files
//! are obeyed beside them; reads no file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::rules::{self, Decree, InForce};
use crate::model::PathRef;

/// The patterns of a run. The last pattern that matches decides; `!pattern` includes again.
#[derive(Debug)]
pub struct Filter {
    patterns: Option<Gitignore>,
    /// Whose ignore files are obeyed.
    pub(super) decree: Decree,
}

/// A pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the pattern `{pattern}`")]
pub struct FilterError {
    /// As the user wrote it.
    pub pattern: String,
    /// What is wrong with it.
    pub source: ignore::Error,
}

impl Filter {
    /// Leaves nothing out.
    pub const fn none() -> Filter {
        Filter { patterns: None, decree: Decree::Nobody }
    }

    /// The same patterns, and whose ignore files are obeyed.
    pub fn obeying(self, decree: Decree) -> Filter {
        Filter { decree, ..self }
    }

    /// Takes gitignore lines in the order given; an `--include` is a line that starts with `!`.
    pub fn new(lines: &[String]) -> Result<Filter, FilterError> {
        let mut builder = GitignoreBuilder::new("");
        let refuse = |pattern: &str, source| FilterError { pattern: pattern.into(), source };
        for line in lines {
            builder.add_line(None, line).map_err(|source| refuse(line, source))?;
        }
        let patterns = builder.build().map_err(|source| refuse(&lines.join(" "), source))?;
        Ok(Filter { patterns: Some(patterns).filter(|patterns| !patterns.is_empty()), decree: Decree::Own })
    }

    /// Whether there are no patterns.
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_none()
    }

    /// Whether `path` is left out, itself or with a directory above it: what is below an excluded directory cannot be
    /// included again, as in git.
    pub fn excludes(&self, path: PathRef<'_>, directory: bool) -> bool {
        if self.is_empty() || path.is_root() {
            return false;
        }
        let bytes = path.as_bytes();
        let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let out = |path, directory| self.verdict(path, directory) == Some(true);
        slashes.clone().any(|at| out(&bytes[..at], true)) || out(bytes, directory)
    }

    /// Whether the patterns leave a path out, of which no directory above is left out, or take it in; `None` where they
    /// say nothing of it.
    fn verdict(&self, path: &[u8], directory: bool) -> Option<bool> {
        match self.patterns.as_ref()?.matched(Path::new(OsStr::from_bytes(path)), directory) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }

    /// Whether an entry is left out by pattern or by the rules in force in its directory; and where it is not, whether
    /// the target's own rules would leave it out.
    pub(super) fn hides(&self, force: &InForce, path: &[u8], directory: bool) -> (bool, bool) {
        match self.verdict(path, directory) {
            Some(out) => (out, false),
            None => self.decree.hides(force, path, directory),
        }
    }

    /// Whether the ignore file of a directory is left out: then it is not obeyed either.
    pub(super) fn leaves_out_rules(&self, directory: PathRef<'_>) -> bool {
        let file = directory.to_owned().join(rules::NAME);
        file.is_ok_and(|file| self.verdict(file.as_bytes(), false) == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(lines: &[&str]) -> Filter {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        Filter::new(&lines).expect("legal patterns")
    }

    fn out(filter: &Filter, path: &str, directory: bool) -> bool {
        filter.excludes(PathRef::new(path.as_bytes()).expect("legal"), directory)
    }

    #[test]
    fn the_last_match_decides() {
        let filter = filter(&["*.o", "!keep.o"]);
        assert!(out(&filter, "a/b.o", false));
        assert!(!out(&filter, "a/keep.o", false));
        assert!(!out(&filter, "a/b.c", false));
    }

    #[test]
    fn an_excluded_directory_excludes_all_below_it() {
        let filter = filter(&["target/", "!target/kept", "/only-here"]);
        assert!(out(&filter, "a/target", true));
        assert!(!out(&filter, "a/target", false));
        assert!(out(&filter, "a/target/kept", false));
        assert!(out(&filter, "target/kept", false));
        assert!(out(&filter, "only-here", false));
        assert!(!out(&filter, "a/only-here", false));
    }

    #[test]
    fn names_that_are_not_utf8_are_matched_as_bytes() {
        let filter = filter(&["*.o"]);
        assert!(filter.excludes(PathRef::new(b"\xff/\xfe.o").expect("legal"), false));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = Filter::new(&["fine".into(), "[z-a]".into()]).expect_err("a range of nothing");
        assert_eq!(error.pattern, "[z-a]");
        assert!(Filter::new(&["# only a comment".into(), String::new()]).expect("legal").is_empty());
    }
}
