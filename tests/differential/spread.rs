//! `spread_activation`: the same bits in every variant and in a plain loop over a list of edges, and what the documentation
//! says of it.

use lyger::kernels::Variant;
use lyger::kernels::graph::{Graph, Normalization, Spreading};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use crate::broken::until_seen;
use crate::decay::floats;
use crate::guard::Guarded;
use crate::{CASES, runner};

/// A kernel under test: the bits of what is active at the end.
type Spread = Box<dyn Fn(&Input) -> Vec<u32>>;

/// A graph as edges by source, what is active in it, and how it spreads.
#[derive(Debug, Clone)]
struct Input {
    edges: Vec<Vec<(u32, f32)>>,
    activations: Vec<f32>,
    spreading: Spreading,
}

impl Input {
    fn rows(&self) -> (Vec<u32>, Vec<u32>, Vec<f32>) {
        let mut offsets = vec![0];
        let (targets, weights): (Vec<u32>, Vec<f32>) = self.edges.iter().flatten().copied().unzip();
        offsets.extend(self.edges.iter().scan(0, |end, edges| {
            *end += edges.len() as u32;
            Some(*end)
        }));
        (offsets, targets, weights)
    }
}

fn kernels() -> Vec<(&'static str, Spread)> {
    let kernel = |variant: Variant| -> Spread { Box::new(move |input| run(variant, input)) };
    Variant::available().map(|variant| (variant.name(), kernel(variant))).collect()
}

fn inputs() -> impl Strategy<Value = Input> {
    let share =
        || prop_oneof![4 => 0.0_f32..=1.0, 1 => Just(0.0_f32), 1 => Just(1.0_f32), 1 => Just(f32::from_bits(1))];
    let normalization = prop::sample::select([Normalization::None, Normalization::Fan, Normalization::Peak].as_slice());
    let threshold = prop_oneof![3 => 0.0_f32..0.5, 1 => Just(0.0_f32), 1 => Just(f32::MAX)];
    let spreading = (0_u32..7, share(), share(), threshold, 0_u32..4, normalization).prop_map(
        |(steps, retention, transmission, threshold, refractory_steps, normalization)| Spreading {
            steps,
            retention,
            transmission,
            threshold,
            refractory_steps,
            normalization,
        },
    );
    // Tame numbers in most graphs: one that is no number would soon be everywhere.
    let number = prop_oneof![8 => (-0.5_f32..1.5).boxed(), 1 => floats().boxed()];
    let number = prop_oneof![3 => Just((-0.5_f32..1.5).boxed()), 1 => Just(number.boxed())];
    (0_usize..70, number, spreading).prop_flat_map(|(nodes, number, spreading)| {
        let edge = (0..nodes.max(1) as u32, number.clone());
        // Nodes of many edges and of none.
        let edges = prop_oneof![4 => vec(edge.clone(), 0..4), 1 => Just(Vec::new()), 1 => vec(edge, 0..40)];
        let activation = prop_oneof![2 => number, 1 => Just(0.0_f32)];
        (vec(edges, nodes), vec(activation, nodes)).prop_map(move |(edges, activations)| Input {
            edges,
            activations,
            spreading,
        })
    })
}

fn bits(activations: &[f32]) -> Vec<u32> {
    activations.iter().map(|activation| activation.to_bits()).collect()
}

fn run(variant: Variant, input: &Input) -> Vec<u32> {
    let (offsets, targets, weights) = input.rows();
    let graph = Graph::new(&offsets, &targets, &weights).unwrap();
    let mut activations = input.activations.clone();
    // What was in the scratch doesn't matter.
    let mut scratch = vec![u32::MAX; graph.scratch_len()];
    variant.spread_activation(&graph, &mut activations, &input.spreading, &mut scratch).unwrap();
    bits(&activations)
}

/// What each operation is. Kernels get these wrong.
#[derive(Clone, Copy)]
struct Rules {
    /// What a node keeps of its activation.
    keeps: fn(f32, &Spreading) -> f32,
    /// Whether a node that doesn't rest fires.
    fires: fn(f32, &Spreading) -> bool,
    /// What one with so many edges sends over each, before the edge's weight.
    sends: fn(f32, f32, &Spreading) -> f32,
    /// Whether all are divided by the largest.
    levels: fn(f32) -> bool,
    /// What is no number.
    nan: u32,
}

/// As documented.
const RULES: Rules = Rules {
    keeps: |activation, spreading| activation * spreading.retention,
    fires: |activation, spreading| activation > spreading.threshold,
    sends: |activation, edges, spreading| match spreading.normalization {
        Normalization::Fan => activation * spreading.transmission / edges,
        _ => activation * spreading.transmission,
    },
    levels: |peak| peak > 1.0 && peak.is_finite(),
    nan: 0x7fc0_0000,
};

