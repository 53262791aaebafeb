use proptest::prelude::*;

use super::*;

fn key(seed: u8) -> DeviceKey {
    DeviceKey::from_seed([seed; 32]).expect("a key")
}

fn founded() -> Members {
    Members::found(&key(1), [7; 16])
}

fn says(name: &str, replica: u8) -> Introduction {
    let addresses = vec!["192.0.2.1:9".parse().expect("an address")];
    Introduction { name: name.into(), addresses, replicas: vec![ReplicaId([replica; 16])] }
}

fn joined(mut left: Members, right: &Members) -> Members {
    left.join(right).expect("one share");
    left
}

/// What happens to lists in a test: device `who` of three does `what` at its own list, or takes another's.
fn played(script: &[(u8, u8, u8)]) -> Vec<Members> {
    let keys = [key(1), key(2), key(3), key(4)];
    let mut lists = vec![founded(), founded(), founded()];
    for &(who, what, whom) in script {
        let (who, whom) = (usize::from(who) % 3, usize::from(whom) % 4);
        let grants = [Granted::ReadWrite, Granted::Send, Granted::Receive, Granted::Forgotten];
        match what % 6 {
            granted @ 0..=3 => {
                // Some may not: then nothing happens.
                let _ = lists[who].grant(&keys[who], keys[whom].public(), grants[usize::from(granted)]);
            }
            4 => drop(lists[who].introduce(&keys[who], says("x", whom as u8))),
            _ => {
                let theirs = lists[whom % 3].clone();
                lists[who].join(&theirs).expect("one share");
            }
        }
    }
    lists
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn joining_is_commutative_associative_and_idempotent(
        script in prop::collection::vec((0..3u8, 0..6u8, 0..4u8), 0..24)
    ) {
        let lists = played(&script);
        let [a, b, c] = [&lists[0], &lists[1], &lists[2]];
        prop_assert_eq!(joined(a.clone(), b), joined(b.clone(), a));
        prop_assert_eq!(joined(joined(a.clone(), b), c), joined(a.clone(), &joined(b.clone(), c)));
        prop_assert_eq!(&joined(a.clone(), a), a);
        let all = joined(joined(a.clone(), b), c);
        prop_assert_eq!(Members::decode(&all.encode()), Ok(all.clone()), "what a play leads to is all entitled");
        prop_assert_eq!(all.digest(), joined(joined(c.clone(), b), a).digest());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..2000usize) {
        let _refused_or_not = Members::decode(&bytes);
        let mut true_bytes = played(&[(0, 0, 1), (0, 4, 0)])[0].encode();
        true_bytes.truncate(cut);
        if let Some(last) = true_bytes.last_mut() {
            *last ^= 1;
        }
        if let Ok(read) = Members::decode(&true_bytes) {
            prop_assert!(read.each().count() <= 2);
        }
    }
}

#[test]
fn a_member_is_forgotten_and_taken_in_again() {
    let mut list = founded();
    let (founder, laptop) = (key(1), key(2).public());
    list.grant(&founder, laptop, Granted::Send).expect("a founder may");
    let before = list.clone();
    assert_eq!(list.role(laptop), Some(Role::Send));
    list.grant(&founder, laptop, Granted::Forgotten).expect("a founder may");
    assert_eq!((list.role(laptop), list.is_forgotten(laptop)), (None, true));
    list.join(&before).expect("one share");
    assert!(list.is_forgotten(laptop), "an older list does not bring it back");
    list.grant(&founder, laptop, Granted::ReadWrite).expect("a founder may");
    assert_eq!(list.role(laptop), Some(Role::ReadWrite));
}

#[test]
fn of_two_grants_that_did_not_know_of_each_other_the_stricter_counts() {
    let mut left = founded();
    left.grant(&key(1), key(2).public(), Granted::ReadWrite).expect("a founder may");
    let mut right = left.clone();
    left.grant(&key(1), key(3).public(), Granted::ReadWrite).expect("a founder may");
    right.grant(&key(2), key(3).public(), Granted::Receive).expect("a writer may");
    assert_eq!(joined(left, &right).role(key(3).public()), Some(Role::Receive));
}

