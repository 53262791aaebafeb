//! Ignore files of a mirror: the source's are obeyed at both ends. Owns how it is found out that they differ, and what the
//! comparison means then.
//!
//! Each end walks by its own ignore files, at the same time, before either knows of the other. They are entries, so the
//! comparison itself says whether they are equal at every path. If so, both ends went by the same rules, and nothing is
//! left to do here: a run in which nothing changed costs what it did. If not, the target takes the source's text of
//! those that differ, and is listed once more by the source's rules ([`crate::disk::rules::Given`]); no second comparison
//! is needed, because a path that only the second listing shows was absent from the first, so what the source holds
//! there is among what differed. Start at [`settle`].

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::converse::{Control, violation};
use super::error::Error;
use super::mirror::End;
use super::side::Side;
use super::target::Differing;
use crate::disk::gauge::Gauge;
use crate::disk::read::Reader;
use crate::disk::root::Root;
use crate::disk::rules::{self, Decree, Given};
use crate::model::lane::Lane;
use crate::model::listing::FLAG_INCOMPLETE;
use crate::model::plan::mirror::Pair;
use crate::model::{Digest, Entry, Kind, Listing, PathRef, Problem, RelPath};
use crate::proto::message::Message;

/// Paths that are asked for in one message take about so much.
const ASKED_BYTES_MAX: usize = 256 * 1024;
/// All ignore files of a source together, where they differ.
const TEXTS_BYTES_MAX: usize = 64 << 20;

/// What an ignore file says, or why that is not known.
type Text = Result<Vec<u8>, String>;

/// An ignore file that is not the same at both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Disputed {
    path: RelPath,
    /// Whether the source has one there.
    is_theirs: bool,
}

/// A target as it is by the source's ignore files, what differs from it, and the problems that came with that.
pub type Settled = (End, Differing, Vec<Problem>);

/// Sees to it that the target is listed by the rules of a source on the same machine.
pub fn settle(
    (source, listing): (&Root, &Listing),
    target: Option<&Side>,
    end: End,
    differing: Differing,
) -> Result<Settled, Error> {
    let disputed = target.map_or(Vec::new(), |target| disputed(target, &end, &differing));
    let (Some(target), false) = (target, disputed.is_empty()) else { return Ok((end, differing, Vec::new())) };
    let reader = Reader::new(source);
    let text = |file: &Disputed| file.is_theirs.then(|| text(&reader, listing, file.path.as_ref()));
    let texts = disputed.iter().map(|file| (file.path.clone(), text(file))).collect();
    relist(target, &end, differing, texts)
}

/// The same where the source is on another machine.
pub async fn settle_afar(
    control: &mut Control,
    target: Option<&Arc<Side>>,
    end: End,
    differing: Differing,
) -> Result<Settled, Error> {
    let disputed = target.map_or(Vec::new(), |target| disputed(target, &end, &differing));
    let (Some(target), false) = (target, disputed.is_empty()) else { return Ok((end, differing, Vec::new())) };
    let texts = ask(control, disputed).await?;
    let target = Arc::clone(target);
    spawn_blocking(move || relist(&target, &end, differing, texts))
        .await
        .expect("a scan reports its failures and does not panic")
}

/// The ignore files that differ and can matter to the target.
fn disputed(side: &Side, end: &End, differing: &Differing) -> Vec<Disputed> {
    let listing = end.listing();
    if !side.obeys() || listing.rows().len() == 0 {
        return Vec::new();
    }
    let row = |at: Option<usize>| at.map(|at| listing.row(at)).filter(|row| row.kind() == Kind::File);
    let dispute = |pair: &Pair| {
        let (theirs, ours) = (pair.source.as_ref().filter(|entry| entry.is_file()), row(pair.target));
        let matters = is_rules(pair.path.as_ref()) && (theirs.is_some() || ours.is_some());
        let same = theirs.zip(ours).is_some_and(|(theirs, ours)| is_same(theirs.content, ours.content()));
        let directory = pair.path.as_ref().parent().unwrap_or(PathRef::ROOT);
        // Rules for what the target does not have hide nothing there, unless its own may hide it.
        let reaches = || end.found.obeyed() || directory.is_root() || listing.find(directory).is_ok();
        let is_theirs = theirs.is_some();
        (matters && !same && reaches()).then(|| Disputed { path: pair.path.clone(), is_theirs })
    };
    differing.pairs.iter().filter_map(dispute).collect()
}

fn is_rules(path: PathRef<'_>) -> bool {
    path.name() == rules::NAME
}

fn is_same(left: Digest, right: Digest) -> bool {
    left == right && left != Digest::UNKNOWN
}

/// Lists the target once more, by the source's rules.
fn relist(side: &Side, end: &End, differing: Differing, texts: Vec<(RelPath, Option<Text>)>) -> Result<Settled, Error> {
    let lane = end.tree.lane();
    let directory = |path: &RelPath| path.as_ref().parent().unwrap_or(PathRef::ROOT).to_owned();
    let only_theirs = differing.pairs.iter().filter(|pair| pair.source.is_some() && pair.target.is_none());
    let given = Given {
        files: texts.into_iter().map(|(path, text)| (directory(&path), text)).collect(),
        before: Some(end.listing().clone()),
        only_theirs: only_theirs.map(|pair| pair.path.clone()).collect(),
    };
    let found = side.scan_by(&end.found, Decree::Given(given), &Gauge::default())?;
    let more = found.problems.iter().filter(|problem| !end.found.problems.contains(problem)).cloned().collect();
    let pairs = protect(merge(differing.pairs, end.listing(), &found.listing, lane), &found.listing);
    let tree = Arc::new(found.tree(lane));
    Ok((End { found, tree }, Differing { pairs, ..differing }, more))
}

