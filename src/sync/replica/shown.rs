//! What a disk shows at a name, beside what is agreed on. Pure questions of what was found; nothing is changed here.

use crate::model::agreed::Agreed;
use crate::model::dot::Dot;
use crate::model::lane::Lane;
use crate::model::listing::FLAG_INCOMPLETE;
use crate::model::plan::twoway::is_cut;
use crate::model::project::{Shown, same_version};
use crate::model::record::{Event, Witness};
use crate::model::{Entry, Kind, Listing, PathRef, RelPath};

/// What the disk showed when an event was minted.
pub fn witness_of(dot: Dot, event: &Event) -> Option<Witness> {
    match event {
        Event::Write { entry, .. } => Some(Witness { dots: vec![dot], entry: entry.clone(), unseen: false }),
        Event::Delete { .. } | Event::Nothing(_) => None,
    }
}

/// A change of metadata alone keeps the time that was agreed on where the disk shows that, cut to what its file system can
/// hold: whole seconds, or every second one.
pub fn keep_time(event: &mut Event, was: Option<&Entry>, shown: Option<&Shown>) {
    let (Event::Write { entry, .. }, Some(was), Some(Shown { entry: agreed, .. })) = (event, was, shown) else {
        return;
    };
    let is_untouched = |other: &Entry| entry.is_file() && other.is_file() && other.content == entry.content;
    let is_cut = entry.mtime.nanos == 0 && (0..=1).contains(&agreed.mtime.secs.saturating_sub(entry.mtime.secs));
    if is_untouched(was) && was.mtime == entry.mtime && is_untouched(agreed) && is_cut {
        entry.mtime = agreed.mtime;
    }
}

/// Whether a path that a scan did not find may be there all the same.
pub fn is_beyond(disk: &Listing, path: PathRef<'_>, one_file_system: bool) -> bool {
    let mut above = Some(path);
    while let Some(place) = above {
        if let Ok(index) = disk.find(place) {
            let row = disk.row(index);
            let incomplete = one_file_system && row.flags() & FLAG_INCOMPLETE != 0;
            return row.kind() == Kind::Unreadable || incomplete;
        }
        above = place.parent().filter(|parent| !parent.is_root());
    }
    false
}

/// Whether what is on disk is the version that is to be shown there, in the fields that are kept alike.
pub fn is_shown(shown: &Entry, on_disk: Entry, lane: Lane) -> bool {
    same_version(shown, &lane.seen(on_disk, shown))
}

/// Whether the disk shows at a name what is agreed on, in the fields that are kept alike.
pub fn is_in_place(agreed: &Agreed, name: &RelPath, disk: &Listing, lane: Lane) -> bool {
    let now = disk.find(name.as_ref()).ok().map(|index| disk.row(index).entry());
    match (agreed.shown(name.as_ref()).1, now) {
        (None, None) => true,
        (Some(shown), Some(now)) => is_shown(&shown.entry, now, lane),
        _ => false,
    }
}

/// Whether a file that is in place has the time that is agreed on, as far as its file system keeps any: one that keeps no modes
/// may keep no times either. One that somebody touched as soon as it was there is not done: nothing would ever see that the
/// disks differ.
pub fn is_timed(agreed: &Agreed, name: &RelPath, disk: &Listing, lane: Lane) -> bool {
    let now = disk.find(name.as_ref()).ok().map(|index| disk.row(index).entry());
    match (agreed.shown(name.as_ref()).1, now) {
        (Some(shown), Some(now)) if lane.mode && now.is_file() => {
            now.mtime == shown.entry.mtime || is_cut(shown.entry.mtime, now.mtime)
        }
        _ => true,
    }
}
