//! What was staged when a run was killed: small files that had come and were not yet in place. Owns that they become parts, under the
//! digest of what they hold, so that they need not come again; one that is not whole has a name that nobody asks for, and goes with
//! the parts at the end of the next run that gets through.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, FileType};

use super::control;
use super::gauge::Gauge;
use super::hash;
use super::parts;
use super::remove;
use super::root::{open_directory, open_file};
use super::stage;
use super::status::Status;
use crate::model::Kind;

/// Larger files are parts from the start.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// More than one batch, and what may come while it is put in place.
const FILES_MAX: usize = 2048;

/// Makes parts of what is staged. What cannot be saved comes once more.
pub(super) fn rescue(control: &OwnedFd, staging: &OwnedFd) -> io::Result<()> {
    let mut saved = 0;
    for (lane, kind) in remove::entries(staging)? {
        if kind != FileType::Directory || !lane.starts_with(stage::LANE.as_bytes()) {
            continue;
        }
        let lane = open_directory(staging, &lane)?;
        save_all(control, &lane, &mut saved)?;
        // Directories that were being filled.
        let nests = remove::entries(&lane)?.into_iter().filter(|(_, kind)| *kind == FileType::Directory);
        for (name, _) in nests {
            save_all(control, &open_directory(&lane, &name)?, &mut saved)?;
        }
    }
    Ok(())
}

fn save_all(control: &OwnedFd, directory: &OwnedFd, saved: &mut usize) -> io::Result<()> {
    let files = remove::entries(directory)?.into_iter().filter(|(_, kind)| *kind == FileType::RegularFile);
    for (name, _) in files.take(FILES_MAX - *saved) {
        let _comes_once_more = save(control, directory, &name);
        *saved += 1;
    }
    Ok(())
}

fn save(control: &OwnedFd, lane: &OwnedFd, name: &[u8]) -> io::Result<()> {
    let status = Status::at(lane.as_fd(), name)?;
    let is_small = (1..=FILE_BYTES_MAX).contains(&status.stamp.size);
    // A second name is what a kill left of putting the file in place.
    if status.kind != Kind::File || status.names != 1 || !is_small {
        return Ok(());
    }
    let file: File = open_file(lane, name)?;
    let Some(digest) = hash::digest_of(&file, status.stamp.size, &Gauge::default())? else { return Ok(()) };
    let parts = control::open_private(control, parts::NAME)?;
    Ok(fs::renameat(lane, name, parts, digest.to_hex())?)
}
