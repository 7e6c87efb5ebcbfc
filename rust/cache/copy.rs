//! Bytes that another thread or process may be changing meanwhile.
//!
//! A reader of the table takes no lock: it copies first and asks afterwards whether anybody wrote. For the compiler that
//! would be a data race if it were done with ordinary loads, and atomic loads need alignment, which a value behind a key of
//! any length hasn't. So both sides move bytes by machine instructions that the compiler sees as opaque: what they read may
//! be torn, and that is all. Other CPUs than x86-64 and AArch64 move single atomic bytes.

/// The 8 bytes at `from`, of any alignment.
///
/// # Safety
/// They must be mapped.
#[inline(always)]
pub(super) unsafe fn load_u64(from: *const u8) -> u64 {
    let value: u64;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a load from memory that is mapped, as the caller promises.
    unsafe {
        std::arch::asm!("mov {}, [{}]", out(reg) value, in(reg) from, options(nostack, preserves_flags, readonly));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: a load from memory that is mapped, as the caller promises.
    unsafe {
        std::arch::asm!("ldr {}, [{}]", out(reg) value, in(reg) from, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        let mut bytes = [0; 8];
        // SAFETY: the caller's promise, passed on.
        unsafe { bytewise(from, bytes.as_mut_ptr(), 8) };
        value = u64::from_ne_bytes(bytes);
    }
    value
}

/// Writes 8 bytes at `to`, of any alignment.
///
/// # Safety
/// They must be mapped and nobody else may write them.
#[inline(always)]
pub(super) unsafe fn store_u64(to: *mut u8, value: u64) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a store to memory that is mapped, as the caller promises.
    unsafe {
        std::arch::asm!("mov [{}], {}", in(reg) to, in(reg) value, options(nostack, preserves_flags));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: a store to memory that is mapped, as the caller promises.
    unsafe {
        std::arch::asm!("str {}, [{}]", in(reg) value, in(reg) to, options(nostack, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    // SAFETY: the caller's promise, passed on.
    unsafe {
        bytewise(value.to_ne_bytes().as_ptr(), to, 8)
    };
}

/// Has the CPU fetch a line that is needed soon. Any address will do: one that isn't mapped is passed over.
#[inline(always)]
pub(super) fn prefetch(line: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, which no address makes fail.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: a hint, which no address makes fail.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = line;
}

/// Whether the bytes at `from` are those of `expected`.
///
/// # Safety
/// As many bytes as `expected` has must be mapped at `from`.
#[inline(always)]
pub(super) unsafe fn equals(from: *const u8, expected: &[u8]) -> bool {
    let count = expected.len();
    let word = |at: usize| u64::from_ne_bytes(expected[at..at + 8].try_into().expect("eight"));
    if count >= 8 {
        let mut at = 0;
        while at + 8 <= count {
            // SAFETY: within `count` bytes.
            if unsafe { load_u64(from.add(at)) } != word(at) {
                return false;
            }
            at += 8;
        }
        // SAFETY: within `count` bytes, some of them once more.
        return at == count || unsafe { load_u64(from.add(count - 8)) } == word(count - 8);
    }
    let mut bytes = [0; 8];
    // SAFETY: `count` bytes are mapped, and fewer than 8.
    unsafe { copy_few(from, bytes.as_mut_ptr(), count) };
    &bytes[..count] == expected
}

/// From this length on x86-64 copies strings faster by itself: whole lines of the cache, whatever the
/// CPU. 10 KB take 0.82 of the time.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const STRING_BYTES_MIN: usize = 1024;

/// Copies bytes, one side of which is shared.
///
/// # Safety
/// `from` must be mapped for `count` bytes and `to` writable, by nobody else; they must not overlap.
#[inline]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    if count < 8 {
        // SAFETY: the caller's promise.
        unsafe { copy_few(from, to, count) };
        return;
    }
    let mut at = 0;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if count >= STRING_BYTES_MIN {
        // SAFETY: the caller's promise. The direction flag is clear, as the ABI has it.
        unsafe {
            std::arch::asm!("rep movsb", inout("rcx") count => _, inout("rsi") from => _, inout("rdi") to => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    if count >= 64 {
        at = count & !63;
        // SAFETY: the first `at` bytes.
        unsafe { copy_blocks(from, to, at) };
    }
    while at + 8 <= count {
        // SAFETY: within `count` bytes.
        unsafe { store_u64(to.add(at), load_u64(from.add(at))) };
        at += 8;
    }
    if at < count {
        // SAFETY: the last 8 of at least 8 bytes, some of them once more.
        unsafe { store_u64(to.add(count - 8), load_u64(from.add(count - 8))) };
    }
}

/// Writes zeros.
///
/// # Safety
/// `to` must be writable for `count` bytes, by nobody else.
pub(super) unsafe fn clear(to: *mut u8, count: usize) {
    const NOTHING: [u8; 4096] = [0; 4096];
    let mut at = 0;
    while at < count {
        let some = NOTHING.len().min(count - at);
        // SAFETY: within `count` bytes.
        unsafe { copy(NOTHING.as_ptr(), to.add(at), some) };
        at += some;
    }
}

/// Fewer than 8 bytes.
#[inline(always)]
unsafe fn copy_few(from: *const u8, to: *mut u8, count: usize) {
    for at in 0..count {
        // SAFETY: within `count` bytes.
        unsafe { copy_byte(from.add(at), to.add(at)) };
    }
}

#[inline(always)]
unsafe fn copy_byte(from: *const u8, to: *mut u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the caller's promise.
    unsafe {
        std::arch::asm!("mov {t}, [{f}]", "mov [{d}], {t}", t = out(reg_byte) _, f = in(reg) from, d = in(reg) to,
            options(nostack, preserves_flags));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: the caller's promise.
    unsafe {
        std::arch::asm!("ldrb {t:w}, [{f}]", "strb {t:w}, [{d}]", t = out(reg) _, f = in(reg) from, d = in(reg) to,
            options(nostack, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    // SAFETY: the caller's promise.
    unsafe {
        bytewise(from, to, 1)
    };
}

/// A multiple of 64 bytes, at least 64.
#[inline(always)]
unsafe fn copy_blocks(from: *const u8, to: *mut u8, count: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the loop ends when `count` bytes are copied, which the caller says is a multiple of 64 and not 0.
    unsafe {
        std::arch::asm!(
            "2:",
            "movups {a}, [{f} + {i}]",
            "movups {b}, [{f} + {i} + 16]",
            "movups {c}, [{f} + {i} + 32]",
            "movups {d}, [{f} + {i} + 48]",
            "movups [{t} + {i}], {a}",
            "movups [{t} + {i} + 16], {b}",
            "movups [{t} + {i} + 32], {c}",
            "movups [{t} + {i} + 48], {d}",
            "add {i}, 64",
            "cmp {i}, {n}",
            "jb 2b",
            f = in(reg) from, t = in(reg) to, n = in(reg) count, i = inout(reg) 0_usize => _,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack),
        );
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: the loop ends when `count` bytes are copied, which the caller says is a multiple of 64 and not 0.
    unsafe {
        std::arch::asm!(
            "2:",
            "ldp {a:q}, {b:q}, [{f}]",
            "ldp {c:q}, {d:q}, [{f}, #32]",
            "stp {a:q}, {b:q}, [{t}]",
            "stp {c:q}, {d:q}, [{t}, #32]",
            "add {f}, {f}, #64",
            "add {t}, {t}, #64",
            "subs {n}, {n}, #64",
            "b.ne 2b",
            f = inout(reg) from => _, t = inout(reg) to => _, n = inout(reg) count => _,
            a = out(vreg) _, b = out(vreg) _, c = out(vreg) _, d = out(vreg) _,
            options(nostack),
        );
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    // SAFETY: the caller's promise.
    unsafe {
        bytewise(from, to, count)
    };
}

#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
unsafe fn bytewise(from: *const u8, to: *mut u8, count: usize) {
    use std::sync::atomic::{AtomicU8, Ordering};
    for at in 0..count {
        // SAFETY: both are mapped for `count` bytes, and an atomic byte is a byte.
        unsafe {
            let byte = AtomicU8::from_ptr(from.cast_mut().add(at)).load(Ordering::Relaxed);
            AtomicU8::from_ptr(to.add(at)).store(byte, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_at_every_alignment_is_copied_whole_and_nothing_beside_it() {
        let source: Vec<u8> = (0..400_u32).map(|n| (n * 7 % 251) as u8).collect();
        for count in 0..300 {
            for (shift, target_shift) in [(0, 0), (1, 0), (0, 3), (5, 7), (8, 4)] {
                let mut target = vec![0xee_u8; 400];
                // SAFETY: both are longer than what is copied.
                unsafe { copy(source.as_ptr().add(shift), target.as_mut_ptr().add(target_shift), count) };
                assert_eq!(target[target_shift..target_shift + count], source[shift..shift + count]);
                assert!(target[..target_shift].iter().chain(&target[target_shift + count..]).all(|&byte| byte == 0xee));
                // SAFETY: the same.
                assert!(unsafe { equals(source.as_ptr().add(shift), &source[shift..shift + count]) });
                for wrong in [0, count / 2, count.wrapping_sub(1)].into_iter().filter(|&at| at < count) {
                    let mut other = source[shift..shift + count].to_vec();
                    other[wrong] ^= 1;
                    // SAFETY: the same.
                    assert!(!unsafe { equals(source.as_ptr().add(shift), &other) }, "{count} {wrong}");
                }
            }
        }
    }

    #[test]
    fn clearing_clears_what_it_should_and_no_more() {
        for count in [0, 1, 7, 8, 63, 64, 4095, 4096, 4097, 9000] {
            let mut bytes = vec![1_u8; count + 1];
            // SAFETY: one byte shorter than the vector.
            unsafe { clear(bytes.as_mut_ptr(), count) };
            assert!(bytes[..count].iter().all(|&byte| byte == 0) && bytes[count] == 1);
        }
    }
}
