//! The canonical bytes of an entry's extra fields: the same in the index, on the wire and in digests.
//! Decoding survives arbitrary bytes and refuses everything but the canonical form.
//!
//! ```text
//! extra := (tag u8, value)*, tags ascending except that 2 repeats, sorted by name
//!   1 target: bytes | 2 xattr: bytes name, bytes value | 3 links: bytes | 4 device: u64 | 5 owner: bytes | 6 group: bytes
//!   | 7 versions: bytes
//! bytes := length u32 | the bytes
//! ```

use super::entry::{Extra, Xattr};

const TARGET: u8 = 1;
const XATTR: u8 = 2;
const LINKS: u8 = 3;
const DEVICE: u8 = 4;
const OWNER: u8 = 5;
const GROUP: u8 = 6;
const VERSIONS: u8 = 7;

impl Extra {
    /// Appends the canonical bytes; nothing where nothing is set.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Some(target) = &self.target {
            put(out, TARGET, target);
        }
        for xattr in &self.xattrs {
            put(out, XATTR, &xattr.name);
            put_bytes(out, &xattr.value);
        }
        if let Some(links) = &self.links {
            put(out, LINKS, links);
        }
        if self.device != 0 {
            out.push(DEVICE);
            out.extend_from_slice(&self.device.to_le_bytes());
        }
        if let Some(name) = &self.owner_name {
            put(out, OWNER, name.as_bytes());
        }
        if let Some(name) = &self.group_name {
            put(out, GROUP, name.as_bytes());
        }
        if let Some(versions) = &self.versions {
            put(out, VERSIONS, versions);
        }
    }

    /// Reads canonical bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Extra> {
        let mut extra = Extra::default();
        let mut rest = bytes;
        let mut last = 0;
        while let Some((&tag, after)) = rest.split_first() {
            rest = after;
            if tag < last || (tag == last && tag != XATTR) {
                return None;
            }
            last = tag;
            match tag {
                TARGET => extra.target = Some(take(&mut rest)?.into()),
                XATTR => {
                    let name: Box<[u8]> = take(&mut rest)?.into();
                    if extra.xattrs.last().is_some_and(|before| before.name >= name) {
                        return None;
                    }
                    extra.xattrs.push(Xattr { name, value: take(&mut rest)?.into() });
                }
                LINKS => extra.links = Some(take(&mut rest)?.into()),
                DEVICE => {
                    let (number, after) = rest.split_first_chunk::<8>()?;
                    rest = after;
                    extra.device = u64::from_le_bytes(*number);
                }
                OWNER => extra.owner_name = Some(std::str::from_utf8(take(&mut rest)?).ok()?.into()),
                GROUP => extra.group_name = Some(std::str::from_utf8(take(&mut rest)?).ok()?.into()),
                VERSIONS => extra.versions = Some(take(&mut rest)?.into()),
                _ => return None,
            }
        }
        (!bytes.is_empty() && (last != DEVICE || extra.device != 0)).then_some(extra)
    }
}

fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    put_bytes(out, value);
}

fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    let bytes = u32::try_from(value.len()).expect("kernel limits keep names and values far below 4 GiB");
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(value);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (value, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_fields_come_back() {
        let extra = Extra {
            target: Some((*b"a/b").into()),
            xattrs: vec![
                Xattr { name: (*b"user.a").into(), value: (*b"").into() },
                Xattr { name: (*b"user.b").into(), value: (*b"\0\xff").into() },
            ],
            links: Some((*b"x").into()),
            device: 259,
            owner_name: Some("root".into()),
            group_name: Some("wheel".into()),
            versions: Some((*b"v").into()),
        };
        let mut bytes = Vec::new();
        extra.encode(&mut bytes);
        assert_eq!(Extra::decode(&bytes), Some(extra));
        for end in 0..bytes.len() {
            if let Some(shorter) = Extra::decode(&bytes[..end]) {
                let mut again = Vec::new();
                shorter.encode(&mut again);
                assert_eq!(again, bytes[..end], "only canonical bytes decode");
            }
        }
    }
}
