//! Content that is on its way: nobody waits for it who does not need it, what has come does not come again, and a large file
//! comes from all who have it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alike::net::{Link, ReceiveHalf, SendHalf};
use alike::sync::share::{Opening, Role, Share, Sources};

use super::pair::{Heard, Member, assert_alike, exchange, meet};
use crate::harness::far::inside;
use crate::harness::tree::pattern;
use crate::harness::{Sandbox, Tree};

/// Far below the time after which a link that says nothing is given up.
const AT_ONCE: Duration = Duration::from_secs(5);
/// The bytes of a large file.
const LARGE: usize = 64 << 20;

/// What a line that breaks takes along at most: a receiver that is behind has let go of as much of a stream.
const ON_THE_WAY: u64 = 2 << 20;

/// What happens to the line to a member that has let its bytes through.
#[derive(Clone, Copy)]
enum Then {
    /// Nothing passes any more.
    Stall,
    /// It breaks.
    Break,
}

/// The line to a member: so many bytes pass, and then something happens.
#[derive(Clone)]
struct Line {
    share: Share,
    left: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
    then: Then,
}

impl Line {
    fn new(member: &Member, bytes: u64, then: Then) -> Line {
        let (left, passed) = (Arc::new(AtomicU64::new(bytes)), Arc::default());
        Line { share: member.share.clone(), left, passed, then }
    }

    fn whole(member: &Member) -> Line {
        Line::new(member, u64::MAX, Then::Stall)
    }

    fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Carries streams until the line breaks.
    async fn carry(self, near: Link) {
        let (asks, supplies) = Link::memory();
        let share = self.share.clone();
        tokio::spawn(async move { share.supply(supplies).await });
        let (broken, mut breaks) = tokio::sync::mpsc::channel::<()>(1);
        loop {
            let accepted = tokio::select! {
                accepted = near.accept() => accepted,
                _ = breaks.recv() => return,
            };
            let Ok((answers, asked)) = accepted else { return };
            let Ok((send, receive)) = asks.open().await else { return };
            tokio::spawn(copy(asked, send));
            let (line, broken) = (self.clone(), broken.clone());
            tokio::spawn(async move {
                if line.let_through(receive, answers).await.is_none() {
                    let _ = broken.send(()).await;
                }
            });
        }
    }

    /// `None` where the line breaks.
    async fn let_through(&self, mut from: ReceiveHalf, mut to: SendHalf) -> Option<()> {
        while let Ok(Some(bytes)) = from.read_chunk(64 << 10).await {
            let length = bytes.len() as u64;
            let taken = |left: u64| left.checked_sub(length);
            if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_err() {
                match self.then {
                    Then::Stall => pending().await,
                    Then::Break => {
                        // What had passed by then arrives.
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        return None;
                    }
                }
            }
            self.passed.fetch_add(length, Ordering::Relaxed);
            if to.write_chunks(&mut [bytes]).await.is_err() {
                return Some(());
            }
        }
        let _ = to.finish().await;
        Some(())
    }
}

async fn copy(mut from: ReceiveHalf, mut to: SendHalf) {
    while let Ok(Some(bytes)) = from.read_chunk(64 << 10).await {
        if to.write_chunks(&mut [bytes]).await.is_err() {
            return;
        }
    }
    let _ = to.finish().await;
}

struct Lines(Vec<Line>);

impl Sources for Lines {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn open(&self, number: usize) -> Opening<'_> {
        let line = self.0[number].clone();
        Box::pin(async move {
            let (near, far) = Link::memory();
            tokio::spawn(line.carry(far));
            Some(near)
        })
    }
}

fn member(sandbox: &Sandbox, name: &str) -> Member {
    Member::new(sandbox, name, Role::ReadWrite)
}

async fn learn(member: &Member, from: &Member) {
    let (asked, answered) = meet(member, from).await;
    asked.expect("met");
    answered.expect("met");
}

