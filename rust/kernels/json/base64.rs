//! Standard base64 with padding (RFC 4648, section 4).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes four characters for each three bytes begun, and returns their end.
///
/// # Safety
/// They fit.
#[inline(always)]
pub(super) unsafe fn encode(bytes: &[u8], mut at: *mut u8) -> *mut u8 {
    let (groups, rest) = bytes.as_chunks::<3>();
    let mut put = |group: u32, characters: usize| {
        let text = [group >> 18, group >> 12, group >> 6, group].map(|sextet| ALPHABET[(sextet & 63) as usize]);
        let mut padded = [b'='; 4];
        padded[..characters].copy_from_slice(&text[..characters]);
        // SAFETY: the caller says that all groups fit.
        unsafe {
            at.cast::<[u8; 4]>().write_unaligned(padded);
            at = at.add(4);
        }
    };
    for group in groups {
        put(u32::from_be_bytes([0, group[0], group[1], group[2]]), 4);
    }
    match *rest {
        [one] => put(u32::from_be_bytes([0, one, 0, 0]), 2),
        [one, two] => put(u32::from_be_bytes([0, one, two, 0]), 3),
        _ => {}
    }
    at
}
