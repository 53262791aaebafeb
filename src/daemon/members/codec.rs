//! The bytes of a list, on the wire and on disk: a version and postcard. Reads anything, and believes nothing of it yet.

use std::collections::{BTreeMap, BTreeSet};

use super::card::Card;
use super::charter::Charter;
use super::grant::Grant;
use super::list::Members;
use super::{CARDS_MAX, GRANTS_MAX, ListError};
use crate::net::node::PublicKey;

/// Raised with every change of the format.
const VERSION: u8 = 1;

type Parts = (Charter, BTreeSet<Grant>, BTreeMap<PublicKey, Card>);

pub(super) fn encode(members: &Members) -> Vec<u8> {
    let Members { charter, grants, cards } = members;
    let mut bytes = vec![VERSION];
    bytes.extend(postcard::to_stdvec(&(charter, grants, cards)).expect("a list of members has a form"));
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Members, ListError> {
    let Some((&VERSION, rest)) = bytes.split_first() else { return Err(ListError::Garbled) };
    let (parts, left): (Parts, &[u8]) = postcard::take_from_bytes(rest).map_err(|_| ListError::Garbled)?;
    let (charter, grants, cards) = parts;
    if !left.is_empty() {
        return Err(ListError::Garbled);
    }
    if grants.len() > GRANTS_MAX || cards.len() > CARDS_MAX {
        return Err(ListError::TooLong);
    }
    Ok(Members { charter, grants, cards })
}
