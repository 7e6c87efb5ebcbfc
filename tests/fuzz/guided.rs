//! The same checks on inputs that libFuzzer finds by coverage: an input's bytes are the numbers that a case is made of, the first of
//! them chooses the kernel. `.ci/fuzz` runs it by cargo-fuzz.
//!
//! Zig's objects count nothing, so what is reached is seen in the variants in Rust; each input runs in all of them.

#![no_main]
#![allow(unsafe_code, reason = "pages that nobody may touch")]
#![allow(dead_code, reason = "the program without coverage uses the rest")]

extern crate lyger_kernels as lyger;

mod agree;
mod graph;
mod heavy;
mod json;
mod kernels;
mod memory;
mod random;
#[path = "../differential/reference.rs"]
mod reference;
mod vectors;

use std::cell::RefCell;

use agree::Bench;
use kernels::KERNELS;
use random::Random;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut random = Random::of_bytes(input);
    let (name, check) = random.pick(&KERNELS);
    if let Err(message) = BENCH.with_borrow_mut(|bench| check(&mut random, bench)) {
        panic!("{name}: {message}");
    }
});
