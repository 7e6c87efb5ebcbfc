//! Memory that ends where a kernel's promise ends: before and behind it lie pages that nobody may touch, so one byte too
//! far ends the process. Vector loads and stores that "surely stay inside" are what goes wrong here.
#![allow(unsafe_code)]

use lyger::kernels::vectors::Rows;
use lyger::kernels::{Cells, ColumnView, PADDING, Values, Variant};

use crate::json::kernels;
use crate::vectors::METRICS;

const PAGE: usize = 4096;
const PAGES: usize = 4;

/// Four pages between two forbidden ones.
pub(crate) struct Guarded(*mut u8);

impl Guarded {
    pub(crate) fn new() -> Self {
        // SAFETY: a fresh anonymous mapping, of which the first and the last page are taken away again.
        unsafe {
            let len = (PAGES + 2) * PAGE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start, PAGE, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(start.byte_add((PAGES + 1) * PAGE), PAGE, libc::PROT_NONE), 0);
            Self(start.cast::<u8>().add(PAGE))
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

    /// The first or the last `len` floats.
    fn floats(&mut self, len: usize, is_last: bool) -> &mut [f32] {
        let bytes = len * size_of::<f32>();
        let from = if is_last { self.last(bytes).as_mut_ptr() } else { self.0 };
        assert!(bytes <= PAGES * PAGE);
        // SAFETY: as in last; pages are aligned, and so is what is a number of floats from their end.
        unsafe { std::slice::from_raw_parts_mut(from.cast(), len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: mapped by new, and all borrows end with self.
        unsafe { libc::munmap(self.0.sub(PAGE).cast(), (PAGES + 2) * PAGE) };
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

#[test]
fn no_kernel_touches_an_element_beside_its_vectors() {
    let [mut query, mut rows, mut scores] = [Guarded::new(), Guarded::new(), Guarded::new()];
    let dims = (0..140).chain([767, 768, 769, 1535, 1536, 1537]);
    for (dim, count) in dims.flat_map(|dim| (1..=PAGES * PAGE / 4 / dim.max(1)).take(6).map(move |count| (dim, count)))
    {
        for is_last in [false, true] {
            let query = query.floats(dim, is_last);
            let elements = rows.floats(dim * count, is_last);
            let scores = scores.floats(count, is_last);
            let rows = Rows::new(elements, dim, dim, count).unwrap();
            for variant in Variant::available() {
                for metric in METRICS {
                    variant.vector_scores(metric, query, &rows, scores).unwrap();
                }
                variant.vector_norms(&rows, scores).unwrap();
                variant.vector_normalize(query);
            }
        }
    }
}
