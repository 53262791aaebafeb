//! Rot: bytes that changed though nobody wrote.

use std::fs::File;
use std::sync::Arc;

use alike::disk::root::Root;
use alike::model::listing::Builder;
use alike::model::{Entry, RelPath};
use alike::store::index;
use alike::store::places::RootKey;
use alike::sync::share::{Role, Share};
use std::io::Read;

use super::pair::{Member, exchange, settings};
use crate::harness::{Sandbox, Tree};

/// Makes the index believe that the file under this name, as it is now, holds what it held before: as if its bytes had
/// changed under their stamp.
fn rot(tree: &Tree, name: &str, bytes: &[u8]) {
    let identity = Root::open(tree.path()).expect("a root").identity();
    let key = RootKey { file_system: identity.file_system, inode: identity.inode };
    let path = tree.join(".alike/index");
    let mut saved = Vec::new();
    File::open(&path).and_then(|mut file| file.read_to_end(&mut saved)).expect("an index");
    let before = index::parse(Arc::new(saved), key).expect("whole").listing;
    let rotten = RelPath::new(name.as_bytes()).expect("legal");
    let written = before.row(before.find(rotten.as_ref()).expect("a row")).mtime();
    tree.file(name, bytes).mtime(name, written.secs, written.nanos);
    let status = alike::disk::status::Status::of(File::open(tree.join(name)).expect("opened")).expect("a status");
    let mut next = Builder::default();
    for row in before.rows() {
        if row.path() == rotten.as_ref() {
            let entry = Entry { mtime: status.stamp.mtime, size: status.stamp.size, ..row.entry() };
            next.push(row.path(), &entry, &status.stamp, row.flags());
        } else {
            next.push_row(row);
        }
    }
    index::save(&path, key, &next.finish(), None).expect("saved");
}

#[tokio::test]
async fn rot_is_told_and_healed_from_another_member_and_never_spreads() {
    let sandbox = Sandbox::new();
    let member = |name| Member::new(&sandbox, name, Role::ReadWrite);
    let (left, right) = (member("left"), member("right"));
    left.tree.file("kept", b"as it was written").file("sound", b"sound");
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    let top = right.share.standing().top;
    let tree = left.tree;
    left.share.close().await;
    let written = tree.join("kept").metadata().expect("a file").modified().expect("a time");
    rot(&tree, "kept", b"as it was rotten!");
    let left = Member { share: Share::open(settings(&sandbox, &tree, Role::ReadWrite)).expect("a share"), tree };
    left.look().await;

    let first = left.share.verify(None, 1).await.expect("read");
    let next = first.next.clone().expect("more to read");
    let second = left.share.verify(Some(next), u64::MAX).await.expect("read");
    assert_eq!((first.files + second.files, second.next), (2, None));
    let rotten: Vec<String> = left.share.standing().rotten.iter().map(ToString::to_string).collect();
    assert_eq!(rotten, ["kept"]);

    exchange(&right, &left).await;
    assert_eq!(left.tree.read("kept"), b"as it was written", "healed");
    assert_eq!(right.tree.read("kept"), b"as it was written", "never spread");
    assert!(left.share.standing().rotten.is_empty());
    let healed = left.tree.join("kept").metadata().expect("a file").modified().expect("a time");
    assert_eq!(healed, written);
    assert_eq!(left.share.verify(None, u64::MAX).await.expect("read").rotten, []);
    assert_eq!(right.share.standing().top, top);
}
