//! Reading and writing of plain fields. Owns the variable-length number: seven bits a byte, lowest first, shortest form.

use super::violation::Violation;

/// Reads fields from the front of a slice.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// What is read, for the violation.
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { rest: bytes, what }
    }

    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub const fn malformed(&self) -> Violation {
        Violation::Malformed(self.what)
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Violation::Short(self.what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Violation::Short(self.what))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Violation> {
        self.array().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, Violation> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn number(&mut self) -> Result<u64, Violation> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                // One number, one form: equal messages have equal bytes.
                return if byte == 0 && shift > 0 { Err(self.malformed()) } else { Ok(number) };
            }
        }
        Err(self.malformed())
    }

    /// A number of things of which each takes at least `bytes_each` of what remains, and of which at most `limit` may come.
    pub fn count(&mut self, bytes_each: usize, limit: u64) -> Result<usize, Violation> {
        let number = self.number()?;
        if number > limit {
            return Err(Violation::Limit { what: self.what, limit });
        }
        let count = usize::try_from(number).map_err(|_| self.malformed())?;
        if count.checked_mul(bytes_each).is_none_or(|bytes| bytes > self.rest.len()) {
            return Err(Violation::Short(self.what));
        }
        Ok(count)
    }

    pub fn finish(&self) -> Result<(), Violation> {
        if self.rest.is_empty() { Ok(()) } else { Err(Violation::Trailing(self.what)) }
    }
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A signed number as an unsigned one that is small where the signed one is near zero.
pub const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

/// The signed number of a [`zigzag`].
pub const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_only_in_their_shortest_form() {
        for number in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut reader = Reader::new(&bytes, "number");
            assert_eq!(reader.number(), Ok(number));
            assert!(reader.is_empty());
            assert!(Reader::new(&bytes[..bytes.len() - 1], "number").number().is_err());
        }
        assert!(Reader::new(&[0x80, 0], "number").number().is_err());
        assert!(Reader::new(&[0xff; 11], "number").number().is_err());
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(number)), number);
        }
    }
}
