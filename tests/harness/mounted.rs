//! File systems of a kind of choice, mounted in a sandbox by loop device.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sandbox::Sandbox;

/// A mounted file system, unmounted when dropped.
pub struct Mounted {
    /// Where it is mounted.
    pub at: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone_with_the_machine = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Kernels without exfat have it by fuse, which wants a device.
fn mount_exfat(image: &Path, at: &Path) -> bool {
    let Ok(device) = Command::new("losetup").args(["-f", "--show"]).arg(image).output() else { return false };
    let device = String::from_utf8_lossy(&device.stdout).trim().to_owned();
    let mounted = Command::new("mount.exfat-fuse").arg(&device).arg(at).output();
    // It goes with its last user.
    let _detached_later = Command::new("losetup").args(["-d", &device]).status();
    mounted.is_ok_and(|output| output.status.success())
}

/// Mounts a new file system in the sandbox; the kind may go on with arguments for mkfs. `None`, told, where that cannot be.
pub fn mount(sandbox: &Sandbox, kind: &str, megabytes: u64) -> Option<Mounted> {
    let mut words = kind.split(' ');
    let name = words.next().expect("a file system");
    let (image, at) = (sandbox.path(&format!("{name}-image")), sandbox.path(&format!("{name}-mounted")));
    fs::create_dir(&at).expect("made");
    fs::File::create_new(&image).expect("made").set_len(megabytes << 20).expect("sized");
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let done = if kind == "tmpfs" {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none"]).arg(&at))
    } else {
        run(Command::new(format!("mkfs.{name}")).args(words).arg(&image))
            && if kind == "exfat" {
                mount_exfat(&image, &at)
            } else {
                run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at))
            }
    };
    if !done {
        super::skip(&format!("cannot mount {kind}"));
        return None;
    }
    Some(Mounted { at })
}
