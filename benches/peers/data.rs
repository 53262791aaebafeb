//! The trees that are worked on: made with a fixed seed, or a copy of one that is given.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use crate::Options;

/// What a work is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// The tree that was given, or many small files.
    Usual,
    /// A million files without a byte.
    Million,
    /// One file of 4 GiB.
    Large,
}

/// Files in a directory of a tree that is made.
const EACH: u64 = 100;
/// With `--quick`, and without.
const DIRECTORIES: [u64; 2] = [150, 2000];
/// A million files.
const DIRECTORIES_MILLION: u64 = 10_000;
/// Of the large file.
const LARGE_BYTES: u64 = 4 << 30;
/// The largest small file.
const SMALL_BYTES_MAX: u64 = 4096;

/// Puts the set at `source`.
pub fn prepare(set: Set, options: &Options, source: &Path) -> Result<(), String> {
    let done = match (set, &options.data) {
        (Set::Usual, Some(data)) => {
            let copied = Command::new("cp").arg("-a").arg(data).arg(source).status();
            copied.and_then(|status| status.success().then_some(()).ok_or_else(|| io::Error::other("cp failed")))
        }
        (Set::Usual, None) => make(source, directories(options), SMALL_BYTES_MAX),
        (Set::Million, _) => make(source, DIRECTORIES_MILLION, 0),
        (Set::Large, _) => make_large(source),
    };
    done.map_err(|e| format!("cannot make the data: {e}"))
}

/// What the usual set is.
pub fn named(options: &Options) -> String {
    match &options.data {
        Some(data) => format!("a copy of {}", data.display()),
        None => format!("{} files of 0-4 KiB in {} directories", directories(options) * EACH, directories(options)),
    }
}

const fn directories(options: &Options) -> u64 {
    if options.quick { DIRECTORIES[0] } else { DIRECTORIES[1] }
}

fn make_large(source: &Path) -> io::Result<()> {
    let mut random = Random(20_070_102);
    fs::create_dir_all(source)?;
    let mut file = fs::File::create(source.join("large"))?;
    let mut left = LARGE_BYTES;
    while left > 0 {
        let block: Vec<u8> = (0..1 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
        file.write_all(&block)?;
        left -= block.len() as u64;
    }
    Ok(())
}

/// `directories` directories of [`EACH`] files of so many bytes at most.
fn make(source: &Path, directories: u64, bytes_max: u64) -> io::Result<()> {
    let mut random = Random(20_070_101);
    let pool: Vec<u8> = (0..1 << 20).map(|_| random.next().to_le_bytes()[0]).collect();
    for directory in 0..directories {
        let place = source.join(format!("area{:02}/group{directory:05}", directory % 20));
        fs::create_dir_all(&place)?;
        for file in 0..EACH {
            let size = (random.next() % (bytes_max + 1)) as usize;
            let at = (random.next() as usize) % (pool.len() - SMALL_BYTES_MAX as usize);
            let mut bytes = pool[at..at + size].to_vec();
            let number = (directory * EACH + file).to_be_bytes();
            for (byte, mark) in bytes.iter_mut().zip(number) {
                *byte = mark;
            }
            fs::write(place.join(format!("item-{file:04}.dat")), bytes)?;
        }
    }
    Ok(())
}

/// xorshift64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
