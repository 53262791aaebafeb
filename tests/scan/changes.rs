//! No change is missed, and a scan with a base says what a scan without one says.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use alike::model::Digest;
use proptest::prelude::*;

use super::tree::{agree, at, everywhere, look, plant, settle, write};

/// What the row of a file says of its content.
fn content(listing: &alike::model::Listing, path: &str) -> Digest {
    listing.row(at(listing, path)).content()
}

#[test]
fn an_edit_of_the_same_size_with_its_time_put_back_is_seen() {
    everywhere(|root| {
        write(root, "f", "before");
        let base = settle(root);
        let time = fs::metadata(root.join("f")).expect("stat").modified().expect("a time");
        let mut file = OpenOptions::new().write(true).open(root.join("f")).expect("opened");
        file.write_all(b"after!").expect("written");
        file.set_times(FileTimes::new().set_modified(time)).expect("set");
        assert_eq!(content(&look(root, Some(&base)).0.listing, "f"), Digest::of_content(b"after!"));
    });
}

#[test]
fn an_edit_of_the_same_size_right_after_a_scan_is_seen() {
    everywhere(|root| {
        for round in 0..50u8 {
            write(root, "f", [round; 5]);
            let base = look(root, None).0.listing;
            let mut file = OpenOptions::new().write(true).open(root.join("f")).expect("opened");
            file.write_all(&[round ^ 0x80; 5]).expect("written");
            let listing = look(root, Some(&base)).0.listing;
            assert_eq!(content(&listing, "f"), Digest::of_content(&[round ^ 0x80; 5]), "round {round}");
        }
    });
}

#[test]
fn a_file_from_the_future_is_read_at_every_scan() {
    // Its change time cannot be set, but its racy row is what a clock that was put back makes of it.
    everywhere(|root| {
        write(root, "f", "x");
        let base = settle(root);
        let mut builder = alike::model::listing::Builder::default();
        for row in base.rows() {
            builder.push_row_flagged(row, alike::model::listing::FLAG_RACY);
        }
        let (scanned, opened) = look(root, Some(&builder.finish()));
        assert_eq!(opened, 1);
        agree(&scanned.listing, &base);
    });
}

#[test]
fn kinds_that_replace_each_other_are_seen() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        fs::remove_dir_all(root.join("a/b")).expect("removed");
        write(root, "a/b", "a file now");
        fs::remove_file(root.join("a.txt")).expect("removed");
        write(root, "a.txt/now/a/directory", "x");
        fs::remove_file(root.join("link")).expect("removed");
        symlink("elsewhere", root.join("link")).expect("linked");
        fs::rename(root.join("z"), root.join("hollow/z")).expect("moved");
        let next = look(root, Some(&base)).0.listing;
        agree(&next, &look(root, None).0.listing);
        assert_eq!(next.row(at(&next, "link")).entry().target(), Some(&b"elsewhere"[..]));
    });
}

/// One thing that users do to a tree.
#[derive(Debug, Clone)]
enum Deed {
    Write(u8, u8),
    Append(u8),
    Delete(u8),
    Move(u8, u8),
    Link(u8, u8),
    Symlink(u8),
    Touch(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(at, byte)| Deed::Write(at, byte)),
        any::<u8>().prop_map(Deed::Append),
        any::<u8>().prop_map(Deed::Delete),
        (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Deed::Move(from, to)),
        (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Deed::Link(from, to)),
        any::<u8>().prop_map(Deed::Symlink),
        any::<u8>().prop_map(Deed::Touch),
    ]
}

/// A path of one to four short names: few enough that deeds meet.
fn place(number: u8) -> String {
    let names = ["a", "b", "a-", "c.d"];
    let name = |shift: u8| names[usize::from(number >> shift & 3)];
    match number >> 6 {
        0 => name(0).into(),
        1 => format!("{}/{}", name(0), name(2)),
        2 => format!("{}/{}/{}", name(0), name(2), name(4)),
        _ => format!("{}/{}/{}/{}", name(0), name(2), name(4), name(2)),
    }
}

/// Does it where it can be done: deeds that fail change nothing.
fn perform(root: &Path, deed: &Deed) {
    let at = |number: u8| root.join(place(number));
    let made = |number: u8| {
        let path = at(number);
        fs::create_dir_all(path.parent().expect("a parent")).map(|()| path)
    };
    let _done = match deed {
        Deed::Write(number, byte) => made(*number).and_then(|path| fs::write(path, [*byte; 9])),
        Deed::Append(number) => OpenOptions::new().append(true).open(at(*number)).and_then(|mut f| f.write_all(b"+")),
        Deed::Delete(number) => fs::remove_file(at(*number)).or_else(|_| fs::remove_dir_all(at(*number))),
        Deed::Move(from, to) => made(*to).and_then(|to| fs::rename(at(*from), to)),
        Deed::Link(from, to) => made(*to).and_then(|to| fs::hard_link(at(*from), to)),
        Deed::Symlink(number) => made(*number).and_then(|path| symlink("a/b", path)),
        Deed::Touch(number) => File::open(at(*number))
            .and_then(|file| file.set_times(FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH))),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_with_a_base_says_what_a_scan_without_one_says(
        before in prop::collection::vec(deed(), 0..40),
        rounds in prop::collection::vec(prop::collection::vec(deed(), 1..8), 1..4),
    ) {
        let place = super::tree::places().pop().expect("a file system");
        let root = tempfile::TempDir::new_in(place).expect("a directory");
        before.iter().for_each(|deed| perform(root.path(), deed));
        let mut base = look(root.path(), None).0.listing;
        for round in &rounds {
            round.iter().for_each(|deed| perform(root.path(), deed));
            let next = look(root.path(), Some(&base)).0;
            agree(&next.listing, &look(root.path(), None).0.listing);
            base = next.listing;
        }
    }
}
