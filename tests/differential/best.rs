//! The best few, by score and by differing bits: those of sorting all.

use lyger::kernels::Variant;
use lyger::kernels::vectors::{Metric, Rows};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use crate::broken::until_seen;
use crate::elements::plain_distance;
use crate::vectors::{Kind, METRICS, Random, plain_score};
use crate::{CASES, runner};

/// A place and the bits of its score.
type Found = Vec<(usize, u32)>;

/// Kernels under test.
type Best = Box<dyn Fn(Metric, &[f32], &Rows<f32>, usize) -> Found>;
type Nearest = Box<dyn Fn(&[u8], &Rows<u8>, usize) -> Found>;

fn best(variant: Variant) -> Best {
    Box::new(move |metric, query, rows, k| {
        let found = variant.vector_top_k(metric, query, rows, k).unwrap();
        found.into_iter().map(|found| (found.index, found.score.to_bits())).collect()
    })
}

fn nearest(variant: Variant) -> Nearest {
    Box::new(move |query, rows, k| {
        let found = variant.vector_hamming_top_k(query, rows, k).unwrap();
        found.into_iter().map(|near| (near.index, near.distance)).collect()
    })
}

/// The best by sorting all, the way that nobody can get wrong.
pub(crate) fn plain_top_k(metric: Metric, scores: &[f32], k: usize) -> Found {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| match (scores[a].is_nan(), scores[b].is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Greater,
        (false, true) => std::cmp::Ordering::Less,
        (false, false) if metric == Metric::L2 => scores[a].partial_cmp(&scores[b]).unwrap(),
        (false, false) => scores[b].partial_cmp(&scores[a]).unwrap(),
    });
    order.into_iter().take(k).map(|index| (index, scores[index].to_bits())).collect()
}

/// How a case is made.
#[derive(Debug, Clone)]
struct Recipe {
    /// Of one or two elements, so that hundreds of rows are quick and many scores equal.
    dim: usize,
    count: usize,
    k: usize,
    kind: Kind,
    is_coarse: bool,
    seed: u64,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let kind = prop::sample::select(vec![Kind::Ordinary, Kind::Any, Kind::Odd]);
    // More than are selected from at once, and seldom: they take long.
    let count = prop_oneof![30 => 0_usize..40, 1 => 40_usize..700, 1 => 1000_usize..2500];
    // Some, many, all, and more than all.
    let k = prop_oneof![6 => 0_usize..40, 1 => 40_usize..600, 1 => Just(usize::MAX), 1 => Just(usize::MAX - 1)];
    (0_usize..3, count, k, kind, any::<bool>(), any::<u64>()).prop_map(|(dim, count, k, kind, is_coarse, seed)| {
        let k = if k >= usize::MAX - 1 { count + (usize::MAX - k) * 7 } else { k };
        Recipe { dim, count, k, kind, is_coarse, seed }
    })
}

