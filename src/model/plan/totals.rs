//! What a plan adds up to: the numbers of the last line, of `--stats` and of the progress bar.

use super::action::{Action, Plan, Source, Step};

/// What a plan adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
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
        self.actions.iter().for_each(|action| totals.add(action));
        totals
    }
}

impl Totals {
    /// Counts one more action.
    pub fn add(&mut self, action: &Action) {
        match &action.step {
            Step::Mkdir => self.mkdirs += 1,
            Step::Rename { .. } => self.renames += 1,
            Step::Metadata => self.metadata += 1,
            Step::Delete { .. } => self.deletes += 1,
            Step::Create(source) | Step::Update(source) => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(action.bytes());
                self.count(source, action.wanted.as_ref().map_or(0, |entry| entry.size));
            }
        }
    }

    /// Both together.
    pub fn and(self, other: Totals) -> Totals {
        Totals {
            files: self.files + other.files,
            fetches: self.fetches + other.fetches,
            copies: self.copies + other.copies,
            links: self.links + other.links,
            bytes: self.bytes.saturating_add(other.bytes),
            copied_bytes: self.copied_bytes.saturating_add(other.copied_bytes),
            renames: self.renames + other.renames,
            deletes: self.deletes + other.deletes,
            mkdirs: self.mkdirs + other.mkdirs,
            metadata: self.metadata + other.metadata,
        }
    }

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
