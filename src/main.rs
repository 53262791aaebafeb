//! The `alike` command: everything is in the library.

fn main() {}
