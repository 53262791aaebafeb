//! The request: which files, and which bytes of them; or a question.

use super::question::{decode_question, put_ids, read_ids};
use super::survey::{Survey, decode_survey, put_survey};
use super::{Offer, Question, Want};
use crate::model::chunk::Cutter;
use crate::model::digest::Digest;
use crate::model::path::{PathError, RelPath};
use crate::proto::limits::{REQUEST_BYTES_MAX, WANTS_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

const CONTENT: u8 = 1;
const OFFSET: u8 = 2;
const BYTES: u8 = 4;
const OFFER: u8 = 8;
const SAME: u8 = 16;

const WANTS: u8 = 0;
const QUESTION: u8 = 1;
const SURVEY: u8 = 2;

/// What a stream asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Bytes of files.
    Wants(Vec<Want>),
    /// What one file consists of.
    Question(Question),
    /// What one file holds where.
    Survey(Survey),
}

/// Decodes what a stream asks.
pub fn decode_request(bytes: &[u8]) -> Result<Request, Violation> {
    match bytes.split_first() {
        Some((&WANTS, wants)) => decode_wants(wants).map(Request::Wants),
        Some((&QUESTION, question)) => decode_question(question).map(Request::Question),
        Some((&SURVEY, survey)) => decode_survey(survey).map(Request::Survey),
        Some(_) => Err(Violation::Malformed("request")),
        None => Err(Violation::Short("request")),
    }
}

/// Encodes a request for bytes. At most [`WANTS_MAX`] wants and [`REQUEST_BYTES_MAX`] bytes are taken by the other side; the
/// caller splits.
pub fn encode_request(wants: &[Want]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + wants.len() * 64);
    out.push(WANTS);
    put_number(&mut out, wants.len() as u64);
    let mut before: Option<&Want> = None;
    for want in wants {
        put_want(&mut out, want, before);
        before = Some(want);
    }
    out
}

/// Encodes a question as a request.
pub fn encode_question(question: &Question) -> Vec<u8> {
    let mut out = vec![QUESTION];
    super::question::put_question(&mut out, question);
    out
}

/// Encodes a survey as a request.
pub fn encode_survey(survey: &Survey) -> Vec<u8> {
    let mut out = vec![SURVEY];
    put_survey(&mut out, survey);
    out
}

fn put_want(out: &mut Vec<u8>, want: &Want, before: Option<&Want>) {
    let same = before.is_some_and(|before| before.path == want.path && before.content == want.content);
    let named = !same && want.content != Digest::UNKNOWN;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    out.push(
        flag(named, CONTENT)
            | flag(want.offset != 0, OFFSET)
            | flag(want.bytes != u64::MAX, BYTES)
            | flag(want.offer.is_some(), OFFER)
            | flag(same, SAME),
    );
    if !same {
        let (path, last) = (want.path.as_bytes(), before.map_or(&[][..], |before| before.path.as_bytes()));
        let shared = last.iter().zip(path).take_while(|(left, right)| left == right).count();
        put_number(out, shared as u64);
        put_number(out, (path.len() - shared) as u64);
        out.extend_from_slice(&path[shared..]);
    }
    if named {
        out.extend_from_slice(&want.content.0);
    }
    if want.offset != 0 {
        put_number(out, want.offset);
    }
    if want.bytes != u64::MAX {
        put_number(out, want.bytes);
    }
    if let Some(offer) = &want.offer {
        out.push(offer.cutter.byte());
        put_ids(out, &offer.pieces);
    }
}

/// Decodes wants; every path is legal and not the root.
fn decode_wants(bytes: &[u8]) -> Result<Vec<Want>, Violation> {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Violation::Limit { what: "request", limit: REQUEST_BYTES_MAX as u64 });
    }
    let mut reader = Reader::new(bytes, "request");
    // Flags, and the offset that tells a part of the same file from the whole.
    let count = reader.count(1, WANTS_MAX as u64)?;
    let mut wants: Vec<Want> = Vec::with_capacity(count);
    for _ in 0..count {
        let want = read_want(&mut reader, wants.last())?;
        wants.push(want);
    }
    reader.finish()?;
    Ok(wants)
}

fn read_want(reader: &mut Reader<'_>, before: Option<&Want>) -> Result<Want, Violation> {
    let flags = reader.u8()?;
    if flags > (CONTENT | OFFSET | BYTES | OFFER | SAME) {
        return Err(reader.malformed());
    }
    let (path, content) = match before {
        Some(before) if flags & (SAME | CONTENT) == SAME => (before.path.clone(), before.content),
        _ if flags & SAME != 0 => return Err(reader.malformed()),
        before => {
            let path = read_path(reader, before.map_or(&[], |before| before.path.as_bytes()))?;
            (path, if flags & CONTENT != 0 { Digest(reader.array()?) } else { Digest::UNKNOWN })
        }
    };
    let offset = if flags & OFFSET != 0 { reader.number()? } else { 0 };
    let bytes = if flags & BYTES != 0 { reader.number()? } else { u64::MAX };
    if bytes != u64::MAX && offset.checked_add(bytes).is_none() {
        return Err(reader.malformed());
    }
    let offer = if flags & OFFER != 0 { Some(read_offer(reader)?) } else { None };
    Ok(Want { path, content, offset, bytes, offer })
}

fn read_path(reader: &mut Reader<'_>, before: &[u8]) -> Result<RelPath, Violation> {
    let shared = usize::try_from(reader.number()?).map_err(|_| reader.malformed())?;
    let shared = before.get(..shared).ok_or_else(|| reader.malformed())?;
    let rest = reader.count(1, u16::MAX.into())?;
    let path = [shared, reader.bytes(rest)?].concat();
    if path.is_empty() {
        return Err(PathError::Empty.into());
    }
    Ok(RelPath::new(&path)?)
}

fn read_offer(reader: &mut Reader<'_>) -> Result<Offer, Violation> {
    let cutter = Cutter::of_byte(reader.u8()?).ok_or_else(|| reader.malformed())?;
    Ok(Offer { cutter, pieces: read_ids(reader)? })
}
