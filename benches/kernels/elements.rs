//! One query against many candidates of what isn't f32: floats of 16 bits and i8 beside simsimd, bits beside simsimd and faiss, each
//! beside reading alone; and the Rust kernels beside the Zig ones.

use std::hint::black_box;

use lyger::kernels::vectors::{Bf16, Element, F16, Metric as Score, Rows, hamming_distances, hamming_top_k, top_k};
use lyger::kernels::{self, Variant};
use simsimd::{BinarySimilarity, SpatialSimilarity};

use crate::faiss::Script;
use crate::support::{Case, Comparison, Metric, absent, is_wanted, repeated};
use crate::vectors::{DIM, K, numbers, places, read};
use crate::{SAMPLE, beside, fallback_min, twins};

/// Who else does it, how, and how far at least the subject is to be ahead.
type Peer<'a> = (&'a str, Box<dyn FnMut() + 'a>, Option<f64>);

/// A score of simsimd.
type Compute<P> = fn(&[P], &[P]) -> Option<f64>;

/// Bytes of a vector of bits: as many bits as the others have elements, and what longer ones cost.
const BIT_BYTES: [usize; 2] = [DIM / 8, 1024];

pub(crate) fn compare() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for place in places() {
        let floats = numbers(DIM * (place.1 + 1), 2);
        let halves = |half: fn(f32) -> u16| -> Vec<u16> { floats.iter().map(|float| half(*float)).collect() };
        let f16 = halves(|float| F16::from_f32(float).0);
        comparisons.extend(of("f16", place, &f16, F16, simsimd::f16, None));
        let bf16 = halves(|float| Bf16::from_f32(float).0);
        comparisons.extend(of("bf16", place, &bf16, Bf16, simsimd::bf16, None));
        let bytes: Vec<i8> = floats.iter().map(|float| (float * 127.0) as i8).collect();
        comparisons.extend(of("i8", place, &bytes, |byte| byte, |byte| byte, Some(1.0)));
        for len in BIT_BYTES {
            comparisons.extend(bits(len, place));
        }
    }
    comparisons
}

/// Of `numbers` the first vector is the query; `ours` and `theirs` make elements of them.
fn of<N: Copy, E: Element, P: SpatialSimilarity>(
    kind: &str,
    (place, count): (&str, usize),
    numbers: &[N],
    ours: fn(N) -> E,
    theirs: fn(N) -> P,
    ratio_min: Option<f64>,
) -> Vec<Comparison> {
    let ours: Vec<E> = numbers.iter().map(|number| ours(*number)).collect();
    let theirs: Vec<P> = numbers.iter().map(|number| theirs(*number)).collect();
    let (query, elements) = ours.split_at(DIM);
    let (peer_query, peer_elements) = theirs.split_at(DIM);
    let rows = Rows::new(elements, DIM, DIM, count).expect("as many elements");
    let bytes = DIM * size_of::<E>();
    let metrics: [(_, _, Compute<P>); 3] =
        [("dot", Score::Dot, P::dot), ("cosine", Score::Cosine, P::cosine), ("l2", Score::L2, P::euclidean)];
    let mut comparisons = Vec::new();
    for (what, metric, compute) in metrics {
        let name = format!("{what}, {count} candidates of {DIM} {kind}, {place}");
        let score = |variant: Variant| {
            let mut scores = vec![0.0; count];
            move || variant.vector_scores(metric, query, &rows, black_box(&mut scores)).expect("fits")
        };
        let mut peer_scores = vec![0.0; count];
        let simsimd = || {
            for (score, candidate) in peer_scores.iter_mut().zip(peer_elements.chunks_exact(DIM)) {
                *score = compute(peer_query, candidate).expect("of one length") as f32;
            }
            black_box(&mut peer_scores);
        };
        let active = Variant::by_name(kernels::active()).expect("in use");
        let peers: Vec<Peer> = vec![
            ("simsimd", Box::new(simsimd), ratio_min),
            ("limit: reading alone", Box::new(reading(elements)), None),
        ];
        comparisons.extend(case((&name, count, bytes), (active.name(), &mut score(active)), peers));
        comparisons.extend(fallback((&name, count, bytes), &mut |variant| Box::new(score(variant))));
        if kind == "i8" && metric != Score::Cosine {
            let mut best = || _ = black_box(top_k(metric, query, &rows, K).expect("fits"));
            let start = || Script::faiss(&format!("i8-{what}"), DIM, count, K);
            let name = format!("{name}, the best {K}");
            comparisons.extend(beside_script((&name, count, bytes), "faiss, 8-bit quantizer", start, &mut best));
        }
    }
    comparisons
}

