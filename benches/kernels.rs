//! The kernels against their peers: columns to JSON, the sum of `sqrt(i) * sin(i)`, graphs of memories that fade,
//! vectors, and the index of vectors.
//!
//! criterion gives each of them its statistics (`target/criterion`); the ratios come from alternating pairs
//! ([`support`]) and go to `target/bench/kernels.json`. `make bench-kernels` runs it with the Zig kernels and installs the peers (`.ci/peers`);
//! those that aren't there are named as absent: OpenBLAS and SLEEF are looked for as libraries, faiss, numkong and orjson in the
//! Python that `LYGER_BENCH_PYTHON` names, or else `python3`.

#[path = "kernels/elements.rs"]
mod elements;
#[path = "kernels/faiss.rs"]
mod faiss;
#[path = "kernels/graph.rs"]
mod graph;
#[path = "kernels/heavy.rs"]
mod heavy;
#[path = "kernels/index.rs"]
mod index;
#[path = "kernels/json.rs"]
mod json;
#[path = "support/shop.rs"]
mod shop;
mod support;
#[path = "kernels/text.rs"]
mod text;
#[path = "kernels/vectors.rs"]
mod vectors;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use lyger::json::encode;
use lyger::kernels::{self, Variant};
use support::{Case, Comparison, alternate, is_short, is_wanted, repeated, report};

/// Wall time of one run of a pair.
const SAMPLE: Duration = Duration::from_millis(60);

/// How far the kernels of a build without Zig may be behind.
const FALLBACK_MIN: f64 = 1.0 / 1.3;

/// Who else does it, how, and how far behind we promised to leave them.
type Peer<'a> = (&'a str, &'a mut dyn FnMut(), Option<f64>);

fn main() -> std::io::Result<()> {
    println!("{}, kernels: {}", kernels::cpu(), kernels::active());
    if !is_short() && is_wanted("statistics of criterion") {
        statistics();
    }
    let mut comparisons = json::rows();
    comparisons.extend(text::escape());
    comparisons.extend(text::utf8());
    comparisons.extend(text::base64());
    comparisons.extend(text::csv());
    comparisons.extend(heavy::compare());
    comparisons.extend(graph::decay());
    comparisons.extend(graph::spread());
    comparisons.extend(vectors::compare());
    comparisons.extend(elements::compare());
    comparisons.extend(index::compare());
    report("kernels", &comparisons)
}

fn statistics() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let table = shop::table(&shop::products());
    let mut group = criterion.benchmark_group("json_encode_table");
    group.throughput(Throughput::Bytes(encode::to_vec(&table).len() as u64));
    for variant in Variant::available() {
        kernels::choose(variant.name()).expect("available");
        group.bench_function(variant.name(), |bencher| bencher.iter(|| encode::to_vec(black_box(&table))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("heavy_computation");
    group.throughput(Throughput::Elements(100_000));
    for variant in Variant::available() {
        group.bench_function(variant.name(), |bencher| bencher.iter(|| variant.heavy_computation(black_box(100_000))));
    }
    group.finish();
    kernels::choose("auto").expect("always available");
}

/// Lets them take turns in a case that is wanted.
fn beside(
    case: Case,
    subject: (&str, &mut dyn FnMut() -> f64),
    peer: (&str, &mut dyn FnMut() -> f64),
    ratio_min: Option<f64>,
) -> Option<Comparison> {
    is_wanted(case.name).then(|| Comparison { ratio_min, ..alternate(case, subject, peer) })
}

/// The same with the usual runs.
fn beside_peer(case: Case, subject: (&str, &mut dyn FnMut()), (peer, work, ratio_min): Peer) -> Option<Comparison> {
    let subject = (subject.0, &mut repeated(SAMPLE, subject.1) as &mut dyn FnMut() -> f64);
    beside(case, subject, (peer, &mut repeated(SAMPLE, work)), ratio_min)
}

/// The Rust kernels of each level beside the Zig ones, where those are.
fn fallback<'a>(case: Case, work: &mut dyn FnMut(Variant) -> Box<dyn FnMut() + 'a>) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (rust, zig) in twins() {
        let (mut subject, mut peer) = (work(rust), work(zig));
        let peer: Peer = (zig.name(), &mut peer, fallback_min(rust));
        comparisons.extend(beside_peer(case, (rust.name(), &mut subject), peer));
    }
    comparisons
}

/// The mark of a Rust variant beside its twin. The baseline has none: it is the plainest code there is, without an intrinsic, for CPUs that
/// nothing else is known of; every x86-64 of the last ten years has the second level.
fn fallback_min(rust: Variant) -> Option<f64> {
    (rust.name() != "rust").then_some(FALLBACK_MIN)
}

/// The Rust and the Zig variant of each level that this CPU has, the highest first. Every level, because a lower one is easily lost: in a
/// function that isn't inlined where it should be, each intrinsic is a call.
fn twins() -> impl Iterator<Item = (Variant, Variant)> {
    Variant::available().filter_map(|zig| {
        let rust = format!("rust{}", zig.name().strip_prefix("zig")?);
        Some((Variant::by_name(&rust).ok()?, zig))
    })
}
