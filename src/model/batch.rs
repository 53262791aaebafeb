//! Digests of many short messages at once: messages of equal length are hashed side by side, one a vector lane, which is
//! six times as fast as one after the other (2 blocks: 17 ns against 105 on AVX-512). The digests are those of
//! [`Digest::of_message`]. Start at [`Batch`].
//!
//! `blake3` calls the function behind this unstable and leaves it out of its documents. It is named here alone, the
//! version is held to 1.8, and a test compares it to the documented one; should it go, so does this file, for time only.

use blake3::IncrementCounter;
use blake3::platform::Platform;

use super::digest::{BLOCK_BYTES, Digest};

/// Messages that are hashed together: the lanes of AVX-512.
const LANES: usize = 16;
/// Blocks of the longest message that is hashed with others: a leaf node of 15 rows.
const BLOCKS_MAX: usize = 8;

/// The initial chaining value of BLAKE3 without a key (that of SHA-256).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;

/// Collects messages and gives their digests in the order in which they came.
pub struct Batch {
    platform: Platform,
    /// By number of blocks less one.
    queues: [Queue; BLOCKS_MAX],
}

/// Messages of one length.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Where each digest goes.
    places: Vec<usize>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { platform: Platform::detect(), queues: Default::default() }
    }
}

impl Batch {
    /// Takes a closed message; its digest will be at the end of `out`, once there are enough messages or the batch ends.
    pub fn push(&mut self, message: &[u8], out: &mut Vec<Digest>) {
        let blocks = message.len() / BLOCK_BYTES;
        if !message.len().is_multiple_of(BLOCK_BYTES) || blocks == 0 || blocks > BLOCKS_MAX {
            out.push(Digest::of_message(message));
            return;
        }
        let queue = &mut self.queues[blocks - 1];
        queue.bytes.extend_from_slice(message);
        queue.places.push(out.len());
        out.push(Digest::UNKNOWN);
        if queue.places.len() == LANES {
            queue.hash(self.platform, blocks, out);
        }
    }

    /// Completes `out`: every message pushed has its digest there.
    pub fn finish(&mut self, out: &mut [Digest]) {
        for (queue, blocks) in self.queues.iter_mut().zip(1..) {
            queue.hash(self.platform, blocks, out);
        }
    }
}

impl Queue {
    fn hash(&mut self, platform: Platform, blocks: usize, out: &mut [Digest]) {
        if self.places.is_empty() {
            return;
        }
        match blocks {
            1 => self.hash_equal::<{ BLOCK_BYTES }>(platform, out),
            2 => self.hash_equal::<{ 2 * BLOCK_BYTES }>(platform, out),
            3 => self.hash_equal::<{ 3 * BLOCK_BYTES }>(platform, out),
            4 => self.hash_equal::<{ 4 * BLOCK_BYTES }>(platform, out),
            5 => self.hash_equal::<{ 5 * BLOCK_BYTES }>(platform, out),
            6 => self.hash_equal::<{ 6 * BLOCK_BYTES }>(platform, out),
            7 => self.hash_equal::<{ 7 * BLOCK_BYTES }>(platform, out),
            _ => self.hash_equal::<{ BLOCKS_MAX * BLOCK_BYTES }>(platform, out),
        }
        self.bytes.clear();
        self.places.clear();
    }

    fn hash_equal<const BYTES: usize>(&self, platform: Platform, out: &mut [Digest]) {
        let messages = self.bytes.as_chunks::<BYTES>().0;
        let mut inputs = [&[0; BYTES]; LANES];
        inputs.iter_mut().zip(messages).for_each(|(input, message)| *input = message);
        let mut digests = [0; LANES * 32];
        // A message of one chunk is its own root.
        platform.hash_many(
            &inputs[..messages.len()],
            &INITIAL,
            0,
            IncrementCounter::No,
            0,
            CHUNK_START,
            CHUNK_END | ROOT,
            &mut digests,
        );
        for (&place, digest) in self.places.iter().zip(digests.as_chunks::<32>().0) {
            out[place] = Digest(*digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Domain;

    #[test]
    fn digests_are_those_of_each_message_alone() {
        let messages: Vec<Vec<u8>> = (0..700usize)
            .map(|number| {
                let mut message = Vec::new();
                Domain::Entry.open(&mut message);
                message.extend((0..number * 7919 % 611).map(|at| (at * number) as u8));
                Domain::close(&mut message);
                message
            })
            .collect();
        for count in [0, 1, 2, 15, 16, 17, 100, 700] {
            let (mut batch, mut digests) = (Batch::default(), Vec::new());
            messages[..count].iter().for_each(|message| batch.push(message, &mut digests));
            batch.finish(&mut digests);
            let alone: Vec<Digest> = messages[..count].iter().map(|message| Digest::of_message(message)).collect();
            assert_eq!(digests, alone);
        }
    }
}
