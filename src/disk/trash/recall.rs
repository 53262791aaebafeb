//! Bytes that are wanted again and lie in the trash alone: found by size and digest. Changes nothing.

use std::fs::File;
use std::io::{self, Seek};

use super::shelf::{self, Thrown};
use crate::disk::directories::Directories;
use crate::disk::gauge::Gauge;
use crate::disk::hash;
use crate::disk::root::{Root, open_directory, open_file};
use crate::model::{Digest, Kind, PathRef};

/// A file in the trash of a root that holds these bytes, at its start; the last that went there first.
pub fn find(root: &Root, bytes: u64, content: &Digest) -> io::Result<Option<File>> {
    let Some(trash) = shelf::open(root)? else { return Ok(None) };
    let things = shelf::look(root)?.things;
    for thing in things.iter().rev().filter(|thing| thing.kind == Kind::File && thing.bytes == bytes) {
        // What was just removed or cannot be read is not the one.
        if let Ok(Some(file)) = open(&trash, thing).and_then(|file| holds(file, bytes, content)) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn open(trash: &std::os::fd::OwnedFd, thing: &Thrown) -> io::Result<File> {
    let run = open_directory(trash, thing.run.as_bytes())?;
    let place = thing.place.as_ref();
    let above = Directories::below(&run)?.open(place.parent().unwrap_or(PathRef::ROOT))?;
    open_file(&*above, place.name())
}

fn holds(mut file: File, bytes: u64, content: &Digest) -> io::Result<Option<File>> {
    let is_it = hash::digest_of(&file, bytes, &Gauge::default())? == Some(*content);
    file.rewind()?;
    Ok(is_it.then_some(file))
}
