//! Members that only send or only receive, from the invitation to the last command.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::json;

use super::device::Device;
use crate::harness::Sandbox;

/// Lets a device into the desk's share.
fn admit(desk: &Device<'_>, other: &Device<'_>, role: &str) {
    let ticket = desk.alike(["invite", "docs", "-q", "--role", role]).expect(0).stdout;
    other.alike(["join", ticket.trim(), "docs"]).expect(0);
}

#[test]
fn a_member_that_sends_gives_all_and_takes_nothing() {
    let sandbox = Sandbox::new();
    let (desk, camera) = (Device::running(&sandbox, "desk"), Device::running(&sandbox, "camera"));
    desk.docs().file("from-desk", b"desk");
    camera.docs().file("photo", b"first").file("album/one", b"1");
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    admit(&desk, &camera, "send");
    desk.until("all of it arrives", |desk| desk.docs().has("photo") && desk.docs().has("album/one"));
    desk.until_alike();
    camera.until_alike();
    assert_eq!(camera.share()["role"], "send");
    assert!(!camera.docs().has("from-desk"));
    // Edits and deletes go out; what happens elsewhere does not come in.
    camera.docs().file("photo", b"second").remove("album");
    desk.until("they arrive", |desk| desk.docs().read("photo") == b"second" && !desk.docs().has("album"));
    desk.docs().file("photo", b"retouched").remove("from-desk");
    camera.docs().file("photo", b"third");
    desk.until("both are kept", |desk| desk.share()["conflicts"] == 1);
    desk.until("both are shown", |desk| {
        let mut kept: Vec<Vec<u8>> = desk.docs().shown().into_values().collect();
        kept.sort();
        kept == [&b"retouched"[..], b"third"]
    });
    desk.until_alike();
    camera.until_alike();
    assert_eq!(camera.docs().shown(), BTreeMap::from([("photo".into(), b"third".to_vec())]));
    // Commands of others read it, and write nothing.
    let other = sandbox.tree("other");
    desk.alike(["mirror", "alike://camera/docs", other.text()]).expect(0);
    assert_eq!(other.shown(), camera.docs().shown());
    other.file("written", b"written");
    desk.alike(["mirror", other.text(), "alike://camera/docs"]).expect(5);
    camera.alike(["revert", "docs"]).expect(2);
    // It may leave, and be gone.
    desk.alike(["forget", "camera"]).expect(0);
    camera.docs().file("photo", b"fourth");
    camera.until("it is let in no longer", |camera| camera.share()["members"][1]["state"] == "down");
    desk.until_alike();
    assert!(!desk.docs().shown().into_values().any(|bytes| bytes == b"fourth"));
}

#[test]
fn a_member_that_receives_writes_nothing_whatever_is_done_in_its_directory() {
    let sandbox = Sandbox::new();
    let (desk, mut mirror) = (Device::running(&sandbox, "desk"), Device::running(&sandbox, "mirror"));
    let (stick, other) = (sandbox.tree("stick"), sandbox.tree("other"));
    // Its directory was synced by hand before: what was written there is no write of the share.
    mirror.docs().file("own", b"own");
    stick.file("from-stick", b"stick");
    mirror.alike(["sync", "docs", stick.text()]).expect(0);
    desk.docs().file("a", b"a");
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    admit(&desk, &mirror, "receive");
    mirror.until("it takes", |mirror| mirror.docs().has("a"));
    mirror.until("what is here alone is told", |mirror| mirror.share()["local"] == json!(["from-stick", "own"]));
    desk.until_alike();
    mirror.until_alike();
    // A command does not write in its name either, with a daemon or without one; it may show what it would do.
    let refused = mirror.alike(["sync", "docs", stick.text()]).expect(5);
    assert!(refused.stderr.contains("only receives here") && refused.stderr.contains("\nhint: "), "{}", refused.stderr);
    mirror.alike(["diff", "docs", other.text()]).expect(1);
    mirror.alike(["conflicts", "docs"]).expect(0);
    mirror.stop(Signal::TERM);
    mirror.alike(["sync", stick.text(), "docs"]).expect(5);
    mirror.alike(["resolve", "docs", "*", "--keep", "plain"]).expect(5);
    mirror.start();
    // It may change the directory.
    other.file("mirrored", b"mirrored").file("a", b"changed");
    mirror.alike(["mirror", "--keep-extra", other.text(), "docs"]).expect(0);
    let all = json!(["a", "from-stick", "mirrored", "own"]);
    mirror.until("that is told as well", |mirror| mirror.share()["local"] == all);
    let told = mirror.alike(["status"]).stdout;
    assert!(told.contains("  mirrored: changed here alone"), "{told}");
    desk.docs().file("later", b"later");
    mirror.until("it still takes", |mirror| mirror.docs().has("later"));
    desk.until_alike();
    assert_eq!(desk.docs().shown().len(), 2, "nothing of it spread");
    assert_eq!(desk.docs().read("a"), b"a");
    mirror.alike(["revert", "docs"]).expect(0);
    mirror.until("all of it is reverted", |mirror| mirror.docs().shown() == desk.docs().shown());
    mirror.until_alike();
    assert_eq!(mirror.share()["local"], json!([]));
    let trash = mirror.alike(["trash", "list", "docs"]).expect(0).stdout;
    assert!(["own", "from-stick", "mirrored"].iter().all(|path| trash.contains(path)), "{trash}");
    // Once it may write, a sync is one again.
    mirror.alike(["mirror", "docs", stick.text(), "--max-delete=100%"]).expect(0);
}
