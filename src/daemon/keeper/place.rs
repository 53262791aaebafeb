//! Where the content of a share comes from, and what is remembered of what was put in place.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Keeper;
use super::work::ask;
use crate::daemon::hub::Hub;
use crate::daemon::speech::Request;
use crate::model::Problem;
use crate::model::plan::Action;
use crate::net::Link;
use crate::net::node::{PeerNow, PublicKey};
use crate::sync::narrate::Narration;
use crate::sync::share::{Opening, Sources};

/// Members that are asked for content at most.
const SOURCES_MAX: usize = 4;
/// A member that left a request without an answer is not asked for content for this long, where another one is there.
const DEAF: Duration = Duration::from_secs(30);
/// Paths that are remembered of one run.
const PATHS_MAX: usize = 1000;

/// The members that are connected: who was heard last is asked first, of those the nearest.
pub struct Members {
    hub: Arc<Hub>,
    keeper: Arc<Keeper>,
    keys: Vec<PublicKey>,
    /// Opened with the first that is asked for: most runs need no content.
    links: OnceLock<Vec<Mutex<Option<Asking>>>>,
}

/// A conversation that is being opened.
type Asking = JoinHandle<Option<Link>>;

impl Members {
    /// Of now.
    pub fn new(hub: &Arc<Hub>, keeper: &Arc<Keeper>) -> Members {
        let members = keeper.members();
        let heard = keeper.now().heard;
        let rank = |peer: PeerNow| {
            let deaf = hub.peers.note(peer.key).deaf.is_some_and(|since| since.elapsed() < DEAF);
            // Whoever told something last has it, and is heard.
            (deaf, std::cmp::Reverse(heard.get(&peer.key).copied()), peer.rtt, peer.key)
        };
        let mut near: Vec<_> =
            hub.node.peers().into_iter().filter(|peer| members.role(peer.key).is_some()).map(rank).collect();
        near.sort();
        // One that does not answer would be waited for by all that others have.
        if near.iter().any(|(deaf, ..)| !deaf) {
            near.retain(|(deaf, ..)| !deaf);
        }
        let keys: Vec<PublicKey> = near.into_iter().take(SOURCES_MAX).map(|(.., key)| key).collect();
        Members { hub: Arc::clone(hub), keeper: Arc::clone(keeper), keys, links: OnceLock::new() }
    }

    /// Asks all of them at once: the slowest one is waited for, not the sum.
    fn opening(&self) -> Vec<Mutex<Option<Asking>>> {
        let open = |key: &PublicKey| {
            let (hub, keeper, key) = (Arc::clone(&self.hub), Arc::clone(&self.keeper), *key);
            let link = tokio::spawn(async move { ask(&hub, key, Request::Content(keeper.id)).await.ok() });
            Mutex::new(Some(link))
        };
        self.keys.iter().map(open).collect()
    }
}

impl Sources for Members {
    fn count(&self) -> usize {
        self.keys.len()
    }

    fn open(&self, number: usize) -> Opening<'_> {
        let links = self.links.get_or_init(|| self.opening());
        let link = links.get(number).and_then(|link| super::lock(link).take());
        Box::pin(async move { link?.await.ok().flatten() })
    }
}

/// What was put in place, as far as it is remembered.
#[derive(Debug, Default)]
pub struct Kept {
    /// The first paths, as text.
    pub paths: Vec<String>,
    /// What failed, once a path.
    pub problems: Vec<Problem>,
}

impl Narration for Kept {
    fn action(&mut self, action: &Action) {
        if self.paths.len() < PATHS_MAX {
            self.paths.push(action.path.to_string());
        }
    }

    fn problem(&mut self, problem: &Problem) {
        if self.problems.len() < PATHS_MAX {
            self.problems.push(problem.clone());
        }
    }
}
