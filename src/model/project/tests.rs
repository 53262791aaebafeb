//! What versions look like on disk.

use super::*;
use crate::model::dot::ReplicaId;
use crate::model::entry::{Extra, Xattr};
use crate::model::siblings::Replaced;

fn dot(counter: u64) -> Dot {
    Dot { replica: ReplicaId([7; 16]), counter }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).expect("a legal path")
}

fn file(bytes: u8, secs: i64, mode: u16) -> Entry {
    let mtime = Time { secs, nanos: 0 };
    Entry { kind: Kind::File, mode, mtime, size: 1, content: Digest([bytes; 32]), uid: 0, gid: 0, extra: None }
}

fn directory(mode: u16, secs: i64) -> Entry {
    Entry { kind: Kind::Directory, content: Digest::UNKNOWN, size: 0, ..file(0, secs, mode) }
}

fn siblings(versions: &[(u64, &Entry, &[&Entry])]) -> Siblings {
    let mut siblings = Siblings::new();
    for (counter, entry, replaced) in versions {
        let replaced = replaced.iter().map(|entry| Replaced::of(entry)).collect();
        siblings.insert(Version { dot: dot(*counter), entry: (*entry).clone(), replaced });
    }
    siblings
}

/// Name, bytes, mode and dots of each file.
fn seen(projection: &Projection) -> Vec<(String, u8, u16, Vec<u64>)> {
    let row = |shown: &Shown| {
        let dots = shown.dots.iter().map(|dot| dot.counter).collect();
        (shown.name.to_string(), shown.entry.content.0[0], shown.entry.mode, dots)
    };
    projection.iter().map(row).collect()
}

fn free(_: PathRef<'_>) -> bool {
    false
}

#[test]
fn the_newest_has_the_plain_name_and_equal_versions_are_one() {
    let (old, new, newer) = (file(1, 10, 0o644), file(2, 20, 0o644), file(2, 30, 0o644));
    let versions = siblings(&[(1, &old, &[]), (2, &new, &[]), (3, &newer, &[])]);
    let shown = project(path("d/a.tar.gz").as_ref(), &versions, false, &free);
    let rows = seen(&shown);
    assert_eq!((rows.len(), &rows[0]), (2, &("d/a.tar.gz".to_owned(), 2, 0o644, vec![2, 3])));
    assert_eq!(shown.plain.as_ref().map(|shown| shown.entry.mtime.secs), Some(30));
    assert!(rows[1].0.starts_with("d/a.tar.conflict-") && rows[1].0.ends_with(".gz"), "{}", rows[1].0);
    assert_eq!(
        view_of(shown.copies[0].name.as_ref()).map(|(plain, hex)| (plain, hex.len())),
        Some((path("d/a.tar.gz"), 8))
    );
}

#[test]
fn a_name_that_is_taken_gets_more_digits() {
    let versions = siblings(&[(1, &file(1, 10, 0o644), &[]), (2, &file(2, 20, 0o644), &[])]);
    let short = project(path("f").as_ref(), &versions, false, &free).copies[0].name.clone();
    let long = project(path("f").as_ref(), &versions, false, &|name| name == short.as_ref()).copies[0].name.clone();
    assert_eq!((short.as_bytes().len(), long.as_bytes().len()), (1 + 10 + 8, 1 + 10 + 16));
    assert!(long.as_bytes().starts_with(short.as_bytes()));
    let taken = |name: PathRef<'_>| name == short.as_ref() || name == long.as_ref();
    let other = project(path("f").as_ref(), &versions, false, &taken).copies[0].name.clone();
    assert!(other != long && view_of(other.as_ref()).is_some());
    let none = project(path("f").as_ref(), &versions, false, &|_| true);
    assert!(none.copies.is_empty() && none.plain.is_some(), "no name is left");
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let long = format!("{}.txt", "ä".repeat(125));
    let versions = siblings(&[(1, &file(1, 10, 0o644), &[]), (2, &file(2, 20, 0o644), &[])]);
    let copy = project(path(&long).as_ref(), &versions, false, &free).copies[0].name.clone();
    let text = std::str::from_utf8(copy.as_bytes()).expect("whole characters");
    assert!(copy.as_bytes().len() <= 255 && text.ends_with(".txt"), "{text}");
}

#[test]
fn a_directory_keeps_the_name() {
    let (both, file) = (directory(0o700, 5), file(1, 10, 0o644));
    let versions = siblings(&[(1, &file, &[]), (2, &both, &[]), (3, &directory(0o755, 1), &[])]);
    let rows = seen(&project(path("d").as_ref(), &versions, false, &free));
    assert_eq!((rows.len(), &rows[0]), (2, &("d".to_owned(), 0, 0o700, vec![2, 3])));
    let implicit = seen(&project(path("d").as_ref(), &siblings(&[(1, &file, &[])]), true, &free));
    assert_eq!((implicit.len(), &implicit[0]), (2, &("d".to_owned(), 0, 0o755, vec![])));
    assert!(seen(&project(path("d").as_ref(), &Siblings::new(), false, &free)).is_empty());
    assert_eq!(seen(&project(path("d").as_ref(), &Siblings::new(), true, &free)).len(), 1);
}

