//! Relative paths as bytes, in tree order. Owns what a legal path is and how two compare; never touches a file system.
//!
//! Tree order takes `/` as the lowest byte, so a directory and everything below it are one contiguous range.

use std::cmp::Ordering;
use std::fmt;

/// Longest path in bytes that the formats can hold.
pub const PATH_BYTES_MAX: usize = u16::MAX as usize;
/// Longest name of one component in bytes, as on every Linux file system.
pub const NAME_BYTES_MAX: usize = 255;

/// Why bytes are not a relative path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path, or one of its components, is empty.
    #[error("an empty name")]
    Empty,
    /// A component is `.` or `..`.
    #[error("a `.` or `..` component")]
    Dots,
    /// A NUL byte.
    #[error("a NUL byte")]
    Nul,
    /// Longer than [`PATH_BYTES_MAX`], or a component longer than [`NAME_BYTES_MAX`].
    #[error("a name that is too long")]
    TooLong,
}

/// A borrowed legal relative path; ordered in tree order. The empty path stands for the root itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathRef<'a>(&'a [u8]);

/// An owned legal relative path; ordered in tree order. The empty path stands for the root itself.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RelPath(Box<[u8]>);

impl<'a> PathRef<'a> {
    /// The root itself.
    pub const ROOT: PathRef<'static> = PathRef(b"");

    /// Checks `bytes` and borrows them as a path.
    pub fn new(bytes: &'a [u8]) -> Result<PathRef<'a>, PathError> {
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if !bytes.is_empty() {
            bytes.split(|&b| b == b'/').try_for_each(check_name)?;
        }
        Ok(PathRef(bytes))
    }

    /// Borrows bytes that are known to be a legal path: they come from a [`RelPath`] or from a checked listing.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> PathRef<'a> {
        PathRef(bytes)
    }

    /// The bytes, without a leading or trailing slash.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether this is the root itself.
    pub const fn is_root(self) -> bool {
        self.0.is_empty()
    }

    /// The last component; empty for the root.
    pub fn name(self) -> &'a [u8] {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => self.0,
        }
    }

    /// The directory that holds this path; `None` for the root itself.
    pub fn parent(self) -> Option<PathRef<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(PathRef(&self.0[..end]))
    }

    /// Number of components; 0 for the root.
    pub fn depth(self) -> usize {
        if self.0.is_empty() { 0 } else { 1 + self.0.iter().filter(|&&b| b == b'/').count() }
    }

    /// Whether this path lies strictly below `ancestor`.
    pub fn is_below(self, ancestor: PathRef<'_>) -> bool {
        match self.0.strip_prefix(ancestor.0) {
            Some(rest) => {
                if ancestor.is_root() {
                    !rest.is_empty()
                } else {
                    rest.first() == Some(&b'/')
                }
            }
            None => false,
        }
    }

    /// The components from the top down.
    pub fn components(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|&b| b == b'/').filter(|name| !name.is_empty())
    }

    /// An owned copy.
    pub fn to_owned(self) -> RelPath {
        RelPath(self.0.into())
    }
}

impl RelPath {
    /// Checks `bytes` and owns them as a path.
    pub fn new(bytes: &[u8]) -> Result<RelPath, PathError> {
        PathRef::new(bytes).map(PathRef::to_owned)
    }

    /// Borrows the path.
    pub fn as_ref(&self) -> PathRef<'_> {
        PathRef(&self.0)
    }

    /// The bytes, without a leading or trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// This path with one more component.
    pub fn join(&self, name: &[u8]) -> Result<RelPath, PathError> {
        check_name(name)?;
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        Ok(RelPath(bytes.into()))
    }
}

/// Checks one component.
pub fn check_name(name: &[u8]) -> Result<(), PathError> {
    match name {
        b"" => Err(PathError::Empty),
        b"." | b".." => Err(PathError::Dots),
        _ if name.len() > NAME_BYTES_MAX => Err(PathError::TooLong),
        _ if name.contains(&0) => Err(PathError::Nul),
        _ if name.contains(&b'/') => Err(PathError::Empty),
        _ => Ok(()),
    }
}

/// Compares two paths in tree order.
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let at = common_bytes(left, right);
    match (left.get(at), right.get(at)) {
        // No legal path holds a NUL, so `/` can take its place as the lowest byte.
        (Some(&left), Some(&right)) => rank(left).cmp(&rank(right)),
        _ => left.len().cmp(&right.len()),
    }
}

/// How many bytes two paths have in common at their start, eight at a time: neighbours in a deep tree share nearly all.
fn common_bytes(left: &[u8], right: &[u8]) -> usize {
    let words = left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0);
    let start = 8 * words.take_while(|(left, right)| left == right).count();
    start + left[start..].iter().zip(&right[start..]).take_while(|(left, right)| left == right).count()
}

const fn rank(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}

impl Ord for PathRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0, other.0)
    }
}

impl PartialOrd for PathRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Shows the path with control bytes and bytes that are not UTF-8 escaped, so that a name cannot drive a terminal.
impl fmt::Display for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\\' || c.is_control() || turns(c) {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that turn the direction of what is written after them: a name could make a line read as another.
const fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).expect("a legal path")
    }

    #[test]
    fn a_directory_and_what_is_below_it_are_contiguous() {
        let mut paths: Vec<RelPath> = ["a.txt", "a/b", "a-b", "a", "a/b/c", "b", "a/b.c"].map(path).into();
        paths.sort();
        let shown: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a", "a/b", "a/b/c", "a/b.c", "a-b", "a.txt", "b"]);
    }

    #[test]
    fn long_paths_differ_at_the_first_byte_that_differs() {
        for shared in 0..20 {
            let shared = "x".repeat(shared);
            let (slash, minus) = (format!("{shared}/z"), format!("{shared}-"));
            assert_eq!(compare(slash.as_bytes(), minus.as_bytes()), Ordering::Less, "{slash}");
            assert_eq!(compare(shared.as_bytes(), minus.as_bytes()), Ordering::Less);
            assert_eq!(compare(minus.as_bytes(), minus.as_bytes()), Ordering::Equal);
        }
    }

    #[test]
    fn illegal_paths_are_refused() {
        for bad in [&b"/a"[..], b"a/", b"a//b", b"..", b"a/../b", b"./a", b"a\0b"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RelPath::new(&[b'x'; 256]), Err(PathError::TooLong));
    }

    #[test]
    fn control_bytes_are_escaped_when_shown() {
        let path = RelPath::new(b"a\x1b[31m\n\xff\\b\xe2\x80\xae").expect("legal");
        assert_eq!(path.to_string(), "a\\u{1b}[31m\\n\\xff\\\\b\\u{202e}");
    }

    #[test]
    fn below_is_strict_and_by_component() {
        assert!(path("a/b").as_ref().is_below(path("a").as_ref()));
        assert!(!path("ab").as_ref().is_below(path("a").as_ref()));
        assert!(!path("a").as_ref().is_below(path("a").as_ref()));
        assert!(path("a").as_ref().is_below(PathRef::ROOT));
    }
}
