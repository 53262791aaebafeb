//! The `alike` command: everything is in the library.

use std::process::ExitCode;

// Many threads free what others allocated; the allocator of glibc keeps that memory, and musl's is slow at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    alike::cli::run()
}
