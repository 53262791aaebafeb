//! Every limit of the protocol, each with its reason. Nothing that a peer sends may take more than is named here.

/// Version of everything on the wire. Peers of different versions refuse each other (exit 12).
pub const PROTOCOL_VERSION: u8 = 4;

/// Longest frame of a conversation in bytes: what a reader must be ready to hold.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Bytes at which a sender closes a frame. Well below [`FRAME_BYTES_MAX`], so that the other side begins to work while the
/// rest is still being made, and a long path or its attributes still fit in front of the border.
pub const FRAME_BYTES_AIM: usize = 256 << 10;

/// What a sender can have in flight before the first acknowledgement: quinn's initial window is a fixed 12,000 bytes.
/// What fits here never costs another round trip; 200 bytes are left for packet and frame headers.
pub const FIRST_FLIGHT_BYTES: usize = 11_800;

/// Hello with the upper levels of the tree, where a difference is expected: two packets and a half.
pub const PUSH_BYTES: usize = 3_000;

/// Entries of a tree. A listing holds at most 4 GiB of paths, about 80 million entries of usual length.
pub const ENTRIES_MAX: u64 = 80_000_000;

/// Levels of a tree: 17 nodes at the top and at least 5 children a node hold 80 million entries in 11 levels. Ground names
/// cannot make it deeper, as forced cuts leave 48 children.
pub const LEVELS_MAX: u8 = 16;

/// Messages of one conversation: three round trips.
pub const STEPS_MAX: u8 = 6;

/// Rows that may differ before renamed directories are looked for: their records take more than a hundred kilobytes then, and
/// a question costs a round trip.
pub const GUESS_ROWS_MIN: usize = 2_000;

/// Rows that must be found under another path for the comparison to begin anew: their records take more than the levels that
/// are told once more.
pub const GUESS_FOUND_ROWS_MIN: u64 = 256;

/// Rows that are laid under other paths, as a multiple of all own ones: twenty copies of a large directory are told as records.
pub const GUESS_ROWS_TIMES: u64 = 2;

/// How deep below the root renamed directories are looked for.
pub const GUESS_DEPTH_MAX: u8 = 64;

/// How deep a directory is looked into that is like none of ours: new ones have nothing to be found in.
pub const GUESS_STRANGERS_DEEP: u8 = 2;

/// Rows below a directory that is worth being told: the records of fewer take less than a kilobyte.
pub const FOLDER_ROWS_MIN: u64 = 16;

/// Questions about directories in one conversation: each goes at least one level deeper.
pub const OUTLINE_QUESTIONS_MAX: u8 = 8;

/// Directories in one question.
pub const OUTLINE_PATHS_MAX: usize = 256;

/// Bytes of all paths in one question, which is one frame.
pub const OUTLINE_QUESTION_BYTES_MAX: usize = 64 << 10;

/// Folders told of one directory; one with more is not told.
pub const OUTLINE_CHILDREN_MAX: usize = 1_000;

/// Bytes of an answer below which it goes on with what is asked next, unasked: two packets.
pub const OUTLINE_BYTES_AIM: usize = 2_500;

/// Bytes of an answer at which it ends; with the greatest block of names behind them they still fit one frame.
pub const OUTLINE_BYTES_MAX: usize = 256 << 10;

/// How often one conversation begins anew after two digests met in their short ids.
pub const REPEATS_MAX: u8 = 1;

/// Bytes of a message that is thrown away unread because its matches are false, for each entry of the peer's tree: far more
/// than honest records take.
pub const VOID_BYTES_EACH: u64 = 1_024;

/// Encoded records of one frame, unpacked. Ten times what a sender packs into one frame is a bomb, not a list.
pub const RECORDS_UNPACKED_MAX: usize = 4 << 20;

/// Encoded extra fields of one entry (link target, extended attributes): what fits a frame beside the longest path.
pub const EXTRA_BYTES_MAX: usize = 768 << 10;

/// Files asked for in one content request: 200,000 small files are then at least a hundred requests, which several streams
/// share evenly.
pub const WANTS_MAX: usize = 2_000;

/// Encoded content request: [`WANTS_MAX`] paths of usual length, or a few of the longest.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Ids of nodes in a question, and of pieces in a request: what fits the request beside the longest path. A receiver offers
/// a few thousand.
pub const OFFERED_MAX: usize = 100_000;

/// Nodes of one file that are told at once: 16 kB, and a GiB of a file in nodes of one MiB twice over.
pub const SURVEYED_MAX: u64 = 2_048;

/// Raw bytes of one content chunk, and its packed bytes: what a reader holds of a stream beside what it was given.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Longest text of a cause that a peer gives.
pub const CAUSE_BYTES_MAX: usize = 1_024;
