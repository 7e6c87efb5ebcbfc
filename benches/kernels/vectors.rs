//! One query against many candidates of 768 floats: beside simsimd, and OpenBLAS, numkong and faiss where they are installed, a plain
//! loop, and reading the candidates without computing anything.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::hint::black_box;

use lyger::kernels::vectors::{self, Metric as Score, Rows};
use lyger::kernels::{self, Variant};
use simsimd::SpatialSimilarity;

use crate::elements::{beside_faiss, beside_script, described, fallback};
use crate::faiss::Script;
use crate::support::{Comparison, absent, is_short, repeated};
use crate::{SAMPLE, beside};

pub(crate) const DIM: usize = 768;

/// Candidates that stay in a cache of a few megabytes, and such that don't stay in any.
pub(crate) fn places() -> [(&'static str, usize); 2] {
    [("in cache", 1_000), ("in memory", if is_short() { 20_000 } else { 200_000 })]
}

/// How many are wanted where the best are.
pub(crate) const K: usize = 10;

const METRICS: [(&str, Score); 3] = [("dot", Score::Dot), ("cosine", Score::Cosine), ("l2", Score::L2)];

/// What is done, by whom, and how far at least the subject is to be ahead.
type Peer<'a> = (&'static str, Box<dyn FnMut(&mut [f32]) + 'a>, Option<f64>);

/// Who of Lyger does it, and how.
type Subject<'a> = (&'a str, &'a dyn Fn(&mut [f32]));

pub(crate) fn compare() -> Vec<Comparison> {
    let blas = Blas::load();
    if let Err(reason) = &blas {
        absent("OpenBLAS sgemv", reason);
    }
    places().into_iter().flat_map(|(place, count)| at(place, count, blas.as_ref().ok())).collect()
}

fn at(place: &str, count: usize, blas: Option<&Blas>) -> Vec<Comparison> {
    let in_cache = place == "in cache";
    let query = numbers(DIM, 1);
    let elements = numbers(DIM * count, 2);
    let rows = Rows::new(&elements, DIM, DIM, count).expect("as many elements");
    let mut norms = vec![0.0; count];
    vectors::norms(&rows, &mut norms).expect("as many norms");
    let normed = rows.with_norms(&norms).expect("as many norms");
    let reading_min = Some(if in_cache { 1.0 / 1.15 } else { 1.0 / 1.2 });
    let reading =
        || -> Peer { ("limit: reading alone", Box::new(|_| _ = black_box(read(black_box(&elements)))), reading_min) };
    let (query, elements) = (&query, &elements);

    let simsimd = |compute: fn(&[f32], &[f32]) -> Option<f64>, ratio_min| -> Peer {
        let score = move |scores: &mut [f32]| {
            for (score, candidate) in scores.iter_mut().zip(elements.chunks_exact(DIM)) {
                *score = compute(query, candidate).expect("of one length") as f32;
            }
        };
        ("simsimd", Box::new(score), ratio_min)
    };
    let mut dots: Vec<Peer> = vec![reading(), simsimd(f32::dot, Some(1.0))];
    if let Some(blas) = blas {
        let ratio_min = in_cache.then_some(1.0 / 1.05);
        dots.push(("OpenBLAS sgemv", Box::new(|scores| blas.dots(query, elements, scores)), ratio_min));
    }
    let naive = |scores: &mut [f32]| {
        for (score, candidate) in scores.iter_mut().zip(elements.chunks_exact(DIM)) {
            *score = query.iter().zip(candidate).map(|(a, b)| a * b).sum();
        }
    };
    dots.push(("a plain loop", Box::new(naive), None));

    let mut comparisons = Vec::new();
    let mut add = |what: &str, subject: &dyn Fn(&mut [f32]), by: &'static str, peers: Vec<Peer>| {
        let name = format!("{what}, {count} candidates of {DIM} f32, {place}");
        comparisons.extend(case(&name, count, (by, subject), peers));
    };
    let score = |metric, rows| move |scores: &mut [f32]| vectors::score(metric, query, &rows, scores).expect("fits");
    let cosine_min = Some(if in_cache { 1.4 } else { 1.0 });
    add("dot", &score(Score::Dot, rows), kernels::active(), dots);
    let cosines = vec![reading(), simsimd(f32::cosine, cosine_min)];
    add("cosine", &score(Score::Cosine, rows), kernels::active(), cosines);
    add("cosine, norms given", &score(Score::Cosine, normed), kernels::active(), vec![reading()]);
    let distances = vec![reading(), simsimd(f32::euclidean, Some(1.0))];
    add("l2", &score(Score::L2, rows), kernels::active(), distances);
    for (what, metric) in METRICS {
        let best = |_: &mut [f32]| _ = black_box(vectors::top_k(metric, query, &rows, K).expect("fits"));
        let scoring: Peer = ("limit: scoring alone", Box::new(score(metric, rows)), Some(1.0));
        add(&format!("{what}, the best {K}"), &best, kernels::active(), vec![scoring]);
    }
    for variant in Variant::available().filter(|variant| variant.name() != kernels::active()) {
        for (what, metric) in METRICS {
            let score = |scores: &mut [f32]| variant.vector_scores(metric, query, &rows, scores).expect("fits");
            let (limit, work, _) = reading();
            add(what, &score, variant.name(), vec![(limit, work, None)]);
        }
    }
    comparisons.extend(elsewhere(place, query, &rows));
    if in_cache {
        comparisons.extend(normalizing(elements));
    }
    comparisons
}

