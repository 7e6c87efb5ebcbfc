//! Memory that ends where a kernel's promise ends: before and behind it lie pages that nobody may touch, so one byte too
//! far ends the process. Vector loads and stores that "surely stay inside" are what goes wrong here.
#![allow(unsafe_code)]

use lyger::kernels::vectors::{Bf16, Element, F16, Rows};
use lyger::kernels::{Cells, ColumnView, PADDING, Values, Variant};

use crate::json::kernels;
use crate::tables::FORMS;
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

    /// The first or the last `len` elements.
    fn elements<E: Any>(&mut self, len: usize, is_last: bool) -> &mut [E] {
        let bytes = len * size_of::<E>();
        let from = if is_last { self.last(bytes).as_mut_ptr() } else { self.0 };
        assert!(bytes <= PAGES * PAGE);
        // SAFETY: as in last; pages are aligned, and so is what is a number of elements from their end; all bits are elements.
        unsafe { std::slice::from_raw_parts_mut(from.cast(), len) }
    }
}

/// Numbers that any bits are.
trait Any {}

impl Any for f32 {}
impl Any for u32 {}
impl Any for F16 {}
impl Any for Bf16 {}
impl Any for i8 {}
impl Any for u8 {}

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
                    let form = FORMS[len % FORMS.len()];
                    let needed = encode(form, &columns, 1, 0, &mut []).unwrap().needed;
                    let progress = encode(form, &columns, 1, 0, out.last(needed)).unwrap();
                    assert_eq!((progress.rows, progress.needed), (1, 0), "{name}");
                    let early = encode(form, &columns, 1, 0, out.last(needed - 1)).unwrap();
                    assert_eq!((early.rows, early.needed), (0, needed), "{name}");
                }
            }
        }
    }
}

/// Rows of each length, as many as fit, at the start and at the end of what may be touched.
fn each_shape(size: usize, mut run: impl FnMut(usize, usize, bool)) {
    let dims = (0..140).chain([767, 768, 769, 1535, 1536, 1537]);
    for dim in dims {
        for count in (1..=PAGES * PAGE / size / dim.max(1)).take(6) {
            run(dim, count, false);
            run(dim, count, true);
        }
    }
}

fn touch<E: Element + Any>() {
    let [mut query, mut rows, mut scores] = [Guarded::new(), Guarded::new(), Guarded::new()];
    each_shape(size_of::<E>(), |dim, count, is_last| {
        let query = query.elements::<E>(dim, is_last);
        let elements = rows.elements::<E>(dim * count, is_last);
        let scores = scores.elements::<f32>(count, is_last);
        let rows = Rows::new(elements, dim, dim, count).unwrap();
        for variant in Variant::available() {
            for metric in METRICS {
                variant.vector_scores(metric, query, &rows, scores).unwrap();
            }
            variant.vector_norms(&rows, scores).unwrap();
        }
    });
}

/// Rows with something between them, norms that are given, and the best of them.
fn touch_apart<E: Element + Any>() {
    let [mut query, mut rows, mut scores, mut norms] = [Guarded::new(), Guarded::new(), Guarded::new(), Guarded::new()];
    for (dim, gap, count) in (0..140).chain([768]).flat_map(|dim| [(dim, 1, 5), (dim, 3, 2), (dim, 67, 3)]) {
        for is_last in [false, true] {
            let query = query.elements::<E>(dim, is_last);
            // Nothing behind the last row.
            let elements = rows.elements::<E>((count - 1) * (dim + gap) + dim, is_last);
            let scores = scores.elements::<f32>(count, is_last);
            let norms = norms.elements::<f32>(count, is_last);
            let rows = Rows::new(elements, dim, dim + gap, count).unwrap();
            for variant in Variant::available() {
                variant.vector_norms(&rows, norms).unwrap();
                let with_norms = rows.with_norms(norms).unwrap();
                for metric in METRICS {
                    variant.vector_scores(metric, query, &rows, scores).unwrap();
                    variant.vector_scores(metric, query, &with_norms, scores).unwrap();
                    assert_eq!(variant.vector_top_k(metric, query, &with_norms, 2).unwrap().len(), 2);
                }
            }
        }
    }
}

#[test]
fn no_kernel_touches_an_element_beside_rows_that_lie_apart() {
    touch_apart::<f32>();
    touch_apart::<F16>();
    touch_apart::<Bf16>();
    touch_apart::<i8>();
    let [mut query, mut rows, mut distances] = [Guarded::new(), Guarded::new(), Guarded::new()];
    for (dim, gap) in (0..200).flat_map(|dim| [(dim, 1), (dim, 67)]) {
        for is_last in [false, true] {
            let query = query.elements::<u8>(dim, is_last);
            let elements = rows.elements::<u8>(4 * (dim + gap) + dim, is_last);
            let distances = distances.elements::<u32>(5, is_last);
            let rows = Rows::new(elements, dim, dim + gap, 5).unwrap();
            for variant in Variant::available() {
                variant.vector_hamming(query, &rows, distances).unwrap();
                assert_eq!(variant.vector_hamming_top_k(query, &rows, 3).unwrap().len(), 3);
            }
        }
    }
}

#[test]
fn no_kernel_touches_an_element_beside_its_vectors() {
    touch::<f32>();
    touch::<F16>();
    touch::<Bf16>();
    touch::<i8>();
    let [mut query, mut rows, mut distances] = [Guarded::new(), Guarded::new(), Guarded::new()];
    each_shape(1, |dim, count, is_last| {
        let query = query.elements::<u8>(dim, is_last);
        let elements = rows.elements::<u8>(dim * count, is_last);
        let distances = distances.elements::<u32>(count, is_last);
        let rows = Rows::new(elements, dim, dim, count).unwrap();
        for variant in Variant::available() {
            variant.vector_hamming(query, &rows, distances).unwrap();
        }
    });
    for (dim, is_last) in (0..140).flat_map(|dim| [(dim, false), (dim, true)]) {
        for variant in Variant::available() {
            variant.vector_normalize(rows.elements(dim, is_last));
        }
    }
}
