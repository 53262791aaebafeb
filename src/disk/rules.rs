//! Ignore files: `.alikeignore` at any level, in gitignore's syntax. Owns how they are read and which of them decides;
//! says nothing of what becomes of what they hide.
//!
//! What an ignore file says holds in its directory and below; the deepest one that matches decides, in it the last line
//! that matches; `!` takes in again, but never below a directory that is ignored. `--exclude` and `--include` have the
//! last word. The file itself is an entry like any other, and no ignore file hides it. One that cannot be read, or that
//! holds a line that is no pattern, makes its directory unreadable: it never counts as one that says nothing.
//!
//! A scan goes by what it finds on its way ([`Decree::Own`]). The target of a mirror whose ignore files differ from the
//! source's is listed a second time, by the source's ([`Decree::Given`]): what the source's hide is hidden, and what the
//! target's own hide stays hidden as long as the source holds nothing at that path. So no change of a rule deletes
//! anything in the run that brings the change, and an ignore file that only the target has goes on protecting what it
//! hides.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::root::open_file;
use super::status::Status;
use crate::model::{Digest, Kind, Listing, PathRef, RelPath};

/// The name of an ignore file.
pub const NAME: &[u8] = b".alikeignore";
/// A longer one is refused: it would be sent, and kept in memory.
pub const BYTES_MAX: u64 = 256 * 1024;

/// Whose ignore files a scan goes by.
#[derive(Debug, Default)]
pub enum Decree {
    /// Nobody's.
    Nobody,
    /// Those that it finds.
    #[default]
    Own,
    /// Those of a mirror's source.
    Given(Given),
}

/// The ignore files of a mirror's source, as seen from the target.
#[derive(Debug, Default)]
pub struct Given {
    /// For directories where the two ends differ: what the source's says, or why that is not known; `None`: it has none.
    pub files: HashMap<RelPath, Option<Result<Vec<u8>, String>>>,
    /// What the target's listing held before: an ignore file that is in it, and not in `files`, is the source's as well.
    pub before: Option<Listing>,
    /// What the source holds and that listing did not, in tree order.
    pub only_theirs: Vec<RelPath>,
}

/// The rules that hold in a directory.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce {
    own: Option<Arc<Rules>>,
    theirs: Option<Arc<Rules>>,
    /// The target's own rules hide the directory: what is here is here because the source holds it.
    hidden: bool,
}

/// One ignore file and those above it.
#[derive(Debug)]
struct Rules {
    above: Option<Arc<Rules>>,
    /// Bytes of a path that lead to the file's directory, the slash included.
    prefix: usize,
    patterns: Gitignore,
}

impl Rules {
    /// What the deepest file that matches says.
    fn ignores(&self, path: &[u8], directory: bool) -> bool {
        let mut rules = self;
        loop {
            let below = Path::new(OsStr::from_bytes(&path[rules.prefix..]));
            match (rules.patterns.matched(below, directory), &rules.above) {
                (Match::Ignore(_), _) => return true,
                (Match::Whitelist(_), _) | (Match::None, None) => return false,
                (Match::None, Some(above)) => rules = above,
            }
        }
    }
}

impl Decree {
    /// The rules in a directory, from those above it. `look` reads its ignore file, if it has one.
    pub(super) fn enter(
        &self,
        above: &InForce,
        path: PathRef<'_>,
        look: impl Fn() -> io::Result<Option<Vec<u8>>>,
    ) -> io::Result<InForce> {
        let own = match self {
            Decree::Nobody => return Ok(InForce::default()),
            Decree::Own | Decree::Given(_) => look()?,
        };
        let theirs = match self {
            Decree::Given(given) => given.theirs(path, own.as_deref())?,
            Decree::Nobody | Decree::Own => None,
        };
        Ok(InForce {
            own: below(above.own.as_ref(), path, own.as_deref())?,
            theirs: below(above.theirs.as_ref(), path, theirs.as_deref())?,
            hidden: above.hidden,
        })
    }

    /// Whether an entry of a directory is hidden. Where it is not, the second says whether the target's own rules would.
    pub(super) fn hides(&self, force: &InForce, path: &[u8], directory: bool) -> (bool, bool) {
        let is_rules = || path.ends_with(NAME) && PathRef::trusted(path).name() == NAME;
        let by = |rules: &Option<Arc<Rules>>| {
            rules.as_ref().is_some_and(|rules| !is_rules() && rules.ignores(path, directory))
        };
        match self {
            Decree::Nobody => (false, false),
            Decree::Own => (by(&force.own), false),
            Decree::Given(given) => {
                let own = force.hidden || by(&force.own);
                (by(&force.theirs) || own && !given.is_theirs(path), own)
            }
        }
    }
}

impl InForce {
    /// The rules for a child directory that the target's own may hide.
    pub fn descend(&self, hidden: bool) -> InForce {
        InForce { hidden, ..self.clone() }
    }
}

