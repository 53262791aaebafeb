//! What a look at a disk path means, as a table.

use super::*;
use crate::model::dot::ReplicaId;
use crate::model::entry::Time;
use crate::model::path::RelPath;

fn dot(counter: u64) -> Dot {
    Dot { replica: ReplicaId([7; 16]), counter }
}

fn file(bytes: u8, secs: i64) -> Entry {
    let mtime = Time { secs, nanos: 0 };
    let content = Digest([bytes; 32]);
    Entry { kind: Kind::File, mode: 0o644, mtime, size: 1, content, uid: 0, gid: 0, extra: None }
}

fn directory(mode: u16) -> Entry {
    Entry { kind: Kind::Directory, mode, size: 0, content: Digest::UNKNOWN, ..file(0, 0) }
}

fn siblings(versions: &[(u64, Entry)]) -> Siblings {
    let mut siblings = Siblings::new();
    for (counter, entry) in versions {
        siblings.insert(Version { dot: dot(*counter), entry: entry.clone(), replaced: Vec::new() });
    }
    siblings
}

fn witness(counter: u64, entry: Entry) -> Witness {
    Witness { dots: vec![dot(counter)], entry, unseen: false }
}

fn shown(counters: &[u64], entry: Entry) -> Shown {
    let dots = counters.iter().map(|&counter| dot(counter)).collect();
    Shown { name: RelPath::new(b"f").expect("legal"), entry, dots }
}

/// What superseded means in the tables: nothing, or these counters.
fn told(event: Event) -> (&'static str, Vec<u64>) {
    let counters = |dots: Vec<Dot>| dots.iter().map(|dot| dot.counter).collect();
    match event {
        Event::Nothing(Quiet::Settled) => ("settled", Vec::new()),
        Event::Nothing(Quiet::Wanted) => ("wanted", Vec::new()),
        Event::Nothing(Quiet::Unreadable) => ("unreadable", Vec::new()),
        Event::Write { supersedes, .. } => ("write", counters(supersedes)),
        Event::Delete { supersedes } => ("delete", counters(supersedes)),
    }
}

struct Case<'a> {
    says: &'a str,
    witness: Option<Witness>,
    disk: Option<Entry>,
    shown: Option<Shown>,
    standing: &'a [u64],
    held: &'a [(u64, Entry)],
    means: (&'static str, &'a [u64]),
}

#[test]
fn what_a_look_means() {
    let (a, b, c) = (file(1, 10), file(2, 20), file(3, 30));
    let touched = file(1, 50);
    let case =
        |says, witness, disk, shown, held, means| Case { says, witness, disk, shown, standing: &[], held, means };
    let (seen, plain) = (Some(witness(1, a.clone())), Some(shown(&[1], a.clone())));
    let (ours, next) = ([(1, a.clone())], [(2, b.clone())]);
    let chosen = [(3, a.clone())];
    let both = [(1, a.clone()), (2, b.clone())];
    let same = [(1, a.clone()), (2, touched.clone())];
    let link = Entry { kind: Kind::Symlink, ..a.clone() };
    let linked = [(1, link.clone()), (2, directory(0o755))];
    let unread = Entry { kind: Kind::Unreadable, ..a.clone() };
    let other_shown = Some(shown(&[2], b.clone()));
    let twins_shown = Some(shown(&[1, 2], touched.clone()));
    let unseen = Some(Witness { unseen: true, ..witness(1, a.clone()) });
    let (made, beside) = (Some(shown(&[2], directory(0o755))), [(1, a.clone()), (2, directory(0o755))]);
    let cases = [
        case("a new file", None, Some(a.clone()), None, &[], ("write", &[])),
        case("unchanged", seen.clone(), Some(a.clone()), plain.clone(), &ours, ("settled", &[])),
        case("edited", seen.clone(), Some(c.clone()), plain.clone(), &ours, ("write", &[1])),
        case("touched", seen.clone(), Some(touched.clone()), plain.clone(), &ours, ("write", &[1])),
        case("deleted", seen.clone(), None, plain.clone(), &ours, ("delete", &[1])),
        case("deleted, and so it was elsewhere", seen.clone(), None, None, &[], ("wanted", &[])),
        case("not installed yet", seen.clone(), Some(a.clone()), other_shown.clone(), &next, ("settled", &[])),
        case("edited before the install", seen.clone(), Some(c.clone()), other_shown.clone(), &next, ("write", &[])),
        case("deleted before the install", seen.clone(), None, other_shown.clone(), &next, ("wanted", &[])),
        case(
            "edited beside a joined sibling",
            seen.clone(),
            Some(c.clone()),
            other_shown.clone(),
            &both,
            ("write", &[1]),
        ),
        case(
            "installed without a witness",
            seen.clone(),
            Some(b.clone()),
            other_shown.clone(),
            &next,
            ("settled", &[]),
        ),
        case("a new install without a witness", None, Some(b.clone()), other_shown.clone(), &next, ("settled", &[])),
        case("a stranger", None, Some(c.clone()), other_shown.clone(), &next, ("write", &[])),
        case("wanted, and not there", None, None, other_shown, &next, ("wanted", &[])),
        case("gone while nobody looked", unseen.clone(), None, plain.clone(), &ours, ("wanted", &[])),
        case("changed while nobody looked", unseen, Some(c.clone()), plain.clone(), &ours, ("write", &[1])),
        case("unreadable", seen.clone(), Some(unread), plain.clone(), &ours, ("unreadable", &[])),
        case(
            "edited, with a twin joined",
            seen.clone(),
            Some(c.clone()),
            twins_shown.clone(),
            &same,
            ("write", &[1, 2]),
        ),
        case("deleted, with a twin joined", seen.clone(), None, twins_shown.clone(), &same, ("delete", &[1, 2])),
        case("a twin's time installed", seen.clone(), Some(touched), twins_shown, &same, ("settled", &[])),
        Case { standing: &[1], ..case("moved by an install", seen.clone(), None, None, &both, ("wanted", &[])) },
        Case { standing: &[1], ..case("moved, then edited", seen.clone(), Some(c), None, &both, ("write", &[])) },
        case(
            "deleted, and made the directory that others made",
            seen.clone(),
            Some(directory(0o755)),
            made.clone(),
            &beside,
            ("write", &[1]),
        ),
        Case {
            standing: &[1],
            ..case(
                "a directory installed in its place",
                seen.clone(),
                Some(directory(0o755)),
                made,
                &beside,
                ("settled", &[]),
            )
        },
        case("deleted, chosen elsewhere", seen, None, None, &chosen, ("wanted", &[])),
        case(
            "a directory in the making in place of a link, which comes beside it after that",
            Some(witness(1, link)),
            Some(directory(0o700)),
            Some(shown(&[2], directory(0o755))),
            &linked,
            ("settled", &[]),
        ),
    ];
    for Case { says, witness, disk, shown, standing, held, means } in cases {
        let standing: Vec<Dot> = standing.iter().map(|&counter| dot(counter)).collect();
        let seen = Seen {
            witness: witness.as_ref(),
            disk: disk.as_ref(),
            shown: shown.as_ref(),
            standing: &standing,
            siblings: &siblings(held),
        };
        assert_eq!(told(record(&seen)), (means.0, means.1.to_vec()), "{says}");
    }
}

