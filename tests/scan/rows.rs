//! What a listing says is what the file system says.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use alike::disk::filter::Filter;
use alike::disk::scan::ScanOptions;
use alike::model::listing::FLAG_INCOMPLETE;
use alike::model::{Digest, Kind, ProblemKind};

use super::tree::{agree, at, everywhere, look, look_with, options, paths, plant, settle, write};

#[test]
fn rows_are_what_another_walk_finds() {
    everywhere(|root| {
        plant(root);
        let listing = settle(root);
        let walk = walkdir::WalkDir::new(root).min_depth(1);
        let mut found: Vec<_> = walk.into_iter().map(|entry| entry.expect("walked")).collect();
        let relative = |entry: &walkdir::DirEntry| entry.path().strip_prefix(root).expect("below").to_owned();
        found.sort_by_key(relative);
        assert_eq!(found.len(), listing.len());
        for (entry, row) in found.iter().zip(listing.rows()) {
            assert_eq!(relative(entry).as_os_str().as_bytes(), row.path().as_bytes());
            let stat = fs::symlink_metadata(entry.path()).expect("stat");
            assert_eq!((row.stamp().inode, row.uid(), row.gid()), (stat.ino(), stat.uid(), stat.gid()));
            assert_eq!((row.mtime().secs, i64::from(row.mtime().nanos)), (stat.mtime(), stat.mtime_nsec()));
            match row.kind() {
                Kind::File => {
                    let bytes = fs::read(entry.path()).expect("read");
                    assert_eq!((row.size(), row.content()), (stat.len(), Digest::of_content(&bytes)));
                }
                Kind::Symlink => assert_eq!(row.entry().target(), Some(&b"a/b"[..])),
                _ => assert_eq!((row.kind(), row.content()), (Kind::Directory, Digest::UNKNOWN)),
            }
        }
    });
}

#[test]
fn a_directory_is_followed_at_once_by_what_is_below_it() {
    everywhere(|root| {
        plant(root);
        let wanted = [
            "a", "a/b", "a/b/c", "a/b/d", "a/b.c", "a-b", "a.txt", "empty", "hollow", "link", "z", "z/y", "z/y/x",
            "z/y/x/w", "é", "é/ü",
        ];
        assert_eq!(paths(&settle(root)), wanted);
    });
}

#[test]
fn fifos_sockets_modes_and_odd_names_are_kept() {
    everywhere(|root| {
        let odd = root.join(std::ffi::OsStr::from_bytes(b"\xff\n\x1b"));
        fs::write(&odd, "x").expect("written");
        fs::set_permissions(&odd, fs::Permissions::from_mode(0o4751)).expect("set");
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("bound");
        assert!(Command::new("mkfifo").arg(root.join("fifo")).status().expect("run").success());
        let listing = settle(root);
        let kinds: Vec<Kind> = listing.rows().map(|row| row.kind()).collect();
        assert_eq!(kinds, [Kind::Fifo, Kind::Socket, Kind::File]);
        assert_eq!(listing.row(2).path().as_bytes(), b"\xff\n\x1b");
        assert_eq!(listing.row(2).mode(), 0o4751);
    });
}

#[test]
fn device_nodes_carry_their_numbers_and_are_never_opened() {
    // A root that has devices without the right to make one.
    let filter = Filter::new(&["shm".into(), "mqueue".into(), "hugepages".into()]).expect("legal");
    let options = ScanOptions { one_file_system: true, ..options(&filter) };
    let (scanned, _) = look_with(Path::new("/dev"), None, &options);
    let row = scanned.listing.row(at(&scanned.listing, "null"));
    assert_eq!(row.kind(), Kind::CharDevice);
    assert_eq!(row.entry().extra.expect("a number").device, fs::metadata("/dev/null").expect("stat").rdev());
    let device = fs::metadata("/dev").expect("stat").dev();
    // A mount point is there, and nothing is said of it but that.
    for row in scanned.listing.rows().filter(|row| row.kind() != Kind::Unreadable) {
        let path = Path::new("/dev").join(row.path().to_string());
        let found = fs::symlink_metadata(path).map(|stat| stat.dev());
        assert_eq!(found.unwrap_or(device), device, "{} is on another file system", row.path());
    }
}

