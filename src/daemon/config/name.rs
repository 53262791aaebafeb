//! The name of a share: short, plain, and safe as a file's name, a word of a shell and a part of an address.

use std::fmt;
use std::str::FromStr;

/// The most bytes of a name.
const BYTES_MAX: usize = 64;

/// A share's name on this machine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShareName(String);

impl ShareName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShareName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ShareName, &'static str> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || text.len() > BYTES_MAX || !text.bytes().all(legal) {
            return Err("a name takes up to 64 letters, digits, `-`, `_` and `.`, and begins with a letter or a digit");
        }
        Ok(ShareName(text.into()))
    }
}

impl TryFrom<String> for ShareName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<ShareName, &'static str> {
        text.parse()
    }
}

impl From<ShareName> for String {
    fn from(name: ShareName) -> String {
        name.0
    }
}

impl fmt::Display for ShareName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ShareName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_wherever_it_is_written() {
        for right in ["docs", "a", "2026", "My_docs-2.old"] {
            assert_eq!(right.parse::<ShareName>().map(|name| name.to_string()), Ok(right.into()));
        }
        for wrong in ["", ".", "..", "-x", ".x", "a/b", "a b", "a\nb", "\u{e4}", "a\"", &"a".repeat(65)] {
            assert!(wrong.parse::<ShareName>().is_err(), "{wrong:?}");
        }
    }
}
