//! The proof that a side knows the ticket's secret, here and now, to this peer.
//!
//! Keyed BLAKE3 under a key that is derived from the secret, of: who proves, what TLS exports of this connection, the key that joins,
//! the key that invites, and the digest of what is said with it. What TLS exports differs on the two sides of anybody in between, so a
//! proof that is passed on is worth nothing.

use super::super::key::PublicKey;
use super::super::ticket::Secret;

/// Bytes of a proof.
pub(super) const PROOF: usize = 32;
/// What the key is derived under.
const KEY: &str = "alike 2026 pairing: the key of the proofs";
/// What TLS exports it under.
const LABEL: &[u8] = b"EXPORTER-alike-pairing-1";

/// Who proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Joins,
    Invites,
}

/// The connection that a proof is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bond {
    exported: [u8; 32],
    joins: PublicKey,
    invites: PublicKey,
}

impl Bond {
    /// `None` where the connection has ended.
    pub(super) fn of(connection: &quinn::Connection, joins: PublicKey, invites: PublicKey) -> Option<Self> {
        let mut exported = [0; 32];
        connection.export_keying_material(&mut exported, LABEL, b"").ok()?;
        Some(Self { exported, joins, invites })
    }

    /// What `role` proves with, saying `said`.
    pub(super) fn proof(&self, secret: &Secret, role: Role, said: &[u8]) -> [u8; PROOF] {
        *self.digest(secret, role, said).as_bytes()
    }

    /// Whether a proof is the right one. Takes as long for any other.
    pub(super) fn holds(&self, secret: &Secret, role: Role, (proof, said): (&[u8; PROOF], &[u8])) -> bool {
        self.digest(secret, role, said) == *proof
    }

    /// The comparison of such a digest takes the same time wherever it differs.
    fn digest(&self, secret: &Secret, role: Role, said: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key(KEY, &secret.0));
        hasher.update(match role {
            Role::Joins => b"joins   ",
            Role::Invites => b"invites ",
        });
        hasher.update(&self.exported);
        hasher.update(&self.joins.0);
        hasher.update(&self.invites.0);
        hasher.update(blake3::hash(said).as_bytes());
        hasher.finalize()
    }
}

/// A frame: the proof, then what is said.
pub(super) fn frame(proof: &[u8; PROOF], said: &[u8]) -> Vec<u8> {
    [&proof[..], said].concat()
}

#[cfg(test)]
mod laws {
    use super::*;

    #[test]
    fn a_proof_holds_for_nothing_else() {
        let bond = Bond { exported: [1; 32], joins: PublicKey([2; 32]), invites: PublicKey([3; 32]) };
        let secret = Secret([4; 16]);
        let proof = bond.proof(&secret, Role::Joins, b"said");
        assert!(bond.holds(&secret, Role::Joins, (&proof, b"said")));
        assert!(!bond.holds(&Secret([5; 16]), Role::Joins, (&proof, b"said")));
        assert!(!bond.holds(&secret, Role::Invites, (&proof, b"said")), "it cannot be sent back");
        assert!(!bond.holds(&secret, Role::Joins, (&proof, b"else")));
        let others = [
            Bond { exported: [9; 32], ..bond },
            Bond { joins: PublicKey([9; 32]), ..bond },
            Bond { invites: PublicKey([9; 32]), ..bond },
        ];
        assert!(others.iter().all(|other| !other.holds(&secret, Role::Joins, (&proof, b"said"))));
    }
}
