//! New directories that get nothing but files from across a link. The files come in any order and beside each other, so a
//! directory waits in staging until the last of its files is there, or has failed, and is put in place whole then. Owns which
//! files are still missing; [`super::nests`] owns which directories these are and how they are put in place.

use std::io;
use std::sync::Mutex;

use super::nests::{Family, Filled};
use super::{Installer, Told, lock};
use crate::disk::place::lacked_room;
use crate::disk::place::nests::Nested;
use crate::disk::stage::{Nest, Staged};
use crate::model::plan::{Source, Step};
use crate::model::{Digest, Problem};
use crate::sync::fetch::Fetched;

/// A directory that is being filled.
pub(super) struct Cradle<'f> {
    family: &'f Family,
    filling: Mutex<Filling>,
}

/// How far it is.
struct Filling {
    bed: Bed,
    files: Vec<(usize, Nested, Digest)>,
    /// Files that lie elsewhere in staging: what is long on its way must not have to come twice.
    singles: Vec<(usize, Staged, Digest)>,
    bytes: u64,
    /// Of each action below the directory, whether its file is still to come.
    missing: Box<[bool]>,
    left: usize,
}

/// Where the files of a directory go.
enum Bed {
    /// None has come yet.
    Unmade,
    /// Into this.
    Nest(Nest),
    /// To their own places: the directory is in its own.
    Placed,
}

impl Installer<'_> {
    /// Of each family what it waits for, in the order of the plan.
    pub(super) fn cradles<'f>(&self, families: &'f [Family]) -> Vec<Cradle<'f>> {
        let comes = |index: usize| matches!(self.action(index).step, Step::Create(Source::Fetch));
        let cradle = |family: &'f Family| {
            let missing: Box<[bool]> = family.below.clone().map(comes).collect();
            let left = missing.iter().filter(|&&missing| missing).count();
            let (files, singles) = (Vec::new(), Vec::new());
            Cradle {
                family,
                filling: Mutex::new(Filling { bed: Bed::Unmade, files, singles, bytes: 0, missing, left }),
            }
        };
        families.iter().map(cradle).collect()
    }

    /// An empty file for an action: in the nest of its directory, where that has one.
    pub(super) fn stage(&self, cradles: &[Cradle<'_>], index: usize) -> io::Result<Staged> {
        let Some(cradle) = find(cradles, index) else { return (self.run.stage)(index) };
        let mut filling = lock(&cradle.filling);
        if matches!(filling.bed, Bed::Unmade) {
            filling.bed = self.bed(cradle.family.mkdir);
        }
        match &filling.bed {
            Bed::Nest(nest) => self.run.target.nest_empty(nest, self.action(index)),
            Bed::Unmade | Bed::Placed => (self.run.stage)(index),
        }
    }

    fn bed(&self, mkdir: usize) -> Bed {
        if let Some(nest) = self.run.target.nest(self.action(mkdir)) {
            return Bed::Nest(nest);
        }
        self.place(mkdir, None, None);
        Bed::Placed
    }

    /// Takes what came of an action. What fails for lack of room is `starved`.
    pub(super) fn came(
        &self,
        (cradles, index): (&[Cradle<'_>], usize),
        fetched: Fetched,
        starved: &Mutex<Vec<(usize, Problem)>>,
    ) {
        let fail = |problem: Problem| {
            if lacked_room(&problem) {
                lock(starved).push((index, problem));
            } else {
                (self.run.tell)(Told::Problem(problem));
            }
        };
        let Some(cradle) = find(cradles, index) else {
            return match fetched {
                Ok((staged, digest)) => self.push(index, staged, digest),
                Err(problem) => fail(problem),
            };
        };
        let mut filling = lock(&cradle.filling);
        let missing = &mut filling.missing[index - cradle.family.below.start];
        if !std::mem::take(missing) {
            return;
        }
        filling.left -= 1;
        let size = self.size(index);
        match fetched.and_then(|(staged, digest)| Ok((self.lay(&mut filling, index, staged, digest)?, digest))) {
            Ok((Some(staged), digest)) => filling.singles.push((index, staged, digest)),
            Ok((None, _)) => filling.bytes += size,
            Err(problem) => fail(problem),
        }
        if filling.left == 0 {
            self.close(cradle.family.mkdir, &mut filling);
        }
    }

    /// Lays a file into its nest; gives it back where it is not there.
    fn lay(
        &self,
        filling: &mut Filling,
        index: usize,
        staged: Staged,
        digest: Digest,
    ) -> Result<Option<Staged>, Problem> {
        match &filling.bed {
            Bed::Nest(nest) if nest.holds(&staged) => {
                let nested = self.run.target.nest_filled(self.action(index), staged)?;
                filling.files.push((index, nested, digest));
                Ok(None)
            }
            Bed::Nest(_) | Bed::Unmade | Bed::Placed => Ok(Some(staged)),
        }
    }

    /// Hands on a directory for which nothing comes any more.
    fn close(&self, mkdir: usize, filling: &mut Filling) {
        let (files, singles) = (std::mem::take(&mut filling.files), std::mem::take(&mut filling.singles));
        let bytes = filling.bytes + singles.iter().map(|&(index, ..)| self.size(index)).sum::<u64>();
        let nest = match std::mem::replace(&mut filling.bed, Bed::Placed) {
            Bed::Nest(nest) => Some(Filled { mkdir, nest, files }),
            Bed::Placed => None,
            Bed::Unmade => {
                self.place(mkdir, None, None);
                None
            }
        };
        let count = nest.as_ref().map_or(0, |filled| filled.files.len()) + singles.len();
        // Together: the single ones belong into the directory.
        self.push_with(count, bytes, |pending| {
            pending.nests.extend(nest);
            pending.files.extend(singles);
        });
    }

    /// Nothing comes any more, whatever is missing: what is there is put in place.
    pub(super) fn leave(&self, cradles: Vec<Cradle<'_>>) {
        for Cradle { family, filling } in cradles {
            let mut filling = filling.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            let begun = !matches!(filling.bed, Bed::Unmade) || !filling.singles.is_empty();
            if filling.left > 0 && (begun || !self.halted()) {
                self.close(family.mkdir, &mut filling);
            }
        }
    }
}

fn find<'c, 'f>(cradles: &'c [Cradle<'f>], index: usize) -> Option<&'c Cradle<'f>> {
    let after = cradles.partition_point(|cradle| cradle.family.below.start <= index);
    cradles[..after].last().filter(|cradle| cradle.family.below.contains(&index))
}
