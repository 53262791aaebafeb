//! The far side of a conversation: `alike serve --stdio`, started by ssh.

use super::error::Error;

/// Serves one conversation over standard input and output and ends with it.
pub fn run() -> Result<(), Error> {
    todo!("in work")
}
