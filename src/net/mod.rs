//! Moves bytes between machines: QUIC and the ssh pipe behind one kind of link. The only layer that names quinn and rustls.
