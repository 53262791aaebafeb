//! The bytes on the wire, pinned: whoever changes one of these changes the protocol, and its version with it.

use std::sync::Arc;

use alike::model::chunk::{Chunk, Cutter, Span};
use alike::model::digest::Digest;
use alike::model::entry::{Entry, Extra, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing};
use alike::model::path::RelPath;
use alike::model::tree::Tree;
use alike::proto::content::{self, Decoder, Description, Nodes, Offer, Question, Survey, Verdict, Want};
use alike::proto::limits::PROTOCOL_VERSION;
use alike::proto::reconcile::{Machine, Settings, Side, Wants};
use alike::proto::record::{Batch, Order, decode};
use bytes::Bytes;
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listing(files: usize, changed: usize) -> Listing {
    let mut builder = Builder::default();
    let mut push = |path: &str, kind: Kind, version: u8, target: Option<&str>| {
        let content = if kind == Kind::File { Digest([version; 32]) } else { Digest::UNKNOWN };
        let size = if kind == Kind::File { 300 } else { 0 };
        let extra = target.map(|target| Box::new(Extra { target: Some(target.as_bytes().into()), ..Extra::default() }));
        let mtime = Time { secs: 1_700_000_000, nanos: u32::from(version) * 1_000 };
        let entry = Entry { kind, mode: 0o755, mtime, size, content, uid: 1000, gid: 100, extra };
        builder.push(RelPath::new(path.as_bytes()).expect("legal").as_ref(), &entry, &Stamp::default(), 0);
    };
    push("d", Kind::Directory, 1, None);
    for number in 0..files {
        push(&format!("d/file-{number:04}"), Kind::File, if number == changed { 2 } else { 1 }, None);
    }
    push("e", Kind::Symlink, 1, Some("d"));
    builder.finish()
}

fn side(files: usize, changed: usize) -> Side {
    let listing = listing(files, changed);
    let tree = Arc::new(Tree::build(&listing, Lane::CONTENT));
    Side { listing, tree }
}

/// All frames of a conversation, in order.
fn frames(left: Side, right: Side, wants: Wants, push: bool) -> Vec<String> {
    let mut ends = [Machine::initiator(left, Settings { salt: [9; 16], wants, push }), Machine::responder(right)];
    let mut frames = Vec::new();
    for turn in 0..8 {
        while let Some(frame) = ends[turn % 2].poll_transmit() {
            frames.push(hex(&frame));
            ends[1 - turn % 2].handle(&frame).expect("honest ends");
        }
    }
    frames
}

#[test]
fn messages_of_a_small_tree_are_pinned() {
    assert_eq!(PROTOCOL_VERSION, 4);
    assert_eq!(frames(side(2, 0), side(2, 0), Wants::Both, false), EQUAL);
    assert_eq!(frames(side(2, 0), side(2, 1), Wants::Initiator, true), SMALL);
}

#[test]
fn messages_of_a_larger_tree_are_pinned() {
    let told = frames(side(400, 7), side(400, 300), Wants::Initiator, false);
    let digests: Vec<String> = told
        .iter()
        .map(|frame| format!("{} {}", frame.len() / 2, &Digest::of_content(frame.as_bytes()).to_hex()[..16]))
        .collect();
    assert_eq!(digests, LARGER);
}

#[test]
fn a_batch_of_records_is_pinned() {
    let listing = listing(2, 1);
    let mut batch = Batch::default();
    listing.rows().for_each(|row| batch.push(row));
    let mut bytes = Vec::new();
    batch.finish(&mut bytes);
    assert_eq!(hex(&bytes), RECORDS);
}

fn wants() -> Vec<Want> {
    let want = |path: &[u8], content, offset, bytes| Want {
        offset,
        bytes,
        ..Want::whole(RelPath::new(path).expect("legal"), content)
    };
    let offer = Offer { cutter: Cutter::Even, pieces: vec![1, u64::MAX] };
    vec![
        want(b"d/file-0000", Digest([1; 32]), 0, u64::MAX),
        want(b"d/file-0001", Digest::UNKNOWN, 0, u64::MAX),
        want(b"large", Digest([3; 32]), 1 << 20, 4),
        Want { offer: Some(offer), ..want(b"large", Digest([3; 32]), 0, 9) },
        want(b"z", Digest([4; 32]), 0, u64::MAX),
    ]
}

