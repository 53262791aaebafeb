//! What is seen piece by piece and put in place piece by piece comes to the same as if it were seen at once.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use alike::model::RelPath;
use alike::model::plan::guard::Limit;
use alike::sync::share::{Allowed, Dirty, Role, Share};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::pair::{Member, assert_alike, exchange, meet, settings};
use crate::harness::Sandbox;

fn two(sandbox: &Sandbox) -> (Member, Member) {
    let member = |name| Member::new(sandbox, name, Role::ReadWrite);
    (member("left"), member("right"))
}

fn at(names: &[&str]) -> Dirty {
    Dirty::Directories(names.iter().map(|name| RelPath::new(name.as_bytes()).expect("legal")).collect())
}

/// Looks at directories until nothing in them is being written any more.
async fn glance(member: &Member, names: &[&str]) -> bool {
    let mut dirty = at(names);
    let mut changed = false;
    loop {
        let looked = member.share.look(dirty).await.expect("a look");
        changed |= looked.changed;
        if looked.again.is_empty() {
            return changed;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        dirty = Dirty::Directories(looked.again);
    }
}

#[tokio::test]
async fn an_editors_save_dance_is_one_update_and_no_conflict() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.tree.file("in/text", b"first");
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    for round in 0..5 {
        left.tree.file("in/text.tmp", format!("round {round}")).rename("in/text.tmp", "in/text");
        assert!(glance(&left, &["in"]).await);
        assert_eq!(left.share.standing().entries, 2, "the directory and the text");
        exchange(&right, &left).await;
        assert_alike(&left, &right);
        assert_eq!(right.tree.read("in/text"), format!("round {round}").as_bytes());
        assert!(!glance(&right, &["in"]).await, "what was installed is no change");
    }
    assert_eq!(right.share.standing().conflicts, 0);
}

#[tokio::test]
async fn an_edit_in_the_instant_after_a_file_came_is_an_edit_of_it() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.look().await;
    right.look().await;
    for round in 0..20 {
        let sent = format!("round {round}\n");
        left.tree.file("f", &sent);
        glance(&left, &[""]).await;
        let (asked, answered) = meet(&right, &left).await;
        asked.and(answered).expect("they met");
        let (path, beside, expected) = (right.tree.join("f"), sandbox.path("beside"), sent.clone());
        let user = std::thread::spawn(move || {
            while std::fs::read_to_string(&path).ok().as_ref() != Some(&expected) {
                std::hint::spin_loop();
            }
            // In place, or as an editor does it.
            if round % 2 == 0 {
                let mut file = std::fs::File::options().append(true).open(&path).expect("it is there");
                file.write_all(b"by the right").expect("a line");
            } else {
                std::fs::write(&beside, format!("{expected}by the right")).expect("a file");
                std::fs::rename(&beside, &path).expect("a rename");
            }
        });
        right.materialize(&[&left]).await;
        user.join().expect("the user wrote");
        glance(&right, &[""]).await;
        exchange(&left, &right).await;
        assert_alike(&left, &right);
        assert_eq!(left.share.standing().conflicts, 0, "round {round}: {:?}", left.tree.shown());
        assert_eq!(left.tree.read("f"), format!("{sent}by the right").as_bytes());
    }
}

#[tokio::test]
async fn a_delete_or_a_rename_in_the_instant_after_a_file_came_is_one() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.tree.file("in/stays", b"stays");
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    for round in 0..20 {
        let name = format!("in/{round}");
        left.tree.file(&name, b"came");
        glance(&left, &["in"]).await;
        let (asked, answered) = meet(&right, &left).await;
        asked.and(answered).expect("they met");
        let (path, away) = (right.tree.join(&name), right.tree.join(format!("in/moved-{round}")));
        let user = std::thread::spawn(move || {
            while !path.exists() {
                std::hint::spin_loop();
            }
            let done = if round % 2 == 0 { std::fs::remove_file(&path) } else { std::fs::rename(&path, &away) };
            done.expect("it was there");
        });
        right.materialize(&[&left]).await;
        user.join().expect("the user did it");
        glance(&right, &["in"]).await;
        exchange(&left, &right).await;
        assert_alike(&left, &right);
        assert!(!left.tree.has(&name) && !right.tree.has(&name), "round {round}: {:?}", right.tree.shown());
        assert_eq!(left.tree.has(format!("in/moved-{round}")), round % 2 == 1, "round {round}");
    }
}

