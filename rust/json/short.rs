//! Short bytes and digits, written as chunks of one length.

/// What is copied as a whole: a copy of a length that the compiler knows is two moves, of any other a call, which for most
/// keys, numbers and short texts costs more than the copy.
pub(super) const SHORT_BYTES: usize = 32;

pub(super) fn write_short(out: &mut Vec<u8>, chunk: &[u8; SHORT_BYTES], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(chunk);
    out.truncate(end);
}

/// Bytes that are written again and again.
pub(super) struct Part {
    short: [u8; SHORT_BYTES],
    len: usize,
    /// All of them, where they are more.
    long: Vec<u8>,
}

impl Part {
    pub(super) fn new([first, second]: &[&[u8]; 2]) -> Self {
        let (mut short, len) = ([0; SHORT_BYTES], first.len() + second.len());
        if len > SHORT_BYTES {
            return Self { short, len, long: [*first, *second].concat() };
        }
        short[..first.len()].copy_from_slice(first);
        short[first.len()..len].copy_from_slice(second);
        Self { short, len, long: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.long.is_empty() { write_short(out, &self.short, self.len) } else { out.extend_from_slice(&self.long) }
    }
}

const PAIRS: &[u8; 200] =
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
    5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// The digits of a number and up to 8 bytes behind them.
pub(super) fn write_digits<const N: usize>(out: &mut Vec<u8>, mut value: u64, behind: &[u8; N]) {
    // Together 28 of 32.
    const { assert!(N <= 8) };
    let mut chunk = [0; SHORT_BYTES];
    let len = value.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut at = len;
    while value >= 10 {
        at -= 2;
        let pair = (value % 100) as usize * 2;
        chunk[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        value /= 100;
    }
    if at == 1 {
        chunk[0] = b'0' + value as u8;
    }
    chunk[len..len + N].copy_from_slice(behind);
    write_short(out, &chunk, len + N);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_written_as_they_are() {
        let edges = (0..20).flat_map(|power| [10_u64.pow(power) - 1, 10_u64.pow(power), 10_u64.pow(power) + 1]);
        for value in edges.chain([u64::MAX, 42]) {
            let mut out = Vec::new();
            write_digits(&mut out, value, b":{");
            assert_eq!(String::from_utf8(out).unwrap(), format!("{value}:{{"));
        }
    }
}
