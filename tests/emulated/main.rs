//! tests/differential on another CPU, under qemu-user: NEON on aarch64, and the x86-64 that have less than this one.
//! tests/support/emulated runs it.

extern crate lyger_kernels as lyger;

#[path = "../differential/broken.rs"]
mod broken;
#[path = "../differential/decay.rs"]
mod decay;
#[path = "../differential/elements.rs"]
mod elements;
#[path = "../differential/guard.rs"]
mod guard;
#[path = "../differential/heavy.rs"]
mod heavy;
#[path = "../differential/json.rs"]
mod json;
#[path = "../differential/oracle.rs"]
mod oracle;
#[path = "../differential/reference.rs"]
mod reference;
#[path = "../differential/spread.rs"]
mod spread;
#[path = "../differential/tables.rs"]
mod tables;
#[path = "../differential/vectors.rs"]
mod vectors;

use lyger::kernels::{self, Error, Variant};
use proptest::test_runner::{Config, TestRunner};

/// Cases for each kernel. An emulated CPU takes twenty times as long for each as the one that is here, where
/// tests/differential has ten thousand.
const CASES: u32 = 500;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() })
}

#[test]
fn the_best_variant_of_this_cpu_is_chosen_and_a_better_one_refused() {
    // The emulated CPU's, told by who started it: `v2`, `v3`, `neon`.
    let level = std::env::var("LYGER_TEST_LEVEL").expect("tests/support/emulated sets it");
    let language = if cfg!(feature = "zig-kernels") { "zig" } else { "rust" };
    assert_eq!(kernels::active(), format!("{language}-{level}"));
    for name in ["rust-v2", "rust-v3", "rust-v4"] {
        let better = cfg!(target_arch = "x86_64") && name > format!("rust-{level}").as_str();
        match Variant::by_name(name) {
            Ok(_) => assert!(!better && cfg!(target_arch = "x86_64"), "{name} on a CPU of {level}"),
            Err(Error::CpuLacks { .. }) => assert!(better, "{name} refused on a CPU of {level}"),
            Err(error) => assert!(cfg!(not(target_arch = "x86_64")), "{error}"),
        }
    }
}
