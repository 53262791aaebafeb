//! Errors that end a job on this side's directory. What concerns one path only is a problem, not an error.

use std::io;
use std::path::PathBuf;

/// A root cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be opened.
    #[error("cannot open the directory `{}`", path.display())]
    Open {
        /// As the user named it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path is there, but it is no directory.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// As the user named it.
        path: PathBuf,
    },
    /// The parent directory is missing, so the root cannot be made.
    #[error("cannot make the directory `{}`", path.display())]
    Create {
        /// As the user named it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another run holds the root.
    #[error("another run holds `{}`", path.display())]
    Held {
        /// The root.
        path: PathBuf,
    },
    /// The working directory of the run (`.alike`) cannot be used.
    #[error("cannot use `{}`", path.display())]
    Control {
        /// The file or directory in `.alike`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Data could not be made durable.
    #[error("cannot make the data in `{}` durable", path.display())]
    Sync {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The paths of the root are too long together for the formats (4 GiB).
    #[error("the paths in `{}` are too many or too long", path.display())]
    TooMany {
        /// The root.
        path: PathBuf,
    },
    /// The user stopped the run.
    #[error("interrupted")]
    Stopped,
}
