//! Which replica wrote what: every version that is present, as the last look or meeting left it. There is no history beyond
//! that. Reads the memory and nothing else.

use std::os::unix::ffi::OsStrExt;

use super::error::Error;
use super::job::{Log, Reading, Writing};
use super::refuse;
use super::replica::Replica;
use super::report::{Event, Report, Version};
use crate::disk::root::Root;
use crate::model::project::Shown;
use crate::model::{PathRef, RelPath};

/// Tells the versions; gives their number.
pub fn run(job: &Log, report: &mut dyn Report) -> Result<u64, Error> {
    let root = Root::open(&job.root)?;
    refuse::no_replica(&root)?;
    let shown = root.path().display().to_string();
    let below = job.path.as_ref().map(|path| named(path.as_os_str().as_bytes())).transpose()?;
    let writing = Writing { dry_run: true, ..Writing::default() };
    let mut replica = Replica::open(root, &Reading::default(), writing)?;
    report.event(Event::Header { left: &shown, right: "" });
    let own = replica.greeting().id;
    let agreed = replica.agreed()?;
    let is_meant =
        |path: PathRef<'_>| below.as_ref().is_none_or(|below| path == below.as_ref() || path.is_below(below.as_ref()));
    let mut count = 0;
    for row in agreed.listing().rows().filter(|row| is_meant(row.path())) {
        let path = row.path().to_owned();
        let siblings = agreed.siblings(row.path());
        for version in &siblings {
            let shown = Shown { name: path.clone(), entry: version.entry.clone(), dots: vec![version.dot] };
            report.event(Event::Version(&path, &Version::of(&shown, &siblings, own, false)));
            count += 1;
        }
    }
    Ok(count)
}

/// The path as it stands in the tree; the root itself means everything.
fn named(typed: &[u8]) -> Result<RelPath, Error> {
    let bare = typed.strip_suffix(b"/").unwrap_or(typed);
    let bare = bare.strip_prefix(b"./").unwrap_or(bare);
    let bare = if bare == b"." { b"" } else { bare };
    RelPath::new(bare).map_err(|_| Error::Usage {
        message: format!("`{}` is no path in the directory", String::from_utf8_lossy(typed)),
        hint: "name it as it stands below the directory, without the directory's own name".into(),
    })
}
