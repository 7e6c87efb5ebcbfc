//! A search of the vector index beside the kernel alone, on rows that lie in one piece: what ids, segments and threads cost, and
//! what the threads bring.

use std::hint::black_box;
use std::time::Duration;

use lyger::kernels;
use lyger::kernels::vectors::{Rows, TopK};
use lyger::vector::{Index, Limits, Metric as Score};

use crate::beside;
use crate::support::{Case, Comparison, Metric, is_short, repeated_wall};
use crate::vectors::{DIM, numbers};

const K: usize = 10;
const SAMPLE: Duration = Duration::from_millis(100);

pub(crate) fn compare() -> Vec<Comparison> {
    let count = if is_short() { 10_000 } else { 100_000 };
    let query = &numbers(DIM, 1);
    let elements = &numbers(DIM * count, 2);
    let rows = Rows::new(elements, DIM, DIM, count).expect("as many elements");
    let mut norms = vec![0.0; count];
    kernels::vectors::norms(&rows, &mut norms).expect("as many norms");
    let rows = rows.with_norms(&norms).expect("as many norms");
    let ids: Vec<i64> = (0..count as i64).collect();
    let index = |threads| {
        let mut index = Index::new(DIM, Limits { threads, ..Limits::default() }).expect("a dimension");
        index.add(&ids, elements).expect("memory");
        index
    };
    let (alone, both) = (&index(1), &index(2));
    let search = |index: &Index, among: Option<&[i64]>| {
        black_box(index.search(query, K, Score::Cosine, among).expect("a query"));
    };
    let kernel = || {
        let mut best = TopK::new(Score::Cosine, K);
        best.scan(query, &rows, 0).expect("a query");
        black_box(best.into_matches());
    };
    let hundredth: Vec<i64> = (0..count as i64).step_by(100).collect();
    let half: Vec<i64> = (0..count as i64).filter(|id| id.wrapping_mul(2_654_435_761) >> 7 & 1 == 0).collect();

    let mut comparisons = Vec::new();
    let mut add = |what: &str, searched: usize, subject: (&str, &mut dyn FnMut()), peer: (&str, &mut dyn FnMut())| {
        let name = format!("index: {what} of {count} vectors of {DIM} f32, cosine");
        let bytes = Some(size_of::<f32>() * DIM * searched);
        let case = Case { name: &name, unit: "us a search", placement: "two cores", metric: Metric::Wall, bytes };
        let mut subject_run = repeated_wall(SAMPLE, subject.1);
        let mut peer_run = repeated_wall(SAMPLE, peer.1);
        comparisons.extend(beside(case, (subject.0, &mut subject_run), (peer.0, &mut peer_run), None));
    };
    add("the best 10", count, ("1 thread", &mut || search(alone, None)), ("limit: the kernel alone", &mut || kernel()));
    add("the best 10", count, ("2 threads", &mut || search(both, None)), ("limit: the kernel alone", &mut || kernel()));
    add(
        "among 1 in 100",
        hundredth.len(),
        ("1 thread", &mut || search(alone, Some(&hundredth))),
        ("among all", &mut || search(alone, None)),
    );
    add(
        "among half of them",
        half.len(),
        ("1 thread", &mut || search(alone, Some(&half))),
        ("among all", &mut || search(alone, None)),
    );
    comparisons
}
