//! Norms, and vectors made as long as 1: the bits of a plain loop.

use lyger::kernels::Variant;
use lyger::kernels::vectors::{Metric, Rows};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use crate::broken::until_seen;
use crate::vectors::{Recipe, canonical, plain_norm, plain_score, recipe};
use crate::{CASES, runner};

/// Kernels under test.
type Norms = Box<dyn Fn(&Rows<f32>, &mut [f32])>;
type Normalize = Box<dyn Fn(&mut [f32])>;

fn compare_norms(kernels: &[(&'static str, Norms)], mut runner: TestRunner) -> Result<(), TestError<Recipe>> {
    runner.run(&recipe(), |recipe| {
        let vectors = recipe.make();
        for (name, norms_of) in kernels {
            let mut norms = vec![7.0; vectors.count];
            norms_of(&vectors.rows(), &mut norms);
            for (row, norm) in norms.iter().enumerate() {
                prop_assert_eq!(norm.to_bits(), plain_norm(vectors.row(row)).to_bits(), "{}, row {}", name, row);
            }
        }
        Ok(())
    })
}

#[test]
fn norms_are_those_of_a_plain_loop() {
    let kernel =
        |variant: Variant| -> Norms { Box::new(move |rows, norms| variant.vector_norms(rows, norms).unwrap()) };
    let kernels: Vec<_> = Variant::available().map(|variant| (variant.name(), kernel(variant))).collect();
    compare_norms(&kernels, runner(CASES)).unwrap();
}

#[test]
fn cosines_by_given_norms_are_the_same() {
    runner(CASES)
        .run(&recipe(), |recipe| {
            let vectors = recipe.make();
            let norms: Vec<f32> = (0..vectors.count).map(|row| plain_norm(vectors.row(row))).collect();
            for variant in Variant::available() {
                let mut scores = vec![7.0; vectors.count];
                let rows = vectors.rows().with_norms(&norms).unwrap();
                variant.vector_scores(Metric::Cosine, &vectors.query, &rows, &mut scores).unwrap();
                for (row, score) in scores.iter().enumerate() {
                    let plain = plain_score(Metric::Cosine, &vectors.query, vectors.row(row));
                    prop_assert_eq!(score.to_bits(), plain.to_bits(), "{:?}", variant);
                }
            }
            Ok(())
        })
        .unwrap();
}

fn compare_normalize(kernels: &[(&'static str, Normalize)], mut runner: TestRunner) -> Result<(), TestError<Recipe>> {
    runner.run(&recipe(), |recipe| {
        let vector = recipe.make().query;
        let norm = plain_norm(&vector);
        for (name, normalize) in kernels {
            let mut found = vector.clone();
            normalize(&mut found);
            for (found, element) in found.iter().zip(&vector) {
                let plain = if norm == 0.0 { *element } else { canonical(element / norm) };
                prop_assert_eq!(found.to_bits(), plain.to_bits(), "{}", name);
            }
        }
        Ok(())
    })
}

#[test]
fn normalizing_divides_by_the_norm_and_leaves_zeros_alone() {
    let kernel = |variant: Variant| -> Normalize { Box::new(move |vector| variant.vector_normalize(vector)) };
    let kernels: Vec<_> = Variant::available().map(|variant| (variant.name(), kernel(variant))).collect();
    compare_normalize(&kernels, runner(CASES)).unwrap();
}

/// Norms that `spoil` makes of the right ones, with their vectors, must be seen.
fn is_seen(what: &str, spoil: impl Fn(&[f32], f32) -> f32 + 'static) {
    let right = Variant::by_name("rust").unwrap();
    let broken: Norms = Box::new(move |rows, norms| {
        right.vector_norms(rows, norms).unwrap();
        for (row, norm) in norms.iter_mut().enumerate() {
            *norm = spoil(rows.row(row), *norm);
        }
    });
    let found = compare_norms(&[("broken", broken)], until_seen());
    assert!(matches!(found, Err(TestError::Fail(..))), "{what} went unseen");
}

#[test]
fn wrong_norms_are_seen() {
    is_seen("a norm in another order", |vector, norm| {
        let plain = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if plain.is_nan() { norm } else { plain + 0.0 }
    });
    is_seen("a norm of doubles", |vector, norm| {
        let plain = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt() as f32;
        if plain.is_finite() { plain + 0.0 } else { norm }
    });
    is_seen("the square of a norm", |_, norm| norm * norm);
    is_seen("the NaN of hardware", |_, norm| if norm.is_nan() { -norm } else { norm });
    is_seen("a large number for an infinite norm", |_, norm| if norm.is_infinite() { f32::MAX } else { norm });
    is_seen("the tail's last element", |vector, norm| match vector {
        [head @ .., _] if vector.len() % 32 == 31 => plain_norm(head),
        _ => norm,
    });
}

/// Vectors that `normalize` makes must be seen.
fn is_wrong(what: &str, normalize: impl Fn(&mut [f32]) + 'static) {
    let found = compare_normalize(&[("broken", Box::new(normalize))], until_seen());
    assert!(matches!(found, Err(TestError::Fail(..))), "{what} went unseen");
}

#[test]
fn vectors_that_are_divided_otherwise_are_seen() {
    let right = Variant::by_name("rust").unwrap();
    is_wrong("a product with the inverse", |vector| {
        let norm = plain_norm(vector);
        if norm != 0.0 {
            vector.iter_mut().for_each(|element| *element = canonical(*element * (1.0 / norm)));
        }
    });
    is_wrong("a division by zero", |vector| {
        let norm = plain_norm(vector);
        vector.iter_mut().for_each(|element| *element = canonical(*element / norm));
    });
    is_wrong("zeros without their sign", move |vector| {
        right.vector_normalize(vector);
        vector.iter_mut().for_each(|element| *element += 0.0);
    });
    is_wrong("the NaN of hardware", move |vector| {
        right.vector_normalize(vector);
        vector.iter_mut().filter(|element| element.is_nan()).for_each(|element| *element = -*element);
    });
    is_wrong("a last element as it was", move |vector| {
        let last = vector.last().copied();
        right.vector_normalize(vector);
        if let (Some(last), true) = (last, vector.len() > 32) {
            vector[vector.len() - 1] = last;
        }
    });
}