#[test]
fn who_may_not_write_may_not_grant_and_may_leave() {
    let mut list = founded();
    list.grant(&key(1), key(2).public(), Granted::Receive).expect("a founder may");
    assert_eq!(list.grant(&key(2), key(3).public(), Granted::Receive), Err(NotAllowed));
    assert_eq!(list.grant(&key(2), key(2).public(), Granted::ReadWrite), Err(NotAllowed));
    list.grant(&key(2), key(2).public(), Granted::Forgotten).expect("anybody may leave");
    assert!(list.is_forgotten(key(2).public()));
    assert_eq!(Members::decode(&list.encode()).expect("a list").role(key(2).public()), None);
}

#[test]
fn what_nobody_entitled_signed_is_not_read() {
    let mut list = founded();
    list.grant(&key(1), key(2).public(), Granted::Receive).expect("a founder may");
    let share = list.share();
    // A member that may only receive raises itself, and takes in a friend.
    list.grants.insert(Grant::sign(share, &key(2), key(2).public(), (9, Granted::ReadWrite)));
    list.grants.insert(Grant::sign(share, &key(2), key(3).public(), (0, Granted::ReadWrite)));
    // Somebody changes what was signed, or signs for another share.
    let granted = *list.grants.first().expect("the founder's");
    list.grants.insert(Grant { generation: 5, member: key(4).public(), ..granted });
    list.grants.insert(Grant::sign(ShareId([0; 16]), &key(1), key(4).public(), (0, Granted::ReadWrite)));
    // A card in somebody else's name, and one of nobody.
    list.cards.insert(key(1).public(), Card::sign(share, &key(2), 9, says("founder", 1)));
    list.cards.insert(key(4).public(), Card::sign(share, &key(4), 0, says("stranger", 2)));
    let read = Members::decode(&list.encode()).expect("a list");
    let roles: Vec<(PublicKey, Role)> = read.each().map(|member| (member.key, member.role)).collect();
    let mut expected = vec![(key(1).public(), Role::ReadWrite), (key(2).public(), Role::Receive)];
    expected.sort_unstable();
    assert_eq!(roles, expected);
    assert!(read.cards.is_empty());
}

#[test]
fn another_founder_has_another_share() {
    let mut list = founded();
    let foreign = Members::found(&key(2), [7; 16]);
    assert_ne!(list.share(), foreign.share());
    assert_eq!(list.join(&foreign), Err(ListError::Foreign));
}

#[test]
fn writes_are_bound_to_the_devices_that_make_them() {
    let mut list = founded();
    list.grant(&key(1), key(2).public(), Granted::Receive).expect("a founder may");
    list.introduce(&key(1), says("desk", 1));
    list.introduce(&key(2), says("laptop", 2));
    let may = |list: &Members, id: u8| list.may_write(&ReplicaId([id; 16]));
    assert_eq!((may(&list, 1), may(&list, 2), may(&list, 3)), (true, false, true));
    list.grant(&key(1), key(2).public(), Granted::Forgotten).expect("a founder may");
    assert!(may(&list, 2), "what it wrote before it was forgotten stays");
}

#[test]
fn a_newer_card_counts_and_saying_the_same_again_is_no_news() {
    let mut list = founded();
    assert!(list.introduce(&key(1), says("desk", 1)));
    assert!(!list.introduce(&key(1), says("desk", 1)));
    let before = list.clone();
    assert!(list.introduce(&key(1), says("tower", 1)));
    assert_eq!(joined(before, &list), list);
    let name = list.each().next().and_then(|member| member.says).map(|says| says.name.clone());
    assert_eq!(name.as_deref(), Some("tower"));
}
