//! Which version of a conflict wins.

use clap::Args;

use crate::sync::job::Prefer as Meant;

/// The flag of jobs that may find conflicts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How the target is written")]
pub struct Prefer {
    /// Decide conflicts instead of keeping every version: the others go to the trash
    #[arg(long, value_enum, value_name = "WHICH")]
    prefer: Option<Which>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Which {
    Newest,
    Left,
    Right,
}

impl Prefer {
    /// What the job is asked.
    pub fn meant(&self) -> Option<Meant> {
        self.prefer.map(|which| match which {
            Which::Newest => Meant::Newest,
            Which::Left => Meant::Left,
            Which::Right => Meant::Right,
        })
    }

    /// Whether anything was asked.
    pub fn is_some(&self) -> bool {
        self.prefer.is_some()
    }
}