#[tokio::test]
async fn nobody_waits_for_content_that_is_on_its_way() {
    let sandbox = Sandbox::new();
    let (left, right) = (member(&sandbox, "left"), member(&sandbox, "right"));
    left.tree.file("slow", pattern(LARGE, 1)).file("slow.txt", pattern(300_000, 2));
    left.look().await;
    right.look().await;
    learn(&right, &left).await;
    // The request for nothing is answered, and then hardly anything.
    let lines = Lines(vec![Line::new(&left, 100_000, Then::Stall)]);
    let share = right.share.clone();
    let materializing = tokio::spawn(async move { share.materialize(&lines, &mut Heard::default()).await });
    while right.share.standing().wanted.is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    right.tree.file("here", "a write of its own");
    assert!(right.look().await.changed);
    learn(&left, &right).await;
    left.materialize(&[&right]).await;
    assert_eq!(left.tree.read("here"), b"a write of its own", "it hands out what it has");
    assert!(!materializing.is_finished());
    right.share.clone().close().await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(materializing.await.expect("no panic").is_err(), "it was closed");
    // The root is let go of: whoever opens it next goes on.
    let right = Member::of(&sandbox, right.tree, Role::ReadWrite);
    right.look().await;
    exchange(&right, &left).await;
    assert_alike(&left, &right);
}

#[tokio::test]
async fn small_files_do_not_wait_for_a_large_one() {
    let sandbox = Sandbox::new();
    let (left, right) = (member(&sandbox, "left"), member(&sandbox, "right"));
    left.tree.file("large", pattern(LARGE, 1));
    for number in 0..100 {
        left.tree.file(format!("small/{number}"), format!("{number}"));
    }
    left.look().await;
    right.look().await;
    learn(&right, &left).await;
    let lines = Lines(vec![Line::new(&left, 4 << 20, Then::Stall)]);
    let share = right.share.clone();
    let materializing = tokio::spawn(async move { share.materialize(&lines, &mut Heard::default()).await });
    let began = Instant::now();
    while right.share.standing().wanted != Some(1) {
        assert!(began.elapsed() < AT_ONCE * 4, "{:?}", right.share.standing());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(right.tree.read("small/99"), b"99");
    assert!(!right.tree.has("large") && !materializing.is_finished());
    // What is agreed on meanwhile does not wait either: a rename needs no content.
    left.tree.rename("small", "renamed");
    left.look().await;
    learn(&right, &left).await;
    while !right.tree.has("renamed/99") {
        assert!(began.elapsed() < AT_ONCE * 8, "{:?}", right.share.standing());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!materializing.is_finished());
    right.share.clone().close().await;
    assert!(materializing.await.expect("no panic").is_err(), "it was closed");
}

#[tokio::test]
async fn a_large_file_whose_line_breaks_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    let (left, right) = (member(&sandbox, "left"), member(&sandbox, "right"));
    left.tree.file("large", pattern(LARGE, 1));
    left.look().await;
    right.look().await;
    learn(&right, &left).await;
    let mut sent = 0;
    let mut allowed = LARGE as u64 + (1 << 20);
    let mut wanted = 1;
    for broken in 0..10 {
        let line = Line::new(&left, LARGE as u64 * 2 / 5, Then::Break);
        let placed = right.share.materialize(&Lines(vec![line.clone()]), &mut Heard::default()).await;
        sent += line.passed();
        wanted = placed.expect("a line that breaks is no failure").wanted;
        if wanted == 0 {
            assert!((2..=4).contains(&broken), "{broken} lines broke");
            break;
        }
        allowed += ON_THE_WAY;
        // Another file that is put in place meanwhile takes nothing of it away.
        left.tree.file(format!("small {broken}"), "small");
        left.look().await;
        learn(&right, &left).await;
    }
    right.materialize(&[&left]).await;
    assert_eq!(wanted, 0);
    assert_alike(&left, &right);
    assert!(sent < allowed, "{sent} bytes were sent for {LARGE}");
}

#[tokio::test]
async fn a_large_file_comes_from_all_who_have_it_and_past_those_who_do_not() {
    let sandbox = Sandbox::new();
    let [left, right, other, late] = ["left", "right", "other", "late"].map(|name| member(&sandbox, name));
    left.tree.file("large", pattern(LARGE, 1));
    for member in [&left, &right, &other, &late] {
        member.look().await;
    }
    exchange(&other, &left).await;
    assert_alike(&left, &other);
    learn(&right, &left).await;
    learn(&late, &left).await;
    // One has it no more than who asks.
    let lines: Vec<Line> = [&left, &late, &other].into_iter().map(Line::whole).collect();
    let placed = right.share.materialize(&Lines(lines.clone()), &mut Heard::default()).await;
    assert_eq!(placed.expect("it came").wanted, 0);
    let passed: Vec<u64> = lines.iter().map(Line::passed).collect();
    assert_alike(&left, &right);
    assert!(passed[0] > 8 << 20 && passed[2] > 8 << 20 && passed[1] < 1 << 20, "{passed:?}");
    assert!(passed.iter().sum::<u64>() < LARGE as u64 * 21 / 20, "{passed:?}");
    // One that dies in the middle is left to the others.
    let lines = vec![Line::new(&other, LARGE as u64 / 4, Then::Break), Line::whole(&left)];
    let placed = late.share.materialize(&Lines(lines.clone()), &mut Heard::default()).await;
    assert_eq!(placed.expect("it came").wanted, 0);
    assert_alike(&left, &late);
}

