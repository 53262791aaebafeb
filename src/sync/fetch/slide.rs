//! Files that were edited in a simple way, which needs no cutting by content: those of the same size, and those that grew or
//! shrank in one place, so that one part of the old version stays where it lies and the other ends where the file ends.
//! The old version is read once: what is read is compared, copied and hashed in one pass. Where that finds too little, the
//! caller goes on with chunks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::compare::{Asking, There, Wanted, survey};
use super::fill::{Edited, Filler, Step, is_poor};
use super::olds::Old;
use super::receive::Large;
use crate::disk::carry::{Blocks, Ground, Stretch};
use crate::disk::gauge::Gauge;
use crate::disk::stage::{Remains, Staged};
use crate::model::Entry;
use crate::model::chunk::{Cutter, Layout, Reuse, around, even_bytes};
use crate::proto::content::surveyed_nodes;
use crate::proto::limits::LEVELS_MAX;
use crate::sync::error::Error;

/// What is carried over before it is looked at whether it fits.
const WAVE_BYTES: u64 = 16 << 20;
/// More than this missing beside what the file grew by: then it changed in several places, of which chunks find more.
const MISSING_BYTES_MAX: u64 = 16 << 20;

impl Filler<'_> {
    /// A file of the same size was most likely edited in place: it is copied while the other end cuts its own, and the
    /// one read of it serves to compare, to copy and to verify.
    pub(super) fn edited(
        &self,
        wanted: &Wanted<'_>,
        (index, entry): (usize, &Entry),
        (file, old): (&File, &Old),
    ) -> Result<Edited, Error> {
        let asking = Asking::begin((self.link, self.runtime), wanted, Cutter::Even)?;
        let Ok(staged) = self.run.target.stage_part(&entry.content, Remains::Void) else {
            return Ok(Edited::Otherwise);
        };
        let mut blocks = Blocks::new(entry.size);
        let whole = Stretch { from: 0, at: 0, bytes: entry.size };
        let ground = if staged.share(file) { Ground::Laid } else { Ground::Empty };
        let carried = blocks.carry((file, &staged), whole, ground, self.run.gauge);
        let (Ok(true), Some(chunks)) = (carried, blocks.chunks()) else { return Ok(Edited::Otherwise) };
        let Some(laid) = asking.laid(&[chunks], &[true])?.filter(|laid| !is_poor(laid, entry.size)) else {
            staged.spoil();
            return Ok(Edited::Otherwise);
        };
        laid.gaps.iter().for_each(|gap| blocks.forget(gap.at, gap.bytes));
        let laid = laid.facing(0, old.size());
        Ok(self.completed((index, entry), (staged, blocks), (Cutter::Even, &laid), (file, old)))
    }

    /// A file of another size: what its front has in common with the old version lies where it lay, and what its end has
    /// in common ends where the file ends.
    pub(super) fn slid(
        &self,
        wanted: &Wanted<'_>,
        (index, entry): (usize, &Entry),
        (file, old): (&File, &Old),
    ) -> Result<Edited, Error> {
        let level = (0..=LEVELS_MAX).find(|&level| surveyed_nodes(entry.size, level).is_some());
        let Some(level) = level.filter(|_| old.size() >= entry.size / 4) else { return Ok(Edited::Otherwise) };
        let Some(told) = survey((self.link, self.runtime), wanted, level)? else { return Ok(Edited::Otherwise) };
        let Ok(staged) = self.run.target.stage_part(&entry.content, Remains::Void) else {
            return Ok(Edited::Otherwise);
        };
        let laying = Sliding::new((file, &staged), (old.size(), entry.size), (level.into(), &told));
        let Ok(Some((laid, blocks))) = laying.run(self.run.gauge) else {
            staged.spoil();
            return Ok(Edited::Otherwise);
        };
        let grown = entry.size.saturating_sub(old.size());
        if laid.missing() > grown + MISSING_BYTES_MAX.min(entry.size / 2) {
            staged.spoil();
            return Ok(Edited::Otherwise);
        }
        Ok(self.completed((index, entry), (staged, blocks), (Cutter::Content, &laid), (file, old)))
    }

    /// What was laid is verified, or what is missing of it is asked for.
    fn completed(
        &self,
        (index, entry): (usize, &Entry),
        (staged, blocks): (Staged, Blocks),
        (cutter, laid): (Cutter, &Layout),
        (file, old): (&File, &Old),
    ) -> Edited {
        if laid.gaps.is_empty() {
            return self.verified_by(staged, entry, blocks).map_or(Edited::Otherwise, Edited::Step);
        }
        self.count(entry.size - laid.missing());
        let large = Arc::new(Large::begun(staged, laid.gaps.len() as u64, (entry.size, blocks)));
        // What the gaps held is looked at once more for pieces: in the old version, which nobody writes to.
        let Ok(file) = file.try_clone() else { return Edited::Otherwise };
        let bases = [There { file, size: old.size(), in_place: false }];
        let wants = self.gaps((index, entry), &large, (cutter, laid, &bases), Some(old));
        Edited::Step(Step::Ask(wants, None))
    }
}

