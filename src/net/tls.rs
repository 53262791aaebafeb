//! Who is who: raw Ed25519 keys both ways (RFC 7250) in TLS 1.3, and exactly one key that is let in. No certificate, no resumption,
//! no 0-RTT.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::raw_keys::{Admits, PublicKey, RawKeys, spki};

/// The one protocol that is spoken in a connection.
const ALPN: &[u8] = b"alike/1";

/// Our key of one run.
pub(super) struct Identity {
    pub(super) public: PublicKey,
    certified: Arc<CertifiedKey>,
}

/// The system gave no randomness, or the library refused its own key.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no key")]
pub(super) struct NoKey;

impl Identity {
    /// A new random key.
    pub(super) fn new() -> Result<Self, NoKey> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| NoKey)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| NoKey)?;
        let public: PublicKey = pair.public_key().as_ref().try_into().map_err(|_| NoKey)?;
        let der = PrivatePkcs8KeyDer::from(document.as_ref().to_vec());
        let signing = provider::sign::any_eddsa_type(&der).map_err(|_| NoKey)?;
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki(&public))], signing));
        Ok(Self { public, certified })
    }

    /// TLS for the side that dials `peer`.
    pub(super) fn client(&self, peer: &PublicKey) -> Result<rustls::ClientConfig, rustls::Error> {
        let resolver = rustls::client::AlwaysResolvesClientRawPublicKeys::new(self.certified.clone());
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(suites()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(RawKeys(OnlyKey(*peer))))
            .with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// TLS for the side that `peer` dials.
    pub(super) fn server(&self, peer: &PublicKey) -> Result<rustls::ServerConfig, rustls::Error> {
        let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(self.certified.clone());
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(suites()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(RawKeys(OnlyKey(*peer))))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Tickets would cost bytes in every run, and no key of ours is used twice.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(config)
    }
}

/// AES-128 first where the processor has it (ChaCha costs 40 % there); one key exchange, so that one key share is sent.
pub(super) fn suites() -> CryptoProvider {
    let aes = provider::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let chacha = provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    CryptoProvider {
        cipher_suites: if has_aes() { vec![aes, chacha] } else { vec![chacha, aes] },
        kx_groups: vec![provider::kx_group::X25519],
        ..provider::default_provider()
    }
}

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}

/// Lets in exactly one key.
#[derive(Debug)]
struct OnlyKey(PublicKey);

impl Admits for OnlyKey {
    fn shown(&self, key: &PublicKey, _server: Option<&str>) -> bool {
        // Public keys: the time of the comparison tells nothing that is secret.
        *key == self.0
    }
}
