//! Moves bytes between machines: QUIC and the ssh pipe behind one kind of link. The only layer that names quinn and rustls.

/// Why bytes do not move.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer was lost in the middle (exit 10).
    #[error("lost the connection to `{peer}`")]
    Lost {
        /// Which peer.
        peer: String,
    },
}
