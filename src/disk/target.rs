//! stub
/// How durability is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fsync {
    /// Every file by itself.
    Each,
    /// Many files under one call.
    Batch,
    /// Not at all.
    Off,
}