/// The documentation as a program, which knows each edge's source and looks at one edge at a time.
fn plain(input: &Input, rules: Rules) -> Vec<u32> {
    let spreading = &input.spreading;
    let mut activations = input.activations.clone();
    let mut fired: Vec<Option<u32>> = vec![None; activations.len()];
    for step in 0..spreading.steps {
        let before = activations.clone();
        for activation in &mut activations {
            *activation = (rules.keeps)(*activation, spreading);
        }
        for (source, edges) in input.edges.iter().enumerate() {
            let rests = fired[source].is_some_and(|at| step - at <= spreading.refractory_steps);
            if rests || !(rules.fires)(before[source], spreading) {
                continue;
            }
            fired[source] = Some(step);
            for &(target, weight) in edges {
                activations[target as usize] += (rules.sends)(before[source], edges.len() as f32, spreading) * weight;
            }
        }
        if spreading.normalization == Normalization::Peak {
            let peak =
                activations.iter().filter(|activation| !activation.is_nan()).fold(0.0, |a: f32, b| a.max(b.abs()));
            if (rules.levels)(peak) {
                activations.iter_mut().for_each(|activation| *activation /= peak);
            }
        }
    }
    bits(&activations).into_iter().map(|bits| if f32::from_bits(bits).is_nan() { rules.nan } else { bits }).collect()
}