#[test]
fn a_request_and_its_answer_are_pinned() {
    let wants = wants();
    assert_eq!(hex(&content::encode_request(&wants)), REQUEST);
    let parts: [&[u8]; 12] = [
        &content::whole_file(&wants[0], 3, wants[0].content, None),
        b"abc",
        &content::whole_file(&wants[1], 300, Digest([7; 32]), Some(2)),
        b"xy",
        &content::head(&wants[2], 1 << 30, wants[2].content),
        &content::chunk(4, None),
        b"wxyz",
        &content::end(&Verdict::Whole),
        &content::head(&wants[3], 1 << 30, wants[3].content),
        &content::known(0, 2, 9),
        &content::end(&Verdict::Unreadable("no".into())),
        &content::end(&Verdict::Gone),
    ];
    assert_eq!(hex(&parts.concat()), ANSWER);
}

#[test]
fn a_question_and_its_answer_are_pinned() {
    let path = RelPath::new(b"large").expect("legal");
    let question = Question { path, content: Digest([3; 32]), cutter: Cutter::Content };
    assert_eq!(hex(&content::encode_question(&question)), QUESTION);
    assert_eq!(hex(&content::encode_nodes(&Nodes { level: 1, known: vec![1, 2] })), NODES);
    let spans = [Span::Known(0, 2), Span::New(vec![Chunk { id: 7, bytes: 70_000 }])];
    assert_eq!(
        content::encode_description(300_000, &spans).iter().map(|frame| hex(frame)).collect::<Vec<_>>(),
        [DESCRIPTION]
    );
}

#[test]
fn a_survey_and_its_answer_are_pinned() {
    let path = RelPath::new(b"large").expect("legal");
    let survey = Survey { path, content: Digest([3; 32]), level: 1 };
    assert_eq!(hex(&content::encode_survey(&survey)), SURVEY);
    assert_eq!(hex(&content::encode_surveyed(300_000, [1, 2].into_iter())), SURVEYED);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_violations_at_worst(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1usize..50) {
        let _ = content::decode_request(&bytes);
        let _ = content::decode_nodes(&bytes);
        let _ = content::decode_surveyed(&bytes, 1 << 20, 0);
        let _ = decode(&bytes, &mut Order::default(), |_| Ok(()));
        let mut decoder = Decoder::new(&wants());
        for piece in bytes.chunks(cut) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Ok(Some(_)) = decoder.poll() {}
        }
        let _ = decoder.finish();
        let mut description = Description::new(Cutter::Content, vec![10_000, 20_000], 1 << 20);
        for frame in bytes.chunks(cut) {
            let _ = description.push(frame);
        }
        let _ = description.finish();
    }
}

const EQUAL: [&str; 2] = [
    "01010416000909090909090909090909090909090904b181334c6ebd44c1d6ffd86a2346151f2aa591bce1ef9158c9b9a77623ead481",
    "0103",
];
const SMALL: [&str; 3] = [
    "01010416010909090909090909090909090909090904b181334c6ebd44c1d6ffd86a2346151f2aa591bce1ef9158c9b9a77623ead481060104027ab7784e0b1b23d9",
    "010204a3127e185174f9bc348f715ee05a23d5bf1d356dc08b6e45a74e13bc960ae7a70502014d0fedaebb3670e314dd0b89ff66d1c10703003500000b642f66696c652d30303030ed0380c49fd50ce8030000ac02e80764180a013100d00fac023a00016500cf0f060101000000640201010101010101010101010101010101010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202",
    "0109",
];
const LARGER: [&str; 5] = [
    "55 06e822cd1150e229",
    "56 f852d262ba145f1b",
    "96 6a83523291f6ba53",
    "1098 618d0897f035bf65",
    "2 4c5dff7a0c09cc13",
];
const RECORDS: &str = "04003a01000164ed0380c49fd50ce8030000e8076418010a2f66696c652d303030300000ac02180a013100d00fac023a00016500cf0f060101000000640201010101010101010101010101010101010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202";
const REQUEST: &str = "000501000b642f66696c652d303030300101010101010101010101010101010101010101010101010101010101010101000a01310700056c617267650303030303030303030303030303030303030303030303030303030303030303808040041c0900020100000000000000ffffffffffffffff0100017a0404040404040404040404040404040404040404040404040404040404040404";
const QUESTION: &str = "01056c61726765030303030303030303030303030303030303030303030303030303030303030301";
const SURVEY: &str = "02056c61726765030303030303030303030303030303030303030303030303030303030303030301";
const SURVEYED: &str = "00e0a71201000000000000000200000000000000";
const NODES: &str = "010201000000000000000200000000000000";
const DESCRIPTION: &str = "00e0a7120100020201f0a2040700000000000000";
const ANSWER: &str = "080361626319ac02070707070707070707070707070707070707070707070707070707070707070702000000787901808080800402040000007778797a040180808080040b00020907026e6f06";
