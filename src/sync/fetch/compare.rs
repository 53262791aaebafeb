//! Asking what a file consists of, and laying the answer over what is here. One round trip a file.

use std::fs::File;
use std::io;

use tokio::runtime::Handle;

use crate::disk::chunks;
use crate::disk::gauge::Gauge;
use crate::model::chunk::{Base, Chunks, Cutter, Layout, layout};
use crate::model::{Digest, RelPath};
use crate::net::{Link, receive_frame, send_frame};
use crate::proto::content::{Description, Question, Verdict, encode_question};
use crate::proto::limits::{FRAME_BYTES_MAX, LEVELS_MAX};
use crate::sync::converse::violation;
use crate::sync::error::Error;

/// Nodes that a question has at most, for each base: 32 kB. A level higher, a node that differs costs more chunks.
const NODES_MAX: usize = 4096;
/// Chunks themselves are asked for where they are few: 8 kB.
const CHUNKS_MAX: usize = 1024;

/// A file that is there.
pub struct There {
    /// Opened for reading.
    pub file: File,
    /// Its size.
    pub size: u64,
    /// Whether the wanted file is made of it where it lies.
    pub in_place: bool,
}

/// The file that is wanted.
pub struct Wanted<'a> {
    /// Where it lies at the other end.
    pub path: &'a RelPath,
    /// What it should hold.
    pub content: Digest,
    /// Its size.
    pub size: u64,
}

/// Compares a wanted file with what is there; `None` where nothing can be said of one or the other.
pub fn compare(
    (link, runtime): (&Link, &Handle),
    wanted: &Wanted<'_>,
    (there, cutter): (&[There], Cutter),
    gauge: &Gauge,
) -> Result<Option<Layout>, Error> {
    let cut: io::Result<Option<Vec<Chunks>>> =
        there.iter().map(|base| chunks::chunks_of(&base.file, base.size, cutter, gauge)).collect();
    // What cannot be read is of no use; that it is the user's file is found out elsewhere.
    let Some(cut) = cut.ok().flatten() else { return Ok(None) };
    let level = cut.iter().map(level_of).max().unwrap_or(0).min(usize::from(LEVELS_MAX));
    let nodes = || cut.iter().flat_map(|chunks| chunks.nodes(level));
    let question = Question {
        path: wanted.path.clone(),
        content: wanted.content,
        cutter,
        level: level as u8,
        known: nodes().map(|node| node.id).collect(),
    };
    let description = Description::new(cutter, nodes().map(|node| node.bytes).collect(), wanted.size);
    let Some(spans) = runtime.block_on(ask(link, &question, description))? else { return Ok(None) };
    let bases: Vec<Base<'_>> =
        cut.iter().zip(there).map(|(chunks, there)| Base { chunks, in_place: there.in_place }).collect();
    Ok(Some(layout(cutter, &bases, level, &spans)))
}

fn level_of(chunks: &Chunks) -> usize {
    if chunks.nodes(0).len() <= CHUNKS_MAX { 0 } else { chunks.level_of(NODES_MAX).max(1) }
}

async fn ask(
    link: &Link,
    question: &Question,
    mut description: Description,
) -> Result<Option<Vec<crate::model::chunk::Span>>, Error> {
    let (mut send, mut receive) = link.open().await?;
    send_frame(&mut send, &encode_question(question)).await?;
    send.finish().await?;
    while let Some(frame) = receive_frame(&mut receive, FRAME_BYTES_MAX).await? {
        if description.push(&frame).map_err(violation)? != Verdict::Whole {
            return Ok(None);
        }
    }
    description.finish().map(Some).map_err(violation)
}
