//! What a meeting of two shares comes to.

use alike::net::Link;
use alike::sync::share::{Opening, Role, Share, Sources};

use super::pair::{Heard, Member, assert_alike, exchange, meet};
use crate::harness::Sandbox;

fn two(sandbox: &Sandbox) -> (Member, Member) {
    let member = |name| Member::new(sandbox, name, Role::ReadWrite);
    (member("left"), member("right"))
}

#[tokio::test]
async fn two_shares_that_meet_come_to_show_the_same() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.tree.file("a", b"one").file("in/a/directory", b"deep").link("link", "a");
    right.tree.file("b", b"two").directory("empty");
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    assert_alike(&left, &right);
    assert_eq!(left.tree.read("b"), b"two");
    assert_eq!(right.tree.read("in/a/directory"), b"deep");

    left.tree.file("a", b"one, and more").remove("in");
    right.tree.rename("b", "c");
    assert!(left.look().await.changed && right.look().await.changed);
    exchange(&right, &left).await;
    assert_alike(&left, &right);
    assert_eq!(right.tree.read("a"), b"one, and more");
    assert!(!right.tree.has("in") && left.tree.has("c"));
    assert_eq!(left.share.standing().conflicts, 0, "nobody edited what somebody else did");
    assert_eq!(left.share.standing().wanted, Some(0));
}

#[tokio::test]
async fn two_shares_that_ask_each_other_at_once_both_get_through() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    for round in 0..10 {
        left.tree.file(format!("left-{round}"), b"l");
        right.tree.file(format!("right-{round}"), b"r");
        left.look().await;
        right.look().await;
        let (one, other) = tokio::join!(meet(&left, &right), meet(&right, &left));
        for met in [one.0, one.1, other.0, other.1] {
            met.expect("nobody waits for the other");
        }
        let (from_right, from_left) = ([&right], [&left]);
        tokio::join!(left.materialize(&from_right), right.materialize(&from_left));
        assert_alike(&left, &right);
    }
}

#[tokio::test]
async fn a_share_that_was_not_looked_at_meets_nobody() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.tree.file("a", b"one");
    left.look().await;
    let (asked, answered) = meet(&left, &right).await;
    for error in [asked.expect_err("refused"), answered.expect_err("refused")] {
        assert!(matches!(error, alike::sync::error::Error::Busy { .. }), "{error}");
    }
}

/// A member that is thought alive and is deaf stands before one that answers.
struct DeafFirst(Share);

impl Sources for DeafFirst {
    fn count(&self) -> usize {
        2
    }

    fn open(&self, number: usize) -> Opening<'_> {
        let share = self.0.clone();
        Box::pin(async move {
            let (near, far) = Link::memory();
            tokio::spawn(async move {
                match number {
                    0 => tokio::time::sleep(std::time::Duration::from_secs(3600)).await,
                    _ => drop(share.supply(far.clone()).await),
                }
                drop(far);
            });
            Some(near)
        })
    }
}

#[tokio::test]
async fn a_deaf_member_does_not_keep_content_from_coming() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.tree.file("a", b"one");
    left.look().await;
    right.look().await;
    meet(&right, &left).await.0.expect("met");
    let begun = std::time::Instant::now();
    let sources = DeafFirst(left.share.clone());
    right.share.materialize(&sources, &mut Heard::default()).await.expect("content");
    assert_eq!(right.tree.read("a"), b"one");
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "the deaf one is not waited for");
}
