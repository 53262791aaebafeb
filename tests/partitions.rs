//! Partitions of every shape: hosts in network namespaces of their own, real programs, cuts between them.

mod harness;

use harness::hosts::{Cut, apart, hosts};

/// The cuts themselves: without this, a test that survives a cut could have had none.
#[test]
fn a_cut_keeps_ssh_out_until_it_heals() {
    if !apart("a_cut_keeps_ssh_out_until_it_heals") {
        return;
    }
    let mut all = hosts(&["left", "right"]);
    all[1].serve_ssh();
    let (left, right) = (&all[0], &all[1]);
    left.tree("docs").file("a.txt", "one");
    let far = right.tree("docs");
    let mut arguments: Vec<String> = vec!["sync".into(), "--timeout".into(), "2".into()];
    arguments.extend(left.through_ssh(right));
    arguments.extend(["docs".into(), format!("{}:{}", right.address, far.text())]);
    left.alike(&arguments).expect(0);
    assert_eq!(far.read("a.txt"), b"one");
    left.tree("docs").file("a.txt", "two");
    for cut in [Cut::Silent, Cut::Refused] {
        right.deafen(left, cut);
        let outcome = left.alike(&arguments);
        assert!([10, 30, 35].contains(&outcome.code), "{cut:?}: {outcome:?}");
        assert_eq!(far.read("a.txt"), b"one");
        right.heal();
        left.heal();
    }
    left.alike(&arguments).expect(0);
    assert_eq!(far.read("a.txt"), b"two");
}
