//! How the target is written.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};

use crate::model::plan::guard::Limit;
use crate::sync::job::{Fsync as MeantFsync, Writing as Meant};

/// Flags about the target.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How the target is written")]
pub struct Writing {
    /// Change nothing; print what a run would do, as `alike diff` does
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Leave what only the target has
    #[arg(long)]
    keep_extra: bool,

    /// How many deletes are meant, as a number or in percent of the target's entries
    #[arg(long, value_name = "N|N%")]
    max_delete: Option<MaxDelete>,

    /// Keep nothing of what is replaced or deleted
    #[arg(long)]
    no_trash: bool,

    /// Delete also what patterns and ignore files leave out
    #[arg(long, conflicts_with = "keep_extra")]
    delete_excluded: bool,

    /// Move what is replaced or deleted there, not into the trash; a relative path starts at the target
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "no_trash")]
    backup_dir: Option<PathBuf>,

    /// Make what is missing above the target
    #[arg(long)]
    mkpath: bool,

    /// Make data durable file by file, in batches, or not at all
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    fsync: Fsync,
}

impl Writing {
    /// Whether `--dry-run` was typed.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether `--keep-extra` was typed.
    pub fn is_keeping(&self) -> bool {
        self.keep_extra
    }

    /// Whether `--delete-excluded` was typed.
    pub fn is_deleting_excluded(&self) -> bool {
        self.delete_excluded
    }

    /// What the job is asked.
    pub fn meant(&self) -> Meant {
        Meant {
            dry_run: self.dry_run,
            keep_extra: self.keep_extra,
            limit: self.max_delete.map_or(Limit::Default, |MaxDelete(limit)| limit),
            trash: !self.no_trash,
            backup: self.backup_dir.clone(),
            delete_excluded: self.delete_excluded,
            make_parents: self.mkpath,
            fsync: match self.fsync {
                Fsync::Each => MeantFsync::Each,
                Fsync::Batch => MeantFsync::Batch,
                Fsync::Off => MeantFsync::Off,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxDelete(pub Limit);

impl FromStr for MaxDelete {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<MaxDelete, &'static str> {
        let wrong = "it takes a number such as 500, or a part such as 30%";
        match text.strip_suffix('%') {
            None => text.parse().map(|count| MaxDelete(Limit::Count(count))).map_err(|_| wrong),
            Some(part) => match part.parse() {
                Ok(percent @ 0..=100) => Ok(MaxDelete(Limit::Percent(percent))),
                _ => Err(wrong),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Fsync {
    Each,
    #[default]
    Batch,
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_delete_is_a_number_or_a_part_of_the_whole() {
        assert_eq!("500".parse(), Ok(MaxDelete(Limit::Count(500))));
        assert_eq!("100%".parse(), Ok(MaxDelete(Limit::Percent(100))));
        for wrong in ["", "%", "101%", "-1", "many", "5 %"] {
            assert!(wrong.parse::<MaxDelete>().is_err(), "{wrong}");
        }
    }
}
