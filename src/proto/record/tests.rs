use super::*;
use crate::model::digest::Digest;
use crate::model::entry::{Entry, Extra, Kind, Record, Stamp, Xattr};
use crate::model::listing::{Builder, Listing};
use crate::model::path::RelPath;
use crate::proto::violation::Violation;

fn sample() -> Listing {
    let mut builder = Builder::default();
    let mut push = |path: &str, kind: Kind, seed: u64, extra: Option<Extra>| {
        let content =
            if kind == Kind::File && seed != 5 { Digest::of_content(path.as_bytes()) } else { Digest::UNKNOWN };
        let size = if kind == Kind::File { seed << 20 } else { 0 };
        let mtime = Time { secs: -3 + (seed / 2) as i64, nanos: if seed == 3 { 0 } else { 999_999_999 - seed as u32 } };
        let (mode, uid) = (0o600 + seed as u16 / 2, seed as u32 / 4);
        let entry = Entry { kind, mode, mtime, size, content, uid, gid: 7, extra: extra.map(Box::new) };
        builder.push(RelPath::new(path.as_bytes()).expect("legal").as_ref(), &entry, &Stamp::default(), 0);
    };
    let xattr = Xattr { name: (*b"user.a").into(), value: (*b"\0\xff").into() };
    push("a", Kind::Directory, 1, None);
    push("a/b", Kind::File, 2, Some(Extra { xattrs: vec![xattr], ..Extra::default() }));
    push("a/c", Kind::File, 3, Some(Extra { links: Some((*b"a/c").into()), ..Extra::default() }));
    push("a/c.d", Kind::File, 4, None);
    push("a.x", Kind::File, 5, None);
    push("b", Kind::Symlink, 6, Some(Extra { target: Some((*b"../..").into()), ..Extra::default() }));
    push("c", Kind::Unreadable, 7, None);
    builder.finish()
}

fn encode(listing: &Listing) -> Vec<u8> {
    let mut batch = Batch::default();
    listing.rows().for_each(|row| batch.push(row));
    let mut bytes = Vec::new();
    batch.finish(&mut bytes);
    bytes
}

fn records(bytes: &[u8]) -> Result<Vec<Record>, Violation> {
    let mut records = Vec::new();
    decode(bytes, &mut Order::default(), |record| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

#[test]
fn records_come_back_as_pushed() {
    let listing = sample();
    let found = records(&encode(&listing)).expect("legal");
    let wanted: Vec<Record> =
        listing.rows().map(|row| Record { path: row.path().to_owned(), entry: row.entry() }).collect();
    assert_eq!(found, wanted);
}

#[test]
fn many_records_are_packed_and_come_back() {
    let mut builder = Builder::default();
    for number in 0..5_000 {
        let content = Digest::of_content(&[number as u8]);
        let mtime = Time { secs: 1_700_000_000, nanos: number * 1000 + 1 };
        let entry = Entry { kind: Kind::File, mode: 0o644, mtime, size: 3, content, uid: 0, gid: 0, extra: None };
        let path = format!("directory/name-{number:05}");
        builder.push(RelPath::new(path.as_bytes()).expect("legal").as_ref(), &entry, &Stamp::default(), 0);
    }
    let listing = builder.finish();
    let bytes = encode(&listing);
    assert!(bytes.len() < 5_000 * 40, "{}", bytes.len());
    let found = records(&bytes).expect("legal");
    assert!(found.iter().zip(listing.rows()).all(|(record, row)| record.entry == row.entry()));
    assert_eq!(found.len(), 5_000);
}

#[test]
fn truncated_flipped_and_prolonged_batches_are_no_panic() {
    let bytes = encode(&sample());
    for end in 0..bytes.len() {
        assert!(records(&bytes[..end]).is_err(), "{end}");
    }
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let _ = records(&flipped);
    }
    assert_eq!(records(&[bytes, vec![0]].concat()), Err(Violation::Trailing("records")));
}

#[test]
fn illegal_paths_and_disorder_are_violations() {
    // One record each: a directory, mode and owner as before, time 0; the path is given.
    let batch = |paths: &[&[u8]]| {
        let mut fields = Vec::new();
        for path in paths {
            fields.extend_from_slice(&[1 | MODE_SAME | OWNER_SAME | NANOS_ZERO, 0, path.len() as u8]);
            fields.extend_from_slice(path);
            fields.push(0);
        }
        [&[paths.len() as u8, FORM_PLAIN, fields.len() as u8][..], &fields, &[0]].concat()
    };
    assert_eq!(records(&batch(&[b"a", b"b"])).map(|found| found.len()), Ok(2));
    for bad in [&b"../a"[..], b"/a", b"a//b", b"a/.", b"a\0", b""] {
        assert!(records(&batch(&[bad])).is_err(), "{bad:?}");
    }
    assert_eq!(records(&batch(&[b"b", b"a"])), Err(Violation::Order));
    assert_eq!(records(&batch(&[b"b", b"b"])), Err(Violation::Order));
}
