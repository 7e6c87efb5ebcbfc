//! What takes no memory, counted: the allocator of this binary knows how often each thread has asked it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use lyger::kernels::Variant;
use lyger::kernels::graph::{Graph, Normalization, Spreading};
use lyger::kernels::vectors::{Bf16, Element, F16, Metric, Rows};

struct Counting;

thread_local! {
    /// Of this thread alone, so that tests beside it don't matter. It has no destructor, so it can be counted at any time.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, called with what it is called with. `realloc` and `alloc_zeroed` come through here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often memory is asked for meanwhile.
fn asked(run: impl FnOnce()) -> u64 {
    let before = ASKED.get();
    run();
    ASKED.get() - before
}

#[test]
fn what_takes_memory_is_counted() {
    assert_eq!(asked(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(asked(|| drop(std::hint::black_box(vec![0_u32; 1000]))), 1);
    let mut grows = Vec::with_capacity(1);
    assert_eq!(asked(|| (0..2).for_each(|number| grows.push(number))), 1);
}

#[test]
fn decaying_and_spreading_take_no_memory() {
    const NODES: u32 = 3_000;
    let offsets: Vec<u32> = (0..=NODES).map(|node| 2 * node).collect();
    let targets: Vec<u32> = (0..2 * NODES).map(|edge| edge * 7 % NODES).collect();
    let weights = vec![0.75; targets.len()];
    let ages = vec![3.0; NODES as usize];
    let mut scratch = vec![0; 2 * NODES as usize];
    for variant in Variant::available() {
        for normalization in [Normalization::None, Normalization::Fan, Normalization::Peak] {
            for refractory_steps in [0, 2] {
                let spreading = Spreading { steps: 5, refractory_steps, normalization, ..Spreading::default() };
                let mut activations = vec![1.0; NODES as usize];
                let count = asked(|| {
                    let graph = Graph::new(&offsets, &targets, &weights).unwrap();
                    variant.spread_activation(&graph, &mut activations, &spreading, &mut scratch).unwrap();
                    variant.apply_decay(&mut activations, &ages, 2.0).unwrap();
                });
                assert_eq!(count, 0, "{variant:?}, {spreading:?}");
                assert!(activations.iter().all(|&activation| activation != 1.0), "nothing has been done");
            }
        }
    }
}

fn score<E: Element>(variant: Variant, elements: &[E]) {
    const DIM: usize = 100;
    let count = elements.len() / DIM;
    let (mut scores, mut norms) = (vec![0.0; count], vec![0.0; count]);
    let count = asked(|| {
        let rows = Rows::new(elements, DIM, DIM, count).unwrap();
        variant.vector_norms(&rows, &mut norms).unwrap();
        for metric in [Metric::Dot, Metric::Cosine, Metric::L2] {
            variant.vector_scores(metric, &elements[..DIM], &rows, &mut scores).unwrap();
        }
    });
    assert_eq!(count, 0, "{variant:?}");
}

#[test]
fn scoring_takes_no_memory() {
    for variant in Variant::available() {
        score(variant, &[0.5_f32; 3_000]);
        score(variant, &[F16(0x3800); 3_000]);
        score(variant, &[Bf16(0x3f00); 3_000]);
        score(variant, &[5_i8; 3_000]);
        let bytes = [0x5a_u8; 3_000];
        let (mut distances, mut vector) = ([0; 30], [0.5_f32; 700]);
        let count = asked(|| {
            let rows = Rows::new(&bytes, 100, 100, 30).unwrap();
            variant.vector_hamming(&bytes[..100], &rows, &mut distances).unwrap();
            variant.vector_normalize(&mut vector);
        });
        assert_eq!(count, 0, "{variant:?}");
    }
}
