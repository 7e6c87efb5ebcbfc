//! The kernels against their peers: columns to JSON, the sum of `sqrt(i) * sin(i)`, graphs of memories that fade,
//! vectors, and the index of vectors.
//!
//! criterion gives each of them its statistics (`target/criterion`); the ratios come from alternating pairs
//! ([`support`]) and go to `target/bench/kernels.json`. `make bench-kernels` runs it with the Zig kernels.

#[path = "kernels/elements.rs"]
mod elements;
#[path = "kernels/faiss.rs"]
mod faiss;
#[path = "kernels/graph.rs"]
mod graph;
#[path = "kernels/index.rs"]
mod index;
#[path = "kernels/json.rs"]
mod json;
mod support;
#[path = "kernels/text.rs"]
mod text;
#[path = "kernels/vectors.rs"]
mod vectors;

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use lyger::json::encode;
use lyger::kernels::{self, Variant};
use support::shop;
use support::{Case, Comparison, Metric, alternate, repeated, report};

/// Wall time of one run of a pair.
const SAMPLE: Duration = Duration::from_millis(60);

/// Terms of the sum, in the kernels' runs and in PHP's.
const ITERATIONS: u64 = 2_000_000;

/// First mark of issue 2.
const HEAVY_RATIO_MIN: f64 = 10.0;

/// Who else does it, how, and how far behind we promised to leave them.
type Peer<'a> = (&'a str, &'a mut dyn FnMut(), Option<f64>);

fn main() -> std::io::Result<()> {
    println!("{}, kernels: {}", kernels::cpu(), kernels::active());
    statistics();
    let mut comparisons = json::rows();
    comparisons.extend(text::escape());
    comparisons.extend(text::utf8());
    comparisons.extend(text::base64());
    comparisons.extend(heavy());
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

fn heavy() -> Vec<Comparison> {
    let name = format!("sum of sqrt(i) * sin(i), {ITERATIONS} terms");
    let placement = "one thread; PHP in a process of its own";
    let case = Case { name: &name, unit: "us", placement, metric: Metric::Cpu };
    let mut comparisons = Vec::new();
    let peers = [("PHP's own loop", &[][..]), ("PHP's own loop, JIT", &JIT[..])];
    for (peer, options) in peers {
        if let Err(reason) = php(options) {
            println!("left out: {peer} ({reason})");
            continue;
        }
        for variant in Variant::available() {
            let is_active = variant.name() == kernels::active();
            if !is_active && !options.is_empty() {
                continue;
            }
            let mut subject = || {
                black_box(variant.heavy_computation(black_box(ITERATIONS)));
            };
            let mut comparison = alternate(
                case,
                (variant.name(), &mut repeated(SAMPLE, &mut subject)),
                (peer, &mut || php(options).expect("it ran before")),
            );
            comparison.ratio_min = is_active.then_some(HEAVY_RATIO_MIN);
            comparisons.push(comparison);
        }
    }
    let mut subject = || {
        black_box(kernels::heavy_computation(black_box(ITERATIONS)));
    };
    let mut libm = || {
        black_box(naive(black_box(ITERATIONS)));
    };
    comparisons.push(alternate(
        case,
        (kernels::active(), &mut repeated(SAMPLE, &mut subject)),
        ("Rust's own loop (libm)", &mut repeated(SAMPLE, &mut libm)),
    ));
    comparisons
}

fn naive(iterations: u64) -> f64 {
    (0..iterations).map(|i| (i as f64).sqrt() * (i as f64).sin()).sum()
}

const JIT: [&str; 6] = ["-d", "opcache.enable_cli=1", "-d", "opcache.jit_buffer_size=64M", "-d", "opcache.jit=tracing"];

/// Runs the loop in PHP and returns the microseconds of CPU that the loop alone took.
fn php(options: &[&str]) -> Result<f64, String> {
    let wants_jit = !options.is_empty();
    let script = format!(
        "if ({wants_jit} && !(opcache_get_status(false)['jit']['on'] ?? false)) {{ fwrite(STDERR, 'no JIT'); exit(1); }}
        function heavy(int $n): float {{ $s = 0.0; for ($i = 0; $i < $n; $i++) {{ $s += sqrt($i) * sin($i); }} return $s; }}
        function cpu(): float {{ $u = getrusage(); return $u['ru_utime.tv_sec'] * 1e6 + $u['ru_utime.tv_usec']; }}
        $start = cpu(); $sum = heavy({ITERATIONS}); $took = cpu() - $start; echo $took, ' ', $sum;"
    );
    let output = Command::new("php")
        .args(options)
        .arg("-r")
        .arg(script)
        .output()
        .map_err(|_| "php isn't installed".to_owned())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (took, sum) = text.split_once(' ').ok_or_else(|| text.clone())?;
    let (took, sum): (f64, f64) = (took.parse().map_err(|_| text.clone())?, sum.parse().map_err(|_| text.clone())?);
    let expected = kernels::heavy_computation(ITERATIONS);
    if (sum - expected).abs() > 1e-3 { Err(format!("PHP's sum is {sum}, ours {expected}")) } else { Ok(took) }
}