#[test]
fn a_touch_or_chmod_yields_to_an_edit() {
    let (old, chmod, edit) = (file(1, 10, 0o644), file(1, 99, 0o600), file(2, 20, 0o644));
    let versions = siblings(&[(1, &chmod, &[&old]), (2, &edit, &[&old])]);
    assert_eq!(seen(&project(path("f").as_ref(), &versions, false, &free)), [("f".to_owned(), 2, 0o600, vec![1, 2])]);
    let both_modes = siblings(&[(1, &chmod, &[&old]), (2, &file(2, 20, 0o640), &[&old])]);
    assert_eq!(seen(&project(path("f").as_ref(), &both_modes, false, &free))[0].2, 0o640, "the edit changed it too");
    let twice = siblings(&[(1, &chmod, &[&old]), (2, &file(3, 30, 0o644), &[&edit, &old])]);
    assert_eq!(seen(&project(path("f").as_ref(), &twice, false, &free)).len(), 1, "edited twice");
    let strangers = siblings(&[(1, &chmod, &[&old]), (2, &edit, &[])]);
    assert_eq!(seen(&project(path("f").as_ref(), &strangers, false, &free)).len(), 2, "it never had those bytes");
}

#[test]
fn a_touch_yields_to_a_chmod_and_two_chmods_are_two_versions() {
    let old = file(1, 10, 0o644);
    let (touch, chmod, other) = (file(1, 50, 0o644), file(1, 10, 0o600), file(1, 10, 0o640));
    let one = siblings(&[(1, &touch, &[&old]), (2, &chmod, &[&old])]);
    assert_eq!(seen(&project(path("f").as_ref(), &one, false, &free)), [("f".to_owned(), 1, 0o600, vec![1, 2])]);
    let two = siblings(&[(1, &other, &[&old]), (2, &chmod, &[&old])]);
    assert_eq!(seen(&project(path("f").as_ref(), &two, false, &free)).len(), 2);
}

#[test]
fn touches_that_would_yield_to_each_other_both_stand() {
    let (one, two) = (file(1, 10, 0o644), file(2, 20, 0o644));
    let versions = siblings(&[(1, &one, &[&one, &two]), (2, &two, &[&two, &one])]);
    assert_eq!(seen(&project(path("f").as_ref(), &versions, false, &free)).len(), 2);
}

#[test]
fn attributes_are_given_where_the_edit_kept_the_old_ones() {
    let old = file(1, 10, 0o644);
    let xattrs = vec![Xattr { name: (*b"user.a").into(), value: (*b"1").into() }];
    let marked = Entry { extra: Some(Box::new(Extra { xattrs, ..Extra::default() })), ..file(1, 11, 0o644) };
    let versions = siblings(&[(1, &marked, &[&old]), (2, &file(2, 20, 0o644), &[&old])]);
    let plain = project(path("f").as_ref(), &versions, false, &free).plain.expect("a file");
    assert_eq!((plain.entry.content.0[0], plain.entry.xattrs()), (2, marked.xattrs()));
}

#[test]
fn names_in_the_form_of_copies() {
    let plain = |name: &str| view_of(path(name).as_ref()).map(|(plain, _)| plain.to_string());
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(plain("d/a.conflict-0123abcd.txt"), some("d/a.txt"));
    assert_eq!(plain("a.conflict-0123456789abcdef"), some("a"));
    assert_eq!(plain(".bashrc.conflict-0123abcd"), some(".bashrc"));
    assert_eq!(plain("a.conflict-0123abcd."), some("a."));
    assert_eq!(plain("a.conflict-0123abcd.conflict-00000000.t"), some("a.conflict-0123abcd.t"));
    assert_eq!(
        plain("a.conflict-0123abcd.conflict-00000000"),
        some("a.conflict-00000000"),
        "its extension is that form"
    );
    for no in [
        "a.txt",
        "a.conflict-0123abc.txt",
        "a.conflict-0123ABCD",
        "a.txt.conflict-0123abcd",
        ".conflict-0123abcd",
        "a.conflict-0123abcd.b.c",
    ] {
        assert_eq!(plain(no), None, "{no}");
    }
}

#[test]
fn a_copy_of_a_copy_belongs_to_the_plain_file() {
    let present = |there: PathRef<'_>| [&b"a.t"[..], b"a.conflict-0123abcd.t"].contains(&there.as_bytes());
    let home =
        |name: &str, held: &dyn Fn(PathRef<'_>) -> bool| home_of(path(name).as_ref(), held, &present).to_string();
    assert_eq!(home("a.conflict-0123abcd.conflict-00000000.t", &free), "a.t");
    assert_eq!(home("a.conflict-0123abcd.t", &|_| true), "a.conflict-0123abcd.t", "E holds the name itself");
    assert_eq!(home("b.conflict-0123abcd.t", &free), "b.conflict-0123abcd.t", "no such plain file");
}