/// Where a stretch of the new version stands in the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// As far from the front.
    Front,
    /// As far from the end.
    End,
}

/// An old version that is carried over in waves, from the front and then from the end, as long as most of a wave fits.
struct Sliding<'a> {
    file: &'a File,
    staged: &'a Staged,
    old: u64,
    new: u64,
    level: u32,
    /// The nodes of the new version.
    told: &'a [u64],
    /// Where each of them is in the old version.
    found: Vec<Option<u64>>,
    blocks: Blocks,
    shares: bool,
    /// Where nothing was written yet.
    empty_from: u64,
}

impl<'a> Sliding<'a> {
    fn new(
        (file, staged): (&'a File, &'a Staged),
        (old, new): (u64, u64),
        (level, told): (u32, &'a [u64]),
    ) -> Sliding<'a> {
        let shares = staged.share(file);
        let empty_from = if shares { u64::MAX } else { 0 };
        let found = vec![None; told.len()];
        Sliding { file, staged, old, new, level, told, found, blocks: Blocks::new(new), shares, empty_from }
    }

    /// Carries over what fits; `None` where the gauge asked to stop.
    fn run(mut self, gauge: &Gauge) -> io::Result<Option<(Layout, Blocks)>> {
        let each = even_bytes(self.level);
        let many = (WAVE_BYTES / each).max(1) as usize;
        let covered = if self.old > self.new { self.told.len() } else { (self.old / each) as usize };
        let first = self.new.saturating_sub(self.old).div_ceil(each) as usize;
        let front = (0..covered).step_by(many).map(|start| (start..covered.min(start + many), Place::Front));
        let end = (first..self.told.len()).rev().step_by(many);
        let end = end.map(|last| (first.max((last + 1).saturating_sub(many))..last + 1, Place::End));
        let (front, end): (Vec<_>, Vec<_>) = (front.collect(), end.collect());
        for waves in [front, end] {
            for (nodes, place) in waves {
                match self.wave(nodes, place, gauge)? {
                    Some(true) => {}
                    Some(false) => break,
                    None => return Ok(None),
                }
            }
        }
        for (number, _) in self.found.iter().enumerate().filter(|(_, found)| found.is_none()) {
            self.blocks.forget(number as u64 * each, each);
        }
        let laid = around(self.reuses(), self.old, self.new);
        Ok(Some((laid, self.blocks)))
    }

    /// Carries some nodes over, but for those that are found already; whether at least half of the others fit.
    fn wave(&mut self, nodes: Range<usize>, place: Place, gauge: &Gauge) -> io::Result<Option<bool>> {
        let (mut tried, mut fits) = (0, 0);
        let mut start = nodes.start;
        while start < nodes.end {
            let is_found = self.found[start].is_some();
            let same = self.found[start..nodes.end].iter().take_while(|found| found.is_some() == is_found).count();
            let run = start..start + same;
            start = run.end;
            if is_found {
                continue;
            }
            tried += run.len();
            if !self.carry(&run, place, gauge)? {
                return Ok(None);
            }
            for number in run {
                if self.blocks.node(self.level, number) == self.told.get(number).copied() {
                    self.found[number] = Some(self.place_of(number as u64 * even_bytes(self.level), place));
                    fits += 1;
                }
            }
        }
        Ok(Some(fits * 2 >= tried))
    }

    fn carry(&mut self, nodes: &Range<usize>, place: Place, gauge: &Gauge) -> io::Result<bool> {
        let each = even_bytes(self.level);
        let at = nodes.start as u64 * each;
        let bytes = (nodes.end as u64).saturating_mul(each).min(self.new) - at;
        let stretch = Stretch { from: self.place_of(at, place), at, bytes };
        let files = (self.file, self.staged);
        let ground = if at >= self.empty_from { Ground::Empty } else { Ground::Any };
        let carried = match (self.shares, place) {
            (true, Place::Front) => self.blocks.carry(files, stretch, Ground::Laid, gauge),
            (true, Place::End) => self.blocks.share(files, stretch, ground, gauge),
            (false, _) => self.blocks.carry(files, stretch, ground, gauge),
        };
        if place == Place::Front {
            self.empty_from = self.empty_from.max(at + bytes);
        }
        carried
    }

    /// Where the old version has what the new one has at `at`.
    const fn place_of(&self, at: u64, place: Place) -> u64 {
        match place {
            Place::Front => at,
            Place::End => (at + self.old).saturating_sub(self.new),
        }
    }

    fn reuses(&self) -> Vec<Reuse> {
        let each = even_bytes(self.level);
        let mut reuses: Vec<Reuse> = Vec::new();
        for (number, from) in self.found.iter().enumerate() {
            let Some(from) = *from else { continue };
            let at = number as u64 * each;
            let bytes = each.min(self.new - at);
            match reuses.last_mut() {
                Some(last) if last.at + last.bytes == at && last.from + last.bytes == from => last.bytes += bytes,
                _ => reuses.push(Reuse { base: 0, from, at, bytes }),
            }
        }
        reuses
    }
}
