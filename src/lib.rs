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
//! Where changes go both ways, each root is a *replica* with a memory. What its disk shows is [recorded](model::record) as
//! writes; two replicas compare what they [agreed](model::agreed) on before, in the same trees and the same conversation;
//! each [joins](model::join) on its own and comes to the same; and what is agreed on then is [projected](model::project) to
//! the listing that each disk shall show: from there on it is a mirror on either side.
//!
//! ```text
//!    scan ──► record ──► reconcile ──► join ──► project ──► plan ──► fetch ──► install      on both sides
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
//!     cli ──────► daemon       talks to people | runs jobs for ever
//!      └────┬──────┘
//!     sync                     one job from start to end; the only place where the parts meet
//!      ├──────┬──────┬──────┐
//!     disk  store   net   proto
//!      └──────┴──┬───┴──────┘
//!              model           what is true and what follows from it
//! ```
//!
//! | layer | owns | never contains |
//! |---|---|---|
//! | [`model`] | path, digest, entry, listing, tree, dot, knowledge, join, projection, plan | file, socket, clock, random source, thread, async |
//! | [`proto`] | messages and conversations between peers, bytes in and bytes out | the same |
//! | [`disk`] | the user's directory: walk, hash, stage, install | async, QUIC, printing |
//! | [`store`] | what this machine remembers: the index of a root, a replica's memory | async, QUIC, printing |
//! | [`net`] | QUIC, ssh and keys behind one kind of link; a device among others | files, the meaning of messages |
//! | [`sync`] | a job from start to end | QUIC types, clap, printing |
//! | [`daemon`] | shares and members, when whom to meet, the socket of commands | printing, clap |
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
//! | *replica* | a root with a memory, in its `.alike`: what it has seen, and what it agreed on with others |
//! | *dot* | the name of one write: the replica that wrote, and a number |
//! | *knowledge* | the set of all writes that a replica has seen |
//! | *sibling*, *version* | one of several writes of a path of which none knew of the other |
//! | *copy* | a version that stands beside the plain name, as `name.conflict-1a2b3c4d.ext` |
//! | *witness* | what a path showed when it was last looked at, and the writes that this stood for |
//! | *era* | what a memory wrote between one opening and the next: tells restored and cloned memories from the original |
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
//! - What one replica wrote is superseded only by those who had seen it; everything else is kept beside it.
//! - Exit status 0 means alike and durable.
//!
//! # Where to start
//!
//! [`sync::mirror::run`] is the main job on one screen, [`sync::twoway::run`] the one that goes both ways. From there [`model::plan`] decides, [`disk`] acts. The binary
//! only calls [`cli::run`].

pub mod cli;
pub mod daemon;
pub mod disk;
pub mod model;
pub mod net;
pub mod proto;
pub mod store;
pub mod sync;
