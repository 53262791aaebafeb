//! The guard: how many deletes a run may make without being told so.

/// `--max-delete`: how many deletes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Limit {
    /// Not said.
    #[default]
    Default,
    /// At most this many.
    Count(u64),
    /// At most this part of the target's entries, in percent.
    Percent(u32),
}
