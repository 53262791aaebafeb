//! What happened on a disk, where what is agreed on has changed meanwhile.

use super::*;
use crate::model::agreed;
use crate::model::dot::ReplicaId;
use crate::model::entry::Stamp;
use crate::model::entry::Time;
use crate::model::listing::Builder;
use crate::model::siblings::Version;

fn dot(counter: u64) -> Dot {
    Dot { replica: ReplicaId([7; 16]), counter }
}

fn file(bytes: u8) -> Entry {
    let (mtime, content) = (Time { secs: 10, nanos: 0 }, Digest([bytes; 32]));
    Entry { kind: Kind::File, mode: 0o644, mtime, size: 1, content, uid: 0, gid: 0, extra: None }
}

fn of_kind(kind: Kind) -> Entry {
    Entry { kind, mode: 0o755, size: 0, content: Digest::UNKNOWN, ..file(0) }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).expect("legal")
}

fn agreed(paths: &[(&str, &[(u64, Entry)])]) -> Agreed {
    let version =
        |(counter, entry): &(u64, Entry)| Version { dot: dot(*counter), entry: entry.clone(), replaced: Vec::new() };
    let siblings = |versions: &[(u64, Entry)]| {
        let mut siblings = Siblings::new();
        for one in versions {
            siblings.insert(version(one));
        }
        siblings
    };
    agreed::gather(paths.iter().map(|(name, versions)| (path(name), siblings(versions))).collect()).expect("few")
}

fn disk(rows: &[(&str, Entry, u8)]) -> Listing {
    let mut disk = Builder::with_capacity(rows.len());
    for (name, entry, flags) in rows {
        disk.push(path(name).as_ref(), entry, &Stamp::default(), *flags);
    }
    disk.finish()
}

fn look(agreed: &Agreed, noted: &[(&RelPath, Option<Witness>)], (before, now): (&Listing, &Listing)) -> Events {
    let noted = noted.iter().map(|(name, witness)| ((*name).clone(), witness.clone())).collect();
    let is_below_unreadable = |name: PathRef<'_>, _| {
        let mut above = successors(Some(name), |below| below.parent());
        above.any(|place| now.find(place).is_ok_and(|row| now.row(row).kind() == Kind::Unreadable))
    };
    let look = Look {
        disk: now,
        before: Some(before),
        noted: &noted,
        agreed,
        lane: Lane::STATE,
        unseen: &is_below_unreadable,
        names: None,
        thrown: &|_| false,
    };
    events(&look).with_astray()
}

fn witness(counter: u64, entry: Entry) -> Witness {
    Witness { dots: vec![dot(counter)], entry, unseen: false }
}

#[test]
fn what_changed_while_it_was_looked_at_is_told_by_the_next_look_and_not_in_doubt() {
    let agreed = agreed(&[("d", &[(1, of_kind(Kind::Directory))]), ("d/x", &[(2, file(2))])]);
    let before = disk(&[("d", of_kind(Kind::Directory), 0), ("d/x", file(2), 0)]);
    let noted = |flags| {
        let now = disk(&[("d", of_kind(Kind::Unreadable), flags)]);
        let events = look(&agreed, &[], (&before, &now));
        assert!(events.happened.is_empty(), "{events:?}");
        events.unseen.into_iter().find(|(name, _)| *name == path("d/x")).expect("it is noted").1
    };
    assert_eq!(noted(0), Some(Witness { unseen: true, ..witness(2, file(2)) }));
    assert_eq!(noted(FLAG_CHANGED), Some(witness(2, file(2))));
    let then = look(&agreed, &[(&path("d/x"), noted(FLAG_CHANGED))], (&disk(&[]), &disk(&[])));
    assert!(
        matches!(&then.happened[..], [Happened { event: Event::Delete { supersedes }, .. }] if supersedes == &[dot(2)])
    );
}

/// The file 2 of `g` stood as a copy beside a directory, and is to have another name now, as a directory came at this one.
fn displaced() -> (Agreed, RelPath) {
    let g: &[(u64, Entry)] = &[(1, of_kind(Kind::Directory)), (2, file(2))];
    let [copy] = agreed(&[("g", g)]).project(path("g").as_ref()).copies.try_into().expect("one");
    let name = copy.name.to_string();
    (agreed(&[("g", g), (&name, &[(3, of_kind(Kind::Directory))])]), copy.name)
}

#[test]
fn a_copy_that_is_taken_away_as_it_gives_way_to_what_came_at_its_name_is_deleted() {
    let (agreed, name) = displaced();
    let noted = [(&name, Some(witness(2, file(2))))];
    let now = disk(&[("g", of_kind(Kind::Directory), 0)]);
    let events = look(&agreed, &noted, (&now, &now));
    let is_its = |happened: &Happened| {
        happened.path == path("g") && matches!(&happened.event, Event::Delete { supersedes } if supersedes == &[dot(2)])
    };
    assert!(events.happened.iter().any(is_its), "{events:?}");
    // Whoever puts the bytes there again writes them: they do not stand for what was deleted.
    assert!(events.unseen.contains(&(name.clone(), None)), "{events:?}");
    // It stands elsewhere: nothing happened.
    let copies = agreed.project(path("g").as_ref()).copies;
    let now = disk(&[("g", of_kind(Kind::Directory), 0), (&copies[0].name.to_string(), file(2), 0)]);
    assert!(!look(&agreed, &noted, (&now, &now)).happened.iter().any(is_its));
}
