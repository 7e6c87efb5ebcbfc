//! `heavy_computation`: sines of any integer, and short sums.

use lyger::kernels::LANES;

use crate::agree::{Bench, agree};
use crate::random::Random;

pub(crate) fn check(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let lanes = LANES as u64;
    // As many small ones as large ones, up to the last.
    let any = random.next() >> (11 + random.below(48));
    let first = any.min((1 << 53) - lanes) / lanes * lanes;
    agree(&bench.variants, |variant| variant.sines(first).map(f64::to_bits).to_vec())?;
    let terms = random.below_or(130, 64, 5000) as u64;
    agree(&bench.variants, |variant| vec![variant.heavy_computation(terms).to_bits()]).map(drop)
}
