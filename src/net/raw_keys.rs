//! The handshake's check of raw Ed25519 keys (RFC 7250), the same for both directions: what differs is who is let in.
//!
//! The check is in the handshake, so it comes before any byte of a stream.

use std::fmt::Debug;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key.
pub(super) type PublicKey = [u8; 32];

/// A key as it is shown in the handshake.
pub(super) fn spki(key: &PublicKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], key].concat()
}

/// Who is let in. A key must pass both questions.
pub(super) trait Admits: Debug + Send + Sync + 'static {
    /// A peer shows `key`, which may not be its own. `server` is the name under which we dialled, if it was we who did.
    fn shown(&self, key: &PublicKey, server: Option<&str>) -> bool;

    /// The peer has proven that `key` is its own.
    fn proven(&self, _key: &PublicKey) -> bool {
        true
    }
}

/// Checks keys, and asks who is let in.
#[derive(Debug)]
pub(super) struct RawKeys<A>(pub(super) A);

impl<A: Admits> RawKeys<A> {
    fn look(&self, shown: &CertificateDer<'_>, server: Option<&str>) -> Result<(), Error> {
        let key = key_in(shown).ok_or_else(refused)?;
        if self.0.shown(&key, server) { Ok(()) } else { Err(refused()) }
    }

    fn prove(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider::default_provider().signature_verification_algorithms;
        let info = SubjectPublicKeyInfoDer::from(shown.as_ref());
        let valid = verify_tls13_signature_with_raw_key(message, &info, signature, &algorithms)?;
        let key = key_in(shown).ok_or_else(refused)?;
        if self.0.proven(&key) { Ok(valid) } else { Err(refused()) }
    }
}

fn refused() -> Error {
    Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure)
}

/// The key within what a peer shows; `None` where that is no key of Ed25519.
pub(super) fn key_in(shown: &[u8]) -> Option<PublicKey> {
    shown.strip_prefix(&SPKI_PREFIX[..])?.try_into().ok()
}

/// TLS 1.2 is never offered.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
}

impl<A: Admits> ServerCertVerifier for RawKeys<A> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.look(end_entity, Some(&server_name.to_str())).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.prove(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl<A: Admits> ClientCertVerifier for RawKeys<A> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.look(end_entity, None).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.prove(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
