//! The tree that is worked on: made with a fixed seed, or a copy of one that is given.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Options;

/// Puts the tree at `source` and says what it is.
pub fn prepare(options: &Options, source: &Path) -> Result<String, String> {
    if let Some(data) = &options.data {
        let status = Command::new("cp").arg("-a").arg(data).arg(source).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("cannot copy {}", data.display()));
        }
        return Ok(format!("a copy of {}", data.display()));
    }
    let directories = if options.quick { 200 } else { 2000 };
    make(source, directories, 100).map_err(|e| format!("cannot make the data: {e}"))?;
    Ok(format!("{} files of 0-4 KiB in {directories} directories", directories * 100))
}

/// `directories` directories of `each` files of 0 to 4 KiB.
fn make(source: &Path, directories: u64, each: u64) -> std::io::Result<()> {
    let mut random = Random(20_070_101);
    let pool: Vec<u8> = (0..1 << 20).map(|_| random.next().to_le_bytes()[0]).collect();
    for directory in 0..directories {
        let place = source.join(format!("area{:02}/group{directory:05}", directory % 20));
        fs::create_dir_all(&place)?;
        for file in 0..each {
            let size = (random.next() % 4097) as usize;
            let at = (random.next() as usize) % (pool.len() - 4096);
            let mut bytes = pool[at..at + size].to_vec();
            let number = (directory * each + file).to_be_bytes();
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