#[test]
fn the_time_of_a_directory_takes_no_dot_and_its_mode_does() {
    let (seen, held) = (witness(1, directory(0o755)), siblings(&[(1, directory(0o755))]));
    let look = |disk: Entry| {
        let seen = Seen { witness: Some(&seen), disk: Some(&disk), shown: None, standing: &[], siblings: &held };
        told(record(&seen)).0
    };
    assert_eq!(look(Entry { mtime: Time { secs: 9, nanos: 0 }, ..directory(0o755) }), "settled");
    assert_eq!(look(directory(0o700)), "write");
}

#[test]
fn a_directory_in_the_making_is_no_users() {
    let wanted = shown(&[1], directory(0o555));
    let disk = directory(0o700);
    let seen = Seen {
        witness: None,
        disk: Some(&disk),
        shown: Some(&wanted),
        standing: &[],
        siblings: &siblings(&[(1, directory(0o555))]),
    };
    assert_eq!(told(record(&seen)).0, "settled");
}

#[test]
fn a_write_remembers_what_it_replaced_and_what_that_replaced() {
    let mut held = Siblings::new();
    let past: Vec<Replaced> = (10..20).map(|bytes| Replaced::of(&file(bytes, 0))).take(REPLACED_MAX).collect();
    held.insert(Version { dot: dot(1), entry: file(1, 0), replaced: past.clone() });
    let (seen, disk) = (witness(1, file(1, 0)), file(2, 0));
    let seen = Seen { witness: Some(&seen), disk: Some(&disk), shown: None, standing: &[], siblings: &held };
    let Event::Write { replaced, .. } = record(&seen) else { panic!("a write") };
    assert_eq!(replaced.len(), REPLACED_MAX);
    assert_eq!((replaced[0], &replaced[1..]), (Replaced::of(&file(1, 0)), &past[..REPLACED_MAX - 1]));
    let doubtful = Seen { standing: &[dot(1)], ..seen };
    assert!(matches!(record(&doubtful), Event::Write { replaced, .. } if replaced.is_empty()));
}

#[test]
fn a_touch_that_outlives_what_it_was_shown_in_is_written_anew_as_it_was_shown() {
    let (base, edit, stranger) = (file(1, 10), file(2, 20), file(3, 30));
    let shown_as = Witness { dots: vec![dot(1), dot(2)], entry: edit.clone(), unseen: false };
    let touch = Version { dot: dot(1), entry: base.clone(), replaced: vec![Replaced::of(&base)] };
    let of = |versions: &[Version], standing: &[Dot]| {
        let mut held = Siblings::new();
        versions.iter().for_each(|version| held.insert(version.clone()));
        let seen = Seen { witness: Some(&shown_as), disk: Some(&edit), shown: None, standing, siblings: &held };
        told(record(&seen))
    };
    let version = |counter, entry: &Entry, replaced: &[&Entry]| {
        let replaced = replaced.iter().map(|entry| Replaced::of(entry)).collect();
        Version { dot: dot(counter), entry: entry.clone(), replaced }
    };
    assert_eq!(of(std::slice::from_ref(&touch), &[]), ("write", vec![1]), "the edit was deleted");
    assert_eq!(of(&[touch.clone(), version(2, &edit, &[&base])], &[]), ("settled", vec![]), "it stands");
    let next = version(3, &stranger, &[&base]);
    assert_eq!(of(&[touch.clone(), next], &[]), ("settled", vec![]), "it is shown in another one now");
    assert_eq!(of(&[touch.clone(), version(3, &stranger, &[])], &[]), ("write", vec![1]), "beside a stranger");
    assert_eq!(of(std::slice::from_ref(&touch), &[dot(1)]), ("settled", vec![]), "its bytes are somewhere");
    assert_eq!(of(&[version(2, &edit, &[&base])], &[]), ("settled", vec![]), "the touch was seen and replaced");
    assert_eq!(of(&[], &[]), ("settled", vec![]), "both are gone");
}
