//! Base32 (RFC 4648, lower case, without padding): how keys and tickets are written. Each text has one form only.

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The bytes in base32.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(length(bytes.len()));
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(five: u32) -> char {
    char::from(ALPHABET[(five & 31) as usize])
}

/// How many letters so many bytes take.
fn length(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// The bytes of a text; upper case is taken for lower case. `None` where it is not the form of any bytes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0);
    for letter in text.bytes() {
        held = (held << 5 | value(letter)?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    let left = held & ((1 << bits) - 1);
    (left == 0 && length(bytes.len()) == text.len()).then_some(bytes)
}

fn value(letter: u8) -> Option<u32> {
    match letter.to_ascii_lowercase() {
        letter @ b'a'..=b'z' => Some(u32::from(letter - b'a')),
        digit @ b'2'..=b'7' => Some(u32::from(digit - b'2') + 26),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        let vectors =
            [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb")];
        for (plain, text) in vectors {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(decode("MZXW6"), Some(b"foo".to_vec()));
    }

    #[test]
    fn what_no_bytes_look_like_is_refused() {
        for text in ["m", "mz1", "mz=", "mzx", "mz", "é"] {
            assert!(decode(text).is_none_or(|bytes| encode(&bytes) == text), "{text}");
        }
        assert_eq!(decode("mz"), None, "the last letter has bits of no byte");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
