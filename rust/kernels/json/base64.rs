//! Standard base64 with padding (RFC 4648, section 4), by base64-simd where the levels of x86-64 don't have their own: that asks the CPU itself,
//! so it is alike in all of those variants.

#[cfg(target_arch = "x86_64")]
pub(super) mod x86_64;

use std::mem::MaybeUninit;

use base64_simd::{Out, STANDARD};

/// Writes four characters for each three bytes begun, and returns their end.
///
/// # Safety
/// They fit.
#[inline(always)]
pub(super) unsafe fn encode(bytes: &[u8], at: *mut u8) -> *mut u8 {
    let characters = STANDARD.encoded_length(bytes.len());
    // SAFETY: the caller says that so many fit, and nobody else writes there meanwhile.
    unsafe {
        let out = std::slice::from_raw_parts_mut(at.cast::<MaybeUninit<u8>>(), characters);
        let _ = STANDARD.encode(bytes, Out::from_uninit_slice(out));
        at.add(characters)
    }
}
