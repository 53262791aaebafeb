//! Mapped files, and the guard that survives their truncation. One of the few files with `unsafe` code.
//!
//! Another process may truncate a mapped file at any time, and the disk under it may fail; a read of the pages that are
//! gone raises SIGBUS, which would end the process. The handler here looks the address up in a fixed table, puts zeros
//! in place of the rest of that mapping and marks it: whatever was computed over it is void. Any other SIGBUS goes to
//! the handler that stood before. Start at [`map`].
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};

use crate::model::listing::Bytes;

/// Mappings that can be guarded at one time: a few a thread. More are refused, and the caller reads instead.
const SLOTS: usize = 256;

/// One guarded range of addresses; `start` 0 is a free slot, 1 one that is being filled.
struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    hit: AtomicBool,
}

const FREE: usize = 0;
const TAKEN: usize = 1;

static TABLE: [Slot; SLOTS] =
    [const { Slot { start: AtomicUsize::new(FREE), end: AtomicUsize::new(0), hit: AtomicBool::new(false) } }; SLOTS];

/// The handler that stood before ours; `None` where ours could not be installed.
static BEFORE: OnceLock<Option<libc::sigaction>> = OnceLock::new();

/// A file's bytes, mapped for reading. Bytes past a truncation read as zeros, and [`Mapping::intact`] tells.
#[derive(Debug)]
pub struct Mapping {
    /// `None` for an empty file, which cannot be mapped.
    bytes: Option<Mmap>,
    slot: usize,
}

/// Maps the whole of `file` as it is now. Fails where the guard cannot be had: then read the file instead.
pub fn map(file: &File) -> io::Result<Mapping> {
    let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    map_part(file, 0, bytes)
}

/// Maps `bytes` of `file` from `start` on, a multiple of the page size. What the file does not have reads as zeros and
/// voids the mapping.
pub fn map_part(file: &File, start: u64, bytes: usize) -> io::Result<Mapping> {
    if bytes == 0 {
        return Ok(Mapping { bytes: None, slot: SLOTS });
    }
    if BEFORE.get_or_init(install).is_none() {
        return Err(io::Error::other("no guard for mapped files"));
    }
    // SAFETY: the map is read-only and private to us. That another process may change the bytes cannot be excluded; the
    // bytes are only hashed, compared with a checksum, or taken after a check of the stamp, and every value of a byte
    // is valid. Truncation is what the guard is for.
    let bytes = unsafe { MmapOptions::new().offset(start).len(bytes).map(file)? };
    let start = bytes.as_ptr() as usize;
    let free = |slot: &Slot| slot.start.compare_exchange(FREE, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let slot = TABLE.iter().position(free).ok_or_else(|| io::Error::other("too many mapped files"))?;
    TABLE[slot].hit.store(false, Ordering::Relaxed);
    TABLE[slot].end.store(start + bytes.len(), Ordering::Relaxed);
    TABLE[slot].start.store(start, Ordering::Release);
    Ok(Mapping { bytes: Some(bytes), slot })
}

impl Mapping {
    /// Whether every byte read so far was the file's. Once false, whatever was computed over the bytes is void.
    pub fn intact(&self) -> bool {
        self.slot == SLOTS || !TABLE[self.slot].hit.load(Ordering::Acquire)
    }

    /// Asks the kernel to read all of it ahead; a hint.
    pub fn read_ahead(&self) {
        if let Some(map) = &self.bytes {
            let _hint = map.advise(Advice::WillNeed);
        }
    }
}

impl Bytes for Mapping {
    /// Takes the pages out of this process, not out of the kernel's cache: reading on costs a fault for 16 of them.
    fn rest(&self) {
        if let Some(map) = &self.bytes {
            // SAFETY: the map is a file's and never written to, so that pages that are read again hold what the file
            // holds, as they did the first time; zeros that stand in for what was cut off stay zeros.
            let _hint = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // The slot goes first: once the range is unmapped, another mapping may take its addresses.
        if self.slot < SLOTS {
            TABLE[self.slot].start.store(FREE, Ordering::Release);
        }
    }
}

fn install() -> Option<libc::sigaction> {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both structures are plain data that the kernel reads and fills; the handler below only makes calls that
    // are safe in a signal handler. SA_ONSTACK keeps the handler usable for the overflow check that it may pass on to.
    unsafe {
        let mut ours: libc::sigaction = std::mem::zeroed();
        ours.sa_sigaction = on_bus as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut ours.sa_mask);
        (libc::sigaction(libc::SIGBUS, &raw const ours, before.as_mut_ptr()) == 0).then(|| before.assume_init())
    }
}

/// Runs in the thread that read the page. No allocation, no lock: atomics, one mmap call, and errno kept.
extern "C" fn on_bus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `info` with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    for slot in &TABLE {
        let start = slot.start.load(Ordering::Acquire);
        let end = slot.end.load(Ordering::Relaxed);
        if start > TAKEN && (start..end).contains(&address) {
            slot.hit.store(true, Ordering::Release);
            if fill_with_zeros(address, end) {
                return;
            }
        }
    }
    pass_on(signal, info, context);
}

