//! The test of the test: kernels that are wrong in the ways kernels get wrong must be seen, and the failure shrunk.

use lyger::kernels::Variant;
use lyger::kernels::vectors::Metric;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::heavy::{self, Sum};
use crate::json::{Encode, compare, kernels};
use crate::oracle;
use crate::tables::{TestTable, numbers, table};
use crate::vectors::{self, Recipe, Score, plain_score};

/// Cases that a broken kernel gets until it must have been seen: as many as `tests/differential` has, on an emulated CPU
/// too. It is seen after a few of them, but chance may have it that these are many, and no test may fail by chance.
pub(crate) const UNTIL_SEEN: u32 = 10_000;

/// For kernels of which nobody wants to know the smallest input: shrinking takes far longer than seeing them.
pub(crate) fn until_seen() -> TestRunner {
    TestRunner::new(Config { cases: UNTIL_SEEN, failure_persistence: None, max_shrink_iters: 0, ..Config::default() })
}

/// A kernel that is right.
pub(crate) fn portable() -> (&'static str, Encode) {
    kernels().into_iter().find(|(name, _)| *name == "rust").expect("part of every build")
}

/// The smallest table on which a kernel is seen to fail that spoils the output of a right one.
fn smallest_failure(spoil: impl Fn(&mut [u8]) + 'static) -> TestTable {
    let right = Variant::by_name("rust").unwrap();
    let broken: Encode = Box::new(move |form, columns, rows, first_row, out| {
        let progress = right.json_encode_table(form, columns, rows, first_row, out)?;
        spoil(&mut out[..progress.bytes]);
        Ok(progress)
    });
    match compare(&[portable(), ("broken", broken)], UNTIL_SEEN, table()) {
        Err(TestError::Fail(reason, (table, _, _))) => {
            assert!(reason.message().contains("broken"), "{reason}");
            table
        }
        other => panic!("a broken kernel went unseen: {other:?}"),
    }
}

#[test]
fn a_kernel_that_writes_hex_digits_in_capitals_is_seen_and_its_failure_is_small() {
    let table = smallest_failure(|out| {
        let text = out.escape_ascii().to_string();
        if let Some(at) = text.find("\\\\u001f").and_then(|_| out.windows(6).position(|part| part == b"\\u001f")) {
            out[at + 5] = b'F';
        }
    });
    // One column whose only text is the byte; rows are cut from the end, so empty ones may stand before it.
    assert!(table.columns.len() == 1 && oracle::encode(&table).len() < 400, "not shrunk: {table:?}");
}

#[test]
fn a_kernel_that_miscounts_at_the_end_of_a_register_is_seen() {
    // Wrong only when the 65th byte of the output is the backslash of an escape.
    smallest_failure(|out| {
        if out.len() > 65 && out[64] == b'\\' {
            out[65] = b'?';
        }
    });
}

#[test]
fn a_kernel_that_rounds_the_last_digit_of_a_few_doubles_wrong_is_seen() {
    let right = Variant::by_name("rust").unwrap();
    let broken: Encode = Box::new(move |form, columns, rows, first_row, out| {
        let progress = right.json_encode_table(form, columns, rows, first_row, out)?;
        let text = &mut out[..progress.bytes];
        // One double in about four thousand.
        if let Some(at) = text.windows(5).position(|part| part == b"7e-20") {
            text[at] = b'8';
        }
        Ok(progress)
    });
    let found = compare(&[portable(), ("broken", broken)], UNTIL_SEEN, numbers());
    let Err(TestError::Fail(reason, _)) = found else { panic!("a wrong digit went unseen: {found:?}") };
    assert!(reason.message().contains("broken"), "{reason}");
}

#[test]
fn a_kernel_that_stops_a_row_early_is_seen() {
    let right = Variant::by_name("rust").unwrap();
    let broken: Encode = Box::new(move |form, columns, rows, first_row, out| {
        // Wants one byte more than the others before it begins a row.
        let len = out.len().saturating_sub(usize::from(first_row > 3));
        right.json_encode_table(form, columns, rows, first_row, &mut out[..len])
    });
    let found = compare(&[portable(), ("broken", broken)], UNTIL_SEEN, table());
    assert!(matches!(found, Err(TestError::Fail(..))), "a kernel that stops early went unseen");
}

/// Whether a sum is told from the right one.
fn is_seen(broken: Sum) -> bool {
    let right: Sum = Box::new(|iterations| Variant::by_name("rust").unwrap().heavy_computation(iterations));
    matches!(heavy::compare(&[("rust", right), ("broken", broken)], UNTIL_SEEN), Err(TestError::Fail(..)))
}