fn bits(len: usize, (place, count): (&str, usize)) -> Vec<Comparison> {
    let bytes: Vec<u8> = numbers(len * (count + 1), 3).iter().map(|float| (float * 1e6) as i32 as u8).collect();
    let (query, elements) = bytes.split_at(len);
    let rows = Rows::new(elements, len, len, count).expect("as many bytes");
    let name = format!("hamming, {count} candidates of {} bits, {place}", 8 * len);
    let mut peer_distances = vec![0; count];
    let simsimd = || {
        for (distance, candidate) in peer_distances.iter_mut().zip(elements.chunks_exact(len)) {
            *distance = u8::hamming(query, candidate).expect("of one length") as u32;
        }
        black_box(&mut peer_distances);
    };
    let mut distances = vec![0; count];
    let mut subject = || hamming_distances(query, &rows, black_box(&mut distances)).expect("fits");
    let peers: Vec<Peer> =
        vec![("simsimd", Box::new(simsimd), Some(1.0)), ("limit: reading alone", Box::new(reading(elements)), None)];
    let mut comparisons = case((&name, count, len), (kernels::active(), &mut subject), peers);
    comparisons.extend(fallback((&name, count, len), &mut |variant| {
        let mut distances = vec![0; count];
        Box::new(move || variant.vector_hamming(query, &rows, black_box(&mut distances)).expect("fits"))
    }));
    let mut best = || _ = black_box(hamming_top_k(query, &rows, K).expect("fits"));
    let name = format!("{name}, the best {K}");
    comparisons.extend(beside_faiss((&name, count, len), "binary", 8 * len, &mut best));
    comparisons
}

/// What is done, with how many candidates, of how many bytes each.
pub(crate) type What<'a> = (&'a str, usize, usize);

pub(crate) fn described((name, _, bytes): What) -> Case {
    Case { name, unit: "ns a candidate", placement: "one thread", metric: Metric::Cpu, bytes: Some(bytes) }
}

fn case(what: What, subject: (&str, &mut dyn FnMut()), peers: Vec<Peer>) -> Vec<Comparison> {
    let nanoseconds = 1e3 / what.1 as f64;
    let mut comparisons = Vec::new();
    let mut subject_run = repeated(SAMPLE, subject.1);
    for (peer, mut work, ratio_min) in peers {
        let mut peer_run = repeated(SAMPLE, &mut work);
        comparisons.extend(beside(
            described(what),
            (subject.0, &mut || subject_run() * nanoseconds),
            (peer, &mut || peer_run() * nanoseconds),
            ratio_min,
        ));
    }
    comparisons
}

/// The Rust kernels of each level beside the Zig ones, where those are.
pub(crate) fn fallback<'a>(what: What, work: &mut dyn FnMut(Variant) -> Box<dyn FnMut() + 'a>) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (rust, zig) in twins() {
        let peers = vec![(zig.name(), work(zig), fallback_min(rust))];
        comparisons.extend(case(what, (rust.name(), &mut work(rust)), peers));
    }
    comparisons
}

/// The best few beside faiss, which measures itself in a process of its own.
pub(crate) fn beside_faiss(what: What, index: &str, dim: usize, best: &mut dyn FnMut()) -> Option<Comparison> {
    beside_script(what, "faiss flat", || Script::faiss(index, dim, what.1, K), best)
}

/// A library that measures itself.
pub(crate) fn beside_script(
    what: What,
    peer: &str,
    start: impl FnOnce() -> Result<Script, String>,
    work: &mut dyn FnMut(),
) -> Option<Comparison> {
    let (name, count, _) = what;
    if !is_wanted(name) {
        return None;
    }
    let mut script = match start() {
        Ok(script) => script,
        Err(reason) => {
            absent(peer, &reason);
            return None;
        }
    };
    let mut subject_run = repeated(SAMPLE, work);
    let mut subject = || subject_run() * 1e3 / count as f64;
    beside(described(what), (kernels::active(), &mut subject), (peer, &mut || script.nanoseconds()), None)
}

/// Loads all of it.
#[allow(unsafe_code)]
fn reading<E>(elements: &[E]) -> impl FnMut() {
    // SAFETY: the same memory; any bits are floats, and none is read behind the last whole one. Only what is aligned as one.
    let (_, floats, _) = unsafe { elements.align_to::<f32>() };
    move || _ = black_box(read(black_box(floats)))
}
