//! What a plan adds up to: the numbers of the last line, of `--stats` and of the progress bar.

use super::action::{Plan, Source, Step};

/// What a plan adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Entries other than directories that are created or replaced, from whatever source.
    pub files: u64,
    /// Of those, the ones whose bytes come from the source.
    pub fetches: u64,
    /// Of those, the ones whose bytes are copied within the target.
    pub copies: u64,
    /// Of those, the ones that become one more name of another file.
    pub links: u64,
    /// Bytes that come from the source.
    pub bytes: u64,
    /// Bytes that are copied within the target.
    pub copied_bytes: u64,
    /// Files and whole directories that move.
    pub renames: u64,
    /// Paths that go to the trash.
    pub deletes: u64,
    /// Directories that are made.
    pub mkdirs: u64,
    /// Paths of which only the metadata changes.
    pub metadata: u64,
}

impl Plan {
    /// Adds up the actions. A peer may state any size, so bytes stop at the greatest number.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for action in &self.actions {
            match &action.step {
                Step::Mkdir => totals.mkdirs += 1,
                Step::Rename { .. } => totals.renames += 1,
                Step::Metadata => totals.metadata += 1,
                Step::Delete { .. } => totals.deletes += 1,
                Step::Create(source) | Step::Update(source) => {
                    totals.files += 1;
                    totals.bytes = totals.bytes.saturating_add(action.bytes());
                    totals.count(source, action.wanted.as_ref().map_or(0, |entry| entry.size));
                }
            }
        }
        totals
    }
}

impl Totals {
    fn count(&mut self, source: &Source, size: u64) {
        match source {
            Source::Fetch => self.fetches += 1,
            Source::Copy { .. } => {
                self.copies += 1;
                self.copied_bytes = self.copied_bytes.saturating_add(size);
            }
            Source::Link { .. } => self.links += 1,
            Source::None => {}
        }
    }
}