#[tokio::test]
async fn a_share_that_is_opened_again_knows_what_it_knew() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    left.tree.file("a/one", b"1").file("b/two", b"2");
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    left.tree.file("a/one", b"1, edited").file("a/three", b"3").remove("b");
    glance(&left, &["a", ""]).await;
    exchange(&left, &right).await;
    let (top, knowledge) = (left.share.standing().top, left.share.standing().knowledge);
    // The memory is let go of as by a kill: nothing is saved.
    let (left_tree, right_tree) = (left.tree, right.tree);
    drop(left.share);
    right.share.close().await;
    let open = |tree| Member { share: Share::open(settings(&sandbox, &tree, Role::ReadWrite)).expect("a share"), tree };
    let (left, right) = (open(left_tree), open(right_tree));
    assert!(!left.look().await.changed && !right.look().await.changed, "nothing happened");
    assert_eq!((left.share.standing().top, left.share.standing().knowledge), (top, knowledge));
    right.tree.file("a/one", b"1, edited again");
    right.look().await;
    exchange(&right, &left).await;
    assert_alike(&left, &right);
    assert_eq!(left.share.standing().conflicts, 0, "an edit of what was seen is no conflict");
}

/// Edits, glances, meetings and installs in random order: whoever edits a file edits it after having seen it, so both never
/// edit the same file, and there is never a conflict.
#[tokio::test]
async fn no_order_of_steps_makes_a_conflict_with_oneself() {
    for seed in 0..12 {
        let sandbox = Sandbox::new();
        let (left, right) = two(&sandbox);
        left.look().await;
        right.look().await;
        let mut random = StdRng::seed_from_u64(seed);
        for step in 0..40 {
            let (one, other, own) = if random.random() { (&left, &right, "left") } else { (&right, &left, "right") };
            let directory = format!("{own}-{}", random.random_range(0..2));
            let path = format!("{directory}/f{}", random.random_range(0..3));
            match random.random_range(0..7) {
                0 | 1 => drop(one.tree.file(&path, format!("{seed} {step}"))),
                2 if one.tree.has(&path) => drop(one.tree.remove(&path)),
                3 if one.tree.has(&path) => drop(one.tree.rename(&path, format!("{path}-moved"))),
                4 => drop(meet(one, other).await),
                5 => drop(one.materialize(&[other]).await),
                _ => drop(glance(one, &["", &directory]).await),
            }
        }
        for _ in 0..2 {
            glance(&left, &["", "left-0", "left-1"]).await;
            glance(&right, &["", "right-0", "right-1"]).await;
            exchange(&left, &right).await;
        }
        assert_alike(&left, &right);
        assert_eq!(left.share.standing().conflicts, 0, "seed {seed}");
        assert!(!left.look().await.changed && !right.look().await.changed, "seed {seed}: a look at all finds no more");
    }
}

#[tokio::test]
async fn deletes_are_held_however_slowly_they_come_until_they_are_approved() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    for number in 0..40 {
        left.tree.file(format!("d{}/f{number}", number % 4), number.to_string());
    }
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    for number in 0..40 {
        left.tree.remove(format!("d{}/f{number}", number % 4));
        if number % 4 == 3 {
            glance(&left, &["d0", "d1", "d2", "d3"]).await;
        }
    }
    let held = left.share.standing().held;
    assert_eq!(held.len(), 1, "more than half is gone by now, which is told once: {held:?}");
    exchange(&left, &right).await;
    let there = right.tree.shown().len();
    assert!(there >= 4 + 20, "{there} of 44 entries are left");
    let again = left.share.look(Dirty::All).await.expect("a look");
    assert!(!again.changed, "what is held back stays held back");
    left.share.approve(Limit::Percent(100)).await.expect("approved");
    exchange(&left, &right).await;
    // What others would lose is held there as well.
    right.share.approve(Limit::Percent(100)).await.expect("approved");
    exchange(&left, &right).await;
    assert_alike(&left, &right);
    assert_eq!(right.tree.shown().len(), 4, "the directories are left");
    assert!(left.share.standing().held.is_empty() && right.share.standing().held.is_empty());
}

