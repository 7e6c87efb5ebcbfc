//! `apply_decay`: the same bits in every variant, as near to the truth as promised, and inside of its slices.

use lyger::kernels::Variant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestError;

use crate::broken::UNTIL_SEEN;
use crate::guard::Guarded;
use crate::{CASES, runner};

/// A kernel under test: strengths, ages, half-life.
type Decay = Box<dyn Fn(&mut [f32], &[f32], f32)>;

/// Strengths with their ages, and a half-life.
type Input = (Vec<(f32, f32)>, f32);

fn kernel(variant: Variant) -> Decay {
    Box::new(move |strengths, ages, half_life| variant.apply_decay(strengths, ages, half_life).unwrap())
}

fn kernels() -> Vec<(&'static str, Decay)> {
    Variant::available().map(|variant| (variant.name(), kernel(variant))).collect()
}

/// Floats of every kind: those that a program has, those at the borders, and any bits at all.
pub(crate) fn floats() -> impl Strategy<Value = f32> + Clone {
    const BORDERS: [f32; 16] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        f32::MIN_POSITIVE,
        -f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::from_bits(0x007f_ffff),
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::from_bits(0xffc1_2345),
        f32::from_bits(0x7f80_0001),
    ];
    prop_oneof![
        6 => 0.0_f32..2.0,
        2 => any::<u32>().prop_map(f32::from_bits),
        1 => prop::sample::select(BORDERS.as_slice()),
    ]
}

/// Lengths around the blocks of lanes, and those of embeddings.
pub(crate) fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![30 => 0_usize..100, 1 => prop::sample::select([768_usize, 1536].as_slice())]
}

fn inputs() -> impl Strategy<Value = Input> {
    let half_life = prop_oneof![
        4 => 0.5_f32..100_000.0,
        1 => (1_u32..0x7f80_0000).prop_map(f32::from_bits),
    ];
    (lengths(), half_life).prop_flat_map(|(len, half_life)| {
        let age = prop_oneof![
            4 => (0.0_f32..160.0).prop_map(move |halvings| halvings * half_life),
            2 => (0_u8..160).prop_map(move |halvings| f32::from(halvings) * half_life),
            2 => floats(),
        ];
        (vec((floats(), age), len), Just(half_life))
    })
}

