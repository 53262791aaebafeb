//! What each way to decide comes to.

use std::collections::BTreeMap;

use super::*;
use crate::model::agreed::gather;
use crate::model::dot::ReplicaId;
use crate::model::entry::Time;
use crate::model::siblings::Version;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).expect("legal")
}

fn entry(kind: Kind, content: &str, secs: i64) -> Entry {
    let content = if kind == Kind::File { Digest::of_content(content.as_bytes()) } else { Digest::UNKNOWN };
    Entry { kind, mode: 0o644, mtime: Time { secs, nanos: 0 }, size: 0, content, uid: 0, gid: 0, extra: None }
}

fn dot(replica: u8, counter: u64) -> Dot {
    Dot { replica: ReplicaId([replica; 16]), counter }
}

fn held(versions: &[(Dot, Entry)]) -> Siblings {
    let mut siblings = Siblings::new();
    for (dot, entry) in versions {
        siblings.insert(Version { dot: *dot, entry: entry.clone(), replaced: Vec::new() });
    }
    siblings
}

fn file(content: &str, secs: i64) -> Entry {
    entry(Kind::File, content, secs)
}

/// `f.txt` with three versions by three replicas: `old`, `new` (which has the plain name) and `mid`.
fn three() -> Agreed {
    let siblings = held(&[(dot(1, 1), file("old", 10)), (dot(2, 1), file("new", 30)), (dot(3, 1), file("mid", 20))]);
    gather(vec![(path("f.txt"), siblings)]).expect("small")
}

fn decided(agreed: &Agreed, keep: &Keep) -> Result<Settled, Undecided> {
    let all = conflicts(agreed);
    assert_eq!(all.len(), 1, "one conflict");
    settle(agreed, &all[0], keep, &|name| agreed.listing().find(name).is_ok())
}

fn applied(agreed: &Agreed, settled: Settled) -> Agreed {
    let mut changed = BTreeMap::new();
    for (number, (path, event)) in settled.events.into_iter().enumerate() {
        let mut siblings = agreed.siblings(path.as_ref());
        event.apply(dot(9, number as u64 + 1), &mut siblings);
        changed.insert(path, siblings);
    }
    agreed.with(&changed).expect("small")
}

fn plain_content(agreed: &Agreed, at: &str) -> Digest {
    agreed.project(path(at).as_ref()).plain.expect("something plain").entry.content
}

#[test]
fn one_version_stays_and_all_others_are_superseded() {
    let digest = Digest::of_content(b"mid").to_hex();
    let named = |digits: &str| Keep::Named(digits.to_owned());
    let table = [
        (Keep::Plain, "new"),
        (Keep::Newest, "new"),
        (Keep::Oldest, "old"),
        (named(&digest[..8]), "mid"),
        (named(&digest.to_uppercase()), "mid"),
        (named("0101"), "old"),
    ];
    for (keep, content) in table {
        let agreed = three();
        let after = applied(&agreed, decided(&agreed, &keep).expect("decided"));
        assert!(conflicts(&after).is_empty(), "{keep:?}");
        assert_eq!(plain_content(&after, "f.txt"), Digest::of_content(content.as_bytes()), "{keep:?}");
        assert_eq!(after.siblings(path("f.txt").as_ref()).len(), 1, "under one new dot");
    }
}

#[test]
fn digits_that_name_no_version_or_several_decide_nothing() {
    let agreed = three();
    assert_eq!(decided(&agreed, &Keep::Named("ffffffff".into())), Err(Undecided::Nothing));
    assert_eq!(decided(&agreed, &Keep::Named("0".into())), Err(Undecided::Several));
}

