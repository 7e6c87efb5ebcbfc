//! Searches against a naive one: every vector scored by itself, and the whole list sorted.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

use super::*;
use crate::kernels::vectors::{cosine, dot, l2};

const METRICS: [Metric; 3] = [Metric::Dot, Metric::Cosine, Metric::L2];

fn score(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    match metric {
        Metric::Dot => dot(a, b),
        Metric::Cosine => cosine(a, b),
        Metric::L2 => l2(a, b),
    }
    .unwrap()
}

/// Ids with the bits of their scores.
fn naive(
    vectors: &BTreeMap<i64, Vec<f32>>,
    query: &[f32],
    k: usize,
    metric: Metric,
    among: Option<&[i64]>,
) -> Vec<(i64, u32)> {
    let mut all: Vec<(i64, f32)> = vectors
        .iter()
        .filter(|(id, _)| among.is_none_or(|among| among.contains(id)))
        .map(|(id, vector)| (*id, score(metric, query, vector)))
        .collect();
    // Stable, so that equal ones stay by their ids.
    all.sort_by(|(_, a), (_, b)| match (a.is_nan(), b.is_nan()) {
        (false, false) if metric == Metric::L2 => a.total_cmp(b),
        (false, false) => b.total_cmp(a),
        (a, b) => a.cmp(&b),
    });
    all.truncate(k);
    all.into_iter().map(|(id, score)| (id, score.to_bits())).collect()
}

fn found(index: &Index, query: &[f32], k: usize, metric: Metric, among: Option<&[i64]>) -> Vec<(i64, u32)> {
    let found = index.search(query, k, metric, among).unwrap();
    found.into_iter().map(|found| (found.id, found.score.to_bits())).collect()
}

fn assert_whole(index: &Index, vectors: &BTreeMap<i64, Vec<f32>>) {
    assert_eq!(index.count(), vectors.len());
    for (id, vector) in vectors {
        assert_eq!(index.get(*id).unwrap(), vector, "id {id}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add(Vec<i64>, Vec<f32>),
    Remove(Vec<i64>),
}

// Few ids, so that they meet; few values, so that scores are equal.
fn id() -> impl Strategy<Value = i64> {
    prop_oneof![-60_i64..60, Just(i64::MIN), Just(i64::MAX)]
}

fn element() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-2_i8..3).prop_map(f32::from),
        1 => any::<f32>().prop_filter("finite", |value| value.is_finite()),
        1 => Just(f32::MAX), 1 => Just(-0.0_f32), 1 => Just(1e-45_f32),
    ]
}

fn step(dimension: usize) -> impl Strategy<Value = Step> {
    let add = vec(id(), 0..40).prop_flat_map(move |ids| {
        let elements = ids.len() * dimension;
        (Just(ids), vec(element(), elements)).prop_map(|(ids, elements)| Step::Add(ids, elements))
    });
    prop_oneof![3 => add, 1 => vec(id(), 0..40).prop_map(Step::Remove)]
}

