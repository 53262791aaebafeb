//! Where the content of a share comes from, and what is remembered of what was put in place.

use std::sync::Arc;

use super::Keeper;
use super::work::ask;
use crate::daemon::hub::Hub;
use crate::daemon::speech::Request;
use crate::model::Problem;
use crate::model::plan::Action;
use crate::net::node::PublicKey;
use crate::sync::narrate::Narration;
use crate::sync::share::{Opening, Sources};

/// Members that are asked for content at most.
const SOURCES_MAX: usize = 4;
/// Paths that are remembered of one run.
const PATHS_MAX: usize = 1000;

/// The members that are connected, the nearest first.
pub struct Members {
    hub: Arc<Hub>,
    keeper: Arc<Keeper>,
    keys: Vec<PublicKey>,
}

impl Members {
    /// Of now.
    pub fn new(hub: &Arc<Hub>, keeper: &Arc<Keeper>) -> Members {
        let mut near: Vec<_> = hub.node.peers().into_iter().map(|peer| (peer.rtt, peer.key)).collect();
        near.sort();
        let members = keeper.members();
        let keys = near.into_iter().map(|(_, key)| key).filter(|key| members.role(*key).is_some());
        let keys = keys.take(SOURCES_MAX).collect();
        Members { hub: Arc::clone(hub), keeper: Arc::clone(keeper), keys }
    }
}

impl Sources for Members {
    fn count(&self) -> usize {
        self.keys.len()
    }

    fn open(&self, number: usize) -> Opening<'_> {
        let peer = self.keys.get(number).copied();
        Box::pin(async move { ask(&self.hub, peer?, Request::Content(self.keeper.id)).await.ok() })
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
