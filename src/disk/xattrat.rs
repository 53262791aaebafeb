//! The call that lists the attributes of a name in an opened directory (Linux 6.13), which no crate offers yet. The way
//! around it leads through `/proc` and takes three times as long, for every file that is not opened. Owns nothing but
//! the answer "none": whatever else the kernel says, the other way finds out.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The same number on all architectures that came after the calls were numbered alike.
const LISTXATTRAT: libc::c_long = 465;

/// Whether the kernel has refused the call: then it is not asked again.
static REFUSED: AtomicBool = AtomicBool::new(cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))));

/// Whether it is known that `name` in `parent`, itself where it is a link, has no attributes.
pub(super) fn has_none(parent: &OwnedFd, name: &CStr) -> bool {
    if REFUSED.load(Ordering::Relaxed) {
        return false;
    }
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: the name ends in a zero, and with no room for an answer the kernel writes nothing and gives its length.
    let listed = unsafe {
        libc::syscall(
            LISTXATTRAT,
            parent.as_raw_fd(),
            name.as_ptr(),
            flags,
            std::ptr::null_mut::<libc::c_char>(),
            0_usize,
        )
    };
    if listed < 0 {
        // A kernel without the call, or a sandbox that does not know it. Others, of this name, are for the other way to tell.
        let error = std::io::Error::last_os_error().raw_os_error();
        let refused = matches!(error, Some(libc::ENOSYS | libc::EPERM));
        REFUSED.fetch_or(refused, Ordering::Relaxed);
        return error == Some(libc::EOPNOTSUPP);
    }
    listed == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn only_what_has_no_attribute_has_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let parent = OwnedFd::from(File::open(directory.path()).expect("opened"));
        for name in ["bare", "noted"] {
            File::create(directory.path().join(name)).expect("a file");
        }
        let noted = File::open(directory.path().join("noted")).expect("opened");
        let set = rustix::fs::fsetxattr(&noted, "user.note", b"kept", rustix::fs::XattrFlags::empty());
        assert!(!has_none(&parent, c"missing"));
        if set.is_ok() {
            assert!(!has_none(&parent, c"noted"));
        }
        // An older kernel knows of none.
        assert!(has_none(&parent, c"bare") || REFUSED.load(Ordering::Relaxed));
    }
}
