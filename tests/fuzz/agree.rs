//! All variants on one input.

use std::fmt::Debug;

use lyger::kernels::Variant;

use crate::memory::Memory;

/// The variants of this machine, the portable one first, and memory for their inputs and results.
pub(crate) struct Bench {
    pub(crate) variants: Vec<Variant>,
    pub(crate) memory: [Memory; 4],
}

impl Bench {
    pub(crate) fn new() -> Self {
        let portable = Variant::by_name("rust").expect("in every build");
        let others = Variant::available().filter(|variant| variant.name() != portable.name());
        let variants = std::iter::once(portable).chain(others).collect();
        Self { variants, memory: std::array::from_fn(|_| Memory::new()) }
    }
}

/// Runs an input by every variant: the results are those of the first.
pub(crate) fn agree<T: Copy + PartialEq + Debug>(
    variants: &[Variant],
    mut run: impl FnMut(Variant) -> Vec<T>,
) -> Result<Vec<T>, String> {
    let (first, others) = variants.split_first().expect("the portable one");
    let expected = run(*first);
    for variant in others {
        let found = run(*variant);
        if found != expected {
            return Err(difference(variant.name(), first.name(), &found, &expected));
        }
    }
    Ok(expected)
}

fn difference<T: PartialEq + Debug>(name: &str, first: &str, found: &[T], expected: &[T]) -> String {
    let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
    match at {
        Some(at) => {
            let part = |of: &[T]| format!("{:?}", &of[at.saturating_sub(4)..of.len().min(at + 8)]);
            format!("{name} differs from {first} at {at}: {} instead of {}", part(found), part(expected))
        }
        None => format!("{name} differs from {first}: {} values instead of {}", found.len(), expected.len()),
    }
}

pub(crate) fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_variant_that_differs_is_named_with_the_place() {
        let bench = Bench::new();
        let last = bench.variants.last().unwrap().name();
        let found = agree(&bench.variants, |variant| vec![1, if variant.name() == last { 3 } else { 2 }]);
        assert_eq!(found.unwrap_err(), format!("{last} differs from rust at 1: [1, 3] instead of [1, 2]"));
        let found = agree(&bench.variants, |variant| vec![1; 2 + usize::from(variant.name() == last)]);
        assert_eq!(found.unwrap_err(), format!("{last} differs from rust: 3 values instead of 2"));
        assert_eq!(agree(&bench.variants, |_| vec![1]), Ok(vec![1]));
    }

    #[test]
    fn a_case_is_the_same_whoever_ran_before() {
        let numbers = |seed, case| {
            let mut random = Random::of_case(seed, case);
            [random.next(), random.next()]
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn given_bytes_are_the_numbers_and_others_follow() {
        let mut random = Random::of_bytes(&[0, 255, 128, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!([random.below(100), random.below(256), random.below(7)], [0, 255, 3]);
        assert_eq!(random.next(), 0x0102_0304_0506_0708);
        assert_eq!(random.next(), Random::of_bytes(&[]).next());
        for kernel in 0..=u8::MAX {
            let mut random = Random::of_bytes(&[kernel]);
            let (name, check) = random.pick(&crate::KERNELS);
            assert_eq!(check(&mut random, &mut Bench::new()), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_kernel_agrees_on_its_first_cases() {
        let mut bench = Bench::new();
        for (name, check) in crate::KERNELS {
            for case in 0..50 {
                assert_eq!(crate::run(check, 1, case, &mut bench), Ok(()), "{name}, case {case}");
            }
        }
    }
}
