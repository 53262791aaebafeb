//! A memory's file as it is read: nothing is written to it. Owns what a database changes while it is open, in memory, above
//! the bytes of the file. So a rehearsal can read a memory that a crash left behind, and a run in which nothing happened
//! costs no write.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use redb::StorageBackend;

const BLOCK_BYTES: u64 = 4096;

/// A file and the blocks that were changed above it.
#[derive(Debug)]
pub struct View {
    file: File,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    bytes: u64,
    /// How much of the file still counts: what was cut off once reads as zeros.
    file_bytes: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl View {
    /// Opens the file for reading, by a run that holds the lock of the root: nobody else writes it.
    pub fn open(path: &Path) -> io::Result<View> {
        View::of(File::open(path)?)
    }

    /// Opens the file for reading beside other runs. `WouldBlock` where another process has it open for writing; nobody
    /// opens it so before the view is dropped.
    pub fn open_shared(path: &Path) -> io::Result<View> {
        let file = File::open(path)?;
        match file.try_lock_shared() {
            Ok(()) => View::of(file),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn of(file: File) -> io::Result<View> {
        let bytes = file.metadata()?.len();
        Ok(View { file, above: Mutex::new(Above { bytes, file_bytes: bytes, blocks: BTreeMap::new() }) })
    }

    fn with<T>(&self, act: impl FnOnce(&File, &mut Above) -> io::Result<T>) -> io::Result<T> {
        act(&self.file, &mut self.above.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Above {
    fn read(&self, file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let below = self.file_bytes.saturating_sub(offset).min(out.len() as u64) as usize;
        file.read_exact_at(&mut out[..below], offset)?;
        out[below..].fill(0);
        let end = offset + out.len() as u64;
        let first = offset / BLOCK_BYTES * BLOCK_BYTES;
        for (&at, block) in self.blocks.range(first..end) {
            let (from, to) = (at.max(offset), (at + BLOCK_BYTES).min(end));
            let part = &block[(from - at) as usize..(to - at) as usize];
            out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
        }
        Ok(())
    }

    fn write(&mut self, file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(data.len() as u64).filter(|&end| end <= self.bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut at = offset / BLOCK_BYTES * BLOCK_BYTES;
        while at < end {
            if !self.blocks.contains_key(&at) {
                let mut block = vec![0; BLOCK_BYTES as usize].into_boxed_slice();
                let bytes = (self.bytes - at).min(BLOCK_BYTES) as usize;
                self.read(file, at, &mut block[..bytes])?;
                self.blocks.insert(at, block);
            }
            let (from, to) = (at.max(offset), (at + BLOCK_BYTES).min(end));
            if let Some(block) = self.blocks.get_mut(&at) {
                let part = &data[(from - offset) as usize..(to - offset) as usize];
                block[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
            }
            at += BLOCK_BYTES;
        }
        Ok(())
    }

    fn set_len(&mut self, bytes: u64) {
        if bytes < self.bytes {
            self.file_bytes = self.file_bytes.min(bytes);
            self.blocks.retain(|&at, _| at < bytes);
            let last = bytes / BLOCK_BYTES * BLOCK_BYTES;
            if let Some(block) = self.blocks.get_mut(&last) {
                block[(bytes - last) as usize..].fill(0);
            }
        }
        self.bytes = bytes;
    }
}

impl StorageBackend for View {
    fn len(&self) -> io::Result<u64> {
        self.with(|_, above| Ok(above.bytes))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|file, above| above.read(file, offset, out))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.with(|_, above| {
            above.set_len(bytes);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|file, above| above.write(file, offset, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_file_stays_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let before: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        std::fs::write(&path, &before).expect("a file");
        let view = View::open(&path).expect("open");
        let mut wanted = before.clone();
        let mut change = |offset: usize, length: usize, byte: u8| {
            if offset + length > wanted.len() {
                wanted.resize(offset + length, 0);
                view.set_len(wanted.len() as u64).expect("length");
            }
            wanted[offset..offset + length].fill(byte);
            view.write(offset as u64, &vec![byte; length]).expect("written");
            let mut all = vec![1; wanted.len()];
            view.read(0, &mut all).expect("read");
            assert!(all == wanted, "after {length} bytes at {offset}");
        };
        change(10, 1, 9);
        change(4095, 2, 8);
        change(0, 20_000, 7);
        change(19_990, 5000, 6);
        change(30_000, 3, 5);
        view.set_len(15_000).expect("cut");
        view.set_len(25_000).expect("grown again");
        let mut all = vec![1; 25_000];
        view.read(0, &mut all).expect("read");
        assert!(all[15_000..].iter().all(|&byte| byte == 0), "what was cut off reads as zeros");
        assert!(view.read(24_999, &mut [0, 0]).is_err(), "beyond the end");
        assert!(std::fs::read(&path).expect("a file") == before);
    }
}