#[test]
fn both_makes_ordinary_files_of_the_copies() {
    let agreed = three();
    let copies = conflicts(&agreed)[0].shown.copies.clone();
    let after = applied(&agreed, decided(&agreed, &Keep::Both).expect("decided"));
    assert!(conflicts(&after).is_empty());
    assert_eq!(plain_content(&after, "f.txt"), Digest::of_content(b"new"));
    for (copy, content) in copies.iter().zip([&b"mid"[..], b"old"]) {
        let name = copy.name.to_string().replace(".conflict-", ".kept-");
        assert_eq!(plain_content(&after, &name), Digest::of_content(content));
    }
    assert_eq!(after.listing().len(), 3);
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let copy = path("d/f.conflict-0123abcd.txt");
    assert_eq!(kept_name(copy.as_ref(), 1), Some(path("d/f.kept-0123abcd.txt")));
    assert_eq!(kept_name(copy.as_ref(), 2), Some(path("d/f.kept-0123abcd-2.txt")));
    assert_eq!(kept_name(path("f.conflict-0123abcd").as_ref(), 1), Some(path("f.kept-0123abcd")));
    let agreed = three();
    let taken = conflicts(&agreed)[0].shown.copies[0].name.to_string().replace(".conflict-", ".kept-");
    let with = agreed.with(&BTreeMap::from([(path(&taken), held(&[(dot(4, 1), file("other", 1))]))])).expect("small");
    let settled = decided(&with, &Keep::Both).expect("decided");
    assert_eq!(settled.kept[1], path(&taken.replace(".txt", "-2.txt")));
}

#[test]
fn a_directory_that_holds_something_stays_whatever_is_chosen() {
    let directory = entry(Kind::Directory, "", 50);
    for explicit in [true, false] {
        let mut versions = vec![(dot(1, 1), file("file", 100))];
        if explicit {
            versions.push((dot(2, 1), directory.clone()));
        }
        let all = vec![(path("d"), held(&versions)), (path("d/inside"), held(&[(dot(2, 2), file("inside", 1))]))];
        let agreed = gather(all).expect("small");
        let newest = applied(&agreed, decided(&agreed, &Keep::Newest).expect("decided"));
        assert!(conflicts(&newest).is_empty());
        assert!(newest.project(path("d").as_ref()).plain.expect("shown").entry.is_directory());
        let kept = newest.listing().rows().filter(|row| row.path().to_string().contains(".kept-")).count();
        assert_eq!(kept, 1, "the file stands beside it");
        let plain = applied(&agreed, decided(&agreed, &Keep::Plain).expect("decided"));
        assert!(conflicts(&plain).is_empty());
        assert_eq!(plain.listing().len(), 1 + usize::from(explicit), "the file is given up");
    }
}

#[test]
fn an_empty_directory_gives_way_to_a_chosen_file() {
    let versions = [(dot(1, 1), file("file", 100)), (dot(2, 1), entry(Kind::Directory, "", 50))];
    let agreed = gather(vec![(path("d"), held(&versions))]).expect("small");
    let after = applied(&agreed, decided(&agreed, &Keep::Newest).expect("decided"));
    assert!(after.project(path("d").as_ref()).plain.expect("shown").entry.is_file());
}

#[test]
fn an_edit_of_the_kept_version_made_apart_is_no_conflict_and_of_a_given_up_one_is() {
    for (edited, conflicting) in [("new", false), ("old", true)] {
        let agreed = three();
        let after = applied(&agreed, decided(&agreed, &Keep::Plain).expect("decided"));
        let mut siblings = after.siblings(path("f.txt").as_ref());
        let replaced = vec![Replaced::of(&file(edited, 0))];
        siblings.insert(Version { dot: dot(5, 1), entry: file("edited apart", 5), replaced });
        let met = after.with(&BTreeMap::from([(path("f.txt"), siblings)])).expect("small");
        assert_eq!(!conflicts(&met).is_empty(), conflicting, "{edited}");
        if !conflicting {
            assert_eq!(plain_content(&met, "f.txt"), Digest::of_content(b"edited apart"));
        }
    }
}

#[test]
fn what_the_disk_shows_is_found_among_the_versions() {
    let agreed = three();
    let conflict = &conflicts(&agreed)[0];
    let by_disk = |entry: &Entry| settle_as_shown(&agreed, conflict, entry, &|_| false);
    let after = applied(&agreed, by_disk(&file("old", 77)).expect("decided"));
    assert_eq!(plain_content(&after, "f.txt"), Digest::of_content(b"old"));
    assert_eq!(by_disk(&file("something else", 1)), Err(Undecided::Nothing));
}
