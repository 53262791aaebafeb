//! What the versions of a path look like on disk. Start at [`project`].

use super::dot::Dot;
use super::entry::Entry;
use super::path::{PathRef, RelPath};
use super::siblings::Siblings;

/// One file on disk: the plain one, or a copy beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where.
    pub name: RelPath,
    /// What.
    pub entry: Entry,
    /// The writes that it stands for, ascending. Empty for a directory that only its children make.
    pub dots: Vec<Dot>,
}

/// A path on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// What has the plain name.
    pub plain: Option<Shown>,
    /// What stands beside it.
    pub copies: Vec<Shown>,
}

/// What a path looks like on disk. `taken` says whether E holds a name, or anything below it.
pub fn project(
    path: PathRef<'_>,
    siblings: &Siblings,
    has_live_children: bool,
    taken: &dyn Fn(PathRef<'_>) -> bool,
) -> Projection {
    let _ = (path, siblings, has_live_children, taken);
    Projection::default()
}

/// The plain path of a name that has the form of a copy's, `stem.conflict-<8 or 16 hex>.ext`, and its hexadecimal digits.
pub fn view_of<'a>(name: PathRef<'a>) -> Option<(RelPath, &'a [u8])> {
    let _ = name;
    None
}

/// The path of E that a disk path belongs to which has no witness: a name in the form of a copy's belongs to its plain
/// path where that is present (`present`: E holds it or anything below it, or this scan found something there) and E
/// does not hold the name itself (`held`). With a witness, it is the path of the versions that the witness stood for.
pub fn home_of(
    name: PathRef<'_>,
    held: &dyn Fn(PathRef<'_>) -> bool,
    present: &dyn Fn(PathRef<'_>) -> bool,
) -> RelPath {
    match view_of(name) {
        Some((plain, _)) if !held(name) && present(plain.as_ref()) => plain,
        _ => name.to_owned(),
    }
}
