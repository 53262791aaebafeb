//! A glance at some directories says what a scan of all would say.

use std::collections::BTreeSet;
use std::fs;

use alike::disk::filter::Filter;
use alike::disk::gauge::Gauge;
use alike::disk::glance::{Glance, GlanceOptions, Glanced, glance};
use alike::disk::root::Root;
use alike::disk::scan::{NoMemory, ScanOptions, scan};
use alike::model::listing::FLAG_INCOMPLETE;
use alike::model::{Digest, Entry, Listing, RelPath, Stamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn scanned(root: &Root, base: Option<&Listing>) -> Listing {
    let filter = Filter::new(&["*.left-out".into()]).expect("a pattern");
    let options = ScanOptions { filter: &filter, one_file_system: false, checksum: false, quick: false, defer: None };
    scan(root, base, &NoMemory, &options, &Gauge::default()).expect("a scan").listing
}

fn glanced(root: &Root, base: &Listing, directories: &[&str], quiet_ns: i64) -> Option<Glanced> {
    glanced_after(root, base, directories, (quiet_ns, &[]))
}

fn glanced_after(
    root: &Root,
    base: &Listing,
    directories: &[&str],
    (quiet_ns, moved): (i64, &[(&str, &str)]),
) -> Option<Glanced> {
    let filter = Filter::new(&["*.left-out".into()]).expect("a pattern");
    let paths: BTreeSet<RelPath> =
        directories.iter().map(|path| RelPath::new(path.as_bytes()).expect("legal")).collect();
    let legal = |path: &str| RelPath::new(path.as_bytes()).expect("legal");
    let moved: Vec<(RelPath, RelPath)> = moved.iter().map(|(from, to)| (legal(from), legal(to))).collect();
    let options = GlanceOptions { filter: &filter, quiet_ns, moved: &moved };
    match glance(root, base, &paths, &NoMemory, (options, &Gauge::default())).expect("a glance") {
        Glance::Seen(glanced) => Some(glanced),
        Glance::Whole => None,
    }
}

/// All of the rows but their flags: a glance leaves a mark of incompleteness where a scan takes it away.
fn rows(listing: &Listing) -> Vec<(RelPath, Entry, Stamp, usize)> {
    listing.rows().map(|row| (row.path().to_owned(), row.entry(), row.stamp(), row.below())).collect()
}

/// Something that may happen in a directory tree, and the directories in which it happens.
fn happen(random: &mut StdRng, root: &std::path::Path) -> Vec<String> {
    let directories = ["", "a", "b", "a/c", "a/c/d", "b/e"];
    let pick = |random: &mut StdRng| directories[random.random_range(0..directories.len())].to_owned();
    let (one, other) = (pick(random), pick(random));
    let name = |directory: &str, name: &str| {
        if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
    };
    let number = random.random_range(0..4);
    let (from, to) = (name(&one, &format!("f{number}")), name(&other, &format!("f{number}")));
    // What cannot be done in the tree as it is by now is not done.
    let _done = match random.random_range(0..7) {
        0 | 1 => fs::create_dir_all(root.join(&one)).and_then(|()| fs::write(root.join(&from), number.to_string())),
        2 => fs::remove_file(root.join(&from)),
        3 => fs::rename(root.join(&from), root.join(&to)),
        4 => fs::remove_dir_all(root.join(name(&one, "c"))),
        5 => fs::rename(root.join(name(&one, "c")), root.join(name(&other, "c"))),
        _ => fs::create_dir_all(root.join(name(&one, "c/d/new.left-out"))),
    };
    let parent = |path: String| path.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
    let touched = [name(&one, "c/d"), name(&one, "c"), one.clone(), other.clone()];
    touched.iter().cloned().chain([parent(one), parent(other)]).collect()
}

#[test]
fn a_glance_at_what_was_touched_says_what_a_scan_says() {
    for seed in 0..60 {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Root::open(directory.path()).expect("a root");
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..30 {
            happen(&mut random, directory.path());
        }
        let mut base = scanned(&root, None);
        for round in 0..4 {
            let touched: Vec<String> = (0..2).flat_map(|_| happen(&mut random, directory.path())).collect();
            let touched: Vec<&str> = touched.iter().map(String::as_str).collect();
            let next = scanned(&root, Some(&base));
            let glanced = glanced(&root, &base, &touched, 0).expect("nothing here needs a scan");
            let (seen, true_rows) = (rows(&glanced.listing), rows(&next));
            let wrong: Vec<_> = seen.iter().filter(|row| !true_rows.contains(row)).collect();
            let missing: Vec<_> = true_rows.iter().filter(|row| !seen.contains(row)).collect();
            assert!(
                wrong.is_empty() && missing.is_empty(),
                "seed {seed}, round {round}: {touched:?}\n{wrong:?}\n{missing:?}"
            );
            assert_eq!(seen.len(), true_rows.len());
            let marked = |listing: &Listing| -> BTreeSet<RelPath> {
                listing
                    .rows()
                    .filter(|row| row.flags() & FLAG_INCOMPLETE != 0)
                    .map(|row| row.path().to_owned())
                    .collect()
            };
            assert!(marked(&glanced.listing).is_superset(&marked(&next)), "seed {seed}, round {round}");
            let differs = |path: &RelPath| {
                let row = |listing: &Listing| {
                    listing.find(path.as_ref()).ok().map(|at| (listing.row(at).entry(), listing.row(at).stamp()))
                };
                row(&base) != row(&next)
            };
            let all: BTreeSet<RelPath> = base.rows().chain(next.rows()).map(|row| row.path().to_owned()).collect();
            let differing: BTreeSet<RelPath> = all.into_iter().filter(differs).collect();
            assert!(glanced.names.is_superset(&differing), "seed {seed}, round {round}");
            base = next;
        }
    }
}

#[test]
fn a_file_that_is_being_written_waits_and_its_neighbours_do_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = Root::open(directory.path()).expect("a root");
    fs::create_dir(directory.path().join("in")).expect("made");
    fs::write(directory.path().join("in/calm"), b"calm").expect("written");
    let base = scanned(&root, None);
    fs::write(directory.path().join("in/hot"), b"hot").expect("written");
    fs::remove_file(directory.path().join("in/calm")).expect("removed");
    let hour_ns = 3_600_000_000_000;
    let seen = glanced(&root, &base, &["in"], hour_ns).expect("seen");
    let paths: Vec<&[u8]> = seen.listing.rows().map(|row| row.path().as_bytes()).collect();
    assert_eq!(paths, [b"in"], "the new file is not there yet, the old one is gone");
    assert_eq!(seen.again, BTreeSet::from([RelPath::new(b"in/hot").expect("legal")]));
    let seen = glanced(&root, &seen.listing, &["in"], 0).expect("seen");
    assert_eq!(seen.listing.len(), 2);
    assert!(seen.again.is_empty());
}

