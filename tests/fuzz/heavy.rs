//! `heavy_computation`: sines of any integer, short sums, and one so long that both reductions take part.

use std::thread;

use lyger::kernels::{LANES, Variant};

use crate::agree::{Bench, agree};
use crate::random::Random;
use crate::reference::{Double, sums};

/// Past the border of the two reductions, which is at 2^26, and no multiple of a register.
const MANY: u64 = (1 << 26) + 999;

pub(crate) fn check(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let lanes = LANES as u64;
    // As many small ones as large ones, up to the last.
    let any = random.next() >> (11 + random.below(48));
    let first = any.min((1 << 53) - lanes) / lanes * lanes;
    agree(&bench.variants, |variant| variant.sines(first).map(f64::to_bits).to_vec())?;
    let terms = random.below_or(130, 64, 5000) as u64;
    agree(&bench.variants, |variant| vec![variant.heavy_computation(terms).to_bits()]).map(drop)
}

/// One sum past the border, by every variant: seconds for those without fused operations, and so no case of the others'
/// kind. They have to agree, and to be as near to the truth as promised.
pub(crate) fn past_the_border(variants: &[Variant]) -> Result<(), String> {
    thread::scope(|scope| {
        let truth = scope.spawn(|| sums(&[MANY])[0]);
        let sums: Vec<_> =
            variants.iter().map(|variant| (variant, scope.spawn(|| variant.heavy_computation(MANY)))).collect();
        let sums: Vec<(&Variant, f64)> =
            sums.into_iter().map(|(variant, sum)| (variant, sum.join().expect("a sum"))).collect();
        let (truth, magnitude) = truth.join().map_err(|_| "the reference is wrong".to_owned())?;
        for (variant, sum) in &sums {
            if sum.to_bits() != sums[0].1.to_bits() {
                return Err(format!("{variant:?} sums {MANY} terms to {sum:e}, {:?} to {:e}", sums[0].0, sums[0].1));
            }
            let error = (truth - Double::from(*sum)).high.abs();
            if error > 4.0 * f64::EPSILON * magnitude {
                return Err(format!("{variant:?} is {error:e} off the sum of {MANY} terms"));
            }
        }
        Ok(())
    })
}
