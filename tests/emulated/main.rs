//! tests/differential on another CPU, under qemu-user: NEON on aarch64, and the x86-64 that have less than this one.
//! tests/support/emulated runs it.

extern crate lyger_kernels as lyger;

#[path = "../differential/best.rs"]
mod best;
#[path = "../differential/broken.rs"]
mod broken;
#[path = "../differential/broken_json.rs"]
mod broken_json;
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
#[path = "../differential/lengths.rs"]
mod lengths;
#[path = "../differential/norms.rs"]
mod norms;
#[path = "../differential/oracle.rs"]
mod oracle;
#[path = "../differential/reference.rs"]
mod reference;
#[path = "../differential/sequences.rs"]
mod sequences;
#[path = "../differential/spread.rs"]
mod spread;
#[path = "../differential/tables.rs"]
mod tables;
#[path = "../differential/vectors.rs"]
mod vectors;

use std::process::Command;

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

/// By what the environment said when its process began, `LYGER_KERNELS` being read once.
fn told_with(word: &str) -> String {
    const NAME: &str = "the_environment_names_a_variant_and_one_that_the_cpu_lacks_is_refused";
    // The emulator once more, or the host would run it.
    let runner = std::env::var("LYGER_TEST_RUNNER").expect("tests/support/emulated sets it");
    let mut words = runner.split(' ');
    let output = Command::new(words.next().expect("a command"))
        .args(words)
        .arg(std::env::current_exe().expect("its path"))
        .args(["--exact", NAME, "--nocapture"])
        .env("LYGER_KERNELS", word)
        .output()
        .expect("the emulator starts");
    let output = String::from_utf8(output.stdout).expect("text");
    let told = output.lines().find_map(|line| line.split_once("kernels: ")).map(|(_, told)| told.to_owned());
    told.unwrap_or_else(|| panic!("{word}: {output}"))
}

#[test]
fn the_environment_names_a_variant_and_one_that_the_cpu_lacks_is_refused() {
    if std::env::var_os("LYGER_KERNELS").is_some() {
        let told = kernels::ready().map_or_else(|error| error.to_string(), str::to_owned);
        println!("kernels: {told}");
        return;
    }
    let level = std::env::var("LYGER_TEST_LEVEL").expect("tests/support/emulated sets it");
    let languages: &[&str] = if cfg!(feature = "zig-kernels") { &["rust", "zig"] } else { &["rust"] };
    for language in languages {
        assert_eq!(told_with(language), *language);
        for other in ["v2", "v3", "v4", "neon"] {
            let word = format!("{language}-{other}");
            let told = told_with(&word);
            if (other == "neon") != cfg!(target_arch = "aarch64") {
                assert!(told.contains(&format!("LYGER_KERNELS: `{word}` isn't part of this build")), "{told}");
            } else if other > level.as_str() {
                let reason = format!("LYGER_KERNELS: `{word}` needs a CPU of level x86-64-{other}, this is ");
                assert!(told.contains(&reason) && told.ends_with(&format!("(x86-64-{level})")), "{told}");
            } else {
                assert_eq!(told, word);
            }
        }
    }
}
