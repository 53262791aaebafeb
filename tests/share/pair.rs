//! Two shares with real directories, and the links between them.

use std::sync::Arc;

use alike::model::Problem;
use alike::model::plan::Action;
use alike::net::Link;
use alike::sync::error::Error;
use alike::sync::job::{Reading, Writing};
use alike::sync::narrate::Narration;
use alike::sync::share::{Allowed, Dirty, Looked, Materialized, Met, Opening, Role, Share, ShareSettings, Sources};

use crate::harness::{Sandbox, Tree};

/// A share and the directory that it is of.
pub struct Member {
    pub share: Share,
    pub tree: Tree,
}

/// What a member is opened with, where a test does not say otherwise.
pub fn settings(sandbox: &Sandbox, tree: &Tree, role: Role) -> ShareSettings {
    ShareSettings {
        root: tree.path().into(),
        reading: Reading::default(),
        writing: Writing::default(),
        role,
        allowed: Allowed::default(),
        state: Some(sandbox.path("state")),
    }
}

impl Member {
    /// A new member with an empty directory.
    pub fn new(sandbox: &Sandbox, name: &str, role: Role) -> Member {
        Member::of(sandbox, sandbox.tree(name), role)
    }

    pub fn of(sandbox: &Sandbox, tree: Tree, role: Role) -> Member {
        let share = Share::open(settings(sandbox, &tree, role)).expect("a share");
        Member { share, tree }
    }

    pub async fn look(&self) -> Looked {
        self.share.look(Dirty::All).await.expect("a look")
    }

    /// Fetches what it lacks from others.
    pub async fn materialize(&self, from: &[&Member]) -> Materialized {
        let from: Vec<Share> = from.iter().map(|member| member.share.clone()).collect();
        self.share.materialize(&From(from), &mut Heard::default()).await.expect("content")
    }
}

/// A meeting: `left` asks.
pub async fn meet(left: &Member, right: &Member) -> (Result<Met, Error>, Result<Met, Error>) {
    let (near, far) = Link::memory();
    tokio::join!(left.share.meet(near), right.share.answer_meeting(far))
}

/// A meeting, and what comes of it on both disks.
pub async fn exchange(left: &Member, right: &Member) {
    let (asked, answered) = meet(left, right).await;
    asked.expect("the one that asks met");
    answered.expect("the one that is asked met");
    left.materialize(&[right]).await;
    right.materialize(&[left]).await;
}

/// Asserts that both hold the same, know the same and show the same.
#[track_caller]
pub fn assert_alike(left: &Member, right: &Member) {
    let (ours, theirs) = (left.share.standing(), right.share.standing());
    assert_eq!((ours.top, ours.knowledge), (theirs.top, theirs.knowledge), "both hold the same");
    assert_eq!(left.tree.shown(), right.tree.shown(), "both show the same");
}

/// Shares in this process that have content.
pub struct From(pub Vec<Share>);

impl Sources for From {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn open(&self, number: usize) -> Opening<'_> {
        let share = self.0[number].clone();
        Box::pin(async move {
            let (near, far) = Link::memory();
            tokio::spawn(async move { share.supply(far).await });
            Some(near)
        })
    }
}

/// What was told.
#[derive(Default)]
pub struct Heard {
    pub actions: Vec<String>,
    pub problems: Vec<Arc<Problem>>,
}

impl Narration for Heard {
    fn action(&mut self, action: &Action) {
        self.actions.push(action.path.to_string());
    }

    fn problem(&mut self, problem: &Problem) {
        self.problems.push(Arc::new(problem.clone()));
    }
}
