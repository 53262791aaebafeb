//! How the roots are read.

use clap::Args;

use super::filter::Filter;
use crate::cli::failure::Failure;
use crate::sync::job::{Fidelity, Reading as Meant};

/// Flags about what is compared.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What is compared")]
pub struct Reading {
    /// Read every file again, whatever size and times say
    #[arg(short, long, conflicts_with = "quick")]
    checksum: bool,

    /// Take files that were never hashed as equal when size and modification time are
    #[arg(long)]
    quick: bool,

    /// Stay on the root's file system
    #[arg(short = 'x', long)]
    one_file_system: bool,

    #[command(flatten)]
    filter: Filter,

    /// Leave permission bits alone
    #[arg(long)]
    no_perms: bool,

    /// Leave extended attributes and ACLs alone
    #[arg(long)]
    no_xattrs: bool,

    /// Leave owner and group alone
    #[arg(long)]
    no_owner: bool,

    /// Take hard links as separate files
    #[arg(long)]
    no_links: bool,

    /// Keep fifos and devices too
    #[arg(short = 'D', long)]
    devices: bool,
}

impl Reading {
    /// Whether `--quick` was typed.
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// What the job is asked.
    pub fn meant(&self) -> Result<Meant, Failure> {
        Ok(Meant {
            filter: self.filter.lines()?,
            everything: false,
            one_file_system: self.one_file_system,
            checksum: self.checksum,
            quick: self.quick,
            fidelity: Fidelity {
                mode: !self.no_perms,
                xattrs: !self.no_xattrs,
                owner: !self.no_owner,
                links: !self.no_links,
                devices: self.devices,
            },
        })
    }
}
