//! Which files a scan leaves unread, for whoever copies or sends them: he reads them anyway. Owns the bound, which may be raised
//! while the scan goes on.

use std::sync::atomic::{AtomicU64, Ordering};

/// Files below a size are left unread.
#[derive(Debug, Default)]
pub struct Deferral(AtomicU64);

impl Deferral {
    /// From now on files of fewer bytes than this are left unread.
    pub fn raise(&self, below_bytes: u64) {
        self.0.fetch_max(below_bytes, Ordering::Relaxed);
    }

    /// Whether any file may be left unread.
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Whether a file of this size is left unread.
    pub fn leaves(&self, bytes: u64) -> bool {
        bytes < self.0.load(Ordering::Relaxed)
    }
}
