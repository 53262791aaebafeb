//! Each rule of the planner as a line: what the source holds, what the target holds, what the plan says.
//!
//! Entries are `name=content`, `name/`, `name/*` (holds what the listing does not show), `name>target` (symbolic link),
//! `name|` (fifo), `name#5` (device), `name~` (socket), `name!` (unreadable); then `@2` for the time, `%600` for the
//! mode, `&least` for the least path of the hard-link group.

use alike::model::entry::{Entry, Extra, Kind, Record, Stamp, Time};
use alike::model::lane::{Bytes, Lane};
use alike::model::listing::{Builder, FLAG_INCOMPLETE, Listing};
use alike::model::plan::{Action, Guard, Limit, MirrorInput, Onto, Plan, Source, Step, itemize, plan};
use alike::model::{Digest, ProblemKind, RelPath};

use super::UNGUARDED;
use super::disk::{differing, entry, file, path, symlink};

fn base(word: &str) -> (RelPath, Entry, u8) {
    let at = word.find(['=', '>', '|', '#', '~', '!']).unwrap_or(word.len());
    let (name, rest) = word.split_at(at);
    let (entry, flags) = match rest.as_bytes().first() {
        Some(b'=') => (file(&rest.as_bytes()[1..]), 0),
        Some(b'>') => (symlink(&rest.as_bytes()[1..]), 0),
        Some(b'|') => (entry(Kind::Fifo), 0),
        Some(b'#') => {
            let device = rest[1..].parse().expect("a number");
            let extra = Some(Box::new(Extra { device, ..Extra::default() }));
            (Entry { extra, ..entry(Kind::CharDevice) }, 0)
        }
        Some(b'~') => (entry(Kind::Socket), 0),
        Some(_) => (entry(Kind::Unreadable), 0),
        None => (entry(Kind::Directory), if name.ends_with('*') { FLAG_INCOMPLETE } else { 0 }),
    };
    (path(name.trim_end_matches('*').trim_end_matches('/')), entry, flags)
}

/// What one word says.
fn read(word: &str) -> (RelPath, Entry, u8) {
    let mut parts = word.split_inclusive(|c| "@%&".contains(c)).peekable();
    let first = parts.next().expect("a word");
    let (path, mut entry, flags) = base(first.trim_end_matches(['@', '%', '&']));
    let mut mark = first.chars().last();
    for part in parts {
        let value = part.trim_end_matches(['@', '%', '&']);
        match mark {
            Some('@') => entry.mtime = Time { secs: value.parse().expect("a number"), nanos: 0 },
            Some('%') => entry.mode = u16::from_str_radix(value, 8).expect("octal"),
            _ => entry.extra.get_or_insert_default().links = Some(value.as_bytes().into()),
        }
        mark = part.chars().last();
    }
    (path, entry, flags)
}

fn listing(text: &str) -> Listing {
    let mut entries: Vec<(RelPath, Entry, u8)> = text.split_whitespace().map(read).collect();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    let mut builder = Builder::default();
    for (at, (path, entry, flags)) in entries.iter().enumerate() {
        let inode = entry.links().map_or(at as u64, |least| 1000 + u64::from(least[0]));
        builder.push(path.as_ref(), entry, &Stamp { inode, ..Stamp::default() }, *flags);
    }
    builder.finish()
}

fn show(action: &Action) -> String {
    let from = |source: &Source| match source {
        Source::Fetch => "fetch".to_owned(),
        Source::Copy { from } => format!("copy {from}"),
        Source::Link { to } => format!("link {to}"),
        Source::None => "none".to_owned(),
    };
    let path = &action.path;
    match &action.step {
        Step::Mkdir => format!("mkdir {path}"),
        Step::Create(source) => format!("new {path} {}", from(source)),
        Step::Update(source) => format!("put {path} {}", from(source)),
        Step::Rename { from } => format!("move {path} {from}"),
        Step::Metadata => format!("meta {path}"),
        Step::Delete { whole: true, .. } => format!("del {path} whole"),
        Step::Delete { within: true, .. } => format!("del {path} within"),
        Step::Delete { .. } => format!("del {path}"),
    }
}

