//! Asking what a file consists of, and laying the answer over what is here. One round trip a file.

use std::fs::File;
use std::io;

use tokio::runtime::Handle;

use crate::disk::chunks;
use crate::disk::gauge::Gauge;
use crate::model::chunk::{Base, Chunks, Cutter, Layout, layout};
use crate::model::{Digest, RelPath};
use crate::net::{Link, ReceiveHalf, SendHalf, receive_frame, send_frame};
use crate::proto::content::{
    Description, Nodes, Question, Survey, Verdict, decode_surveyed, encode_nodes, encode_question, encode_survey,
};
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

impl There {
    fn cut(&self, cutter: Cutter, gauge: &Gauge) -> io::Result<Option<Chunks>> {
        chunks::chunks_of(&self.file, self.size, cutter, gauge)
    }
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
    let asking = Asking::begin((link, runtime), wanted, cutter)?;
    let cut: io::Result<Option<Vec<Chunks>>> = there.iter().map(|base| base.cut(cutter, gauge)).collect();
    // What cannot be read is of no use; that it is the user's file is found out elsewhere.
    let Some(cut) = cut.ok().flatten() else { return Ok(None) };
    asking.laid(&cut, &there.iter().map(|there| there.in_place).collect::<Vec<_>>())
}

/// Asks what a file holds where: its even nodes at a level. `None` where nothing can be said of it.
pub fn survey((link, runtime): (&Link, &Handle), wanted: &Wanted<'_>, level: u8) -> Result<Option<Vec<u64>>, Error> {
    let survey = Survey { path: wanted.path.clone(), content: wanted.content, level };
    let frame = runtime.block_on(async {
        let (mut send, mut receive) = link.open().await?;
        send_frame(&mut send, &encode_survey(&survey)).await?;
        send.finish().await?;
        Ok::<_, Error>(receive_frame(&mut receive, FRAME_BYTES_MAX).await?)
    })?;
    Ok(decode_surveyed(&frame.unwrap_or_default(), wanted.size, level).map_err(violation)?.ok())
}

/// A question that the other end is working on already.
pub struct Asking<'a> {
    runtime: &'a Handle,
    cutter: Cutter,
    size: u64,
    send: SendHalf,
    receive: ReceiveHalf,
}

impl<'a> Asking<'a> {
    /// Says which file it is about.
    pub fn begin(
        (link, runtime): (&Link, &'a Handle),
        wanted: &Wanted<'_>,
        cutter: Cutter,
    ) -> Result<Asking<'a>, Error> {
        let question = Question { path: wanted.path.clone(), content: wanted.content, cutter };
        let (send, receive) = runtime.block_on(async {
            let (mut send, receive) = link.open().await?;
            send_frame(&mut send, &encode_question(&question)).await?;
            Ok::<_, Error>((send, receive))
        })?;
        Ok(Asking { runtime, cutter, size: wanted.size, send, receive })
    }

    /// Says what is there, and lays the answer over it.
    pub fn laid(self, cut: &[Chunks], in_place: &[bool]) -> Result<Option<Layout>, Error> {
        let Asking { runtime, cutter, size, mut send, mut receive } = self;
        let level = cut.iter().map(level_of).max().unwrap_or(0).min(usize::from(LEVELS_MAX));
        let nodes = || cut.iter().flat_map(|chunks| chunks.nodes(level));
        let known = Nodes { level: level as u8, known: nodes().map(|node| node.id).collect() };
        let mut description = Description::new(cutter, nodes().map(|node| node.bytes).collect(), size);
        let spans = runtime.block_on(async {
            send_frame(&mut send, &encode_nodes(&known)).await?;
            send.finish().await?;
            while let Some(frame) = receive_frame(&mut receive, FRAME_BYTES_MAX).await? {
                if description.push(&frame).map_err(violation)? != Verdict::Whole {
                    return Ok::<_, Error>(None);
                }
            }
            description.finish().map(Some).map_err(violation)
        })?;
        let Some(spans) = spans else { return Ok(None) };
        let bases: Vec<Base<'_>> =
            cut.iter().zip(in_place).map(|(chunks, &in_place)| Base { chunks, in_place }).collect();
        Ok(Some(layout(cutter, &bases, level, &spans)))
    }
}

fn level_of(chunks: &Chunks) -> usize {
    if chunks.nodes(0).len() <= CHUNKS_MAX { 0 } else { chunks.level_of(NODES_MAX).max(1) }
}
