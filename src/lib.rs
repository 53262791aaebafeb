//! `alike` makes directories alike across machines, and keeps them so.
//!
//! A root is walked and hashed into a flat, sorted [listing](model::listing) of entries; a [Merkle tree](model::tree) over
//! it makes two roots comparable by a few digests; a pure [planner](model::plan) turns the difference into one action a
//! path; and the actions are staged, made durable and put in place by rename.
//!
//! ```text
//!    source root                                                   target root
//!    ┌──────────┐  walk, hash   ┌─────────┐         ┌─────────┐    ┌──────────┐
//!    │ files    │ ────────────► │ listing │         │ listing │ ◄──│ files    │
//!    └────┬─────┘               │ + tree  │         │ + tree  │    └────▲─────┘
//!         │                     └────┬────┘         └────┬────┘         │
//!         │                          │  digests, records │              │
//!         │                          └───────► ◄─────────┘              │
//!         │                              reconcile                      │
//!         │                                  │                          │
//!         │                                plan ──► (a dry run prints)  │
//!         │  bytes that are nowhere yet      │                          │
//!         └──────────────────────────────► fetch ──► stage ──► install ─┘
//! ```
//!
//! The same four steps run whether the roots are on one machine or two. Between machines, ssh starts `alike serve
//! --stdio` on the far side, and the conversation runs over QUIC, or over the ssh pipe where UDP is blocked.
//!
//! # The layers
//!
//! Arrows point downwards only; `tests/tidy.rs` keeps it so.
//!
//! ```text
//!     cli                      talks to people
//!      │
//!     sync                     one job from start to end; the only place where the parts meet
//!      ├──────┬──────┬──────┐
//!     disk  store   net   proto
//!      └──────┴──┬───┴──────┘
//!              model           what is true and what follows from it
//! ```
//!
//! | layer | owns | never contains |
//! |---|---|---|
//! | [`model`] | path, digest, entry, listing, tree, plan | file, socket, clock, random source, thread, async |
//! | [`proto`] | messages and conversations between peers, bytes in and bytes out | the same |
//! | [`disk`] | the user's directory: walk, hash, stage, install | async, QUIC, printing |
//! | [`store`] | what this machine remembers: the index of a root | async, QUIC, printing |
//! | [`net`] | QUIC, ssh and keys behind one kind of link | files, the meaning of messages |
//! | [`sync`] | a job from start to end | QUIC types, clap, printing |
//! | [`cli`] | arguments, output, exit status | decisions about files |
//!
//! # The words
//!
//! | word | meaning |
//! |---|---|
//! | *root* | a directory that is made alike; itself not an entry |
//! | *entry* | what a path holds: kind, content and metadata |
//! | *listing* | all entries of a root, sorted |
//! | *top* | the highest digest of a root's tree: equal tops, equal roots |
//! | *lane* | a choice of entry fields that a digest covers |
//! | *stamp* | what stat said when a file was hashed: an equal stamp that is old enough saves the hash |
//! | *index* | listing and stamps of a root, kept in the user's cache directory between runs |
//! | *plan*, *action* | what is to be done; one action a path |
//! | *source*, *target* | the two ends of a mirror; in reports *left* and *right* |
//! | *peer* | another machine's process |
//! | *problem* | one path failed, the job goes on |
//! | *error* | the job failed |
//! | *violation* | the peer broke the protocol |
//!
//! # What always holds
//!
//! - A source is never written to.
//! - A path of the target holds its old or its new content at every instant, never a mix and never nothing.
//! - What is replaced or deleted goes to the trash first.
//! - What could not be read is never taken for absent.
//! - Nothing outside a root is read or written for a peer, and nothing that a peer sends can crash or exhaust us.
//! - Exit status 0 means alike and durable.
//!
//! # Where to start
//!
//! [`sync::mirror::run`] is the main job on one screen. From there [`model::plan`] decides, [`disk`] acts. The binary
//! only calls [`cli::run`].

pub mod cli;
pub mod disk;
pub mod model;
pub mod net;
pub mod proto;
pub mod store;
pub mod sync;