fn shown(plan: &Plan) -> String {
    let problems = plan.problems.iter().map(|problem| format!("{:?} {}", problem.kind, problem.path).to_lowercase());
    plan.actions.iter().map(show).chain(problems).collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Copy)]
struct Ask {
    lane: Lane,
    keep_extra: bool,
    devices: bool,
    guard: Guard,
}

const ASK: Ask = Ask { lane: Lane::CONTENT, keep_extra: false, devices: false, guard: UNGUARDED };

fn planned(source: &str, target: &str, ask: Ask) -> Plan {
    let Ask { lane, keep_extra, devices, guard } = ask;
    let source: Vec<Record> =
        listing(source).rows().map(|row| Record { path: row.path().to_owned(), entry: row.entry() }).collect();
    let target = listing(target);
    let differing = differing(&source, &target, lane);
    plan(MirrorInput { differing, target: &target, lane, keep_extra, devices, guard })
}

fn check(table: &[(&str, &str, &str, &str)], ask: Ask) {
    for (claim, source, target, wanted) in table {
        assert_eq!(shown(&planned(source, target, ask)), *wanted, "{claim}");
    }
}

#[test]
fn entries_become_what_the_source_has() {
    check(
        &[
            ("nothing differs", "a=1 d/ d/x=2", "a=1 d/ d/x=2", ""),
            ("a new file", "a=1", "", "new a fetch"),
            ("a new directory", "d/ d/x=1", "", "mkdir d, new d/x fetch"),
            ("a new symbolic link", "l>x", "", "new l none"),
            ("an edit", "a=1", "a=2", "put a fetch"),
            ("a touch", "a=1@2", "a=1", "meta a"),
            ("a chmod", "a=1%600", "a=1", "meta a"),
            ("a directory's mode", "d/%700 d/x=1", "d/ d/x=1", "meta d"),
            ("another link target", "l>y", "l>x", "put l none"),
            ("a link's time", "l>x@2", "l>x", "meta l"),
            ("a file becomes a link", "a>x", "a=1", "put a none"),
            ("a file becomes a directory", "a/ a/x=1", "a=2", "mkdir a, new a/x fetch"),
            ("a directory becomes a file", "a=1", "a/ a/d/ a/d/x=2", "put a fetch, del a/d within, del a/d/x within"),
            ("a delete", "", "a=1", "del a"),
            ("a directory goes as a whole", "", "d/ d/e/ d/e/x=1", "del d whole, del d/e within, del d/e/x within"),
            ("an empty file never moves", "b=", "a=", "del a, new b fetch"),
        ],
        ASK,
    );
}

#[test]
fn bytes_that_the_target_has_do_not_travel() {
    check(
        &[
            ("a rename", "b=1", "a=1", "move b a"),
            ("a rename with a touch", "b=1@2", "a=1", "move b a"),
            ("a rename onto another file", "b=1", "a=1 b=2", "move b a"),
            ("a copy", "a=1 b=1", "a=1", "new b copy a"),
            ("a move and a copy", "b=1 c=1", "a=1", "move b a, new c copy a"),
            ("the same name first", "e/ e/y=1 x=1", "d/ d/x=1 y=1", "del d whole, mkdir e, move e/y y, move x d/x"),
            ("the same directory next", "d/ d/b=1 z=1", "d/ d/a=1 y=1", "move d/b d/a, move z y"),
            ("a swap", "a=2 b=1", "a=1 b=2", "move a b, move b a"),
            ("a chain", "b=1 c=2", "a=1 b=2", "move b a, move c b"),
            (
                "a chain whose head is fetched is copied",
                "a=3 b=1 c=2",
                "a=1 b=2",
                "put a fetch, put b copy a, new c copy b",
            ),
            ("a file that a directory replaces is copied", "a/ b=1", "a=1", "mkdir a, new b copy a"),
            ("a directory that a file replaces", "a=1", "a/ a/x=1", "put a copy a/x, del a/x within"),
            ("out of a directory that goes", "x=1", "d/ d/x=1 d/y=2", "del d whole, del d/y within, move x d/x"),
        ],
        ASK,
    );
}

