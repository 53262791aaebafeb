//! What the other end told of its folders. Owns the reading of outlines.

use std::collections::HashMap;

use crate::model::path::RelPath;
use crate::proto::limits::{ENTRIES_MAX, OUTLINE_CHILDREN_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::Reader;

/// Fewest bytes of a child: a name of one byte with its length, digest, skeleton, rows below.
const CHILD_BYTES_MIN: usize = 2 + 8 + 4 + 1;

/// A folder of the other end, as it is told below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    pub path: RelPath,
    /// What it holds wherever it stands; 0 where that is not known.
    pub body: u64,
    /// The names of the folders below it.
    pub skeleton: u32,
    /// Rows below it.
    pub below: u64,
}

/// Folders of the other end by the path of the directory that they are in.
#[derive(Debug, Default)]
pub struct Known(HashMap<RelPath, Option<Vec<Child>>>);

impl Known {
    /// The folders right below a directory, or `None` where they were not told.
    pub fn children(&self, path: &RelPath) -> Option<&[Child]> {
        self.0.get(path)?.as_deref()
    }

    /// Whether a directory was asked for before.
    pub fn was_asked(&self, path: &RelPath) -> bool {
        self.0.contains_key(path)
    }
}

/// Reads the answer to a question into what is known.
pub fn read_outlines(reader: &mut Reader<'_>, asked: Vec<RelPath>, known: &mut Known) -> Result<(), Violation> {
    let blocks = reader.count(1, ENTRIES_MAX)?;
    let (asked, mut queue) = (asked.len(), asked);
    for at in 0..blocks {
        let path = queue.get(at).cloned().ok_or(Violation::Count("outlines"))?;
        let children = read_block(reader, &path)?;
        queue.extend(children.iter().flatten().map(|child| child.path.clone()));
        known.0.insert(path, children);
    }
    // What was asked for and not told is not asked for again.
    for path in queue.into_iter().take(asked).skip(blocks) {
        known.0.entry(path).or_insert(None);
    }
    Ok(())
}

fn read_block(reader: &mut Reader<'_>, path: &RelPath) -> Result<Option<Vec<Child>>, Violation> {
    let Some(count) = reader.number()?.checked_sub(1) else { return Ok(None) };
    if count > OUTLINE_CHILDREN_MAX as u64 {
        return Err(Violation::Limit { what: "outline", limit: OUTLINE_CHILDREN_MAX as u64 });
    }
    if count as usize * CHILD_BYTES_MIN > reader.remaining() {
        return Err(Violation::Short("outline"));
    }
    let mut children: Vec<Child> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let child = read_child(reader, path)?;
        if children.last().is_some_and(|last| last.path >= child.path) {
            return Err(Violation::Order);
        }
        children.push(child);
    }
    Ok(Some(children))
}

fn read_child(reader: &mut Reader<'_>, path: &RelPath) -> Result<Child, Violation> {
    let bytes = reader.number()?;
    let name = reader.bytes(usize::try_from(bytes).map_err(|_| reader.malformed())?)?;
    if name.is_empty() {
        return Err(reader.malformed());
    }
    let path = if path.as_ref().is_root() { name.to_vec() } else { [path.as_bytes(), b"/", name].concat() };
    let path = RelPath::new(&path)?;
    let (body, skeleton) = (u64::from_le_bytes(reader.array()?), reader.u32()?);
    let below = reader.number()?;
    if below > ENTRIES_MAX {
        return Err(Violation::Limit { what: "tree", limit: ENTRIES_MAX });
    }
    Ok(Child { path, body, skeleton, below })
}
