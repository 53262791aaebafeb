//! What the end that gives records answers: the folders below those it was asked for. Owns the wire form of both.

use super::folders::{Bodies, Folders, name_below};
use crate::model::listing::Listing;
use crate::model::path::{PATH_BYTES_MAX, PathRef, RelPath};
use crate::proto::limits::{OUTLINE_BYTES_AIM, OUTLINE_BYTES_MAX, OUTLINE_CHILDREN_MAX, OUTLINE_PATHS_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

/// Appends a question.
pub fn write_question(paths: &[RelPath], out: &mut Vec<u8>) {
    put_number(out, paths.len() as u64);
    for path in paths {
        put_number(out, path.as_bytes().len() as u64);
        out.extend_from_slice(path.as_bytes());
    }
}

/// Reads a question.
pub fn read_question(reader: &mut Reader<'_>) -> Result<Vec<RelPath>, Violation> {
    let count = reader.count(1, OUTLINE_PATHS_MAX as u64)?;
    if count == 0 {
        return Err(reader.malformed());
    }
    let mut paths = Vec::with_capacity(count);
    for _ in 0..count {
        let bytes = reader.count(1, PATH_BYTES_MAX as u64)?;
        paths.push(RelPath::new(reader.bytes(bytes)?)?);
    }
    Ok(paths)
}

/// Appends the outlines of the directories asked for, and of some below them while the answer is short: what is asked next
/// is mostly one of those. What was not named before, no honest end asks for.
pub fn answer(
    listing: &Listing,
    (folders, bodies): (&Folders, &Bodies),
    paths: &[RelPath],
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    let mut queue = Vec::with_capacity(paths.len());
    for path in paths {
        queue.push(if path.as_ref().is_root() {
            None
        } else {
            let row = listing.find(path.as_ref()).ok();
            Some(row.and_then(|row| folders.at_row(row)).ok_or(Violation::Malformed("question"))?)
        });
    }
    let (mut blocks, mut told) = (Vec::new(), 0);
    while told < queue.len() && blocks.len() < OUTLINE_BYTES_MAX {
        if told >= paths.len() && blocks.len() >= OUTLINE_BYTES_AIM {
            break;
        }
        let children: Vec<usize> = folders.children(queue[told]).take(OUTLINE_CHILDREN_MAX + 1).collect();
        let path = queue[told].map_or(PathRef::ROOT, |folder| listing.row(folders.row(folder)).path());
        told += 1;
        if children.len() > OUTLINE_CHILDREN_MAX {
            put_number(&mut blocks, 0);
            continue;
        }
        put_number(&mut blocks, children.len() as u64 + 1);
        for &child in &children {
            let row = folders.row(child);
            let name = name_below(listing.row(row).path(), path);
            put_number(&mut blocks, name.len() as u64);
            blocks.extend_from_slice(name);
            blocks.extend_from_slice(&bodies.of_row(row).to_le_bytes());
            blocks.extend_from_slice(&folders.skeleton_of(child).to_le_bytes());
            put_number(&mut blocks, folders.below(child));
        }
        queue.extend(children.into_iter().map(Some));
    }
    put_number(out, told as u64);
    out.extend_from_slice(&blocks);
    Ok(())
}