impl Given {
    /// The source's ignore file of a directory.
    fn theirs(&self, path: PathRef<'_>, own: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        match self.files.get(&path.to_owned()) {
            Some(Some(Ok(text))) => Ok(Some(text.clone())),
            Some(Some(Err(cause))) => Err(io::Error::other(cause.clone())),
            Some(None) => Ok(None),
            None => {
                let file = path.to_owned().join(NAME).ok();
                let known = |file: RelPath| {
                    let before = self.before.as_ref()?;
                    let row = before.row(before.find(file.as_ref()).ok()?);
                    (row.kind() == Kind::File).then_some(row)
                };
                match (file.and_then(known), own) {
                    (None, _) => Ok(None),
                    (Some(row), Some(own)) if is_content(own, row.content()) => Ok(Some(own.to_vec())),
                    (Some(_), _) => Err(io::Error::other("its ignore file changed since it was scanned")),
                }
            }
        }
    }

    fn is_theirs(&self, path: &[u8]) -> bool {
        self.only_theirs.binary_search_by(|theirs| theirs.as_ref().cmp(&PathRef::trusted(path))).is_ok()
    }
}

/// Whether a text is what was hashed; what was not hashed may be anything.
pub(super) fn is_content(text: &[u8], content: Digest) -> bool {
    content == Digest::UNKNOWN || content == Digest::of_content(text)
}

fn below(above: Option<&Arc<Rules>>, path: PathRef<'_>, text: Option<&[u8]>) -> io::Result<Option<Arc<Rules>>> {
    let Some(text) = text else { return Ok(above.cloned()) };
    let prefix = path.as_bytes().len() + usize::from(!path.is_root());
    let patterns = parse(text).map_err(io::Error::other)?;
    Ok(Some(Arc::new(Rules { above: above.cloned(), prefix, patterns })))
}

fn parse(text: &[u8]) -> Result<Gitignore, String> {
    let text = std::str::from_utf8(text).map_err(|_| "its ignore file is not UTF-8".to_owned())?;
    let mut builder = GitignoreBuilder::new("");
    for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let refuse = |_| format!("line {} of its ignore file is no pattern: {}", number + 1, line.escape_debug());
        builder.add_line(None, line).map_err(refuse)?;
    }
    builder.build().map_err(|error| format!("its ignore file cannot be used: {error}"))
}

/// Reads the ignore file of a directory; anything but a regular file is none.
pub fn read(directory: impl AsFd) -> io::Result<Option<Vec<u8>>> {
    let say = |error: io::Error| {
        io::Error::new(error.kind(), format!("its ignore file cannot be read: {}", super::place::cause(&error)))
    };
    match Status::at(&directory, NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        status if status.as_ref().is_ok_and(|status| status.kind != Kind::File) => return Ok(None),
        status => status.map_err(say)?,
    };
    let mut text = Vec::new();
    match open_file(directory, NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(say)?.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(say)?,
    };
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("its ignore file is larger than {} kB", BYTES_MAX / 1000)));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathRef<'_> {
        PathRef::new(text.as_bytes()).expect("legal")
    }

    fn enter(decree: &Decree, above: &InForce, at: &str, text: Option<&str>) -> InForce {
        decree.enter(above, path(at), || Ok(text.map(|text| text.as_bytes().to_vec()))).expect("legal rules")
    }

    #[test]
    fn the_deepest_file_that_matches_decides_and_in_it_the_last_line() {
        let decree = Decree::Own;
        let top = enter(&decree, &InForce::default(), "", Some("*.o\n/only\n!keep.o\n# no rule\n"));
        let below = enter(&decree, &top, "a", Some("!*.o\nkeep.o\n"));
        let deeper = enter(&decree, &below, "a/b", None);
        let hides = |force: &InForce, text: &str| decree.hides(force, text.as_bytes(), false).0;
        assert!(hides(&top, "x.o") && !hides(&top, "keep.o") && hides(&top, "only"));
        assert!(!hides(&below, "a/x.o") && hides(&below, "a/keep.o") && !hides(&below, "a/only"));
        assert!(!hides(&deeper, "a/b/x.o") && hides(&deeper, "a/b/keep.o"));
    }

    #[test]
    fn an_ignore_file_hides_no_ignore_file_and_nobodys_hide_nothing() {
        let all = enter(&Decree::Own, &InForce::default(), "", Some("*\n"));
        assert!(Decree::Own.hides(&all, b"x", false).0);
        assert!(!Decree::Own.hides(&all, b".alikeignore", false).0);
        assert!(Decree::Own.hides(&all, b"x.alikeignore", false).0);
        let none = enter(&Decree::Nobody, &InForce::default(), "", Some("*\n"));
        assert!(!Decree::Nobody.hides(&none, b"x", false).0);
    }

    #[test]
    fn rules_that_cannot_be_understood_are_refused() {
        let enter = |text: &[u8]| Decree::Own.enter(&InForce::default(), PathRef::ROOT, || Ok(Some(text.to_vec())));
        assert!(enter(b"fine\n").is_ok());
        for wrong in [&b"a\n[z-a]\n"[..], b"\xff\n"] {
            enter(wrong).expect_err("no rules");
        }
    }

    #[test]
    fn given_rules_hide_and_own_ones_protect_what_the_source_lacks() {
        let theirs = RelPath::new(b"d/theirs.log").expect("legal");
        let files = HashMap::from([(RelPath::default(), Some(Ok(b"*.tmp\n".to_vec())))]);
        let decree = Decree::Given(Given { files, before: None, only_theirs: vec![theirs] });
        let force = enter(&decree, &InForce::default(), "", Some("*.log\n"));
        let hides = |text: &str| decree.hides(&force, text.as_bytes(), false);
        assert_eq!(hides("a.tmp"), (true, false));
        assert_eq!(hides("a.log"), (true, true));
        assert_eq!(hides("d/theirs.log"), (false, true));
        assert_eq!(hides("a.txt"), (false, false));
    }
}
