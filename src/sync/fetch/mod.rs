//! Where content comes from: the same request to a source on this machine or across a link.

mod compare;
mod fill;
pub mod local;
mod olds;
pub mod recall;
pub mod receive;
pub mod remote;
mod requests;
mod slide;

/// Why a wanted file cannot be had: nobody has these bytes any more, or whoever has them leaves that path out.
const MISSING: &str = "the other side does not have these bytes, or leaves them out";

use super::error::Error;
use super::execute::Run;
use crate::disk::place::nests::Nested;
use crate::disk::stage::{Nest, Staged};
use crate::model::plan::Action;
use crate::model::{Digest, Problem};

/// A staged file with the digest of its bytes, or why there is none.
pub type Fetched = Result<(Staged, Digest), Problem>;

/// Brings content to the target's staging.
pub trait Fetch {
    /// Stages the content of the actions at `wants` and hands each to `done`, in any order, from any thread. A path that
    /// fails is a problem; an error ends all.
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error>;

    /// Whether what comes by itself is staged with [`Run::stage`], in whatever order it comes.
    fn stages(&self) -> bool {
        false
    }

    /// The same source, where any of its files can be had at once.
    fn near(&self) -> Option<&dyn Near> {
        None
    }
}

/// A source on this machine.
pub trait Near: Sync {
    /// Copies the content of an action into a nest.
    fn nest(&self, run: &Run<'_>, nest: &Nest, action: &Action) -> Result<(Nested, Digest), Problem>;
}