#[test]
fn attributes_and_acls_are_read_and_security_labels_are_not() {
    everywhere(|root| {
        write(root, "f", "x");
        fs::create_dir(root.join("d")).expect("made");
        for name in ["f", "d"] {
            let path = root.join(name);
            let set = |attribute: &str, value: &[u8]| {
                rustix::fs::setxattr(&path, attribute, value, rustix::fs::XattrFlags::empty())
            };
            if set("user.b", &[7; 3000]).is_err() {
                return; // tmpfs of older kernels holds no user attributes
            }
            set("user.a", b"").expect("set");
        }
        let listing = settle(root);
        for name in ["d", "f"] {
            let entry = listing.row(at(&listing, name)).entry();
            let names: Vec<&[u8]> = entry.xattrs().iter().map(|xattr| &*xattr.name).collect();
            assert_eq!(names, [&b"user.a"[..], b"user.b"]);
            assert_eq!(&*entry.xattrs()[1].value, [7; 3000]);
        }
    });
}

#[test]
fn names_of_one_file_carry_the_least_path_and_are_hashed_once() {
    everywhere(|root| {
        write(root, "m/two", "linked");
        write(root, "alone", "alone");
        fs::hard_link(root.join("m/two"), root.join("m/one")).expect("linked");
        fs::hard_link(root.join("m/two"), root.join("z")).expect("linked");
        let (scanned, opened) = look(root, None);
        assert_eq!(scanned.hashed_files, 2);
        assert!(opened <= 4, "no name is opened twice");
        let listing = scanned.listing;
        for name in ["m/one", "m/two", "z"] {
            let entry = listing.row(at(&listing, name)).entry();
            assert_eq!(entry.links(), Some(&b"m/one"[..]), "{name}");
            assert_eq!(entry.content, Digest::of_content(b"linked"));
        }
        assert_eq!(listing.row(at(&listing, "alone")).entry().links(), None);
    });
}

#[test]
fn the_least_path_follows_names_that_come_and_go() {
    everywhere(|root| {
        write(root, "m", "linked");
        fs::hard_link(root.join("m"), root.join("z")).expect("linked");
        let links = |listing: &alike::model::Listing, name: &str| {
            listing.row(at(listing, name)).entry().links().map(|links| String::from_utf8_lossy(links).into_owned())
        };
        let base = settle(root);
        assert_eq!(links(&base, "z"), Some("m".into()));
        fs::hard_link(root.join("m"), root.join("a")).expect("linked");
        let base = look(root, Some(&base)).0.listing;
        assert_eq!(links(&base, "z"), Some("a".into()));
        fs::remove_file(root.join("a")).expect("removed");
        fs::remove_file(root.join("m")).expect("removed");
        let base = look(root, Some(&base)).0.listing;
        assert_eq!(links(&base, "z"), None);
    });
}

#[test]
fn a_filter_that_hides_a_name_takes_it_out_of_its_group() {
    everywhere(|root| {
        write(root, "a", "linked");
        write(root, "d/other", "x");
        fs::hard_link(root.join("a"), root.join("z")).expect("linked");
        let base = settle(root);
        let filter = Filter::new(&["a".into()]).expect("legal");
        let hidden = look_with(root, Some(&base), &options(&filter)).0.listing;
        assert_eq!(hidden.row(at(&hidden, "z")).entry().links(), None);
        let shown = look(root, Some(&hidden)).0.listing;
        agree(&shown, &base);
    });
}

#[test]
fn what_is_left_out_makes_every_directory_above_incomplete() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        let filter = Filter::new(&["w".into(), "a/b/".into()]).expect("legal");
        let scanned = look_with(root, Some(&base), &options(&filter)).0;
        let incomplete = |listing: &alike::model::Listing| -> Vec<String> {
            let rows = listing.rows().filter(|row| row.flags() & FLAG_INCOMPLETE != 0);
            rows.map(|row| row.path().to_string()).collect()
        };
        assert_eq!(incomplete(&scanned.listing), ["a", "z", "z/y", "z/y/x"]);
        assert!(!paths(&scanned.listing).iter().any(|path| path.starts_with("a/b/") || path.ends_with("/w")));
        let again = look_with(root, Some(&scanned.listing), &options(&filter)).0;
        assert!(!again.changed);
        let shown = look(root, Some(&scanned.listing)).0;
        assert!(incomplete(&shown.listing).is_empty());
        agree(&shown.listing, &base);
    });
}

