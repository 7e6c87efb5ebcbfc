//! `apply_decay` and `spread_activation`.

use lyger::kernels::graph::{Graph, Normalization, Spreading};

use crate::agree::{Bench, agree, bits};
use crate::random::Random;

pub(crate) fn decay(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let len = random.length();
    let half_life = match random.below(4) {
        0 => f32::from_bits(1 + random.below(0x7f7f_ffff) as u32),
        _ => 1.0 + 10_000.0 * random.share(),
    };
    let mut strengths = vec![0.0; len];
    random.fill(&mut strengths);
    let ages: Vec<f32> = (0..len)
        .map(|_| match random.below(4) {
            0 => random.float(),
            1 => random.below(160) as f32 * half_life,
            _ => random.share() * 160.0 * half_life,
        })
        .collect();
    let [ages_room, room, ..] = &mut bench.memory;
    let ages = ages_room.hold(&ages);
    agree(&bench.variants, |variant| {
        let strengths = room.hold(&strengths);
        variant.apply_decay(strengths, ages, half_life).expect("as many ages, and a half-life above 0");
        bits(strengths)
    })
    .map(drop)
}

pub(crate) fn spread(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let nodes = random.below_or(24, 16, 200);
    let (mut offsets, mut targets) = (vec![0], Vec::new());
    let fan_max = random.pick(&[1, 3, 3, 6, 40]);
    for _ in 0..nodes {
        let fan = if random.once_in(4) { 0 } else { random.below(fan_max + 1) };
        targets.extend((0..fan).map(|_| random.below(nodes) as u32));
        offsets.push(targets.len() as u32);
    }
    let mut weights = vec![0.0; targets.len()];
    random.fill(&mut weights);
    let mut activations = vec![0.0; nodes];
    random.fill(&mut activations);
    let share = |random: &mut Random| {
        let any = random.share();
        random.pick(&[0.0, 1.0, f32::from_bits(1), 0.5, any])
    };
    let spreading = Spreading {
        steps: random.below(7) as u32,
        retention: share(random),
        transmission: share(random),
        threshold: random.pick(&[0.0, 0.01, 0.3, f32::MAX]),
        refractory_steps: random.below(4) as u32,
        normalization: random.pick(&[Normalization::None, Normalization::Fan, Normalization::Peak]),
    };
    let [offsets_room, targets_room, weights_room, room] = &mut bench.memory;
    let graph = Graph::new(offsets_room.hold(&offsets), targets_room.hold(&targets), weights_room.hold(&weights))
        .map_err(|error| format!("the case itself is wrong: {error}"))?;
    let mut scratch = vec![u32::MAX; graph.scratch_len()];
    agree(&bench.variants, |variant| {
        let activations = room.hold(&activations);
        variant.spread_activation(&graph, activations, &spreading, &mut scratch).expect("shares and a threshold");
        bits(activations)
    })
    .map(drop)
}
