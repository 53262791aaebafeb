//! What a member's role means for its root. One that receives is marked, so that nothing is written in its name even where no
//! daemon runs; and what was written in its name before is no write of the share.

use std::io;
use std::path::Path;

use super::settings::Role;
use crate::disk::control::{self, Lock};
use crate::disk::root::Root;
use crate::store::{forget, receives};
use crate::sync::error::Error;

/// Whether a root knows its member's role.
pub fn is_kept(root: &Root, role: Role) -> bool {
    receives::is_marked(&root.path().join(control::NAME)) == (role == Role::Receive)
}

/// Has a root know it. To be called while the root is not open.
///
/// A root that receives from now on begins with an empty memory: others refuse what was recorded here and nobody has seen, so
/// it would never be alike again. What others hold is learned from them; the rest is changed here alone.
pub fn keep(root: &Root, role: Role) -> Result<(), Error> {
    let control = root.path().join(control::NAME);
    let _lock = Lock::take(root)?;
    let kept = match role {
        Role::Receive => begin_anew(&control),
        Role::ReadWrite | Role::Send => receives::unmark(&control),
    };
    kept.map_err(|source| Error::Memory { path: control, source })
}

/// The mark comes last: where this stops before it, it is done again.
fn begin_anew(control: &Path) -> io::Result<()> {
    forget::move_aside(control)?;
    receives::mark(control)
}