fn compare(kernels: &[(&'static str, Best)], mut runner: TestRunner) -> Result<(), TestError<(Recipe, Metric)>> {
    runner.run(&(recipe(), prop::sample::select(METRICS.as_slice())), |(recipe, metric)| {
        let Recipe { dim, count, k, .. } = recipe;
        let mut random = Random(recipe.seed);
        let mut element = || {
            let element = random.element(recipe.kind);
            if recipe.is_coarse { (element * 4.0).round() } else { element }
        };
        let query: Vec<f32> = (0..dim).map(|_| element()).collect();
        let elements: Vec<f32> = (0..count * dim).map(|_| element()).collect();
        let rows = Rows::new(&elements, dim, dim, count).unwrap();
        let scores: Vec<f32> = (0..count).map(|row| plain_score(metric, &query, rows.row(row))).collect();
        let plain = plain_top_k(metric, &scores, k);
        for (name, best) in kernels {
            prop_assert_eq!(&best(metric, &query, &rows, k), &plain, "{}", name);
        }
        Ok(())
    })
}

#[test]
fn the_best_are_those_of_sorting_all_scores() {
    let kernels: Vec<_> = Variant::available().map(|variant| (variant.name(), best(variant))).collect();
    compare(&kernels, runner(CASES)).unwrap();
}

fn compare_nearest(kernels: &[(&'static str, Nearest)], mut runner: TestRunner) -> Result<(), TestError<Recipe>> {
    runner.run(&recipe(), |recipe| {
        let Recipe { dim, count, k, .. } = recipe;
        let mut random = Random(recipe.seed);
        let query: Vec<u8> = (0..dim).map(|_| random.next() as u8).collect();
        let elements: Vec<u8> = (0..count * (dim + 1)).map(|_| random.next() as u8).collect();
        let rows = Rows::new(&elements, dim, dim + 1, count).unwrap();
        let mut sorted: Found = (0..count).map(|row| (row, plain_distance(&query, rows.row(row)))).collect();
        sorted.sort_by_key(|&(_, distance)| distance);
        sorted.truncate(k);
        for (name, nearest) in kernels {
            prop_assert_eq!(&nearest(&query, &rows, k), &sorted, "{}", name);
        }
        Ok(())
    })
}

#[test]
fn the_nearest_by_bits_are_those_of_sorting_all_distances() {
    let kernels: Vec<_> = Variant::available().map(|variant| (variant.name(), nearest(variant))).collect();
    compare_nearest(&kernels, runner(CASES)).unwrap();
}

/// What `spoil` makes of the right places, told all of them, must be seen.
fn is_seen(what: &str, spoil: fn(Metric, &mut Found, &Found)) {
    let right = Variant::by_name("rust").unwrap();
    let broken: Best = Box::new(move |metric, query, rows, k| {
        let [mut found, all] = [k, rows.count()].map(|k| best(right)(metric, query, rows, k));
        spoil(metric, &mut found, &all);
        found
    });
    let found = compare(&[("broken", broken)], until_seen());
    assert!(matches!(found, Err(TestError::Fail(..))), "{what} went unseen");
}

#[test]
fn selections_that_are_wrong_as_such_get_wrong_are_seen() {
    is_seen("the later of equals", |_, found, all| {
        if let Some(last) = found.last_mut() {
            *last = *all.iter().rfind(|(_, score)| *score == last.1).unwrap();
        }
    });
    is_seen("the worst for the best", |_, found, all| {
        let len = found.len();
        *found = all.iter().rev().take(len).copied().collect();
    });
    is_seen("the farthest for the nearest", |metric, found, all| {
        if metric == Metric::L2 {
            let len = found.len();
            *found = all.iter().rev().take(len).copied().collect();
        }
    });
    is_seen("what is no number in front", |_, found, _| {
        found.sort_by_key(|&(_, score)| !f32::from_bits(score).is_nan());
    });
    is_seen("the best in no order", |_, found, _| found.reverse());
    is_seen("one too few", |_, found, all| found.truncate(all.len().saturating_sub(1)));
    is_seen("an offer of the second block that is lost", |_, found, _| found.retain(|&(place, _)| place < 256));
    is_seen("a place counted from its block", |_, found, _| found.iter_mut().for_each(|(place, _)| *place %= 256));
    is_seen("the score of another", |_, found, all| {
        if let (Some(last), Some(other)) = (found.last_mut(), all.last()) {
            last.1 = other.1;
        }
    });
}

/// What `spoil` makes of the right places must be seen.
fn is_far(what: &str, spoil: fn(&mut Found, &Found)) {
    let right = Variant::by_name("rust").unwrap();
    let broken: Nearest = Box::new(move |query, rows, k| {
        let [mut found, all] = [k, rows.count()].map(|k| nearest(right)(query, rows, k));
        spoil(&mut found, &all);
        found
    });
    let found = compare_nearest(&[("broken", broken)], until_seen());
    assert!(matches!(found, Err(TestError::Fail(..))), "{what} went unseen");
}

#[test]
fn wrong_neighbours_by_bits_are_seen() {
    is_far("the later of equals", |found, all| {
        if let Some(last) = found.last_mut() {
            *last = *all.iter().rfind(|(_, distance)| *distance == last.1).unwrap();
        }
    });
    is_far("the farthest", |found, all| {
        let len = found.len();
        *found = all.iter().rev().take(len).copied().collect();
    });
    is_far("an offer of the second block that is lost", |found, _| found.retain(|&(place, _)| place < 256));
    is_far("a distance too few", |found, _| {
        found.iter_mut().filter(|near| near.1 > 12).for_each(|near| near.1 -= 1);
    });
}