#[test]
fn directories_move_with_all_that_is_in_them() {
    check(
        &[
            ("a rename", "e/ e/s/ e/s/x=1", "d/ d/s/ d/s/x=1", "move e d"),
            ("with other metadata inside", "e/@5 e/s/ e/s/x=1@2", "d/ d/s/ d/s/x=1", "move e d, meta e/s/x"),
            ("into a new directory", "n/ n/e/ n/e/x=1", "d/ d/x=1", "mkdir n, move n/e d"),
            ("an edit inside", "e/ e/x=1 e/y=2 e/z=4", "d/ d/x=1 d/y=2 d/z=3", "move e d, put e/z fetch"),
            ("a new file inside", "e/ e/x=1 e/y=2", "d/ d/x=1", "move e d, new e/y fetch"),
            ("a delete inside", "e/ e/x=1", "d/ d/x=1 d/y=2", "move e d, del e/y"),
            (
                "less than half is alike",
                "e/ e/x=1",
                "d/ d/x=1 d/y=2 d/z=3",
                "del d whole, del d/y within, del d/z within, mkdir e, move e/x d/x",
            ),
            ("a rename inside", "e/ e/a=1 e/b=2 e/z=3", "d/ d/a=1 d/b=2 d/y=3", "move e d, move e/z e/y"),
            ("out of it", "e/ e/a=1 e/b=2 z=3", "d/ d/a=1 d/b=2 d/y=3", "move e d, move z e/y"),
            ("a copy out of it is taken before it moves", "e/ e/a=1 f=1", "d/ d/a=1", "move e d, new f copy d/a"),
            (
                "a new directory inside: its parts move",
                "e/ e/a=1 e/n/ e/s/ e/s/x=2",
                "d/ d/a=1 d/s/ d/s/x=2",
                "del d whole, mkdir e, move e/a d/a, mkdir e/n, move e/s d/s",
            ),
            (
                "the larger one goes first",
                "e/ e/x=1 e/y=2",
                "a/ a/x=1 d/ d/x=1 d/y=2",
                "del a whole, del a/x within, move e d",
            ),
            ("what is not wholly known stays", "e/ e/x=1", "d/* d/x=1", "mkdir e, move e/x d/x"),
            ("what cannot be read is not moved to", "e/ e/x=1 e/u!", "d/ d/x=1", "del d whole, mkdir e, move e/x d/x"),
        ],
        ASK,
    );
}

#[test]
fn hard_links_are_kept_and_broken() {
    check(
        &[
            ("a new group", "a=1&a b=1&a", "", "new a fetch, new b link a"),
            ("one more name", "a=1&a b=1&a c=1&a", "a=1&a b=1&a", "new c link a"),
            ("one more name, the least", "a=1&a b=1&a c=1&a", "b=1&b c=1&b", "new a link b"),
            ("the least name goes", "b=1&b c=1&b", "a=1&a b=1&a c=1&a", "del a"),
            ("two files become one", "a=1&a b=1&a", "a=1 b=1", "put b link a"),
            ("one file becomes two", "a=1 b=1", "a=1&a b=1&a", "put b copy b"),
            ("a chmod of both", "a=1%600&a b=1%600&a", "a=1&a b=1&a", "meta a, meta b"),
            ("an edit of both", "a=2&a b=2&a", "a=1&a b=1&a", "put a fetch, put b link a"),
            ("an edit of one", "a=1 b=2", "a=1&a b=1&a", "put b fetch"),
            ("a touch of one that leaves", "a=1 b=1@2", "a=1&a b=1&a", "put b copy b"),
            ("a pair that moves", "c=1&c d=1&c", "a=1&a b=1&a", "del b, move c a, new d link c"),
            ("a pair in a directory that moves", "e/ e/a=1&e/a e/b=1&e/a", "d/ d/a=1&d/a d/b=1&d/a", "move e d"),
            ("a pair that moves apart", "c=1 d=1", "a=1&a b=1&a", "del b, move c a, new d copy a"),
            ("one name moves and leaves the other", "a=1 c=1", "a=1&a b=1&a", "del b, new c copy a"),
        ],
        ASK,
    );
    check(
        &[
            ("groups are no difference", "a=1 b=1", "a=1&a b=1&a", ""),
            ("a touch of one never shows at the other", "a=1 b=1@2", "a=1&a b=1&a", "put b copy b"),
            ("an edit of a group", "a=2&a b=2&a", "a=1&a b=1&a", "put a fetch, put b fetch"),
        ],
        Ask { lane: Lane { links: false, ..Lane::CONTENT }, ..ASK },
    );
}