#[test]
fn a_filter_that_hides_nothing_but_a_lone_directory_still_changes_the_marks() {
    everywhere(|root| {
        write(root, "d/kept", "x");
        let base = settle(root);
        // The hidden name does not count in the base, and its directory's stamp is put back to what it was.
        let filter = Filter::new(&["hidden".into()]).expect("legal");
        let before = fs::metadata(root.join("d")).expect("stat");
        write(root, "d/hidden", "x");
        let times = fs::FileTimes::new().set_modified(before.modified().expect("a time"));
        fs::File::open(root.join("d")).expect("opened").set_times(times).expect("set");
        let scanned = look_with(root, Some(&base), &options(&filter)).0;
        assert_eq!(scanned.listing.row(at(&scanned.listing, "d")).flags() & FLAG_INCOMPLETE, FLAG_INCOMPLETE);
        fs::remove_file(root.join("d/hidden")).expect("removed");
        let scanned = look_with(root, Some(&scanned.listing), &options(&filter)).0;
        assert_eq!(scanned.listing.row(at(&scanned.listing, "d")).flags() & FLAG_INCOMPLETE, 0);
    });
}

#[test]
fn a_replicas_own_directory_is_part_of_no_tree() {
    everywhere(|root| {
        write(root, ".alike/anything", "x");
        write(root, "deep/.alike/lock", "x");
        write(root, "other/.alike/notes", "x");
        write(root, "file/x", "x");
        write(root, "file/.alike", "not a directory");
        let listing = settle(root);
        let wanted = ["deep", "file", "file/.alike", "file/x", "other", "other/.alike", "other/.alike/notes"];
        assert_eq!(paths(&listing), wanted);
        assert_eq!(listing.row(0).flags() & FLAG_INCOMPLETE, FLAG_INCOMPLETE);
    });
}

#[test]
fn what_cannot_be_read_is_never_absent() {
    // Root may read anything, so the claim is made by a child process that is nobody.
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        let test = std::env::current_exe().expect("this test");
        let claim = "scan::rows::what_cannot_be_read_is_never_absent";
        let status = Command::new(test).arg(claim).uid(65534).gid(65534).current_dir("/").status().expect("run");
        assert!(status.success());
        return;
    }
    everywhere(|root| {
        write(root, "shut/inside", "x");
        write(root, "d/shut", "x");
        let base = settle(root);
        let mode = |path: &str, mode| {
            fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).expect("set");
        };
        mode("shut", 0);
        mode("d/shut", 0);
        let scanned = look(root, Some(&base)).0;
        let kinds: Vec<Kind> = scanned.listing.rows().map(|row| row.kind()).collect();
        assert_eq!(paths(&scanned.listing), ["d", "d/shut", "shut"]);
        assert_eq!(kinds, [Kind::Directory, Kind::Unreadable, Kind::Unreadable]);
        assert_eq!(scanned.listing.row(0).flags() & FLAG_INCOMPLETE, FLAG_INCOMPLETE);
        let problems: Vec<_> = scanned.problems.iter().map(|p| (p.path.to_string(), p.kind, &*p.cause)).collect();
        let cause = (ProblemKind::Unreadable, "permission denied");
        assert_eq!(problems, [("d/shut".into(), cause.0, cause.1), ("shut".into(), cause.0, cause.1)]);
        assert!(!look(root, Some(&scanned.listing)).0.changed);
        mode("shut", 0o755);
        mode("d/shut", 0o644);
        let opened = look(root, Some(&scanned.listing)).0;
        assert!(opened.problems.is_empty());
        assert_eq!(paths(&opened.listing), paths(&base));
    });
}

#[test]
fn a_symbolic_link_is_never_followed() {
    everywhere(|root| {
        write(root, "outside/secret", "x");
        fs::create_dir(root.join("root")).expect("made");
        symlink("../outside", root.join("root/directory")).expect("linked");
        symlink("/", root.join("root/slash")).expect("linked");
        assert_eq!(paths(&settle(&root.join("root"))), ["directory", "slash"]);
    });
}