#[test]
fn hard_links_and_ignore_files_are_left_to_a_scan() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let root = Root::open(directory.path()).expect("a root");
    fs::create_dir(at("in")).expect("made");
    fs::write(at("in/file"), b"one").expect("written");
    let base = scanned(&root, None);
    fs::hard_link(at("in/file"), at("in/name")).expect("linked");
    assert!(glanced(&root, &base, &["in"], 0).is_none());
    let base = scanned(&root, Some(&base));
    fs::remove_file(at("in/name")).expect("removed");
    assert!(glanced(&root, &base, &["in"], 0).is_none());
    let base = scanned(&root, Some(&base));
    fs::write(at("in/.alikeignore"), b"file\n").expect("written");
    assert!(glanced(&root, &base, &["in"], 0).is_none());
}

#[test]
fn below_a_directory_that_moved_only_what_was_touched_is_looked_at_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let root = Root::open(directory.path()).expect("a root");
    fs::create_dir_all(at("old/deep/er")).expect("made");
    fs::create_dir_all(at("other")).expect("made");
    for name in ["old/a", "old/deep/b", "old/deep/er/c", "olden", "other/d"] {
        fs::write(at(name), name).expect("written");
    }
    let base = scanned(&root, None);
    fs::rename(at("old"), at("other/new")).expect("renamed");
    fs::write(at("other/new/deep/b"), b"changed").expect("written");
    let next = scanned(&root, Some(&base));
    let touched = ["", "other", "other/new/deep"];
    let seen = glanced_after(&root, &base, &touched, (0, &[("old", "other/new")])).expect("seen");
    assert_eq!(rows(&seen.listing), rows(&next));
    let names: Vec<&[u8]> = seen.names.iter().map(RelPath::as_bytes).collect();
    for name in ["old", "old/deep/er/c", "other", "other/new", "other/new/deep/b", "other/new/deep/er/c"] {
        assert!(names.contains(&name.as_bytes()), "{name} differs and is not named");
    }
    assert!(!names.contains(&b"olden".as_slice()) && !names.contains(&b"other/d".as_slice()));
    // Nobody looked there: it is what it was.
    fs::write(at("other/new/a"), b"changed").expect("written");
    let blind = glanced_after(&root, &base, &touched[..2], (0, &[("old", "other/new")])).expect("seen");
    let content = |path: &[u8]| {
        let path = RelPath::new(path).expect("legal");
        blind.listing.row(blind.listing.find(path.as_ref()).expect("listed")).content()
    };
    assert_eq!(content(b"other/new/deep/er/c"), Digest::of_content(b"old/deep/er/c"));
    assert_eq!(content(b"other/new/deep/b"), Digest::of_content(b"old/deep/b"));
}

#[test]
fn a_directory_that_may_look_different_elsewhere_is_scanned_where_it_moved() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let root = Root::open(directory.path()).expect("a root");
    for name in ["plain", "linked", "hidden", "ruled"] {
        fs::create_dir(at(name)).expect("made");
        fs::write(at(name).join("file"), name).expect("written");
    }
    fs::hard_link(at("linked/file"), at("linked/name")).expect("linked");
    fs::write(at("hidden/x.left-out"), b"").expect("written");
    fs::write(at("ruled/.alikeignore"), b"nothing\n").expect("written");
    let base = scanned(&root, None);
    for (name, seen) in [("plain", true), ("linked", false), ("hidden", false), ("ruled", false)] {
        let to = format!("{name}-moved");
        fs::rename(at(name), at(&to)).expect("renamed");
        let glanced = glanced_after(&root, &base, &[""], (0, &[(name, &to)]));
        assert_eq!(glanced.is_some(), seen, "{name}");
        fs::rename(at(&to), at(name)).expect("renamed");
    }
}