#[test]
fn what_must_be_left_alone_is_named_and_left_alone() {
    check(
        &[
            ("what the source cannot read", "u!", "u/ u/x=1", ""),
            ("what the target cannot read", "u/ u/x=1", "u!", "unwritable u"),
            ("what only the target has and cannot read", "", "d/ d/u! d/x=1", "del d/x, unwritable d/u"),
            ("a socket", "s~", "s=1", "unrepresentable s"),
            ("a fifo", "p|", "p/ p/x=1", "unrepresentable p"),
            ("a device", "c#5", "", "unrepresentable c"),
            ("a socket that only the target has", "", "s~", "del s"),
            (
                "a directory that hides something",
                "",
                "d/* d/e/ d/e/x=1 d/y=1",
                "del d/e whole, del d/e/x within, del d/y",
            ),
            ("a directory that hides something deeper", "", "d/ d/e/* d/e/x=1", "del d/e/x"),
            ("a file for a directory that hides something", "d=1", "d/ d/e/* d/e/x=1", "unwritable d"),
        ],
        ASK,
    );
    check(
        &[
            ("a fifo", "p|", "", "new p none"),
            ("a device", "c#5", "c#6", "put c none"),
            ("a device's mode", "c#5%600", "c#5", "meta c"),
            ("a socket still", "s~", "", "unrepresentable s"),
        ],
        Ask { devices: true, ..ASK },
    );
    check(
        &[
            ("extras stay", "a=1", "b=1 d/ d/x=2", "new a copy b"),
            ("a swap is no delete", "a=2 b=1", "a=1 b=2 c=3", "move a b, move b a"),
            ("a file for a directory with extras", "d=1", "d/ d/x=2", "unwritable d"),
            ("a file for an empty directory", "d=1", "d/", "put d fetch"),
        ],
        Ask { keep_extra: true, ..ASK },
    );
}

#[test]
fn quick_compares_size_and_time() {
    let quick = Lane { bytes: Bytes::SizeAndTime, ..Lane::CONTENT };
    check(
        &[
            ("equal size and time", "a=1", "a=2", ""),
            ("equal size and time, other mode", "a=1%600", "a=2", "meta a"),
            ("another time, known to be equal", "a=1@2", "a=1", "meta a"),
            ("another time", "a=1@2", "a=2", "put a fetch"),
            ("another size", "a=11", "a=2", "put a fetch"),
        ],
        Ask { lane: quick, ..ASK },
    );
    let target = listing("a=2 b=1");
    let entry = Entry { content: Digest::UNKNOWN, mtime: Time { secs: 9, nanos: 0 }, ..file(b"1") };
    let source = [Record { path: path("a"), entry: entry.clone() }, Record { path: path("b"), entry }];
    let differing = differing(&source, &target, quick);
    let plan = plan(MirrorInput {
        differing,
        target: &target,
        lane: quick,
        keep_extra: false,
        devices: false,
        guard: UNGUARDED,
    });
    assert_eq!(shown(&plan), "put a fetch, put b fetch", "what was never hashed is fetched where the time differs");
}

#[test]
fn the_guard_drops_deletes_and_what_needs_them() {
    let ask = Ask { guard: Guard { limit: Limit::Count(0), source_empty: false }, ..ASK };
    check(
        &[
            ("renames do not count", "b=1", "a=1", "move b a"),
            ("edits still flow", "a=2", "a=1 b=1", "put a fetch, guarded ."),
            ("a directory goes or stays", "", "d/ d/x=1", "guarded ."),
            ("a file for a directory", "d=1", "d/ d/x=2", "guarded ., guarded d"),
            ("a file for a directory that was emptied by a rename", "d=1 x=2", "d/ d/x=2", "put d fetch, move x d/x"),
        ],
        ask,
    );
    let plan = planned("", "d/ d/x=1 e=2", Ask { guard: Guard { limit: Limit::Default, source_empty: true }, ..ASK });
    assert_eq!((plan.held, plan.actions.len(), plan.problems.len()), (3, 0, 1));
    assert_eq!(plan.problems[0].kind, ProblemKind::Guarded);
    let cause = "the source is empty, so 3 of 3 entries would be deleted; --max-delete=3 says that this is meant";
    assert_eq!(plan.problems[0].cause, cause);
}

