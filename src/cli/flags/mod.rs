//! What was typed, in groups that commands share. Each group says what it means as a part of the job.

pub mod environment;
pub mod filter;
pub mod manner;
pub mod moment;
pub mod prefer;
pub mod reading;
pub mod remote;
pub mod rsync;
pub mod voice;
pub mod writing;