/// Runs `cases` inputs through all kernels and the oracle. `Err` holds the smallest on which one differs.
fn compare(kernels: &[(&'static str, Spread)], mut runner: TestRunner) -> Result<(), TestError<Input>> {
    runner.run(&inputs(), |input| {
        let expected = plain(&input, RULES);
        for (name, spread) in kernels {
            prop_assert_eq!(&spread(&input), &expected, "{}", name);
        }
        Ok(())
    })
}

#[test]
fn all_kernels_spread_to_the_bits_of_the_plain_loop() {
    compare(&kernels(), runner(CASES)).unwrap();
}

#[test]
fn what_is_sent_arrives_where_the_weights_are_one_and_nothing_is_kept() {
    runner(CASES / 10)
        .run(&inputs(), |mut input| {
            input.spreading = Spreading {
                steps: 1,
                retention: 0.0,
                transmission: 1.0,
                threshold: 0.0,
                normalization: Normalization::Fan,
                ..input.spreading
            };
            input.edges.iter_mut().flatten().for_each(|edge| edge.1 = 1.0);
            for activation in &mut input.activations {
                *activation = if activation.is_finite() { activation.abs().min(1e6) } else { 1.0 };
            }
            let senders = input.activations.iter().zip(&input.edges).filter(|(_, edges)| !edges.is_empty());
            let sent: f64 = senders.map(|(&activation, _)| f64::from(activation)).sum();
            for (name, spread) in kernels() {
                let arrived: f64 = spread(&input).into_iter().map(|bits| f64::from(f32::from_bits(bits))).sum();
                prop_assert!((arrived - sent).abs() <= 1e-5 * sent + 1e-40, "{}: {} of {}", name, arrived, sent);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_edge_leaves_from_the_node_whose_it_is() {
    // Node 1 has all the edges: whoever takes equal shares of them for granted has others send.
    let input = Input {
        edges: vec![vec![], vec![(0, 0.5), (2, 0.25), (3, 1.0)], vec![], vec![]],
        activations: vec![1.0, 2.0, 4.0, 8.0],
        spreading: Spreading { steps: 1, retention: 1.0, transmission: 1.0, ..Spreading::default() },
    };
    for (name, spread) in kernels() {
        assert_eq!(spread(&input), bits(&[2.0, 2.0, 4.5, 10.0]), "{name}");
    }
}

#[test]
fn a_node_that_has_fired_rests_and_is_activated_meanwhile() {
    // One that keeps all, and sends to another that keeps what it gets.
    for (refractory_steps, received) in [(0, 6.0), (1, 3.0), (2, 2.0), (5, 1.0), (u32::MAX, 1.0)] {
        let input = Input {
            edges: vec![vec![(1, 1.0)], vec![]],
            activations: vec![1.0, 0.0],
            spreading: Spreading {
                steps: 6,
                retention: 1.0,
                transmission: 1.0,
                threshold: 0.5,
                refractory_steps,
                normalization: Normalization::None,
            },
        };
        for (name, spread) in kernels() {
            assert_eq!(spread(&input), bits(&[1.0, received]), "{name}, resting {refractory_steps}");
        }
    }
}

#[test]
fn no_kernel_touches_a_number_outside_of_its_slices() {
    let (mut activations, mut scratch, mut weights) = (Guarded::new(), Guarded::new(), Guarded::new());
    let (mut offsets, mut targets) = (Guarded::new(), Guarded::new());
    for variant in Variant::available() {
        for nodes in 0..100_usize {
            let offsets = offsets.last_words(nodes + 1);
            (0..).zip(&mut *offsets).for_each(|(node, offset)| *offset = node);
            let targets = targets.last_words(nodes);
            (0..).zip(&mut *targets).for_each(|(node, target)| *target = nodes as u32 - 1 - node);
            let weights = weights.last_floats(nodes);
            weights.fill(1.0);
            let graph = Graph::new(offsets, targets, weights).unwrap();
            // One more in front of each, which must stay.
            let activations = activations.last_floats(nodes + 1);
            let scratch = scratch.last_words(2 * nodes + 1);
            for normalization in [Normalization::None, Normalization::Fan, Normalization::Peak] {
                for steps in 0..3 {
                    activations.fill(2.0);
                    scratch.fill(7);
                    let spreading = Spreading { steps, normalization, ..Spreading::default() };
                    variant.spread_activation(&graph, &mut activations[1..], &spreading, &mut scratch[1..]).unwrap();
                    assert!(activations[0] == 2.0 && scratch[0] == 7, "{variant:?}, {nodes} nodes");
                }
            }
        }
    }
}

/// A wrong kernel must be told from the right ones, by its name.
fn is_seen(what: &str, broken: impl Fn(&Input) -> Vec<u32> + 'static) {
    match compare(&[("broken", Box::new(broken))], until_seen()) {
        Err(TestError::Fail(reason, _)) => assert!(reason.message().contains("broken"), "{what}: {reason}"),
        other => panic!("{what} went unseen: {other:?}"),
    }
}

/// A right kernel that is given another input.
fn misled(change: impl Fn(&mut Input)) -> impl Fn(&Input) -> Vec<u32> {
    let right = Variant::by_name("rust").unwrap();
    move |input| {
        let mut input = input.clone();
        change(&mut input);
        run(right, &input)
    }
}

#[test]
fn kernels_that_take_an_input_for_another_are_seen() {
    is_seen("another order", misled(|input| input.edges.iter_mut().for_each(|edges| edges.reverse())));
    is_seen("a longer rest", misled(|input| input.spreading.refractory_steps += 1));
    is_seen("a step too few", misled(|input| input.spreading.steps = input.spreading.steps.saturating_sub(1)));
    is_seen("no normalization", misled(|input| input.spreading.normalization = Normalization::None));
    for (from, to) in [(Normalization::Fan, Normalization::Peak), (Normalization::Peak, Normalization::None)] {
        let change = move |input: &mut Input| {
            if input.spreading.normalization == from {
                input.spreading.normalization = to;
            }
        };
        is_seen("another normalization", misled(change));
    }
    let guessed = |input: &mut Input| {
        // The source guessed from the edge's position, as if all nodes had as many.
        let all: Vec<(u32, f32)> = input.edges.iter().flatten().copied().collect();
        let each = all.len().div_ceil(input.edges.len().max(1)).max(1);
        for (node, edges) in input.edges.iter_mut().enumerate() {
            *edges = all.iter().skip(node * each).take(each).copied().collect();
        }
    };
    is_seen("a guessed source", misled(guessed));
    is_seen("the last node", misled(|input| input.activations.iter_mut().skip(32).for_each(|last| *last = 0.0)));
}

#[test]
fn kernels_that_compute_something_else_are_seen() {
    let by = |rules: Rules| move |input: &Input| plain(input, rules);
    is_seen("all of it kept", by(Rules { keeps: |activation, _| activation, ..RULES }));
    let without = |activation, spreading: &Spreading| match spreading.retention {
        0.0 => 0.0,
        retention => activation * retention,
    };
    is_seen("nothing kept of what is no number", by(Rules { keeps: without, ..RULES }));
    let unless_below = |activation: f32, by: &Spreading| activation.is_nan() || activation > by.threshold;
    is_seen("what is no number fires", by(Rules { fires: unless_below, ..RULES }));
    is_seen("`>=`", by(Rules { fires: |activation, by| activation >= by.threshold, ..RULES }));
    let divided_first = |activation: f32, edges: f32, spreading: &Spreading| match spreading.normalization {
        Normalization::Fan => activation / edges * spreading.transmission,
        _ => activation * spreading.transmission,
    };
    is_seen("a division before the transmission", by(Rules { sends: divided_first, ..RULES }));
    let by_inverse = |activation: f32, edges: f32, spreading: &Spreading| match spreading.normalization {
        Normalization::Fan => activation * spreading.transmission * (1.0 / edges),
        _ => activation * spreading.transmission,
    };
    is_seen("a product with the inverse", by(Rules { sends: by_inverse, ..RULES }));
    is_seen("a small peak", by(Rules { levels: |peak| peak > 0.0 && peak.is_finite(), ..RULES }));
    is_seen("an infinite peak", by(Rules { levels: |peak| peak > 1.0, ..RULES }));
    is_seen("the NaN of hardware", by(Rules { nan: 0xffc0_0000, ..RULES }));
}
