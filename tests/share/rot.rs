//! Rot: bytes that changed though nobody wrote.

use alike::disk::hash::Cores;
use alike::sync::share::{Role, Share};

use super::pair::{Member, exchange, settings};
use crate::harness::Sandbox;
use crate::harness::rot::rot;

#[tokio::test]
async fn rot_is_told_and_healed_from_another_member_and_never_spreads() {
    let sandbox = Sandbox::new();
    let member = |name| Member::new(&sandbox, name, Role::ReadWrite);
    let (left, right) = (member("left"), member("right"));
    left.tree.file("kept", b"as it was written").file("sound", b"sound");
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    let top = right.share.standing().top;
    let tree = left.tree;
    left.share.close().await;
    let written = tree.join("kept").metadata().expect("a file").modified().expect("a time");
    rot(&tree, "kept", b"as it was rotten!");
    let left = Member { share: Share::open(settings(&sandbox, &tree, Role::ReadWrite)).expect("a share"), tree };
    left.look().await;

    let first = left.share.verify(None, 1, Cores::One).await.expect("read");
    let next = first.next.clone().expect("more to read");
    let second = left.share.verify(Some(next), u64::MAX, Cores::All).await.expect("read");
    assert_eq!((first.files + second.files, second.next), (2, None));
    let rotten: Vec<String> = left.share.standing().rotten.iter().map(ToString::to_string).collect();
    assert_eq!(rotten, ["kept"]);

    exchange(&right, &left).await;
    assert_eq!(left.tree.read("kept"), b"as it was written", "healed");
    assert_eq!(right.tree.read("kept"), b"as it was written", "never spread");
    assert!(left.share.standing().rotten.is_empty());
    let healed = left.tree.join("kept").metadata().expect("a file").modified().expect("a time");
    assert_eq!(healed, written);
    assert_eq!(left.share.verify(None, u64::MAX, Cores::All).await.expect("read").rotten, []);
    assert_eq!(right.share.standing().top, top);
}
