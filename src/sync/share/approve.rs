//! What somebody must say before it is done: that deletes are meant, or that changes made here are to go.

use std::sync::Arc;

use super::core::{Core, Share, WAIT_MAX};
use super::settings::Role;
use crate::disk::dirty::Dirty;
use crate::model::plan::guard::Limit;
use crate::sync::error::Error;

use super::look::Looked;

impl Share {
    /// Says that as many deletes are meant: those that the guard held back at a look are recorded now, those of a plan are
    /// done when the share is materialized next.
    pub async fn approve(&self, limit: Limit) -> Result<Looked, Error> {
        let gauge = Arc::clone(&self.0.gauge);
        let usual = self.0.settings.writing.limit;
        let approving = move |core: &mut Core| {
            core.end.replica.limit(limit);
            let looked = core.look(&Dirty::All, &gauge);
            core.end.replica.limit(usual);
            core.approved = Some(limit);
            core.open = None;
            looked
        };
        self.step(WAIT_MAX, approving).await
    }

    /// Says that the changes made here are to go, of a member that only receives: when the share is materialized next, what
    /// is agreed on is put in place, and what stands there goes to the trash.
    pub async fn revert(&self) -> Result<(), Error> {
        if self.role() != Role::Receive {
            let message = format!("`{}` takes what is changed here as changes of the share", self.root().display());
            return Err(Error::Usage { message, hint: "only a member that receives has changes to revert".into() });
        }
        self.step(WAIT_MAX, |core| {
            core.end.replica.hold_nothing();
            core.open = None;
            core.approved = Some(Limit::Percent(100));
            Ok(())
        })
        .await
    }
}

impl Core {
    /// How many deletes are meant when a plan is made.
    pub(super) fn limit(&self) -> Limit {
        self.approved.unwrap_or_else(|| self.end.limit())
    }
}
