//! Writers beside the scan: a digest is of bytes that were there, or the path is named.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use alike::disk::read::Reader;
use alike::disk::root::Root;
use alike::model::{Digest, Kind, PathRef, ProblemKind};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::tree::{at, everywhere, look, paths, rel, settle, write};

/// Runs `writer` again and again beside `claim`.
fn beside(writer: impl Fn(u64) + Sync, claim: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                writer(round);
                round += 1;
            }
        });
        let _ends_the_writer = Done(&done);
        claim();
    });
}

/// Set when it is dropped: also where a claim fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_rewritten_all_the_time_is_reported_or_has_the_digest_of_one_version() {
    everywhere(|root| {
        for bytes in [3000, 300_000, 3_000_000] {
            let versions: Vec<Vec<u8>> = (0..4).map(|version| vec![version; bytes]).collect();
            let digests: Vec<Digest> = versions.iter().map(|version| Digest::of_content(version)).collect();
            write(root, "hot", &versions[0]);
            let file = OpenOptions::new().write(true).open(root.join("hot")).expect("opened");
            let write = |round: u64| {
                file.write_all_at(&versions[(round % 4) as usize], 0).expect("written");
                // Sometimes a pause in which a whole version can be read, mostly none.
                if round.is_multiple_of(64) {
                    std::thread::sleep(std::time::Duration::from_millis(30));
                }
            };
            beside(write, || {
                for _ in 0..25 {
                    let scanned = look(root, None).0;
                    let row = scanned.listing.row(at(&scanned.listing, "hot"));
                    match row.kind() {
                        Kind::File => assert!(digests.contains(&row.content()), "a digest of {bytes} torn bytes"),
                        kind => {
                            assert_eq!(kind, Kind::Unreadable);
                            let problem = &scanned.problems[0];
                            assert_eq!((problem.kind, &problem.path), (ProblemKind::Changed, &rel("hot")));
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn a_file_truncated_under_the_scan_never_has_the_digest_of_zeros_in_its_place() {
    everywhere(|root| {
        let long = vec![7u8; 4 << 20];
        write(root, "hot", &long);
        let short = &long[..100];
        let file = OpenOptions::new().write(true).open(root.join("hot")).expect("opened");
        let write = |_| {
            file.set_len(100).expect("cut");
            file.write_all_at(&long, 0).expect("written");
        };
        // A write from the start passes through every length.
        let cut = |size: u64| Digest::of_content(&long[..size as usize]);
        beside(write, || {
            for _ in 0..50 {
                let scanned = look(root, None).0;
                let row = scanned.listing.row(at(&scanned.listing, "hot"));
                if row.kind() == Kind::File {
                    assert!(row.size() >= short.len() as u64);
                    assert_eq!(row.content(), cut(row.size()));
                }
            }
        });
    });
}

#[test]
fn paths_that_come_and_go_are_absent_or_there_and_never_unreadable() {
    everywhere(|root| {
        write(root, "stays", "x");
        let churn = |round: u64| {
            let path = format!("d{}/e/f{}", round % 3, round % 7);
            write(root, &path, "x");
            fs::remove_dir_all(root.join(format!("d{}", (round + 1) % 3))).ok();
        };
        let base = settle(root);
        beside(churn, || {
            let mut base = base;
            for _ in 0..100 {
                let scanned = look(root, Some(&base)).0;
                // One that comes and goes at each of three looks is named, and never taken for absent.
                for problem in &scanned.problems {
                    assert_eq!(problem.kind, ProblemKind::Changed, "{problem:?}");
                    at(&scanned.listing, &problem.path.to_string());
                }
                assert!(paths(&scanned.listing).contains(&"stays".into()));
                base = scanned.listing;
            }
        });
    });
}

#[test]
fn what_a_link_takes_the_place_of_changed_and_is_not_unreadable() {
    everywhere(|root| {
        for name in 0..40 {
            write(root, &format!("d/e/{name}"), "x");
        }
        symlink("elsewhere", root.join("link")).expect("linked");
        let base = settle(root);
        let swap = |round: u64| {
            // What was changed just now is looked at once more, by its path.
            write(root, "d/e/0", round.to_string());
            for _ in 0..2 {
                let (one, other) = (root.join("d"), root.join("link"));
                renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("swapped");
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        };
        beside(swap, || {
            for _ in 0..60 {
                for problem in look(root, Some(&base)).0.problems {
                    assert_eq!(problem.kind, ProblemKind::Changed, "{problem:?}");
                }
            }
        });
    });
}

#[test]
fn a_reader_refuses_links_and_directories_and_sees_changes() {
    everywhere(|root| {
        write(root, "root/d/f", "content");
        write(root, "outside/f", "secret");
        symlink("../outside", root.join("root/link")).expect("linked");
        symlink("f", root.join("root/d/leaf")).expect("linked");
        let opened_root = Root::open(&root.join("root")).expect("a root");
        let reader = Reader::new(&opened_root);
        let open = |path: &str| reader.open(PathRef::new(path.as_bytes()).expect("legal"));
        for refused in ["link/f", "d/leaf", "d", "missing", "d/f/g"] {
            assert!(open(refused).is_err(), "{refused}");
        }
        let opened = open("d/f").expect("opened");
        assert!(opened.unchanged().expect("stat"));
        write(root, "root/d/f", "changed content");
        assert!(!opened.unchanged().expect("stat"));
        // A directory that was replaced is found again, though its old handle was kept.
        fs::rename(root.join("root/d"), root.join("root/old")).expect("moved");
        write(root, "root/d/new", "x");
        assert!(open("d/new").is_ok());
    });
}
