//! `make fuzz`: every variant of every kernel against the portable one, on inputs that are mutated at random, in an
//! optimized build. tests/differential shrinks what it finds and knows the right results; this sees a thousand times as much.
//!
//! A case is made of the seed and its number alone, so a failure is repeated by both: what is printed says how. Who adds
//! a kernel writes one function as those in `json`, `graph`, `heavy` and `vectors`, and a line in [`KERNELS`].
//!
//! Before that `make fuzz` has libFuzzer find inputs by what they reach in the variants in Rust (`guided.rs`), where a nightly compiler
//! and cargo-fuzz are installed.
//!
//! Settings, all from the environment:
//!
//! | name | meaning | without it |
//! |---|---|---|
//! | `LYGER_FUZZ_CASES` | cases for each kernel | 10,000,000 |
//! | `LYGER_FUZZ_SECONDS` | so long at most for each kernel | no limit |
//! | `LYGER_FUZZ_SEED` | what all cases are made of | the time |
//! | `LYGER_FUZZ_KERNELS` | names of kernels, with commas | all |
//! | `LYGER_FUZZ_CASE` | only the case of this number | all |
//! | `LYGER_FUZZ_THREADS` | cases at the same time | one for each CPU |
//! | `LYGER_FUZZ_GUIDED_SECONDS` | how long libFuzzer runs, on all kernels; 0 for not at all | 120, none for a single case |

#![allow(unsafe_code, reason = "pages that nobody may touch, and a handler for who does")]

extern crate lyger_kernels as lyger;

mod agree;
#[cfg(test)]
mod allocations;
mod graph;
mod heavy;
mod json;
mod kernels;
mod memory;
mod random;
#[path = "../differential/reference.rs"]
mod reference;
mod vectors;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use agree::Bench;
use kernels::{Check, KERNELS};
use lyger::kernels::Variant;
use random::Random;

/// What `make fuzz` runs of each kernel; minutes on two CPUs.
const CASES: u64 = 10_000_000;

/// Cases that a thread takes at once: the clock is looked at between.
const BATCH: u64 = 256;

struct Settings {
    cases: u64,
    time_max: Option<Duration>,
    seed: u64,
    kernels: Vec<(&'static str, Check)>,
    only: Option<u64>,
    threads: usize,
}

fn main() -> ExitCode {
    let settings = match Settings::from_environment() {
        Ok(settings) => settings,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let names: Vec<&str> = Variant::available().map(Variant::name).collect();
    println!("{} against each other, seed {:#x}", names.join(", "), settings.seed);
    watch::install();
    // What a kernel panics with is told as any other failure.
    std::panic::set_hook(Box::new(|_| {}));
    let mut code = ExitCode::SUCCESS;
    for &(name, check) in &settings.kernels {
        let began = Instant::now();
        match fuzz(name, check, &settings) {
            Ok(cases) => println!("ok - {name}: {cases} cases in {:.1} s", began.elapsed().as_secs_f64()),
            Err((case, message)) => {
                println!("not ok - {name}: case {case}: {message}");
                println!("    once more: {}", command(name, settings.seed, case));
                code = ExitCode::FAILURE;
            }
        }
    }
    if settings.only.is_none() && settings.kernels.iter().any(|(name, _)| *name == "heavy") {
        let began = Instant::now();
        match heavy::past_the_border(&Bench::new().variants) {
            Ok(()) => println!("ok - heavy, past 2^26 terms: {:.1} s", began.elapsed().as_secs_f64()),
            Err(message) => {
                println!("not ok - heavy, past 2^26 terms: {message}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn command(name: &str, seed: u64, case: u64) -> String {
    format!("LYGER_FUZZ_KERNELS={name} LYGER_FUZZ_SEED={seed:#x} LYGER_FUZZ_CASE={case} make fuzz")
}

/// How many cases have run, or the first that failed.
fn fuzz(name: &'static str, check: Check, settings: &Settings) -> Result<u64, (u64, String)> {
    let (next, ran, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let failure = Mutex::new(None::<(u64, String)>);
    let began = Instant::now();
    let (from, cases) = settings.only.map_or((0, settings.cases), |only| (only, 1));
    std::thread::scope(|scope| {
        for thread in 0..settings.threads {
            let (next, ran, is_over, failure) = (&next, &ran, &is_over, &failure);
            scope.spawn(move || {
                let mut bench = Bench::new();
                while !is_over.load(Ordering::Relaxed) {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= cases || settings.time_max.is_some_and(|time_max| began.elapsed() >= time_max) {
                        return;
                    }
                    let batch = from + first..from + cases.min(first + BATCH);
                    for case in batch {
                        watch::note(thread, name, settings.seed, case);
                        if let Err(message) = run(check, settings.seed, case, &mut bench) {
                            is_over.store(true, Ordering::Relaxed);
                            let mut failure = failure.lock().unwrap();
                            if failure.as_ref().is_none_or(|(earlier, _)| case < *earlier) {
                                *failure = Some((case, message));
                            }
                            return;
                        }
                        ran.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap() {
        Some(failure) => Err(failure),
        None => Ok(ran.into_inner()),
    }
}

fn run(check: Check, seed: u64, case: u64, bench: &mut Bench) -> Result<(), String> {
    let mut random = Random::of_case(seed, case);
    catch_unwind(AssertUnwindSafe(|| check(&mut random, bench))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a message")))
    })
}

impl Settings {
    fn from_environment() -> Result<Self, String> {
        let kernels = match std::env::var("LYGER_FUZZ_KERNELS") {
            Err(_) => KERNELS.to_vec(),
            Ok(names) => names.split(',').map(kernel).collect::<Result<_, _>>()?,
        };
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
        let threads = number("LYGER_FUZZ_THREADS")?.unwrap_or(cpus).clamp(1, watch::THREADS_MAX as u64) as usize;
        Ok(Self {
            cases: number("LYGER_FUZZ_CASES")?.unwrap_or(CASES),
            time_max: number("LYGER_FUZZ_SECONDS")?.map(Duration::from_secs),
            seed: number("LYGER_FUZZ_SEED")?.unwrap_or(nanos),
            kernels,
            only: number("LYGER_FUZZ_CASE")?,
            threads,
        })
    }
}

fn kernel(name: &str) -> Result<(&'static str, Check), String> {
    KERNELS.into_iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let known = KERNELS.map(|(known, _)| known).join(", ");
        format!("LYGER_FUZZ_KERNELS: there is no kernel {name:?}; there are {known}")
    })
}

/// A number as it is printed: decimal, or hexadecimal behind `0x`.
fn number(name: &str) -> Result<Option<u64>, String> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map(Some).map_err(|_| format!("{name} is {text:?}, which is no number"))
}
