//! Memory that ends where a kernel's promise ends: behind it lies a page that nobody may touch, so one byte too far
//! ends the process. Vector loads and stores that "surely stay inside" are what goes wrong here.
#![allow(unsafe_code)]

use lyger::kernels::{Cells, ColumnView, PADDING, Values};

use crate::json::kernels;

const PAGE: usize = 4096;
const PAGES: usize = 4;

/// Four pages, and a forbidden one behind them.
pub(crate) struct Guarded(*mut u8);

impl Guarded {
    pub(crate) fn new() -> Self {
        // SAFETY: a fresh anonymous mapping, of which the last page is taken away again.
        unsafe {
            let len = (PAGES + 1) * PAGE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start.byte_add(PAGES * PAGE), PAGE, libc::PROT_NONE), 0);
            Self(start.cast())
        }
    }

    /// The last `len` bytes before the forbidden page.
    fn last(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= PAGES * PAGE);
        // SAFETY: inside of the readable pages, which are zeroed and borrowed through self.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(PAGES * PAGE - len), len) }
    }

    /// The last `len` words before the forbidden page.
    pub(crate) fn last_words(&mut self, len: usize) -> &mut [u32] {
        let bytes = self.last(len * size_of::<u32>());
        // SAFETY: as many words as fit the bytes, which end at the end of a page.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), len) }
    }

    /// The last `len` floats before the forbidden page.
    pub(crate) fn last_floats(&mut self, len: usize) -> &mut [f32] {
        let bytes = self.last(len * size_of::<f32>());
        // SAFETY: as many floats as fit the bytes, which end at the end of a page; all bits are floats.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: mapped by new, and all borrows end with self.
        unsafe { libc::munmap(self.0.cast(), (PAGES + 1) * PAGE) };
    }
}

#[test]
fn no_kernel_touches_a_byte_behind_the_padding_or_the_capacity() {
    let mut strings = Guarded::new();
    let mut out = Guarded::new();
    for (name, encode) in kernels() {
        for len in 0..200 {
            for fill in ["plain", "esc\"\n", "é漢🦀 ", "bad\u{0}"] {
                let mut cell: Vec<u8> = fill.bytes().cycle().take(len).collect();
                if fill.starts_with("bad") {
                    cell.fill(0xff);
                }
                let bytes = strings.last(len + PADDING);
                bytes[..len].copy_from_slice(&cell);
                let offsets = [0, len as u32];
                let cells = Cells::new(&offsets, bytes).unwrap();
                for values in [Values::Text(cells), Values::Bytes(cells), Values::Ascii(cells), Values::Json(cells)] {
                    let columns = [ColumnView { key: b"\"k\":", values, validity: None }];
                    let needed = encode(&columns, 1, 0, &mut []).unwrap().needed;
                    let progress = encode(&columns, 1, 0, out.last(needed)).unwrap();
                    assert_eq!((progress.rows, progress.needed), (1, 0), "{name}");
                    let early = encode(&columns, 1, 0, out.last(needed - 1)).unwrap();
                    assert_eq!((early.rows, early.needed), (0, needed), "{name}");
                }
            }
        }
    }
}