#[test]
fn renames_run_from_the_free_end_and_cycles_are_exchanges() {
    let order = |source: &str, target: &str| {
        let plan = planned(source, target, ASK);
        let turn =
            |(&at, turn): (&usize, &alike::model::plan::Move)| format!("{} {:?}", plan.actions[at].path, turn.onto);
        plan.renames.iter().zip(&plan.moves).map(turn).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(order("b=1 c=2", "a=1 b=2 c=3"), "c Doomed, b Nothing");
    assert_eq!(order("a=2 b=1", "a=1 b=2"), "a Wanted");
    assert_eq!(order("a=2 b=3 c=1", "a=1 b=2 c=3"), "a Wanted, b Wanted");
    assert_eq!(order("a=1 e/ e/x=2 e/y=4", "b=1 d/ d/x=2 d/z=4"), "e Nothing, a Nothing, e/y Nothing");
    let plan = planned("b=1 c=2", "a=1 b=2 c=3", ASK);
    assert!(plan.actions[0].before.is_none(), "what stood at b has moved on when b is filled");
    assert_eq!(plan.moves[0].onto, Onto::Doomed);
}

#[test]
fn a_plan_is_itemized_as_rsync_does() {
    let table = [
        ("a=1", "", "new file", ">f+++++++++"),
        ("a=1", "a=22@9", "edit", ">f.st......"),
        ("a=1@2", "a=2", "edit of the same size", ">f..t......"),
        ("a=1", "a=2", "edit that only the digest tells", ">fc........"),
        ("d/", "", "directory", "cd+++++++++"),
        ("d/@3", "d/", "directory's time", ".d..t......"),
        ("a=1%600", "a=1", "mode", ".f...p....."),
        ("l>x", "", "link", "cL+++++++++"),
        ("l>y", "l>x", "link's target", "cLc........"),
        ("a>x", "a=1", "another kind", "cL+++++++++"),
        ("", "a=1", "delete", "*deleting  "),
        ("b=1", "a=1", "rename", "cf+++++++++"),
        ("b=1", "a=1 b=2", "rename onto another", "cfc........"),
        ("a=1&a b=1&a", "a=1&a b=2", "link", "hfc........"),
    ];
    for (source, target, claim, wanted) in table {
        let plan = planned(source, target, ASK);
        assert_eq!(plan.actions.last().map(itemize).as_deref(), Some(wanted), "{claim}");
    }
    let owned = Ask { lane: Lane::OWNED, devices: true, ..ASK };
    assert_eq!(itemize(&planned("p|", "", owned).actions[0]), "cS+++++++++");
    assert_eq!(itemize(&planned("c#1%600", "c#1", owned).actions[0]), ".D...p.....");
}

#[test]
fn totals_count_what_travels() {
    let source = "a=111 b=2 c=2&c c2=2&c d/ d/x=4 e=5@7 l>x moved=66";
    let target = "a=1 b=2 e=5 gone/ gone/y=8 old=66";
    let totals = planned(source, target, ASK).totals();
    let files = (totals.files, totals.fetches, totals.copies, totals.links);
    assert_eq!(files, (5, 2, 1, 1));
    assert_eq!((totals.bytes, totals.copied_bytes), (4, 1));
    assert_eq!((totals.renames, totals.deletes, totals.mkdirs, totals.metadata), (1, 2, 1, 1));
}

#[test]
fn directories_are_finished_deepest_first_and_the_root_never() {
    let source = "d/ d/e/ d/e/x=1 k/ k/a=1 m/ m/s/ m/s/a=5 m/s/b=6 m/s/c=7";
    let target = "k/ k/a=1 k/b=2 o/ o/s/ o/s/a=5 o/s/b=6";
    let plan = planned(source, target, ASK);
    assert_eq!(shown(&plan), "mkdir d, mkdir d/e, new d/e/x copy k/a, del k/b, move m o, new m/s/c fetch");
    let finish = plan.directories_to_finish(&listing(target));
    let paths: Vec<String> = finish.iter().map(|record| record.path.to_string()).collect();
    assert_eq!(paths, ["m/s", "m", "k", "d/e", "d"]);
}