#[test]
fn a_sum_in_another_order_is_seen() {
    let right = Variant::by_name("rust").unwrap();
    let broken: Sum = Box::new(move |iterations| {
        let mut sums = [0.0_f64; 16];
        for first in (0..iterations).step_by(32) {
            for (lane, sine) in right.sines(first).into_iter().enumerate().take((iterations - first) as usize) {
                let lane_sum = &mut sums[lane % 16];
                *lane_sum = ((first + lane as u64) as f64).sqrt().mul_add(sine, *lane_sum);
            }
        }
        sums.iter().sum()
    });
    assert!(is_seen(broken), "another order of lanes went unseen");
}

#[test]
fn a_sum_without_fused_operations_is_seen() {
    let broken: Sum = Box::new(|iterations| (0..iterations).map(|i| (i as f64).sqrt() * (i as f64).sin()).sum());
    assert!(is_seen(broken), "the plain loop went unseen");
}

/// The smallest vectors on which scores are told from the right ones that `spoil` makes of these, with the query and its
/// candidate.
fn smallest_vectors(spoil: impl Fn(Metric, &[f32], &[f32], f32) -> f32 + 'static) -> Recipe {
    let right = Variant::by_name("rust").unwrap();
    let broken: Score = Box::new(move |metric, query, rows, scores| {
        right.vector_scores(metric, query, rows, scores).unwrap();
        for (row, score) in scores.iter_mut().enumerate() {
            *score = spoil(metric, query, rows.row(row), *score);
        }
    });
    match vectors::compare(&[("broken", broken)], UNTIL_SEEN) {
        Err(TestError::Fail(reason, recipe)) => {
            assert!(reason.message().contains("broken"), "{reason}");
            recipe
        }
        other => panic!("a broken kernel went unseen: {other:?}"),
    }
}

#[test]
fn a_dot_with_fused_operations_is_seen() {
    let recipe = smallest_vectors(|metric, query, candidate, score| match metric {
        Metric::Dot if query.len() > 32 => {
            let (lanes, _) = query.as_chunks::<32>();
            let mut sums = [0.0_f32; 32];
            for (block, lane_query) in lanes.iter().enumerate() {
                for lane in 0..32 {
                    sums[lane] = lane_query[lane].mul_add(candidate[32 * block + lane], sums[lane]);
                }
            }
            for (at, query) in query.iter().enumerate().skip(32 * lanes.len()) {
                let lane = 32 - (candidate.len() - at);
                sums[lane] = query.mul_add(candidate[at], sums[lane]);
            }
            for half in [16, 8, 4, 2, 1] {
                for lane in 0..half {
                    sums[lane] += sums[lane + half];
                }
            }
            if score.is_nan() { score } else { sums[0] }
        }
        _ => score,
    });
    assert!(recipe.dim > 32);
}

#[test]
fn a_score_of_another_order_is_seen() {
    smallest_vectors(|metric, query, candidate, score| {
        let plain: f32 = query.iter().zip(candidate).map(|(q, c)| q * c).sum();
        if metric == Metric::Dot && !plain.is_nan() { plain + 0.0 } else { score }
    });
}

#[test]
fn a_cosine_that_is_not_cut_to_one_is_seen() {
    smallest_vectors(|metric, query, candidate, score| {
        if metric != Metric::Cosine || score.abs() < 1.0 || score.is_nan() {
            return score;
        }
        let norm = |vector| plain_score(Metric::Dot, vector, vector).sqrt();
        plain_score(Metric::Dot, query, candidate) / (norm(query) * norm(candidate))
    });
}

#[test]
fn a_nan_as_hardware_gives_it_and_a_negative_zero_are_seen() {
    smallest_vectors(|_, _, _, score| if score.is_nan() { -score } else { score });
    smallest_vectors(|_, _, _, score| if score == 0.0 { -score } else { score });
}

#[test]
fn a_zero_for_what_is_no_number_is_seen() {
    // How small it gets is chance: other vectors of the same seed may have no such score.
    smallest_vectors(|_, _, _, score| if score.is_nan() { 0.0 } else { score });
}

#[test]
fn a_kernel_that_forgets_the_last_of_its_rows_is_seen() {
    let right = Variant::by_name("rust").unwrap();
    let broken: Score = Box::new(move |metric, query, rows, scores| {
        right.vector_scores(metric, query, rows, scores).unwrap();
        if let (5.., Some(last)) = (rows.count(), scores.last_mut()) {
            *last = 7.0;
        }
    });
    let found = vectors::compare(&[("broken", broken)], UNTIL_SEEN);
    assert!(matches!(found, Err(TestError::Fail(_, Recipe { count: 5, .. }))), "{found:?}");
}
