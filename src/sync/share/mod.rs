//! A share: a replica that is opened for long, looked at again and again, met with others, and made to show what is agreed
//! on, piece by piece. Owns when each of these happens; what happens in them is [`super::replica`]'s and [`super::twoway`]'s.
//!
//! One mutex a share. A look, the join at the end of a meeting, and a slice of installing hold it, each for a bounded time;
//! a meeting's conversation, the content that others are handed and the content that is fetched do not. So nobody who waits for a share waits for a
//! peer, two shares that ask each other at once both get through, and a join is never made in the middle of an install.
//!
//! Start at [`Share`].

mod approve;
mod coming;
mod core;
mod look;
mod materialize;
mod meeting;
mod order;
mod reach;
mod role;
mod settings;
mod several;
mod standing;
mod verify;

pub use self::core::Share;
pub use crate::disk::dirty::Dirty;
pub use crate::sync::rot::Verified;
pub use look::Looked;
pub use materialize::{Materialized, Opening, Sources};
pub use meeting::Met;
pub use settings::{Allowed, Role, ShareSettings};
pub use standing::Standing;