#[tokio::test]
async fn what_one_member_does_not_bring_of_a_large_file_another_brings_whichever_was_asked_first() {
    let sandbox = Sandbox::new();
    let [left, other, first, second] = ["left", "other", "first", "second"].map(|name| member(&sandbox, name));
    left.tree.file("large", pattern(LARGE, 1));
    for member in [&left, &other, &first, &second] {
        member.look().await;
    }
    exchange(&other, &left).await;
    for (late, stalls) in [(&first, 0), (&second, 1)] {
        learn(late, &left).await;
        // It stays connected, and nothing comes of it any more.
        let mut lines = vec![Line::whole(&left), Line::whole(&left)];
        lines[stalls] = Line::new(&other, LARGE as u64 / 8, Then::Stall);
        let placed = late.share.materialize(&Lines(lines), &mut Heard::default()).await;
        assert_eq!(placed.expect("it came").wanted, 0, "{stalls}");
        assert_alike(&left, late);
    }
}

#[tokio::test]
async fn what_a_renamed_directory_brings_along_is_nobodys_write() {
    let sandbox = Sandbox::new();
    let (left, right) = (member(&sandbox, "left"), member(&sandbox, "right"));
    for number in 0..10 {
        left.tree.file(format!("old/{number}"), format!("first {number}"));
    }
    left.look().await;
    right.look().await;
    exchange(&right, &left).await;
    left.tree.rename("old", "new").file("new/3", "second").remove("new/5");
    left.look().await;
    learn(&right, &left).await;
    // Nobody has the new bytes yet: the directory has its new name before they come.
    let placed = right.materialize(&[]).await;
    assert_eq!((placed.wanted, right.tree.read("new/3")), (1, b"first 3".to_vec()));
    assert!(!right.look().await.changed, "nobody wrote here");
    right.tree.file("new/4", "by the right");
    right.look().await;
    exchange(&right, &left).await;
    left.materialize(&[&right]).await;
    assert_alike(&left, &right);
    assert_eq!(left.share.standing().conflicts, 0);
    assert_eq!(right.tree.read("new/3"), b"second");
    assert!(!right.tree.has("new/5") && right.tree.read("new/4") == b"by the right");
}

#[tokio::test]
async fn a_join_that_finds_the_disk_full_deletes_nothing_anywhere() {
    const NAME: &str = "share::content::a_join_that_finds_the_disk_full_deletes_nothing_anywhere";
    if !inside(NAME, "-m", "mount -t tmpfs -o size=12m none /mnt") {
        return;
    }
    let sandbox = Sandbox::new();
    let small = Tree::at("/mnt/small".into());
    std::fs::create_dir(small.path()).expect("a directory");
    let (left, right) = (member(&sandbox, "left"), Member::of(&sandbox, small, Role::ReadWrite));
    left.tree.file("first", "first");
    left.look().await;
    right.look().await;
    exchange(&right, &left).await;
    for number in 0..2000 {
        left.tree.file(format!("many/{number}"), format!("{number}"));
    }
    left.look().await;
    let mut ballast = std::fs::File::create("/mnt/ballast").expect("a file");
    while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    drop(ballast);
    let (asked, _) = meet(&right, &left).await;
    assert!(asked.is_err(), "there is no room for it");
    // Whoever meets it now must not hear that it has seen what it does not hold.
    let _ = meet(&left, &right).await;
    left.materialize(&[&right]).await;
    assert_eq!(left.tree.shown().len(), 2002);
    assert!(right.share.is_void());
    std::fs::remove_file("/mnt/ballast").expect("it was made");
    right.share.clone().close().await;
    let right = Member::of(&sandbox, right.tree, Role::ReadWrite);
    right.look().await;
    exchange(&right, &left).await;
    assert_alike(&left, &right);
    assert_eq!((left.tree.shown().len(), left.share.standing().conflicts), (2002, 0));
}
