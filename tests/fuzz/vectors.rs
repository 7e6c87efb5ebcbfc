//! Scores, norms and the best few of vectors of every type, vectors of length 1, and differing bits. Vectors and what is found
//! of them end at a forbidden page.

use lyger::kernels::vectors::{Bf16, Element, F16, Metric, Rows};

use crate::agree::{Bench, agree, bits};
use crate::memory::Plain;
use crate::random::Random;

/// Of what a result is before a kernel writes it.
const UNWRITTEN: u32 = 0x1234_5678;

pub(crate) fn f32(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let dim = random.length();
    scores(random, bench, dim, Random::fill, |element, by| element * by)
}

pub(crate) fn f16(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let dim = random.length();
    let fill = |random: &mut Random, elements: &mut [F16]| {
        random.fill_of(elements, |random| F16::from_f32(2.0 * random.share() - 1.0), |random| F16(random.half(0x7c00)));
    };
    scores(random, bench, dim, fill, |element, by| F16::from_f32(element.to_f32() * by))
}

pub(crate) fn bf16(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let dim = random.length();
    let fill = |random: &mut Random, elements: &mut [Bf16]| {
        random.fill_of(
            elements,
            |random| Bf16::from_f32(2.0 * random.share() - 1.0),
            |random| Bf16(random.half(0x7f80)),
        );
    };
    scores(random, bench, dim, fill, |element, by| Bf16::from_f32(element.to_f32() * by))
}

pub(crate) fn i8(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    // At times around as many elements as an i32 surely holds the sum of, and around twice as many.
    let long = random.pick(&[1 << 15, 65_400]) - 70 + random.below(140);
    let dim = if random.once_in(1024) { long } else { random.length() };
    let fill = |random: &mut Random, elements: &mut [i8]| {
        random.fill_of(
            elements,
            |random| random.next() as i8,
            |random| random.pick(&[i8::MIN, i8::MIN, i8::MAX, 0, -1]),
        );
    };
    scores(random, bench, dim, fill, |element, by| (f32::from(element) * by) as i8)
}

fn scores<E: Element + Plain + Default>(
    random: &mut Random,
    bench: &mut Bench,
    dim: usize,
    fill: impl Fn(&mut Random, &mut [E]),
    times: impl Fn(E, f32) -> E,
) -> Result<(), String> {
    let (count, stride) = shape(random, dim);
    let mut query = vec![E::default(); dim];
    fill(random, &mut query);
    let mut elements = vec![E::default(); if count == 0 { 0 } else { (count - 1) * stride + dim }];
    fill(random, &mut elements);
    for row in 0..count {
        let row = &mut elements[row * stride..][..dim];
        // What has the query's direction, whose cosine may come out above 1, and what is nothing.
        match random.below(16) {
            0 => row.fill(E::default()),
            1 => row.copy_from_slice(&query),
            2 => row.iter_mut().zip(&query).for_each(|(element, query)| *element = times(*query, -3.0)),
            3 => row.iter_mut().zip(&query).for_each(|(element, query)| *element = times(*query, 1e-23)),
            _ => {}
        }
    }
    let metric = random.pick(&[Metric::Dot, Metric::Cosine, Metric::L2]);
    let k = random.below(6);
    let [query_room, rows_room, scores_room, norms_room] = &mut bench.memory;
    let query: &[E] = query_room.hold(&query);
    let rows = Rows::new(rows_room.hold(&elements), dim, stride, count).map_err(|error| error.to_string())?;
    agree(&bench.variants, |variant| {
        let scores = scores_room.last(count);
        scores.fill(f32::from_bits(UNWRITTEN));
        variant.vector_scores(metric, query, &rows, scores).expect("as many scores as rows");
        let mut all = bits(scores);
        let norms = norms_room.last(count);
        norms.fill(f32::from_bits(UNWRITTEN));
        variant.vector_norms(&rows, norms).expect("as many norms as rows");
        all.extend(bits(norms));
        scores.fill(f32::from_bits(UNWRITTEN));
        variant.vector_scores(metric, query, &rows.with_norms(norms).expect("as many"), scores).expect("as many");
        all.extend(bits(scores));
        for found in variant.vector_top_k(metric, query, &rows, k).expect("as the rows") {
            all.extend([found.index as u32, found.score.to_bits()]);
        }
        all
    })
    .map(drop)
}

/// How many rows, seldom more than are selected from at once, and the elements from one to the next.
fn shape(random: &mut Random, dim: usize) -> (usize, usize) {
    let count = if random.once_in(1024) { random.below(700) } else { random.below_or(8, 32, 20) };
    // What four bytes an element leave room for, and at least two rows of any length of one byte.
    (count.min((24_000 / dim.max(1)).max(2)), dim + random.below(3))
}

pub(crate) fn hamming(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let dim = random.length();
    let (count, stride) = shape(random, dim);
    let fill = |random: &mut Random, bytes: &mut [u8]| {
        random.fill_of(bytes, |random| random.next() as u8, |random| random.pick(&[0, 0xff, 0xff, 1, 0x80]));
    };
    let mut query = vec![0; dim];
    fill(random, &mut query);
    let mut bytes = vec![0; if count == 0 { 0 } else { (count - 1) * stride + dim }];
    fill(random, &mut bytes);
    for row in 0..count {
        let row = &mut bytes[row * stride..][..dim];
        // What is as near as another, and what is as far as can be.
        match random.below(8) {
            0 => row.copy_from_slice(&query),
            1 => row.iter_mut().zip(&query).for_each(|(byte, query)| *byte = !query),
            _ => {}
        }
    }
    let k = random.below(6);
    let [query_room, rows_room, distances_room, _] = &mut bench.memory;
    let query: &[u8] = query_room.hold(&query);
    let rows = Rows::new(rows_room.hold(&bytes), dim, stride, count).map_err(|error| error.to_string())?;
    agree(&bench.variants, |variant| {
        let distances = distances_room.last(count);
        distances.fill(UNWRITTEN);
        variant.vector_hamming(query, &rows, distances).expect("as many distances as rows");
        let mut all = distances.to_vec();
        for near in variant.vector_hamming_top_k(query, &rows, k).expect("as the rows") {
            all.extend([near.index as u32, near.distance]);
        }
        all
    })
    .map(drop)
}

pub(crate) fn normalize(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let mut vector = vec![0.0; random.length()];
    random.fill(&mut vector);
    let room = &mut bench.memory[0];
    agree(&bench.variants, |variant| {
        let vector = room.hold(&vector);
        variant.vector_normalize(vector);
        bits(vector)
    })
    .map(drop)
}
