//! What the user left out by pattern, in gitignore syntax. Owns the patterns given for one run; reads no file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::model::PathRef;

/// The patterns of a run. The last pattern that matches decides; `!pattern` includes again.
#[derive(Debug)]
pub struct Filter {
    patterns: Option<Gitignore>,
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
        Filter { patterns: None }
    }

    /// Takes gitignore lines in the order given; an `--include` is a line that starts with `!`.
    pub fn new(lines: &[String]) -> Result<Filter, FilterError> {
        let mut builder = GitignoreBuilder::new("");
        let refuse = |pattern: &str, source| FilterError { pattern: pattern.into(), source };
        for line in lines {
            builder.add_line(None, line).map_err(|source| refuse(line, source))?;
        }
        let patterns = builder.build().map_err(|source| refuse(&lines.join(" "), source))?;
        Ok(Filter { patterns: Some(patterns).filter(|patterns| !patterns.is_empty()) })
    }

    /// Whether nothing is left out.
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
        slashes.clone().any(|at| self.matches(&bytes[..at], true)) || self.matches(bytes, directory)
    }

    /// Whether a path, of which no directory above is left out, is left out itself.
    pub(super) fn matches(&self, path: &[u8], directory: bool) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.patterns.as_ref().is_some_and(|patterns| patterns.matched(path, directory).is_ignore())
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
