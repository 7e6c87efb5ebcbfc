//! Numbers as decimal digits, eight at a time inside one 64-bit register (SWAR), written where they belong: a crate writes into a buffer of
//! its own, from which they must be copied. `zig/kernels/json/digits.zig` and `float.zig` are the twins.
//!
//! Everything here may write 8 bytes behind what it returns.

use super::put;

const ASCII_ZEROS: u64 = 0x3030_3030_3030_3030;

/// Numbers with fewer digits than this fit a register.
const EIGHT_DIGITS: u64 = 100_000_000;

/// The eight decimal digits of a number below 10^8, the first one in the lowest byte.
#[inline(always)]
fn eight(value: u32) -> u64 {
    let (high, low) = (u64::from(value / 10_000), u64::from(value % 10_000));
    // Two fields of four digits, then four of two, then eight of one. x * 5243 >> 19 is x / 100 below 10^4, and x * 103 >> 10 is
    // x / 10 below 100.
    let fours = high | low << 32;
    let hundreds = ((fours * 5243) >> 19) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

/// Writes a number below 10^8 without leading zeros.
///
/// # Safety
/// 16 bytes fit.
#[inline(always)]
unsafe fn short(at: *mut u8, value: u32) -> *mut u8 {
    let digits = eight(value);
    // The last digit always counts, so that 0 is "0".
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    // SAFETY: the caller's.
    unsafe {
        at.cast::<[u8; 8]>().write_unaligned(((digits | ASCII_ZEROS) >> (zeros * 8)).to_le_bytes());
        at.add(8 - zeros as usize)
    }
}

/// # Safety
/// 8 bytes fit.
#[inline(always)]
unsafe fn all_eight(at: *mut u8, value: u32) -> *mut u8 {
    // SAFETY: the caller's.
    unsafe { put(at, &(eight(value) | ASCII_ZEROS).to_le_bytes()) }
}

/// Writes a number without leading zeros and returns the end.
///
/// # Safety
/// 28 bytes fit.
#[inline(always)]
pub(super) unsafe fn unsigned(at: *mut u8, value: u64) -> *mut u8 {
    // SAFETY: the caller's.
    unsafe { if value < EIGHT_DIGITS { short(at, value as u32) } else { long(at, value) } }
}

/// # Safety
/// As [`unsigned`].
unsafe fn long(at: *mut u8, value: u64) -> *mut u8 {
    let (rest, low) = (value / EIGHT_DIGITS, (value % EIGHT_DIGITS) as u32);
    // SAFETY: the caller's.
    unsafe {
        if rest < EIGHT_DIGITS {
            return all_eight(short(at, rest as u32), low);
        }
        let (high, middle) = ((rest / EIGHT_DIGITS) as u32, (rest % EIGHT_DIGITS) as u32);
        all_eight(all_eight(short(at, high), middle), low)
    }
}

/// Writes a number, negative ones with `-`, and returns the end.
///
/// # Safety
/// 28 bytes fit.
#[inline(always)]
pub(super) unsafe fn signed(at: *mut u8, value: i64) -> *mut u8 {
    // SAFETY: the caller's.
    unsafe {
        at.write(b'-');
        unsigned(at.add(usize::from(value < 0)), value.unsigned_abs())
    }
}

/// Writes a double that is nearest to some hundredths below 10^8, as prices are, and returns the end; none for others. So few digits are
/// the shortest text of a number, for no two of them share one.
///
/// # Safety
/// 16 bytes fit.
#[inline(always)]
pub(super) unsafe fn price(at: *mut u8, value: f64) -> Option<*mut u8> {
    let times_100 = value.abs() * 100.0;
    let hundredths = (times_100 + 0.5) as u32;
    // Both operands are exact and division rounds correctly, so the quotient is how the text would be read.
    let is_price = times_100 < EIGHT_DIGITS as f64 - 1.0 && f64::from(hundredths) / 100.0 == value.abs();
    if !is_price {
        return None;
    }
    let digits = eight(hundredths);
    // The last digit before the point always counts, so that 0 is "0.0".
    let zeros = (digits | 1 << 40).trailing_zeros() / 8;
    let ascii = digits | ASCII_ZEROS;
    // SAFETY: the caller's.
    unsafe {
        at.write(b'-');
        let at = at.add(usize::from(value.is_sign_negative()));
        at.cast::<[u8; 8]>().write_unaligned((ascii >> (zeros * 8)).to_le_bytes());
        let point = at.add(6 - zeros as usize);
        let behind = (ascii >> 40 & 0x00ff_ff00) as u32 | u32::from(b'.');
        point.cast::<[u8; 4]>().write_unaligned(behind.to_le_bytes());
        Some(point.add(3 - usize::from(digits >> 56 == 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a writer wrote.
    fn text(write: impl FnOnce(*mut u8) -> Option<*mut u8>) -> Option<String> {
        let mut out = [0xa5_u8; 40];
        let start = out.as_mut_ptr();
        let len = write(start)?.addr() - start.addr();
        Some(String::from_utf8(out[..len].to_vec()).unwrap())
    }

    #[test]
    fn integers_at_every_power_of_ten_and_of_two_are_those_of_the_standard_library() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent)).chain((0..64).map(|bit| 1 << bit));
        for value in powers.flat_map(|power| [power - 1, power, power + 1]).chain([u64::MAX]) {
            // SAFETY: text has room for 40 bytes.
            unsafe {
                assert_eq!(text(|at| Some(unsigned(at, value))).unwrap(), value.to_string());
                assert_eq!(text(|at| Some(signed(at, value.cast_signed()))).unwrap(), value.cast_signed().to_string());
            }
        }
    }

    #[test]
    fn prices_are_written_as_every_other_double() {
        for hundredths in (0..200_000).chain((0..EIGHT_DIGITS as u32 - 1).step_by(9_973)).chain([99_999_997]) {
            for value in [f64::from(hundredths) / 100.0, -f64::from(hundredths) / 100.0] {
                // SAFETY: as above.
                let written = text(|at| unsafe { price(at, value) });
                assert_eq!(written.as_deref(), Some(zmij::Buffer::new().format_finite(value)));
            }
        }
    }

    #[test]
    fn what_is_no_price_is_left_to_others() {
        let near = f64::from_bits(12.34_f64.to_bits() + 1);
        for value in [0.001, near, 1e6, 1e15, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN] {
            for value in [value, -value] {
                // SAFETY: as above.
                assert_eq!(text(|at| unsafe { price(at, value) }), None, "{value}");
            }
        }
    }
}
