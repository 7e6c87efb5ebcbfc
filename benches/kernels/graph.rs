//! Decay and spreading, beside the loops that a Rust program would have, and beside what the memory allows.

use std::hint::black_box;

use lyger::kernels::graph::{Graph, Normalization, Spreading};
use lyger::kernels::{self, Variant};

use super::support::{Case, Comparison, Metric, is_short};
use super::{Peer, beside_peer, fallback};

/// The marks of issue 5: of the naive loop's time, and of the limit's, of which spreading may take 1.5 times as much.
const DECAY_RATIO_MIN: f64 = 5.0;
const SPREAD_RATIO_MIN: f64 = 1.0 / 1.5;

/// Much longer than the ages, so that strengths that decay in every run of a bench don't become subnormal.
const HALF_LIFE_SECONDS: f32 = 1e9;

/// Any numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f32 {
        self.next() as f32 / (1_u32 << 31) as f32
    }
}

pub(crate) fn decay() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (count, place) in [(16_384, "in the second cache"), (if is_short() { 4 << 20 } else { 16 << 20 }, "in memory")]
    {
        let mut numbers = Numbers(1);
        let ages: Vec<f32> = (0..count).map(|_| 1e4 * numbers.fraction()).collect();
        let fresh: Vec<f32> = (0..count).map(|_| 0.5 + numbers.fraction()).collect();
        let name = format!("decay of {count} strengths, {place}");
        // Strengths are read and written, ages read.
        let bytes = Some(3 * size_of::<f32>() * count);
        let case = Case { name: &name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes };
        let (mut ours, mut theirs) = (fresh.clone(), [fresh.clone(), fresh.clone(), fresh]);
        let [first, second, third] = &mut theirs;
        let mut naive = || naive(black_box(first), black_box(&ages), HALF_LIFE_SECONDS);
        let mut polynomial = || polynomial(black_box(second), black_box(&ages), HALF_LIFE_SECONDS);
        let mut traffic = || traffic(black_box(third), black_box(&ages));
        let peers: [Peer; 3] = [
            ("Rust's own loop (libm)", &mut naive, Some(DECAY_RATIO_MIN)),
            ("a polynomial, as rustc vectorizes", &mut polynomial, None),
            ("limit: a sum in place", &mut traffic, None),
        ];
        for (peer, work, ratio_min) in peers {
            for variant in Variant::available() {
                let is_active = variant.name() == kernels::active();
                let mut subject = || {
                    variant
                        .apply_decay(black_box(&mut ours), black_box(&ages), HALF_LIFE_SECONDS)
                        .expect("a half-life");
                };
                let ratio_min = ratio_min.filter(|_| is_active);
                comparisons.extend(beside_peer(case, (variant.name(), &mut subject), (peer, work, ratio_min)));
            }
        }
        let ages = &ages;
        comparisons.extend(fallback(case, &mut |variant| {
            let mut strengths = ours.clone();
            Box::new(move || {
                variant.apply_decay(&mut strengths, black_box(ages), HALF_LIFE_SECONDS).expect("a half-life")
            })
        }));
    }
    comparisons
}

#[inline(never)]
fn naive(strengths: &mut [f32], ages: &[f32], half_life: f32) {
    for (strength, age) in strengths.iter_mut().zip(ages) {
        *strength *= (-age / half_life).exp2();
    }
}

/// The same in floats throughout, by a polynomial that is good to 1e-6 where ages are small: the least that such a loop
/// can do, for whatever CPU the program is compiled for.
#[inline(never)]
fn polynomial(strengths: &mut [f32], ages: &[f32], half_life: f32) {
    for (strength, age) in strengths.iter_mut().zip(ages) {
        let x = (-age / half_life).max(-126.0);
        let k = (x + 12_582_912.0) - 12_582_912.0;
        let r = x - k;
        let mut p = 0.001_339_89_f32;
        p = p * r + 0.009_618_13;
        p = p * r + 0.055_503_54;
        p = p * r + 0.240_226_5;
        p = p * r + std::f32::consts::LN_2;
        p = p * r + 1.0;
        *strength *= p * f32::from_bits(((k as i32 + 127) as u32) << 23);
    }
}

/// Reads and writes what a decay reads and writes, with nothing to compute.
#[inline(never)]
fn traffic(strengths: &mut [f32], ages: &[f32]) {
    for (strength, age) in strengths.iter_mut().zip(ages) {
        *strength += age;
    }
}

/// Edges of each node, to random others.
const DEGREE: usize = 16;

/// One step in which every node fires.
const STEP: Spreading = Spreading {
    steps: 1,
    retention: 0.5,
    transmission: 0.999,
    threshold: 0.0,
    refractory_steps: 0,
    normalization: Normalization::None,
};

