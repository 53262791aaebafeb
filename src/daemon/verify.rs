//! `alike verify` of a root that the daemon keeps: all of it is read again, and what has rotted is fetched from members.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::commands::{exit, kept_at, telling};
use super::control::{Answer, Caller, Refusal};
use super::hub::Hub;
use super::keeper::{Keeper, Meant, Word};
use crate::disk::hash::Cores;
use crate::model::RelPath;
use crate::sync::error::Error;
use crate::sync::share::{Share, Verified};

/// Read in one go; others have their turn in between.
const PIECE_BYTES: u64 = 1 << 30;
/// How often it is seen whether a share was looked at for the first time.
const LOOK: Duration = Duration::from_millis(50);

/// Reads a root again for a caller.
pub async fn verify(hub: &Arc<Hub>, caller: &mut Caller, root: &Path) -> std::io::Result<()> {
    // A share that is paused is held by nobody: the command reads it itself.
    let kept = kept_at(hub, root).filter(|keeper| !keeper.shared.paused);
    let Some(keeper) = kept else { return caller.say(&Answer::NotHeld).await };
    let read = telling(caller, "the daemon, which reads all files again", read(&keeper)).await?;
    let (share, verified) = match read {
        Ok(read) => read,
        Err(refusal) => return caller.say(&Answer::Refused(refusal)).await,
    };
    let rotten = verified.rotten.clone();
    if !rotten.is_empty() {
        let (answered, answer) = oneshot::channel();
        keeper.say(Word::Verified(verified.clone()));
        keeper.say(Word::Mean(Meant::Heal, answered));
        // Whatever comes of it shows in what is rotten still.
        let _ = telling(caller, "members that have what has rotted here", answer).await?;
    }
    let left = share.standing().rotten;
    let texts = |paths: Vec<&RelPath>| paths.into_iter().map(ToString::to_string).collect();
    let healed = texts(rotten.iter().filter(|path| !left.contains(path)).collect());
    let rotten = texts(rotten.iter().filter(|path| left.contains(path)).collect());
    let Verified { files, bytes, .. } = verified;
    caller.say(&Answer::Verified { files, bytes, rotten, healed }).await
}

async fn read(keeper: &Keeper) -> Result<(Share, Verified), Refusal> {
    let resting = || {
        let rests = format!("the share `{}` cannot be opened, or a command works on it", keeper.name);
        Refusal::new(exit::ROOT, rests).hint("`alike status` says which")
    };
    let mut share = keeper.share().ok_or_else(resting)?;
    while share.standing().looked.is_none() {
        tokio::time::sleep(LOOK).await;
        share = keeper.share().ok_or_else(resting)?;
    }
    let mut all = Verified::default();
    loop {
        let piece = share.verify(all.next.take(), PIECE_BYTES, Cores::All).await;
        let piece = piece.map_err(|error: Error| Refusal::of(exit::ROOT, &error))?;
        all.files += piece.files;
        all.bytes += piece.bytes;
        all.rotten.extend(piece.rotten);
        all.next = piece.next;
        if all.next.is_none() {
            return Ok((share, all));
        }
        // A share that was closed meanwhile stops where it is.
        if keeper.share().is_none() {
            return Err(resting());
        }
    }
}