/// Puts zero pages from the page of `address` to the end of the mapping; the mapping's owner unmaps them like its own.
fn fill_with_zeros(address: usize, end: usize) -> bool {
    // SAFETY: the range lies within one mapping of ours, which lives as long as its slot is filled; the thread that
    // faulted is reading it now. MAP_FIXED replaces whole pages of that mapping alone. errno is put back.
    unsafe {
        let errno = *libc::__errno_location();
        let page = libc::sysconf(libc::_SC_PAGESIZE).unsigned_abs() as usize;
        let from = address & !(page - 1);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let mapped = libc::mmap(from as *mut libc::c_void, end - from, libc::PROT_READ, flags, -1, 0);
        *libc::__errno_location() = errno;
        mapped != libc::MAP_FAILED
    }
}

/// A SIGBUS that is not ours: the handler before ours, or the default, which ends the process.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.get().copied().flatten();
    // SAFETY: the previous action is called in the form that its flags say it has; without one the default is put back
    // and the fault happens again on return.
    unsafe {
        match before {
            Some(action) if action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN => {
                libc::signal(signal, libc::SIG_DFL);
            }
            Some(action) if action.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(action.sa_sigaction);
                handler(signal, info, context);
            }
            Some(action) => {
                let handler: extern "C" fn(libc::c_int) = std::mem::transmute(action.sa_sigaction);
                handler(signal);
            }
            None => {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// One test fills the whole table; the others need a slot.
    static TABLE_IN_USE: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn in_turn() -> std::sync::MutexGuard<'static, ()> {
        TABLE_IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn file_of(bytes: usize) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&vec![7; bytes]).expect("written");
        file
    }

    #[test]
    fn a_mapped_file_reads_as_written() {
        let _turn = in_turn();
        let map = map(&file_of(10_000)).expect("mapped");
        assert_eq!(map.as_ref(), vec![7; 10_000]);
        assert!(map.intact());
    }

    #[test]
    fn a_truncated_file_voids_its_map_and_the_process_lives() {
        let _turn = in_turn();
        let file = file_of(1 << 20);
        let map = map(&file).expect("mapped");
        file.set_len(5000).expect("truncated");
        let sum: usize = map.as_ref().iter().map(|&byte| usize::from(byte)).sum();
        assert!(!map.intact());
        assert_eq!(sum, 7 * 5000);
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        let _turn = in_turn();
        let map = map(&file_of(0)).expect("mapped");
        assert!(map.as_ref().is_empty() && map.intact());
    }

    #[test]
    fn maps_beyond_the_table_are_refused_and_slots_come_back() {
        let _turn = in_turn();
        let file = file_of(1);
        let mut maps = Vec::new();
        while let Ok(map) = map(&file) {
            maps.push(map);
            assert!(maps.len() <= SLOTS);
        }
        drop(maps);
        assert!(map(&file).is_ok());
    }
}