/// Runs `cases` inputs through all kernels. `Err` holds the smallest on which one differs.
fn compare(kernels: &[(&'static str, Decay)], cases: u32) -> Result<(), TestError<Input>> {
    runner(cases).run(&inputs(), |(pairs, half_life)| {
        let (strengths, ages): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
        let run = |decay: &Decay| {
            let mut strengths = strengths.clone();
            decay(&mut strengths, &ages, half_life);
            strengths.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let first = run(&kernels[0].1);
        for (name, decay) in &kernels[1..] {
            prop_assert_eq!(&run(decay), &first, "{} differs from {}", name, kernels[0].0);
        }
        Ok(())
    })
}

#[test]
fn all_kernels_decay_to_the_same_bits() {
    compare(&kernels(), CASES).unwrap();
}

#[test]
fn one_odd_value_among_ordinary_ones_is_seen_wherever_it_stands() {
    const HALF_LIFE: f32 = 10.0;
    // Random inputs have so many of them that a place which nobody looks at goes unseen.
    let odd = [
        (1.0, -30.0),
        (1.0, 1_300.0),
        (1.0, f32::INFINITY),
        (1.0, f32::NAN),
        (-0.0, 5.0),
        (f32::MAX, 5.0),
        (f32::INFINITY, 5.0),
        (f32::from_bits(0xffc1_2345), 5.0),
    ];
    for variant in Variant::available() {
        let decayed = |strength: f32, age: f32| {
            let mut alone = [strength];
            variant.apply_decay(&mut alone, &[age], HALF_LIFE).unwrap();
            alone[0].to_bits()
        };
        for ((strength, age), place) in odd.into_iter().flat_map(|odd| (0..64).map(move |place| (odd, place))) {
            let (mut strengths, mut ages) = ([0.75; 64], [5.0; 64]);
            (strengths[place], ages[place]) = (strength, age);
            variant.apply_decay(&mut strengths, &ages, HALF_LIFE).unwrap();
            let mut expected = [decayed(0.75, 5.0); 64];
            expected[place] = decayed(strength, age);
            assert_eq!(strengths.map(f32::to_bits), expected, "{variant:?}, {strength} of age {age} at {place}");
        }
    }
}

/// How far a result is from the true one, in units of the last place that the true one has as a float.
fn error_ulps(strength: f32, age: f32, half_life: f32, found: f32) -> f64 {
    // The library's exponential is good to about 2^-52, which is 2^-29 of a float's last place.
    let truth = f64::from(strength) * (-f64::from(age) / f64::from(half_life)).exp2();
    let exponent = ((truth.abs().to_bits() >> 52) as i32 - 1023).max(-126);
    (f64::from(found) - truth).abs() / f64::from(exponent - 23).exp2()
}

#[test]
fn every_result_is_within_1_5_ulp_of_the_true_product() {
    let variant = Variant::by_name("auto").unwrap();
    let finite = |floats: BoxedStrategy<f32>| floats.prop_filter("finite", |float| float.is_finite());
    let age = finite(floats().boxed()).prop_map(f32::abs);
    let half_life = prop_oneof![1.0_f32..2.0, 0.5_f32..4.0, (1_u32..0x7f80_0000).prop_map(f32::from_bits)];
    // Odd halves are where most errors are worst.
    let halvings = prop_oneof![
        2 => 0.0_f32..30.0,
        2 => (0_u8..152, -0.02_f32..0.02).prop_map(|(halves, off)| (f32::from(halves) + 0.5 + off).abs()),
        1 => 0.0_f32..300.0,
    ];
    let worst = std::cell::Cell::new(0.0_f64);
    let input = (vec((finite(floats().boxed()), halvings, age), 64), half_life);
    runner(CASES)
        .run(&input, |(rows, half_life)| {
            let mut strengths: Vec<f32> = rows.iter().map(|row| row.0).collect();
            // Ages that leave something, and any at all.
            let age = |(at, row): (usize, &(f32, f32, f32))| {
                let age = if at % 4 == 0 { row.2 } else { row.1 * half_life };
                if age.is_finite() { age } else { f32::MAX }
            };
            let ages: Vec<f32> = rows.iter().enumerate().map(age).collect();
            variant.apply_decay(&mut strengths, &ages, half_life).unwrap();
            for ((row, age), found) in rows.iter().zip(ages).zip(strengths) {
                let error = error_ulps(row.0, age, half_life, found);
                prop_assert!(error <= 1.5, "{} after {} of {}: {} is {} ulp off", row.0, age, half_life, found, error);
                prop_assert!(found.abs() <= row.0.abs() && found.is_sign_negative() == row.0.is_sign_negative());
                worst.set(worst.get().max(error));
            }
            Ok(())
        })
        .unwrap();
    assert!(worst.get() > 0.5, "{} ulp: nothing was rounded", worst.get());
}

#[test]
fn halves_are_exact_and_odd_inputs_have_the_results_that_are_documented() {
    let infinity = f32::INFINITY;
    for (name, decay) in kernels() {
        for half_life in [1.0, 3.0, 0.1, 86_400.0, 1e-45, f32::MAX] {
            let halves = |strength: f32, age: f32, expected: f32| {
                // At every place of a block of lanes.
                let mut strengths = [strength; 33];
                decay(&mut strengths, &[age; 33], half_life);
                for found in strengths {
                    assert_eq!(found.to_bits(), expected.to_bits(), "{name}: {strength} after {age} of {half_life}");
                }
            };
            halves(0.7, half_life, 0.35);
            halves(f32::MAX, half_life, f32::MAX / 2.0);
            for same in [0.7, -0.7, 0.0, -0.0, f32::MAX, f32::from_bits(1), infinity, -infinity] {
                for no_age in [0.0, -0.0, -1.0, -f32::MAX, -infinity] {
                    halves(same, no_age, same);
                }
            }
            halves(1.0, infinity, 0.0);
            halves(-1.0, infinity, -0.0);
            halves(infinity, infinity, infinity);
            halves(-infinity, half_life, -infinity);
            for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
                halves(nan, half_life, f32::from_bits(0x7fc0_0000));
                halves(1.0, nan, f32::from_bits(0x7fc0_0000));
                halves(nan, nan, f32::from_bits(0x7fc0_0000));
            }
        }
    }
}

/// Strengths and ages, in bits, and what they become with a half-life of 1.7. Two at a time are tipped by the same fused
/// multiply-add or the same change in the order of additions, in a place where ordinary inputs show it once in up to three
/// million.
const TIPPED: [(u32, u32, u32); 16] = [
    (0x3fba_de73, 0x41a9_fdeb, 0x3984_30ed),
    (0x3f6b_89f2, 0x40bf_bc4c, 0x3da3_bdac),
    (0x3f58_4a62, 0x4021_682a, 0x3e9a_b29a),
    (0x3f57_f504, 0x41c4_f8b8, 0x381a_7e3c),
    (0x3fb5_bc4e, 0x41d3_39d6, 0x37fb_7e71),
    (0x3f45_e4b8, 0x41c5_0fc1, 0x380c_ec3d),
    (0x3fba_51ac, 0x402b_d815, 0x3ef9_6066),
    (0x3f5f_e3ee, 0x41b7_817e, 0x389f_137c),
    (0x3fb1_c1c2, 0x3fa5_ba9c, 0x3f51_b194),
    (0x3f83_0afb, 0x419f_a688, 0x399d_076e),
    (0x3f37_398f, 0x40c6_4ec2, 0x3d6a_4886),
    (0x3f13_8ee2, 0x404c_1aa2, 0x3e20_ce82),
    (0x3f95_4d8e, 0x4062_115c, 0x3e8d_763f),
    (0x3f07_7936, 0x4191_2e08, 0x39a9_b45a),
    (0x3f89_766b, 0x41c8_2d49, 0x3827_08f2),
    (0x3f3a_7fe6, 0x4126_5b10, 0x3c2c_16c1),
];

#[test]
fn every_operation_is_rounded_by_itself() {
    let (strengths, rest): (Vec<f32>, Vec<(f32, u32)>) = TIPPED
        .map(|(strength, age, expected)| (f32::from_bits(strength), (f32::from_bits(age), expected)))
        .into_iter()
        .unzip();
    let (ages, expected): (Vec<f32>, Vec<u32>) = rest.into_iter().unzip();
    for (name, decay) in kernels() {
        let mut found = strengths.clone();
        decay(&mut found, &ages, 1.7);
        assert_eq!(found.into_iter().map(f32::to_bits).collect::<Vec<u32>>(), expected, "{name}");
    }
}

#[test]
fn odd_neighbours_change_no_bit() {
    let ages: Vec<f32> = (0..32_u8).map(|at| f32::from(at) * 3.3).collect();
    let strengths: Vec<f32> = ages.iter().map(|age| 0.6 + age / 70.0).collect();
    for (name, decay) in kernels() {
        for half_life in [1.7, 86_400.0, 1e-45, 1e-39, 1e38, f32::MAX] {
            let ages: Vec<f32> = ages.iter().map(|age| (age * half_life).min(f32::MAX)).collect();
            let mut expected = strengths.clone();
            decay(&mut expected, &ages, half_life);
            let odd = [
                (-1.0, 1.0),
                (f32::MAX, 1.0),
                (f32::NAN, 0.0),
                (f32::INFINITY, 0.0),
                (1.0, f32::INFINITY),
                (1.0, -1.0),
            ];
            for (at, (strength, age)) in (0..32).zip(odd.into_iter().cycle()) {
                let (mut found, mut ages) = (strengths.clone(), ages.clone());
                (found[at], ages[at]) = (strength, age);
                decay(&mut found, &ages, half_life);
                found[at] = expected[at];
                assert_eq!(found, expected, "{name}: {strength}, {age} at {at}, {half_life}");
            }
        }
    }
}

#[test]
fn no_kernel_touches_a_float_outside_of_its_slices() {
    let (mut strengths, mut ages) = (Guarded::new(), Guarded::new());
    for (name, decay) in kernels() {
        for len in (0..100).chain([768, 1536]) {
            // One more in front, which must stay.
            let strengths = strengths.last_floats(len + 1);
            strengths.fill(1.0);
            let ages = ages.last_floats(len);
            ages.fill(1.0);
            decay(&mut strengths[1..], ages, 1.0);
            assert!(strengths[0] == 1.0 && strengths[1..].iter().all(|&strength| strength == 0.5), "{name}, {len}");
        }
    }
}

/// Whether a kernel is told from the right one that makes what it is given out of strengths, ages and half-life.
fn is_seen(broken: impl Fn(&mut [f32], &[f32], f32) + 'static) -> bool {
    let right = ("rust", kernel(Variant::by_name("rust").unwrap()));
    matches!(compare(&[right, ("broken", Box::new(broken))], UNTIL_SEEN), Err(TestError::Fail(..)))
}

#[test]
fn kernels_that_are_wrong_as_such_kernels_get_wrong_are_seen() {
    let right = || kernel(Variant::by_name("rust").unwrap());
    let each = |decayed: fn(f32, f32, f32) -> f32| {
        move |strengths: &mut [f32], ages: &[f32], half_life: f32| {
            for (strength, &age) in strengths.iter_mut().zip(ages) {
                *strength = decayed(*strength, age, half_life);
            }
        }
    };
    assert!(is_seen(each(|strength, age, tau| strength * (-age / tau).exp())), "a time constant went unseen");
    assert!(is_seen(each(|strength, age, half_life| strength * (-age / half_life).exp2())), "floats went unseen");
    let decay = right();
    assert!(
        is_seen(move |strengths, ages, half_life| {
            let last = strengths.last().copied();
            decay(strengths, ages, half_life);
            if strengths.len() % 32 == 31 {
                *strengths.last_mut().unwrap() = last.unwrap();
            }
        }),
        "a last element that was left out went unseen"
    );
    let decay = right();
    assert!(
        is_seen(move |strengths, ages, half_life| {
            decay(strengths, ages, half_life);
            for strength in strengths.iter_mut().filter(|strength| strength.is_subnormal()) {
                *strength = 0.0;
            }
        }),
        "subnormals flushed to zero went unseen"
    );
    let decay = right();
    assert!(
        is_seen(move |strengths, ages, half_life| {
            decay(strengths, ages, half_life);
            for (strength, age) in strengths.iter_mut().zip(ages) {
                if strength.is_nan() && age.is_nan() {
                    *strength = *age;
                }
            }
        }),
        "the payload of a NaN went unseen"
    );
}
