//! What a file holds where, asked by somebody who has no part of it to compare yet: the even nodes of one level, in order.
//! One survey a stream; the answer is one frame.
//!
//! ```text
//! survey   := path bytes number | path | content [32] | level u8
//! surveyed := u8 0 | size of the file, number | id u64 *      (as many as the size asks for)
//!           | an end that says why there is none                       (as in an answer to wants)
//! ```

use super::Verdict;
use super::question::{put_name, read_name};
use super::reply::read_end;
use crate::model::chunk::even_bytes;
use crate::model::digest::Digest;
use crate::model::path::RelPath;
use crate::proto::limits::{LEVELS_MAX, REQUEST_BYTES_MAX, SURVEYED_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

/// Asks what a file holds where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Where it lies at the sender.
    pub path: RelPath,
    /// What it should hold.
    pub content: Digest,
    /// The level of the nodes; at most [`LEVELS_MAX`].
    pub level: u8,
}

const OPEN: u8 = 0;

pub(super) fn put_survey(out: &mut Vec<u8>, survey: &Survey) {
    put_name(out, (&survey.path, &survey.content));
    out.push(survey.level);
}

/// Decodes a survey; the path is legal and not the root.
pub(super) fn decode_survey(bytes: &[u8]) -> Result<Survey, Violation> {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Violation::Limit { what: "survey", limit: REQUEST_BYTES_MAX as u64 });
    }
    let mut reader = Reader::new(bytes, "survey");
    let (path, content) = read_name(&mut reader)?;
    let level = reader.u8()?;
    if level > LEVELS_MAX {
        return Err(reader.malformed());
    }
    reader.finish()?;
    Ok(Survey { path, content, level })
}

/// The nodes of a file of `size` bytes at a level; `None` where that are more than anybody takes.
pub fn surveyed_nodes(size: u64, level: u8) -> Option<u64> {
    let each = (level <= LEVELS_MAX).then(|| even_bytes(level.into()))?;
    Some(size.div_ceil(each)).filter(|&nodes| nodes <= SURVEYED_MAX)
}

/// Encodes the nodes of a file of `size` bytes.
pub fn encode_surveyed(size: u64, ids: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut out = vec![OPEN];
    put_number(&mut out, size);
    ids.for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    out
}

/// Reads what a survey found of a file that should have `size` bytes, at this level, or why nothing was.
pub fn decode_surveyed(frame: &[u8], size: u64, level: u8) -> Result<Result<Vec<u64>, Verdict>, Violation> {
    let mut reader = Reader::new(frame, "nodes of a file");
    let tag = reader.u8()?;
    if tag != OPEN {
        let verdict = read_end(tag, &mut reader)?;
        let nothing = if verdict == Verdict::Whole { Err(reader.malformed()) } else { Ok(Err(verdict)) };
        return reader.finish().and(nothing);
    }
    if reader.number()? != size {
        return Ok(Err(Verdict::Changed));
    }
    let nodes = surveyed_nodes(size, level).ok_or(Violation::Count("nodes of a file"))?;
    let ids: Result<Vec<u64>, Violation> = (0..nodes).map(|_| reader.array().map(u64::from_le_bytes)).collect();
    let ids = ids?;
    reader.finish()?;
    Ok(Ok(ids))
}

#[cfg(test)]
mod tests {
    use super::super::encode_refusal;
    use super::*;

    const SIZE: u64 = (5 << 20) + 1;

    fn survey() -> Survey {
        let path = RelPath::new(b"a/large").expect("legal");
        Survey { path, content: Digest::of_content(b"large"), level: 1 }
    }

    #[test]
    fn a_survey_comes_back_and_survives_damage() {
        let mut bytes = Vec::new();
        put_survey(&mut bytes, &survey());
        assert_eq!(decode_survey(&bytes), Ok(survey()));
        for end in 0..bytes.len() {
            assert!(decode_survey(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode_survey(&flipped);
        }
        assert_eq!(decode_survey(&[bytes, vec![0]].concat()), Err(Violation::Trailing("survey")));
        let mut deep = Vec::new();
        put_survey(&mut deep, &Survey { level: LEVELS_MAX + 1, ..survey() });
        assert!(decode_survey(&deep).is_err());
    }

    #[test]
    fn what_was_found_comes_back_whole_or_is_a_violation() {
        let ids = [1, u64::MAX, 3, 4, 5, 6];
        let frame = encode_surveyed(SIZE, ids.into_iter());
        let decode = |frame: &[u8]| decode_surveyed(frame, SIZE, 1);
        assert_eq!(decode(&frame), Ok(Ok(ids.to_vec())));
        for end in 0..frame.len() {
            assert!(decode(&frame[..end]).is_err(), "{end}");
        }
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&flipped);
        }
        assert!(decode(&encode_surveyed(SIZE, 0..7)).is_err(), "a node too many");
        assert!(decode(&encode_refusal(&Verdict::Whole)).is_err());
        for verdict in [Verdict::Gone, Verdict::Changed, Verdict::Missing, Verdict::Unreadable("no".into())] {
            assert_eq!(decode(&encode_refusal(&verdict)), Ok(Err(verdict)));
        }
        assert_eq!(decode(&encode_surveyed(SIZE + 1, 0..6)), Ok(Err(Verdict::Changed)));
    }

    #[test]
    fn more_nodes_than_anybody_takes_are_none() {
        let most = even_bytes(0) * SURVEYED_MAX;
        assert_eq!(surveyed_nodes(most, 0), Some(SURVEYED_MAX));
        assert_eq!(surveyed_nodes(most + 1, 0), None);
        assert_eq!(surveyed_nodes(most + 1, 1), Some(SURVEYED_MAX / 16 + 1));
        assert_eq!(surveyed_nodes(1, LEVELS_MAX + 1), None);
        assert_eq!(surveyed_nodes(u64::MAX, LEVELS_MAX), Some(1));
    }
}
