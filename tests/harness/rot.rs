//! Rot: bytes that change under their stamp. No file system lets that be done, so the index is made to believe it.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use alike::disk::root::Root;
use alike::model::listing::Builder;
use alike::model::{Entry, RelPath};
use alike::store::index;
use alike::store::places::RootKey;

use super::tree::Tree;

/// Makes the index believe that the file under this name, as it is now, holds what it held before: as if its bytes had
/// changed under their stamp.
pub fn rot(tree: &Tree, name: &str, bytes: &[u8]) {
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