fn history() -> impl Strategy<Value = (usize, Vec<Step>, Vec<f32>)> {
    prop_oneof![1_usize..6, Just(16), Just(33)]
        .prop_flat_map(|dimension| (Just(dimension), vec(step(dimension), 0..16), vec(element(), dimension)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_added_and_removed_the_best_are_those_of_a_sorted_list(
        (dimension, steps, query) in history(),
        k in 0_usize..150,
        among in proptest::option::of(vec(id(), 0..150)),
        threads in 1_usize..4,
    ) {
        let mut index = Index::new(dimension, Limits { threads, ..Limits::default() }).unwrap();
        let mut vectors = BTreeMap::new();
        for step in steps {
            match step {
                Step::Add(ids, elements) => {
                    index.add(&ids, &elements).unwrap();
                    vectors.extend(ids.into_iter().zip(elements.chunks(dimension).map(<[f32]>::to_vec)));
                }
                Step::Remove(ids) => {
                    let there = ids.iter().filter(|id| vectors.remove(id).is_some()).count();
                    assert_eq!(index.remove(ids), there);
                }
            }
            assert_whole(&index, &vectors);
        }
        for metric in METRICS {
            let expected = naive(&vectors, &query, k, metric, among.as_deref());
            assert_eq!(found(&index, &query, k, metric, among.as_deref()), expected, "{metric:?}");
        }
    }
}

/// Numbers that repeat, so that many scores are equal, in an order that isn't that of the ids.
fn large(rows: usize, dimension: usize, threads: usize) -> (Index, BTreeMap<i64, Vec<f32>>) {
    let mut index = Index::new(dimension, Limits { threads, ..Limits::default() }).unwrap();
    let mut vectors = BTreeMap::new();
    for row in 0..rows {
        let id = (row * 7919 % rows) as i64 - 500;
        let vector: Vec<f32> = (0..dimension).map(|at| ((row % 701 * 31 + at * 7) % 23) as f32 - 11.0).collect();
        index.add(&[id], &vector).unwrap();
        vectors.insert(id, vector);
    }
    (index, vectors)
}

#[test]
fn threads_find_what_one_finds() {
    let (mut index, vectors) = large(3_000, 40, 1);
    let query: Vec<f32> = (0..40_u16).map(|at| f32::from(at % 19) - 9.0).collect();
    let some: Vec<i64> = (-600..2_000).step_by(3).collect();
    let most: Vec<i64> = (-600..2_000).filter(|id| id % 10 != 0).collect();
    for metric in METRICS {
        for among in [None, Some(&some[..]), Some(&most[..])] {
            index.limits.threads = 1;
            let alone = found(&index, &query, 300, metric, among);
            assert_eq!(alone, naive(&vectors, &query, 300, metric, among), "{metric:?}");
            for threads in [2, 3, 7] {
                index.limits.threads = threads;
                assert_eq!(found(&index, &query, 300, metric, among), alone, "{metric:?} by {threads}");
            }
        }
    }
}

#[test]
fn removing_at_the_edges_of_segments_leaves_the_others_whole() {
    let (mut index, mut vectors) = large(130, 32, 1);
    let rows = index.store.segment_rows();
    assert_eq!(rows, 16);
    for at in (0..130).rev().step_by(3).chain([0, 1, 15, 16, 17, 31, 32, 127]) {
        let id = at - 500;
        assert_eq!(index.remove([id, id]), usize::from(vectors.remove(&id).is_some()));
        assert_whole(&index, &vectors);
    }
    let ids: Vec<i64> = vectors.keys().copied().collect();
    let before = index.memory_bytes();
    assert_eq!(index.remove(ids.iter().copied()), ids.len());
    assert!(index.memory_bytes() < before / 2, "{} of {before}", index.memory_bytes());
    index.add(&[5], &vectors[&ids[0]]).unwrap();
    assert_eq!(index.get(5).unwrap(), vectors[&ids[0]]);
}

#[test]
fn rows_begin_at_multiples_of_64_bytes() {
    for dimension in [1, 16, 17, 768, 3000] {
        let (index, _) = large(40, dimension, 1);
        for id in -500..-460 {
            assert!(index.get(id).unwrap().as_ptr().addr().is_multiple_of(64), "{dimension}");
        }
    }
}

#[test]
fn of_equal_scores_the_lower_id_comes_first_whatever_came_first() {
    let mut index = Index::new(1, Limits::default()).unwrap();
    index.add(&[9, -3, 5, i64::MAX, i64::MIN, 0], &[1.0; 6]).unwrap();
    let ids = |index: &Index, k| -> Vec<i64> {
        index.search(&[1.0], k, Metric::Dot, None).unwrap().into_iter().map(|found| found.id).collect()
    };
    assert_eq!(ids(&index, 9), [i64::MIN, -3, 0, 5, 9, i64::MAX]);
    index.remove([-3]);
    index.add(&[4], &[1.0]).unwrap();
    assert_eq!(ids(&index, 4), [i64::MIN, 0, 4, 5]);
}
