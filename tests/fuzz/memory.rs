//! Memory that ends where a kernel's promise ends: behind it, and before it, lie pages that nobody may touch.

use lyger::kernels::vectors::{Bf16, F16};

/// A fixed number of bytes between two forbidden pages.
pub(crate) struct Memory(*mut u8);

const PAGE: usize = 4096;
pub(crate) const BYTES: usize = 32 * PAGE;

/// What any bits are.
pub(crate) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for i8 {}
impl Plain for F16 {}
impl Plain for Bf16 {}
impl Plain for u32 {}
impl Plain for f32 {}

impl Memory {
    pub(crate) fn new() -> Self {
        // SAFETY: a fresh anonymous mapping, of which the first and the last page are taken away again.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let all = BYTES + 2 * PAGE;
            let start = libc::mmap(std::ptr::null_mut(), all, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start, PAGE, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(start.byte_add(PAGE + BYTES), PAGE, libc::PROT_NONE), 0);
            Self(start.cast::<u8>().add(PAGE))
        }
    }

    /// The last `len` values before the forbidden page.
    pub(crate) fn last<T: Plain>(&mut self, len: usize) -> &mut [T] {
        let bytes = len * size_of::<T>();
        assert!(bytes <= BYTES, "{bytes} bytes are more than there are");
        // SAFETY: inside of the readable pages, which are borrowed through self; a number of values before the end of a
        // page, so aligned; and all bits are values.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(BYTES - bytes).cast(), len) }
    }

    /// These values as the last ones before the forbidden page.
    pub(crate) fn hold<T: Plain>(&mut self, values: &[T]) -> &mut [T] {
        let room = self.last(values.len());
        room.copy_from_slice(values);
        room
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by new, and all borrows end with self.
        unsafe { libc::munmap(self.0.sub(PAGE).cast(), BYTES + 2 * PAGE) };
    }
}
