//! The `alike` command: everything is in the library.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

// Many threads free what others allocated; the allocator of glibc keeps that memory, and musl's is slow at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After so many milliseconds what was freed goes back to the system. The allocator's own second is longer than most runs,
/// each phase of which would then be paid for beside all before it; at once costs a tenth of the time of small files.
const PURGE_DELAY_MS: c_long = 1;
/// `mi_option_purge_delay`.
const PURGE_DELAY: c_int = 15;

#[allow(unsafe_code)]
unsafe extern "C" {
    fn mi_option_set_default(option: c_int, value: c_long);
    fn mi_collect(force: bool);
}

#[allow(unsafe_code)]
fn main() -> ExitCode {
    // SAFETY: stores a number in a table of the allocator that is linked above, before there is a second thread.
    unsafe { mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) };
    alike::cli::run(give_back)
}

#[allow(unsafe_code)]
fn give_back() {
    // SAFETY: may be called at any time, in any thread.
    unsafe { mi_collect(true) };
}
