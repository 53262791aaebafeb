//! The names in one directory, sorted. Owns the reading of a directory and the order of its names; stats nothing.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, RawDir};

/// Measured: larger buffers list no faster.
const BUFFER_BYTES: usize = 64 * 1024;

/// The names in one directory. Made to be used again for the next one without allocation.
#[derive(Default)]
pub(super) struct Names {
    buffer: Option<Box<[MaybeUninit<u8>]>>,
    /// The names, each with its NUL.
    bytes: Vec<u8>,
    names: Vec<Name>,
}

#[derive(Clone, Copy)]
struct Name {
    /// The eight bytes after what all names have in common: decides nearly every comparison.
    key: u64,
    at: u32,
    bytes: u16,
    file_type: FileType,
}

impl Name {
    const fn range(&self) -> Range<usize> {
        self.at as usize..self.at as usize + self.bytes as usize
    }
}

impl Names {
    /// Reads all names of `directory` but `.` and `..`, and sorts them by their bytes.
    pub fn read(&mut self, directory: &OwnedFd) -> io::Result<()> {
        self.bytes.clear();
        self.names.clear();
        let buffer = self.buffer.get_or_insert_with(|| Box::new_uninit_slice(BUFFER_BYTES));
        let mut entries = RawDir::new(directory, buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes_with_nul();
            if matches!(name, b".\0" | b"..\0") {
                continue;
            }
            let too_long = |_| io::Error::other("its names are too long together");
            let at = u32::try_from(self.bytes.len()).map_err(too_long)?;
            let bytes = u16::try_from(name.len() - 1).map_err(too_long)?;
            self.bytes.extend_from_slice(name);
            self.names.push(Name { key: 0, at, bytes, file_type: entry.file_type() });
        }
        self.sort();
        Ok(())
    }

    /// Number of names.
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is such a name.
    pub fn contains(&self, name: &[u8]) -> bool {
        let bytes = |entry: &Name| &self.bytes[entry.range()];
        self.names.binary_search_by(|entry| bytes(entry).cmp(name)).is_ok()
    }

    /// The name at `index`, for the kernel.
    pub fn at(&self, index: usize) -> &CStr {
        let Range { start, end } = self.names[index].range();
        CStr::from_bytes_with_nul(&self.bytes[start..=end]).expect("`read` kept the one NUL")
    }

    /// The type that the directory gave for the name at `index`, where it gave one.
    pub fn file_type(&self, index: usize) -> FileType {
        self.names[index].file_type
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let name = |name: &Name| &bytes[name.range()];
        let Some(first) = self.names.first().map(name) else {
            return;
        };
        let common = |other: &[u8]| first.iter().zip(other).take_while(|(left, right)| left == right).count();
        let skip = self.names.iter().map(|other| common(name(other))).min().unwrap_or(0);
        for entry in &mut self.names {
            entry.key = key(&name(entry)[skip..]);
        }
        self.names.sort_unstable_by(|left, right| left.key.cmp(&right.key).then_with(|| name(left).cmp(name(right))));
    }
}

/// The first eight bytes as a number; shorter names are filled with zeros, which no name holds.
fn key(name: &[u8]) -> u64 {
    match name.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => name.iter().fold(0, |key, &byte| key << 8 | u64::from(byte)) << (8 * (8 - name.len())).min(63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_sorted_by_their_bytes() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut wanted = Vec::new();
        for name in ["b", "a", "ab", "a-", "a.txt", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaab", "é", "Z", "aaaaaaaa"] {
            std::fs::write(directory.path().join(name), "").expect("written");
            wanted.push(name.as_bytes().to_vec());
        }
        wanted.sort();
        let handle = OwnedFd::from(std::fs::File::open(directory.path()).expect("opened"));
        let mut names = Names::default();
        names.read(&handle).expect("listed");
        let got: Vec<Vec<u8>> = (0..names.len()).map(|index| names.at(index).to_bytes().to_vec()).collect();
        assert_eq!(got, wanted);
    }

    #[test]
    fn keys_order_as_names_do() {
        let names = [&b""[..], b"a", b"a\x01", b"ab", b"abcdefgh", b"b", b"\xff"];
        assert!(names.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
    }
}