pub(crate) fn spread() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (nodes, place) in
        [(20_000, "edges in the last cache"), (if is_short() { 300_000 } else { 1 << 20 }, "edges in memory")]
    {
        let mut numbers = Numbers(2);
        let offsets: Vec<u32> = (0..=nodes).map(|node| (node * DEGREE) as u32).collect();
        let targets: Vec<u32> = (0..nodes * DEGREE).map(|_| numbers.next() % nodes as u32).collect();
        // What arrives is in the mean half of what was there, so that steps neither grow nor fade.
        let weights: Vec<f32> = targets.iter().map(|_| numbers.fraction() / DEGREE as f32).collect();
        let pairs = |node: usize| -> Vec<(usize, f32)> {
            let edges = node * DEGREE..(node + 1) * DEGREE;
            edges.map(|edge| (targets[edge] as usize, weights[edge])).collect()
        };
        let lists: Vec<Vec<(usize, f32)>> = (0..nodes).map(pairs).collect();
        let graph = Graph::new(&offsets, &targets, &weights).expect("a graph");
        let mut activations = vec![1.0; nodes];
        let mut scratch = vec![0; graph.scratch_len()];
        let [mut of_lists, mut of_rows, mut touched] =
            [const { Vec::new() }; 3].map(|_: Vec<f32>| vec![1.0_f32; nodes]);

        let name = format!("one step of spreading over {nodes} nodes, {} edges, {place}", targets.len());
        // The edges alone.
        let bytes = Some((size_of::<u32>() + size_of::<f32>()) * targets.len());
        let case = Case { name: &name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes };
        let mut lists = || of_lists = step_by_lists(black_box(&lists), &of_lists);
        let mut rows = || of_rows = step_by_rows(black_box(&offsets), &targets, &weights, &of_rows);
        let mut touch = || touch(black_box(&targets), black_box(&weights), black_box(&mut touched));
        let mut read = || {
            black_box(read(black_box(&targets), black_box(&weights)));
        };
        let peers: [Peer; 4] = [
            ("Rust's own loop over lists", &mut lists, None),
            ("Rust's own loop over rows", &mut rows, None),
            ("limit: each edge to its target", &mut touch, Some(SPREAD_RATIO_MIN)),
            ("reading the edges alone", &mut read, None),
        ];
        for (peer, work, ratio_min) in peers {
            for variant in Variant::available() {
                let is_active = variant.name() == kernels::active();
                let mut subject = || {
                    let activations = black_box(&mut activations);
                    variant.spread_activation(black_box(&graph), activations, &STEP, &mut scratch).expect("a step");
                };
                let ratio_min = ratio_min.filter(|_| is_active);
                comparisons.extend(beside_peer(case, (variant.name(), &mut subject), (peer, work, ratio_min)));
            }
        }
        let graph = &graph;
        comparisons.extend(fallback(case, &mut |variant| {
            let (mut activations, mut scratch) = (activations.clone(), scratch.clone());
            Box::new(move || {
                variant.spread_activation(black_box(graph), &mut activations, &STEP, &mut scratch).expect("a step");
            })
        }));
    }
    comparisons
}

#[inline(never)]
fn step_by_lists(lists: &[Vec<(usize, f32)>], now: &[f32]) -> Vec<f32> {
    let mut next: Vec<f32> = now.iter().map(|activation| activation * STEP.retention).collect();
    for (edges, &activation) in lists.iter().zip(now) {
        if activation > STEP.threshold {
            for &(target, weight) in edges {
                next[target] += activation * STEP.transmission * weight;
            }
        }
    }
    next
}

#[inline(never)]
fn step_by_rows(offsets: &[u32], targets: &[u32], weights: &[f32], now: &[f32]) -> Vec<f32> {
    let mut next: Vec<f32> = now.iter().map(|activation| activation * STEP.retention).collect();
    for (range, &activation) in offsets.windows(2).zip(now) {
        if activation > STEP.threshold {
            let sent = activation * STEP.transmission;
            let edges = range[0] as usize..range[1] as usize;
            for (&target, weight) in targets[edges.clone()].iter().zip(&weights[edges]) {
                next[target as usize] += sent * weight;
            }
        }
    }
    next
}

/// Reads every edge once, and reads and writes its target: the memory traffic of a step.
#[inline(never)]
fn touch(targets: &[u32], weights: &[f32], touched: &mut [f32]) {
    for (&target, weight) in targets.iter().zip(weights) {
        touched[target as usize] += *weight;
    }
}

#[inline(never)]
fn read(targets: &[u32], weights: &[f32]) -> (u32, u32) {
    // Whole numbers, so that the compiler may add them in any order.
    let weights = weights.iter().fold(0_u32, |sum, weight| sum.wrapping_add(weight.to_bits()));
    (targets.iter().fold(0_u32, |sum, &target| sum.wrapping_add(target)), weights)
}
