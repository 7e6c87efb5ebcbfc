//! Scores, norms, the best few, and vectors of length 1. Vectors end at a forbidden page.

use lyger::kernels::vectors::{Metric, Rows};

use crate::agree::{Bench, agree, bits};
use crate::random::Random;

pub(crate) fn f32(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let dim = random.length();
    let count = random.below_or(8, 32, 20).min(24_000 / dim.max(1));
    let stride = dim + random.below(3);
    let mut query = vec![0.0; dim];
    random.fill(&mut query);
    let len = if count == 0 { 0 } else { (count - 1) * stride + dim };
    let mut elements = vec![0.0; len];
    random.fill(&mut elements);
    for row in 0..count {
        let row = &mut elements[row * stride..][..dim];
        // What has the query's direction, whose cosine may come out above 1, and what is nothing.
        match random.below(16) {
            0 => row.fill(0.0),
            1 => row.copy_from_slice(&query),
            2 => row.iter_mut().zip(&query).for_each(|(element, query)| *element = query * -3.0),
            3 => row.iter_mut().zip(&query).for_each(|(element, query)| *element = query * 1e-23),
            _ => {}
        }
    }
    let metric = random.pick(&[Metric::Dot, Metric::Cosine, Metric::L2]);
    let k = random.below(6);
    let [query_room, rows_room, scores_room, norms_room] = &mut bench.memory;
    let query: &[f32] = query_room.hold(&query);
    let rows = Rows::new(rows_room.hold(&elements), dim, stride, count).map_err(|error| error.to_string())?;
    agree(&bench.variants, |variant| {
        let scores = scores_room.last(count);
        variant.vector_scores(metric, query, &rows, scores).expect("as many scores as rows");
        let mut all = bits(scores);
        let norms = norms_room.last(count);
        variant.vector_norms(&rows, norms).expect("as many norms as rows");
        all.extend(bits(norms));
        variant.vector_scores(metric, query, &rows.with_norms(norms).expect("as many"), scores).expect("as many");
        all.extend(bits(scores));
        for found in variant.vector_top_k(metric, query, &rows, k).expect("as the rows") {
            all.extend([found.index as u32, found.score.to_bits()]);
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
