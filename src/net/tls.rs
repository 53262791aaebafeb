//! Who is who: raw Ed25519 keys both ways (RFC 7250) in TLS 1.3, and exactly one key that is let in. No certificate, no resumption,
//! no 0-RTT.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

/// The one protocol that is spoken in a connection.
const ALPN: &[u8] = b"alike/1";
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
pub(super) const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key.
pub(super) type PublicKey = [u8; 32];

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
            .with_custom_certificate_verifier(OnlyKey::new(peer))
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
            .with_client_cert_verifier(OnlyKey::new(peer))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Tickets would cost bytes in every run, and no key of ours is used twice.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(config)
    }
}

pub(super) fn spki(key: &PublicKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], key].concat()
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

/// Lets in exactly one key. The check is in the handshake, so it comes before any byte of a stream.
#[derive(Debug)]
struct OnlyKey {
    spki: Vec<u8>,
}

impl OnlyKey {
    fn new(key: &PublicKey) -> Arc<Self> {
        Arc::new(Self { spki: spki(key) })
    }

    fn check(&self, shown: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        // Public keys: the time of the comparison tells nothing that is secret.
        if shown.as_ref() == self.spki {
            return Ok(());
        }
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
    }

    fn signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check(shown)?;
        signed(message, shown, signature)
    }
}

/// Whether whoever shows a key has signed with it.
pub(super) fn signed(
    message: &[u8],
    shown: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
    let algorithms = provider::default_provider().signature_verification_algorithms;
    verify_tls13_signature_with_raw_key(message, &key, signature, &algorithms)
}

/// TLS 1.2 is never offered.
pub(super) fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
}

impl ServerCertVerifier for OnlyKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for OnlyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
