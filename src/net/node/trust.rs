//! Who is let in: the allow-list, checked within the handshake, in both directions, before any byte of a stream.
//!
//! One client configuration serves a whole process: the key that is expected stands in the server's name, which is never sent.
//! Each handshake of a peer gets a door of its own, so that a key that is not let in can be reported with its address.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::key::{DeviceKey, PublicKey};
use super::pair::Invitations;
use crate::net::raw_keys::{Admits, RawKeys};
use crate::net::tls::suites;

/// The protocol between members.
const MEMBERS: &[u8] = b"alike-node/1";
/// The protocol between one that invites and one that joins: spoken only while an invitation is open.
const PAIRING: &[u8] = b"alike-pair/1";

/// Whom we let in, now.
#[derive(Debug, Default)]
pub(super) struct Trust {
    members: RwLock<BTreeSet<PublicKey>>,
    invitations: Mutex<Invitations>,
}

impl Trust {
    pub(super) fn allows(&self, key: &PublicKey) -> bool {
        self.members.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    pub(super) fn replace(&self, keys: BTreeSet<PublicKey>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(super) fn invitations(&self) -> MutexGuard<'_, Invitations> {
        self.invitations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`client`] makes, for one who holds a ticket. The verifier stays the one of the process.
pub(super) fn joining(client: &rustls::ClientConfig) -> rustls::ClientConfig {
    let mut config = client.clone();
    config.alpn_protocols = vec![PAIRING.to_vec()];
    config
}

/// Whether a connection is spoken in for pairing.
pub(super) fn is_pairing(protocol: Option<&[u8]>) -> bool {
    protocol == Some(PAIRING)
}

/// TLS for dialling anybody: see [`server_name`].
pub(super) fn client(key: &DeviceKey) -> Result<rustls::ClientConfig, rustls::Error> {
    let resolver = rustls::client::AlwaysResolvesClientRawPublicKeys::new(key.certified());
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(suites()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RawKeys(Expected)))
        .with_client_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![MEMBERS.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    // Whom we look for is nobody's business on the way.
    config.enable_sni = false;
    Ok(config)
}

/// The name under which `key` is dialled: the key itself, for [`Expected`].
pub(super) fn server_name(key: &PublicKey) -> String {
    key.to_string()
}

/// Lets in the key that the server's name says.
#[derive(Debug)]
struct Expected;

impl Admits for Expected {
    fn shown(&self, key: &[u8; 32], server: Option<&str>) -> bool {
        server.and_then(|name| name.parse().ok()) == Some(PublicKey(*key))
    }
}

/// The door of one handshake: shows our key, and lets in whom the list allows.
#[derive(Debug)]
pub(super) struct Door {
    trust: Arc<Trust>,
    certified: Arc<CertifiedKey>,
    stranger: OnceLock<PublicKey>,
    /// Whether the caller wants nothing but to join.
    joins: OnceLock<bool>,
}

impl Door {
    pub(super) fn new(trust: &Arc<Trust>, key: &DeviceKey) -> Arc<Self> {
        Arc::new(Self {
            trust: trust.clone(),
            certified: key.certified(),
            stranger: OnceLock::new(),
            joins: OnceLock::new(),
        })
    }

    /// Whether the caller came to join, and nothing else.
    pub(super) fn joins(&self) -> bool {
        self.joins.get().is_some_and(|joins| *joins)
    }

    /// Who proved to have a key that is not let in.
    pub(super) fn stranger(&self) -> Option<PublicKey> {
        self.stranger.get().copied()
    }

    /// TLS for this one handshake.
    pub(super) fn server(self: &Arc<Self>) -> Result<rustls::ServerConfig, rustls::Error> {
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(suites()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(RawKeys(self.clone())))
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![MEMBERS.to_vec()];
        if self.trust.invitations().any() {
            config.alpn_protocols.push(PAIRING.to_vec());
        }
        // Nothing is resumed: each connection proves its key anew, and so a forgotten one is out at once.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(config)
    }
}

impl ResolvesServerCert for Door {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let joins = hello.alpn().is_some_and(|mut offered| offered.all(|protocol| protocol == PAIRING));
        // Asked once a handshake.
        let _ = self.joins.set(joins);
        Some(self.certified.clone())
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

impl Admits for Arc<Door> {
    /// The list is asked when the key is proven: only who has a key is worth a report.
    fn shown(&self, _key: &[u8; 32], _server: Option<&str>) -> bool {
        true
    }

    fn proven(&self, key: &[u8; 32]) -> bool {
        if self.joins() {
            // Anybody may try to prove that it was invited, while somebody is.
            return self.trust.invitations().any();
        }
        let key = PublicKey(*key);
        if self.trust.allows(&key) {
            return true;
        }
        // Asked once a handshake.
        let _ = self.stranger.set(key);
        false
    }
}
