//! A directory of its own for each test, and the command in an environment that holds nothing of this machine.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::outcome::{self, Outcome};
use super::tree::Tree;

/// A temporary directory that holds trees and a home.
pub struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    /// An empty sandbox below the directory for temporary files.
    pub fn new() -> Sandbox {
        Sandbox::below(&std::env::temp_dir())
    }

    /// An empty sandbox on a file system of choice.
    pub fn below(parent: &Path) -> Sandbox {
        let root = tempfile::Builder::new().prefix("alike-").tempdir_in(parent).expect("a temporary directory");
        let sandbox = Sandbox { root };
        for place in ["home", "config", "state", "cache", "runtime"] {
            fs::create_dir(sandbox.path(place)).expect("a place");
        }
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().expect("the sandbox is there").join(name)
    }

    /// A new, empty tree.
    pub fn tree(&self, name: &str) -> Tree {
        let tree = Tree::at(self.path(name));
        fs::create_dir(tree.path()).expect("a new tree");
        tree
    }

    /// The command, in the sandbox, with its arguments.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alike"));
        command.args(arguments).current_dir(self.root.path()).env_clear();
        for (name, place) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_RUNTIME_DIR", "runtime"),
        ] {
            command.env(name, self.path(place));
        }
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C");
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn alike<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.run(&mut self.command(arguments))
    }

    /// A copy of the program, for a user who may not enter the directory that it was built in. Another process makes it: a child
    /// that another test starts meanwhile would hold what this process writes, and a file that is written to cannot be run.
    pub fn program(&self) -> PathBuf {
        let copy = self.path("alike");
        let status = Command::new("cp").arg(env!("CARGO_BIN_EXE_alike")).arg(&copy).status();
        assert!(status.expect("cp runs").success());
        copy
    }

    /// Runs a command that was prepared with more than arguments.
    pub fn run(&self, command: &mut Command) -> Outcome {
        outcome::of(command, &self.path(""))
    }
}
