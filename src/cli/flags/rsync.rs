//! What hands that know rsync type: flags that are on already, and what to do instead of those that are not there.

use clap::{ArgAction, Args};

/// rsync's flags for what is done anyway: accepted, without effect.
#[derive(Debug, Clone, Args)]
pub struct Accepted {
    #[arg(short = 'a', long, hide = true, action = ArgAction::Count)]
    archive: u8,
    #[arg(short = 'r', long, hide = true, action = ArgAction::Count)]
    recursive: u8,
    #[arg(short = 'l', long, hide = true, action = ArgAction::Count)]
    links: u8,
    #[arg(short = 'p', long, hide = true, action = ArgAction::Count)]
    perms: u8,
    #[arg(short = 't', long, hide = true, action = ArgAction::Count)]
    times: u8,
    #[arg(short = 'H', long, hide = true, action = ArgAction::Count)]
    hard_links: u8,
    #[arg(short = 'S', long, hide = true, action = ArgAction::Count)]
    sparse: u8,
    #[arg(short = 'X', long, hide = true, action = ArgAction::Count)]
    xattrs: u8,
    #[arg(short = 'A', long, hide = true, action = ArgAction::Count)]
    acls: u8,
    #[arg(short = 'z', hide = true, action = ArgAction::Count)]
    compressed: u8,
    #[arg(short = 'h', long, hide = true, action = ArgAction::Count)]
    human_readable: u8,
    #[arg(short = 'o', long, hide = true, action = ArgAction::Count)]
    owner: u8,
    #[arg(short = 'g', long, hide = true, action = ArgAction::Count)]
    group: u8,
}

const DELETES: &str = "a mirror deletes extras already, into the trash; `--keep-extra` keeps them";
const ATOMIC: &str = "a file is always staged whole and then put in place; a stopped run goes on where it was";
const TRASH: &str =
    "what is replaced or deleted is kept already: `alike trash list` shows it; `--backup-dir DIR` keeps it in DIR";
const FILTERS: &str = "`--exclude`, `--include` and `--exclude-from` take gitignore patterns";
const CONTENT: &str =
    "files are compared by content; `--quick` trusts size and time, `--checksum` reads everything again";
const PROGRESS: &str = "a terminal shows a progress bar already; `--stats` prints figures, `-v` lists paths";
const ALIKE: &str = "a mirror makes the whole target equal to the source";
const NOT_YET: &str = "it is not built yet";

/// Flags of rsync that mean nothing here, and what to do instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["--delete", "--del", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--force"],
        DELETES,
    ),
    (&["--inplace", "--append", "--append-verify", "--partial", "--partial-dir", "--delay-updates"], ATOMIC),
    (&["-T", "--temp-dir"], "files are staged in `.alike/staging`, on the target's own file system"),
    (&["-b", "--backup", "--suffix"], TRASH),
    (&["-f", "--filter", "-F", "-C", "--cvs-exclude", "--include-from", "--files-from"], FILTERS),
    (&["-I", "--ignore-times", "--size-only", "--modify-window", "-@"], CONTENT),
    (&["-P", "--progress", "--info", "--debug", "--out-format", "--log-file"], PROGRESS),
    (
        &[
            "-u",
            "--update",
            "--existing",
            "--ignore-existing",
            "--remove-source-files",
            "-y",
            "--fuzzy",
            "-W",
            "--whole-file",
        ],
        ALIKE,
    ),
    (&["--no-delete"], "`--keep-extra` leaves what only the target has"),
    (&["--rsync-path"], "`--remote-bin PROGRAM` names the program on the far side"),
    (&["--no-times", "--no-t"], "modification times are always kept"),
    (&["--no-p"], "write `--no-perms`"),
    (&["--no-o", "--no-g", "--no-group"], "write `--no-owner`"),
    (&["--port", "--password-file", "--daemon"], "a far side is reached through ssh: `host:path`"),
    (&["--max-size", "--min-size", "--numeric-ids", "--link-dest", "--copy-dest", "--compare-dest"], NOT_YET),
    (&["-L", "--copy-links", "-k", "--copy-dirlinks", "-K", "--keep-dirlinks"], "links are kept as links"),
    (&["-R", "--relative"], "name the two directories that shall be alike"),
];

/// What to do instead of a flag that is not there, where a hand that knows rsync may have typed it.
pub fn instead_of(flag: &str) -> Option<&'static str> {
    INSTEAD.iter().find(|(flags, _)| flags.contains(&flag)).map(|&(_, instead)| instead)
}