/// Beside libraries in processes of their own, and the Rust kernels beside the Zig ones.
fn elsewhere(place: &str, query: &[f32], rows: &Rows<f32>) -> Vec<Comparison> {
    let (count, bytes) = (rows.count(), DIM * size_of::<f32>());
    let mut comparisons = Vec::new();
    for (what, metric) in METRICS {
        let name = format!("{what}, {count} candidates of {DIM} f32, {place}");
        let mut scores = vec![0.0; count];
        let mut work = || vectors::score(metric, query, rows, black_box(&mut scores)).expect("fits");
        let numkong = || Script::numkong(what, DIM, count);
        comparisons.extend(beside_script((&name, count, bytes), "numkong", numkong, &mut work));
        comparisons.extend(fallback((&name, count, bytes), &mut |variant| {
            let mut scores = vec![0.0; count];
            Box::new(move || variant.vector_scores(metric, query, rows, &mut scores).expect("fits"))
        }));
        let name = format!("{name}, the best {K}");
        comparisons.extend(fallback((&name, count, bytes), &mut |variant| {
            Box::new(move || _ = black_box(variant.vector_top_k(metric, query, rows, K).expect("fits")))
        }));
        // faiss has cosines as dots of vectors that were normalized before.
        if metric != Score::Cosine {
            let mut best = || _ = black_box(vectors::top_k(metric, query, rows, K).expect("fits"));
            comparisons.extend(beside_faiss((&name, count, bytes), what, DIM, &mut best));
        }
    }
    comparisons
}

/// The Rust kernel beside the Zig one; again and again the same vectors, which stay what they are after the first time.
fn normalizing(elements: &[f32]) -> Vec<Comparison> {
    let count = elements.len() / DIM;
    let name = format!("normalize, {count} vectors of {DIM} f32, in cache");
    fallback((&name, count, DIM * size_of::<f32>()), &mut |variant| {
        let mut vectors = elements.to_vec();
        Box::new(move || {
            black_box(&mut vectors).chunks_exact_mut(DIM).for_each(|vector| variant.vector_normalize(vector))
        })
    })
}

fn case(name: &str, count: usize, subject: Subject, peers: Vec<Peer>) -> Vec<Comparison> {
    let case = described((name, count, DIM * size_of::<f32>()));
    let nanoseconds = 1e3 / count as f64;
    let mut scores = vec![0.0; count];
    let mut others = vec![0.0; count];
    peers
        .into_iter()
        .filter_map(|(peer, mut work, ratio_min)| {
            let mut subject_work = || (subject.1)(black_box(&mut scores));
            let mut subject_run = repeated(SAMPLE, &mut subject_work);
            let mut peer_work = || work(black_box(&mut others));
            let mut peer_run = repeated(SAMPLE, &mut peer_work);
            beside(
                case,
                (subject.0, &mut || subject_run() * nanoseconds),
                (peer, &mut || peer_run() * nanoseconds),
                ratio_min,
            )
        })
        .collect()
}