#[tokio::test]
async fn who_writes_as_much_as_he_deletes_is_not_held_back_however_long_he_goes_on() {
    let sandbox = Sandbox::new();
    let (left, right) = two(&sandbox);
    for number in 0..40 {
        left.tree.file(format!("f{number}"), number.to_string());
    }
    left.look().await;
    right.look().await;
    exchange(&left, &right).await;
    for number in 0..120 {
        left.tree.remove(format!("f{number}")).file(format!("f{}", number + 40), (number + 40).to_string());
        if number % 8 == 7 {
            assert!(glance(&left, &[""]).await);
            assert!(
                left.share.standing().held.is_empty(),
                "there are as many as ever: {:?}",
                left.share.standing().held
            );
            exchange(&left, &right).await;
        }
    }
    assert_alike(&left, &right);
    assert_eq!(right.tree.shown().len(), 40);
}

#[tokio::test]
async fn a_member_that_sends_takes_nothing_and_one_that_receives_writes_nothing() {
    let sandbox = Sandbox::new();
    let sender = Member::new(&sandbox, "sender", Role::Send);
    let taker = Member::new(&sandbox, "taker", Role::Receive);
    let writer = Member::new(&sandbox, "writer", Role::ReadWrite);
    sender.tree.file("sent", b"sent").file("edited", b"first");
    writer.tree.file("written", b"written");
    for member in [&sender, &taker, &writer] {
        member.look().await;
    }
    exchange(&writer, &sender).await;
    exchange(&taker, &writer).await;
    assert_eq!(sender.tree.shown().len(), 2, "nothing came to the sender");
    assert_eq!(taker.tree.shown(), writer.tree.shown());
    assert_eq!(taker.tree.shown().len(), 3);

    // What the taker changes stays there and is told, until the path changes.
    taker.tree.file("edited", b"here alone").file("new", b"here alone").remove("written");
    let looked = taker.look().await;
    assert!(!looked.changed, "it writes nothing");
    let local: BTreeSet<String> = taker.share.standing().local.iter().map(ToString::to_string).collect();
    assert_eq!(local, ["edited", "new", "written"].map(str::to_owned).into());
    exchange(&taker, &writer).await;
    assert_eq!(taker.tree.read("edited"), b"here alone");
    assert!(!writer.tree.has("new"));
    sender.tree.file("edited", b"second");
    sender.look().await;
    exchange(&writer, &sender).await;
    exchange(&taker, &writer).await;
    assert_eq!(taker.tree.read("edited"), b"second", "the path has changed");
    taker.look().await;
    assert_eq!(taker.share.standing().local.len(), 2);

    taker.share.revert().await.expect("reverted");
    taker.materialize(&[&writer]).await;
    assert_eq!(taker.tree.shown(), writer.tree.shown());
    assert!(sender.share.revert().await.is_err(), "a sender has nothing to revert");
}

#[tokio::test]
async fn writes_of_who_may_not_write_are_a_violation_through_others_as_well() {
    let sandbox = Sandbox::new();
    let stranger = Member::new(&sandbox, "stranger", Role::ReadWrite);
    let relay = Member::new(&sandbox, "relay", Role::ReadWrite);
    let strict = {
        let tree = sandbox.tree("strict");
        let known = relay.share.standing().id.expect("an id");
        let allowed = Allowed::by(move |id| *id == known);
        let share =
            Share::open(alike::sync::share::ShareSettings { allowed, ..settings(&sandbox, &tree, Role::ReadWrite) });
        Member { share: share.expect("a share"), tree }
    };
    for member in [&stranger, &relay, &strict] {
        member.look().await;
    }
    relay.tree.file("known", b"fine");
    relay.look().await;
    exchange(&strict, &relay).await;
    assert_alike(&strict, &relay);
    stranger.tree.file("strange", b"no member");
    stranger.look().await;
    exchange(&relay, &stranger).await;
    let (asked, _) = meet(&strict, &relay).await;
    let error = asked.expect_err("a violation");
    assert!(matches!(error, alike::sync::error::Error::Violation { .. }), "{error}");
    strict.materialize(&[&relay]).await;
    assert!(!strict.tree.has("strange"));
}
