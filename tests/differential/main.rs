//! Every implementation of every kernel against every other, bit for bit, and against plain oracles.
//!
//! Without the feature `zig-kernels` these are the levels of the Rust kernels; with it the Zig ones join, and the
//! promise becomes that both languages agree. proptest makes the inputs, 10,000 cases for each kernel, and shrinks
//! what fails. [`broken`] proves that the harness sees a wrong kernel: it runs the same comparison on some.

mod best;
mod broken;
mod broken_json;
mod csv;
mod decay;
mod elements;
mod escapes;
mod guard;
mod heavy;
mod json;
mod lengths;
mod norms;
mod oracle;
mod reference;
mod reread;
mod sequences;
mod spread;
mod tables;
mod vectors;

use proptest::test_runner::{Config, TestRunner};

/// Cases for each kernel.
const CASES: u32 = 10_000;

/// A runner that keeps no file of failures: a failure prints its smallest input, and the tree stays clean.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() })
}
