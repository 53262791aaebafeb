//! Reading a share's files again: bytes that changed under an unchanged stamp are rot. Nobody wrote them, so they are no
//! edit: what is agreed on is fetched from a member that has it, and what stands there goes to the trash.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::core::{Core, Share, WAIT_MAX};
use crate::disk::hash::Cores;
use crate::model::listing::Builder;
use crate::model::{Listing, RelPath};
use crate::sync::error::Error;
use crate::sync::rot::{self, Rotten, Verified};

impl Share {
    /// Reads files again, from a path on in tree order, until about so many bytes were read. Other steps go on meanwhile.
    /// What has rotted is noted, and put right when the share is materialized next.
    pub async fn verify(&self, from: Option<RelPath>, bytes_max: u64, cores: Cores) -> Result<Verified, Error> {
        let (listing, side, gauge) = (self.0.listing(), Arc::clone(&self.0.side), Arc::clone(&self.0.gauge));
        let reading = spawn_blocking(move || rot::read(&listing, &side, (from, bytes_max, cores), &gauge));
        let (verified, rotten) = reading.await.map_err(|_| self.0.busy("could not be read again"))?;
        if !rotten.is_empty() {
            self.step(WAIT_MAX, move |core| {
                core.note_rot(rotten);
                Ok(())
            })
            .await?;
        }
        Ok(verified)
    }
}

impl Core {
    fn note_rot(&mut self, rotten: Rotten) {
        if let Some(open) = &mut self.open {
            open.extend(rotten.keys().cloned());
        }
        self.rotten.extend(rotten);
        self.tell_rot();
    }

    /// A file was put right, or is another one by now.
    pub(super) fn drop_rot(&mut self) {
        let listing = &self.end.looked.found.listing;
        let stamp = |path: &RelPath| listing.find(path.as_ref()).ok().map(|at| listing.row(at).stamp());
        self.rotten.retain(|path, (then, _)| stamp(path) == Some(*then));
        self.tell_rot();
    }

    fn tell_rot(&mut self) {
        self.standing.rotten = self.rotten.keys().cloned().collect();
    }

    /// The listing as a plan is to see it: what has rotted is not what the last look took it for.
    pub(super) fn with_rot(&self) -> Option<Listing> {
        if self.rotten.is_empty() {
            return None;
        }
        let listing = &self.end.looked.found.listing;
        let mut next = Builder::with_capacity(listing.len());
        for row in listing.rows() {
            match self.rotten.get(&row.path().to_owned()).filter(|(stamp, _)| *stamp == row.stamp()) {
                Some((stamp, content)) => {
                    let entry = crate::model::Entry { content: *content, ..row.entry() };
                    next.push(row.path(), &entry, stamp, row.flags());
                }
                None => next.push_row(row),
            }
        }
        Some(next.finish())
    }
}
