//! The trash of a root as a job: what is in it, which of it is meant, getting it back, and removing it for good. Owns the
//! choice among several versions of a path; the files are [`crate::disk::trash`]'s. Start at [`restore`].

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::disk::error::Error as RootError;
use crate::disk::filter::Filter;
use crate::disk::root::Root;
use crate::disk::target::{Fsync, Target, TargetOptions};
use crate::disk::trash::expire::Removed;
use crate::disk::trash::restore::Restorer;
use crate::disk::trash::shelf::{self, Shelf};
use crate::model::{Kind, PathRef, Problem, ProblemKind, RelPath};

pub use crate::disk::trash::shelf::Thrown;

/// Which of several versions of a path is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The one that went last.
    Newest,
    /// The one that stood there at this time, in seconds since 1970: it went first after that.
    At(u64),
    /// The one that went in the run whose name begins like this.
    Run(String),
}

/// `alike trash restore DIR PATTERN...`.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The root.
    pub root: PathBuf,
    /// Paths, or gitignore lines.
    pub patterns: Vec<String>,
    /// Which versions.
    pub version: Version,
    /// Change nothing: tell what would be restored.
    pub dry_run: bool,
}

/// What a job on a trash tells.
#[derive(Debug)]
pub enum Told<'a> {
    /// The root, resolved.
    Root(&'a Path),
    /// An entry of the trash: listed, restored, or in a dry run to be restored.
    Entry(&'a Thrown),
    /// Something failed; the job goes on.
    Problem(&'a Problem),
}

/// Tells each entry in a trash, those that went first at first.
pub fn list(root: &Path, tell: &mut dyn FnMut(Told<'_>)) -> Result<(), Error> {
    let root = Root::open(root)?;
    tell(Told::Root(root.path()));
    let shelf = look(&root)?;
    shelf.things.iter().for_each(|thing| tell(Told::Entry(thing)));
    shelf.problems.iter().for_each(|problem| tell(Told::Problem(problem)));
    Ok(())
}

/// Brings back what the patterns mean, and tells each.
pub fn restore(job: &Restore, tell: &mut dyn FnMut(Told<'_>)) -> Result<(), Error> {
    let root = Root::open(&job.root)?;
    let wanted = Wanted::new(&job.patterns, root.path())?;
    tell(Told::Root(root.path()));
    if job.dry_run || look(&root)?.things.is_empty() {
        let shelf = look(&root)?;
        for thing in wanted.choose(&shelf, &job.version, tell) {
            tell(Told::Entry(thing));
        }
        return Ok(());
    }
    let target = open(&root)?;
    // Only now nobody else changes what is there.
    let shelf = look(&root)?;
    let refuse = |source| refused(&root, source);
    let mut restorer = Restorer::new(&target).map_err(refuse)?;
    for thing in wanted.choose(&shelf, &job.version, tell) {
        match restorer.restore(thing) {
            Ok(()) => tell(Told::Entry(thing)),
            Err(problem) => tell(Told::Problem(&problem)),
        }
    }
    restorer.finish().map_err(refuse)?;
    target.finish()?.iter().for_each(|problem| tell(Told::Problem(problem)));
    Ok(())
}

/// Removes for good what went before a time, in seconds since 1970.
pub fn empty(root: &Path, before: u64, tell: &mut dyn FnMut(Told<'_>)) -> Result<Removed, Error> {
    let root = Root::open(root)?;
    tell(Told::Root(root.path()));
    if !shelf::is_there(&root) {
        return Ok(Removed::default());
    }
    let target = open(&root)?;
    let removed = target.empty_trash(before);
    let finished = target.finish();
    let removed = removed.map_err(|source| refused(&root, source))?;
    finished?.iter().for_each(|problem| tell(Told::Problem(problem)));
    Ok(removed)
}

fn look(root: &Root) -> Result<Shelf, Error> {
    shelf::look(root).map_err(|source| refused(root, source))
}

fn open(root: &Root) -> Result<Target, Error> {
    let options =
        TargetOptions { fsync: Fsync::Batch, keep_trash: true, mode: true, xattrs: true, owner: true, links: true };
    Ok(Target::open(root.try_clone()?, options)?)
}

fn refused(root: &Root, source: std::io::Error) -> Error {
    let path = root.path().join(crate::disk::control::NAME).join("trash");
    Error::Root(RootError::Control { path, source })
}

/// What the user named.
struct Wanted {
    /// As typed, for a pattern that means nothing; the path that it is, if it is one; and itself as a pattern.
    patterns: Vec<(String, Option<RelPath>, Filter)>,
    /// All together, as the last match decides.
    all: Filter,
}

impl Wanted {
    fn new(patterns: &[String], root: &Path) -> Result<Wanted, Error> {
        let lines: Vec<String> = patterns.iter().map(|pattern| relative(pattern, root)).collect();
        let filter = |lines: &[String]| {
            Filter::new(lines).map_err(|error| Error::Usage {
                message: error.to_string(),
                hint: "a pattern has gitignore's syntax, or is a path below the directory".into(),
            })
        };
        let all = filter(&lines)?;
        let each = lines.into_iter().zip(patterns).map(|(line, typed)| {
            let path = line.trim_start_matches('/').trim_end_matches('/');
            let path = RelPath::new(path.as_bytes()).ok().filter(|path| !path.as_ref().is_root());
            Ok((typed.clone(), path, filter(&[line])?))
        });
        Ok(Wanted { patterns: each.collect::<Result<_, Error>>()?, all })
    }

    /// The entries that are meant, each path once, in tree order. Tells which patterns mean none.
    fn choose<'s>(&self, shelf: &'s Shelf, version: &Version, tell: &mut dyn FnMut(Told<'_>)) -> Vec<&'s Thrown> {
        shelf.problems.iter().for_each(|problem| tell(Told::Problem(problem)));
        let meant: Vec<&Thrown> = shelf.things.iter().filter(|thing| version.may_be(thing)).collect();
        // A pattern that is the path of something means that alone, and not all that is called so.
        let literal: Vec<PathRef<'_>> =
            self.patterns.iter().filter_map(|(_, path, _)| Some(path.as_ref()?.as_ref())).collect();
        let literal: Vec<PathRef<'_>> =
            literal.into_iter().filter(|&path| meant.iter().any(|thing| is_at(thing.path.as_ref(), path))).collect();
        for (typed, path, filter) in &self.patterns {
            let is_path = path.as_ref().is_some_and(|path| literal.contains(&path.as_ref()));
            if !is_path && !typed.starts_with('!') && !meant.iter().any(|thing| matches(filter, thing)) {
                let path = path.clone().unwrap_or_default();
                let cause = format!("nothing in the trash matches `{typed}`");
                tell(Told::Problem(&Problem { path, kind: ProblemKind::Missing, cause }));
            }
        }
        let others = self.without(&literal);
        let wanted = |thing: &&Thrown| {
            literal.iter().any(|&path| is_at(thing.path.as_ref(), path))
                || matches(others.as_ref().unwrap_or(&self.all), thing)
        };
        version.pick(meant.into_iter().filter(wanted).collect())
    }

    /// The patterns that are no paths; `None` where all are patterns.
    fn without(&self, literal: &[PathRef<'_>]) -> Option<Filter> {
        if literal.is_empty() {
            return None;
        }
        let is_path = |path: &Option<RelPath>| path.as_ref().is_some_and(|path| literal.contains(&path.as_ref()));
        let lines: Vec<String> =
            self.patterns.iter().filter(|(_, path, _)| !is_path(path)).map(|(typed, ..)| typed.clone()).collect();
        Some(Filter::new(&lines).unwrap_or(Filter::none()))
    }
}

impl Version {
    fn may_be(&self, thing: &Thrown) -> bool {
        match self {
            Version::Newest => true,
            Version::At(at) => thing.at >= *at,
            Version::Run(run) => thing.run.starts_with(run.as_str()),
        }
    }

    /// One version a path. What stood at a path, or at one above it, when a later version of that went, was there before
    /// the later one: it is no part of the newest state.
    fn pick<'s>(&self, mut things: Vec<&'s Thrown>) -> Vec<&'s Thrown> {
        let age = |thing: &Thrown| (std::sync::Arc::clone(&thing.run), thing.order);
        things.sort_by_cached_key(|thing| age(thing));
        if !matches!(self, Version::At(_)) {
            things.reverse();
        }
        let mut chosen: HashMap<PathRef<'s>, &'s Thrown> = HashMap::new();
        let mut above_chosen: HashSet<PathRef<'s>> = HashSet::new();
        for thing in things {
            let path = thing.path.as_ref();
            let mut upwards = std::iter::successors(Some(path), |path| path.parent());
            let hidden = upwards.any(|at| {
                chosen
                    .get(&at)
                    .is_some_and(|other| at == path || other.kind != Kind::Directory || other.run != thing.run)
            });
            // Nothing is below a file.
            if !hidden && (thing.kind == Kind::Directory || !above_chosen.contains(&path)) {
                chosen.insert(path, thing);
                let parents = std::iter::successors(path.parent(), |path| path.parent());
                for parent in parents {
                    if !above_chosen.insert(parent) {
                        break;
                    }
                }
            }
        }
        let mut chosen: Vec<&Thrown> = chosen.into_values().collect();
        chosen.sort_by(|left, right| left.path.cmp(&right.path));
        chosen
    }
}

fn is_at(path: PathRef<'_>, at: PathRef<'_>) -> bool {
    path == at || path.is_below(at)
}

fn matches(filter: &Filter, thing: &Thrown) -> bool {
    filter.excludes(thing.path.as_ref(), thing.kind == Kind::Directory)
}

/// What was typed, as seen from the root: an absolute path below it, or one that starts with `./`, is cut.
fn relative(pattern: &str, root: &Path) -> String {
    if pattern.trim_end_matches('/') == "." || root.to_str() == Some(pattern.trim_end_matches('/')) {
        return "*".into();
    }
    let below = root.to_str().and_then(|root| pattern.strip_prefix(root)).filter(|rest| rest.starts_with('/'));
    match (below, pattern.strip_prefix("./")) {
        (Some(rest), _) => rest.into(),
        (None, Some(rest)) => format!("/{rest}"),
        (None, None) => pattern.into(),
    }
}
