//! The key of a device: its name in the cluster, and the proof that it is who it says.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::crypto::ring as provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::base32;
use crate::net::Error;
use crate::net::raw_keys::spki;

/// What stands before the 32 bytes of a seed in a PKCS #8 document (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Letters of the form that people compare by eye. Never decides anything.
const SHORT: usize = 8;

/// The public key of a device: 32 bytes of Ed25519, written in base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// Not the text of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device key has 52 letters and digits, a to z and 2 to 7")]
pub struct NoPublicKey;

impl PublicKey {
    /// The first letters: for people, who see it beside a name.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHORT);
        text
    }

    /// A name that only who knows the key can tell whose it is: for what is said to everybody on a network.
    pub fn alias(&self) -> String {
        let digest = blake3::derive_key("alike 2026 the name of a device on its network", &self.0);
        base32::encode(&digest[..15])
    }

    /// Whether this device has signed a message.
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&base32::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.short())
    }
}

impl FromStr for PublicKey {
    type Err = NoPublicKey;

    fn from_str(text: &str) -> Result<Self, NoPublicKey> {
        let bytes = base32::decode(text).ok_or(NoPublicKey)?;
        bytes.try_into().map(Self).map_err(|_| NoPublicKey)
    }
}

/// As text where the format is for people, else as its bytes.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The secret key of this device. Made once from 32 random bytes that the caller keeps.
#[derive(Clone)]
pub struct DeviceKey {
    public: PublicKey,
    seed: [u8; 32],
    certified: Arc<CertifiedKey>,
}

impl DeviceKey {
    /// The key of a seed: the same for ever.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, Error> {
        let refused = |_| Error::System { step: "use the device key", source: std::io::Error::other("refused") };
        let document = [&PKCS8_PREFIX[..], &seed].concat();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(refused)?;
        let public = PublicKey(pair.public_key().as_ref().try_into().expect("a key of Ed25519 has 32 bytes"));
        let signing = provider::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(document))
            .map_err(|error| Error::System { step: "use the device key", source: std::io::Error::other(error) })?;
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki(&public.0))], signing));
        Ok(Self { public, seed, certified })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message. What it means, and for whom, is to be in it.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let pair = Ed25519KeyPair::from_seed_unchecked(&self.seed).expect("the key was made of this seed before");
        pair.sign(message).as_ref().try_into().expect("a signature of Ed25519 has 64 bytes")
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    /// Another secret of this device, the same for ever, that tells nothing of the key.
    pub(super) fn derived(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, &self.seed)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("DeviceKey").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_key_and_its_text_comes_back() {
        let key = DeviceKey::from_seed([7; 32]).expect("a key").public();
        assert_eq!(key, DeviceKey::from_seed([7; 32]).expect("a key").public());
        assert_ne!(key, DeviceKey::from_seed([8; 32]).expect("a key").public());
        let text = key.to_string();
        assert_eq!(text.len(), 52);
        assert_eq!(text.parse(), Ok(key));
        assert!(text.starts_with(&key.short()) && key.short().len() == 8);
        assert_eq!(text.replace('a', "0").parse::<PublicKey>().is_ok(), !text.contains('a'));
        assert_eq!(text[1..].parse::<PublicKey>(), Err(NoPublicKey));
    }

    #[test]
    fn a_signature_holds_for_one_key_and_one_message() {
        let (key, other) = ([7, 8].map(|seed| DeviceKey::from_seed([seed; 32]).expect("a key"))).into();
        let signature = key.sign(b"said");
        assert!(key.public().has_signed(b"said", &signature));
        assert!(!key.public().has_signed(b"else", &signature));
        assert!(!other.public().has_signed(b"said", &signature));
    }

    #[test]
    fn the_secret_is_never_printed() {
        let key = DeviceKey::from_seed([7; 32]).expect("a key");
        assert_eq!(format!("{key:?}"), format!("DeviceKey({})", key.public().short()));
    }

    #[test]
    fn a_key_is_text_for_people_and_bytes_for_machines() {
        let key = PublicKey([9; 32]);
        assert_eq!(serde_json::to_string(&key).expect("written"), format!("\"{key}\""));
        assert_eq!(serde_json::from_str::<PublicKey>(&format!("\"{key}\"")).expect("read"), key);
        assert!(serde_json::from_str::<PublicKey>("\"nonsense\"").is_err());
        assert_eq!(postcard::to_stdvec(&key).expect("written"), key.0);
    }
}