/// Between -1 and 1.
pub(crate) fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Loads everything into registers, the widest that this CPU has.
pub(crate) fn read(elements: &[f32]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has it.
            return unsafe { read_512(elements) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has it.
            return unsafe { read_256(elements) };
        }
    }
    read_all(elements)
}

// By intrinsics: the compiler makes something slower than the kernels of a plain loop here, which would be no limit.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn read_512(elements: &[f32]) -> u32 {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_or_si512, _mm512_reduce_or_epi32, _mm512_setzero_si512};
    let mut all = [_mm512_setzero_si512(); 8];
    for block in elements.as_chunks::<128>().0 {
        for (at, all) in all.iter_mut().enumerate() {
            // SAFETY: 16 of the block's 128 floats.
            *all = _mm512_or_si512(*all, unsafe { _mm512_loadu_si512(block.as_ptr().add(16 * at).cast()) });
        }
    }
    all.into_iter().fold(0, |bits, all| bits | _mm512_reduce_or_epi32(all).cast_unsigned())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn read_256(elements: &[f32]) -> u32 {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_setzero_si256};
    let mut all = [_mm256_setzero_si256(); 8];
    for block in elements.as_chunks::<64>().0 {
        for (at, all) in all.iter_mut().enumerate() {
            // SAFETY: 8 of the block's 64 floats.
            *all = _mm256_or_si256(*all, unsafe { _mm256_loadu_si256(block.as_ptr().add(8 * at).cast()) });
        }
    }
    all.into_iter().fold(0, |bits, all| bits | _mm256_movemask_epi8(all).cast_unsigned())
}

#[inline(always)]
fn read_all(elements: &[f32]) -> u32 {
    let (blocks, rest) = elements.as_chunks::<64>();
    let mut lanes = [0; 64];
    for block in blocks {
        for (lane, element) in lanes.iter_mut().zip(block) {
            *lane |= element.to_bits();
        }
    }
    lanes.into_iter().chain(rest.iter().map(|element| element.to_bits())).fold(0, |all, bits| all | bits)
}

/// OpenBLAS, if the machine has it: Debian's package libopenblas0-pthread.
struct Blas {
    sgemv: Sgemv,
}

/// `cblas_sgemv`: the order, the transposition, rows, columns, alpha, the matrix and its stride, the vector and its, beta, the result and
/// its.
type Sgemv =
    unsafe extern "C" fn(c_int, c_int, c_int, c_int, f32, *const f32, c_int, *const f32, c_int, f32, *mut f32, c_int);

impl Blas {
    fn load() -> Result<Self, String> {
        // SAFETY: the library's constructors are its own business; the symbols have the types of cblas.h.
        unsafe {
            let library = libc::dlopen(c"libopenblas.so.0".as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                return Err("libopenblas.so.0 isn't installed".to_owned());
            }
            let symbol = |name: &CStr| -> Result<*mut c_void, String> {
                let address = libc::dlsym(library, name.as_ptr());
                if address.is_null() { Err(format!("it lacks {name:?}")) } else { Ok(address) }
            };
            let set_threads = symbol(c"openblas_set_num_threads")?;
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int)>(set_threads)(1);
            Ok(Self { sgemv: std::mem::transmute::<*mut c_void, Sgemv>(symbol(c"cblas_sgemv")?) })
        }
    }

    fn dots(&self, query: &[f32], elements: &[f32], scores: &mut [f32]) {
        const ROW_MAJOR: c_int = 101;
        const NOT_TRANSPOSED: c_int = 111;
        let (count, dim) = (scores.len() as c_int, query.len() as c_int);
        assert_eq!(elements.len(), scores.len() * query.len());
        // SAFETY: a matrix of count rows, a vector of dim elements, and one of count, as the assertion says.
        unsafe {
            (self.sgemv)(
                ROW_MAJOR,
                NOT_TRANSPOSED,
                count,
                dim,
                1.0,
                elements.as_ptr(),
                dim,
                query.as_ptr(),
                1,
                0.0,
                scores.as_mut_ptr(),
                1,
            );
        }
    }
}