/// What differs from the new listing, from what differed from the old one. What did not differ is as the old one has it.
fn merge(differing: Vec<Pair>, before: &Listing, after: &Listing, lane: Lane) -> Vec<Pair> {
    let mut merged = Vec::new();
    let mut differing = differing.into_iter().peekable();
    let mut old = 0;
    for (index, row) in after.rows().enumerate() {
        let path = row.path();
        while let Some(pair) = differing.next_if(|pair| pair.path.as_ref() < path) {
            merged.extend(pair.source.is_some().then_some(Pair { target: None, ..pair }));
        }
        while old < before.len() && before.row(old).path() < path {
            old += 1;
        }
        let standing = (old < before.len()).then(|| before.row(old)).filter(|standing| standing.path() == path);
        let source = match differing.next_if(|pair| pair.path.as_ref() == path) {
            Some(pair) => pair.source,
            None if standing.is_some_and(|standing| lane.equal_rows(standing, row)) => continue,
            None => standing.map(|standing| standing.entry()),
        };
        if !source.as_ref().is_some_and(|source: &Entry| lane.equal(path, source, &row.entry())) {
            merged.push(Pair { path: path.to_owned(), source, target: Some(index) });
        }
    }
    let rest = differing.filter(|pair| pair.source.is_some());
    merged.extend(rest.map(|pair| Pair { target: None, ..pair }));
    merged
}

/// Leaves alone the ignore file of a directory that the source lacks, and that stays for what the file hides in it: else
/// the next run would find that unprotected.
fn protect(pairs: Vec<Pair>, target: &Listing) -> Vec<Pair> {
    let lacks = |path: PathRef<'_>| {
        let at = pairs.binary_search_by(|pair| pair.path.as_ref().cmp(&path));
        at.is_ok_and(|at| pairs[at].source.is_none())
    };
    let stays = |path: PathRef<'_>| target.find(path).is_ok_and(|at| target.row(at).flags() & FLAG_INCOMPLETE != 0);
    let protects = |pair: &Pair| {
        let parent = pair.path.as_ref().parent().unwrap_or(PathRef::ROOT);
        pair.source.is_none() && is_rules(pair.path.as_ref()) && !parent.is_root() && lacks(parent) && stays(parent)
    };
    let kept: Vec<bool> = pairs.iter().map(protects).collect();
    pairs.into_iter().zip(kept).filter(|(_, kept)| !kept).map(|(pair, _)| pair).collect()
}

/// What an ignore file of a local source said when it was scanned.
fn text(reader: &Reader<'_>, listing: &Listing, path: PathRef<'_>) -> Text {
    let changed = || "its ignore file changed since it was scanned".to_owned();
    let row = listing.find(path).map(|at| listing.row(at)).map_err(|_| changed())?;
    let directory = reader.parent(path).map_err(|_| changed())?;
    let text = rules::read(&*directory).map_err(|error| error.to_string())?.ok_or_else(changed)?;
    let known = row.content() == Digest::UNKNOWN || row.content() == Digest::of_content(&text);
    if is_rules(path) && known { Ok(text) } else { Err(changed()) }
}

/// The same of a source on another machine.
async fn ask(control: &mut Control, disputed: Vec<Disputed>) -> Result<Vec<(RelPath, Option<Text>)>, Error> {
    let (mut texts, mut bytes) = (Vec::with_capacity(disputed.len()), 0);
    let theirs: Vec<&RelPath> = disputed.iter().filter(|file| file.is_theirs).map(|file| &file.path).collect();
    let mut answers = Vec::with_capacity(theirs.len());
    let mut rest = theirs.as_slice();
    while !rest.is_empty() {
        let mut size = 0;
        let fits = rest.iter().take_while(|path| {
            size += path.as_bytes().len() + 8;
            size <= ASKED_BYTES_MAX
        });
        let (batch, later) = rest.split_at(fits.count().max(1));
        rest = later;
        let paths = batch.iter().map(|path| path.as_bytes().to_vec()).collect();
        control.send(&Message::RulesWanted(paths)).await?;
        for _ in batch {
            let Message::Rules(text) = control.receive().await? else { return Err(violation("a message out of turn")) };
            bytes += text.as_ref().map_or(0, Vec::len);
            if bytes > TEXTS_BYTES_MAX || text.as_ref().is_ok_and(|text| text.len() as u64 > rules::BYTES_MAX) {
                return Err(violation("ignore files that are too large"));
            }
            answers.push(text);
        }
    }
    let mut answers = answers.into_iter();
    for file in disputed {
        let text = if file.is_theirs { answers.next() } else { None };
        texts.push((file.path, text));
    }
    Ok(texts)
}

/// Answers a target that asks for ignore files.
pub async fn answer(control: &mut Control, side: &Side, listing: &Listing, paths: &[Vec<u8>]) -> Result<(), Error> {
    let mut answers = Vec::with_capacity(paths.len());
    {
        let reader = Reader::new(side.root());
        for path in paths {
            let path = PathRef::new(path).map_err(violation)?;
            answers.push(text(&reader, listing, path));
        }
    }
    for text in answers {
        control.send(&Message::Rules(text)).await?;
    }
    Ok(())
}
