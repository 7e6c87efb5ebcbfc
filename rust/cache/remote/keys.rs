//! Names on the server: values under the prefix and their own name, locks and counters beside them.
//!
//! | what | its name |
//! |---|---|
//! | a value | prefix, key |
//! | a lock, with its last token | prefix, `\0lyger:lock:{tag}`, name |
//! | a counter of a rate limit | prefix, `\0lyger:rate:{tag}`, name |
//! | who makes a value (single flight) | prefix, `\0lyger:flight:{tag}`, key |
//! | a session's data | prefix, `\0lyger:session:{tag}`, id |
//! | who has a session open | prefix, `\0lyger:opened:{tag}`, id |
//!
//! No value can have such a name: a prefix has no NUL, and a key that begins with `\0lyger` is refused. The tag puts each of
//! them into the hash slot of the value of the same name, so that a cluster can change them together.

use std::borrow::Cow;

use super::error::Error;
use crate::cache::VALUE_BYTES_MAX;

const RESERVED: &[u8] = b"\0lyger";
/// A cluster has so many hash slots.
pub(super) const SLOTS: u16 = 16384;

/// What is kept beside values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beside {
    Lock,
    Rate,
    Flight,
    Session,
    Opened,
}

impl Beside {
    fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Rate => "rate",
            Self::Flight => "flight",
            Self::Session => "session",
            Self::Opened => "opened",
        }
    }
}

/// Whether a text can stand before all keys: with an open `{` in it, what is beside a value would be in another slot.
pub(super) fn is_prefix(prefix: &[u8]) -> bool {
    !prefix.contains(&0) && (!prefix.contains(&b'{') || hash_tag(prefix).is_some())
}

/// The name of a value.
pub(super) fn value(prefix: &[u8], key: &[u8]) -> Result<Vec<u8>, Error> {
    if key.starts_with(RESERVED) {
        return Err(Error::ReservedKey);
    }
    fits(key)?;
    Ok([prefix, key].concat())
}

/// The name of something beside a value of this name.
pub(super) fn beside(prefix: &[u8], what: Beside, name: &[u8]) -> Result<Vec<u8>, Error> {
    fits(name)?;
    let value = [prefix, name].concat();
    let word = what.word().as_bytes();
    Ok([prefix, RESERVED, b":", word, b":{", &tag(&value), b"}", name].concat())
}

/// Whether a name on the server, without the prefix, is one of those beside values.
pub(super) fn is_beside(name: &[u8]) -> bool {
    name.starts_with(RESERVED)
}

/// No server takes more than 512 MiB in one piece by default: it would close the connection.
pub(super) fn fits(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > VALUE_BYTES_MAX { Err(Error::TooLong { bytes: bytes.len() }) } else { Ok(()) }
}

/// A pattern of SCAN for all names with this prefix.
pub(super) fn pattern(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if b"*?[]\\".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

/// What of a name is hashed, if not all of it: what stands between the first `{` and the next `}`.
fn hash_tag(name: &[u8]) -> Option<&[u8]> {
    let begin = name.iter().position(|&byte| byte == b'{')? + 1;
    let len = name[begin..].iter().position(|&byte| byte == b'}')?;
    (len > 0).then(|| &name[begin..begin + len])
}

/// The slot of a name in a cluster (Redis cluster specification, "Hash tags").
pub(super) fn slot(name: &[u8]) -> u16 {
    crc16(hash_tag(name).unwrap_or(name)) % SLOTS
}

/// A tag that hashes to the slot of a name.
fn tag(name: &[u8]) -> Cow<'_, [u8]> {
    if let Some(tag) = hash_tag(name) {
        return Cow::Borrowed(tag);
    }
    if !name.is_empty() && !name.contains(&b'}') {
        return Cow::Borrowed(name);
    }
    // Names as `}` itself: the first number in the same slot. There is one for each slot below 200,000.
    let slot = slot(name);
    let number = (0_u32..).map(|number| number.to_string()).find(|number| crc16(number.as_bytes()) % SLOTS == slot);
    Cow::Owned(number.expect("every slot has its numbers").into_bytes())
}

/// CRC-16/XMODEM: polynomial 0x1021, from 0.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = (byte as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, &byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{{bar}}zap"), crc16(b"{bar") % SLOTS);
        assert_eq!(slot(b"foo{bar}{zap}"), crc16(b"bar") % SLOTS);
    }

    #[test]
    fn every_slot_has_a_number_that_hashes_to_it() {
        let mut seen = vec![false; usize::from(SLOTS)];
        (0..200_000_u32).for_each(|number| seen[usize::from(crc16(number.to_string().as_bytes()) % SLOTS)] = true);
        assert!(seen.iter().all(|&seen| seen));
    }

    proptest! {
        #[test]
        fn what_is_beside_a_value_is_in_its_slot(
            prefix in "[a{}*]{0,4}",
            name in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..8),
        ) {
            prop_assume!(is_prefix(prefix.as_bytes()));
            let at = slot(&[prefix.as_bytes(), &name].concat());
            for what in [Beside::Lock, Beside::Rate, Beside::Flight, Beside::Session, Beside::Opened] {
                let beside = beside(prefix.as_bytes(), what, &name).unwrap();
                prop_assert_eq!(slot(&beside), at);
                prop_assert!(is_beside(&beside[prefix.len()..]));
            }
        }
    }

    #[test]
    fn names_of_different_kinds_never_meet() {
        assert_eq!(value(b"", b"\0lyger:lock:{a}a"), Err(Error::ReservedKey));
        assert_eq!(value(b"p", b"\0lyger"), Err(Error::ReservedKey));
        assert_ne!(beside(b"", Beside::Lock, b"a").unwrap(), beside(b"", Beside::Rate, b"a").unwrap());
        assert_ne!(beside(b"", Beside::Lock, b"{a}b").unwrap(), beside(b"", Beside::Lock, b"{a}c").unwrap());
        assert!(
            !is_prefix(b"a\0") && !is_prefix(b"a{b") && !is_prefix(b"{}a") && is_prefix(b"{a}:") && is_prefix(b"a}")
        );
        assert_eq!(pattern(b"a*[b]\\"), b"a\\*\\[b\\]\\\\*");
    }
}
