//! `spread_activation`: what is active passes some of it on along its edges, step by step.
//!
//! What always holds, so that every variant gives the same bits: within a step nodes fire in ascending order, each along its
//! edges in the graph's order, and every addition is rounded as it comes. `zig/kernels/graph/spread.zig` is the same, line
//! by line. The additions go to places all over the memory, so vectors are used only where nodes are gone through in a row.

/// How many nodes are gone through at a time.
const LANES: usize = 32;

/// What all results that are no numbers are, since Rust promises no payloads.
const NAN: f32 = f32::from_bits(0x7fc0_0000);

/// A whole call: what [`super::spread_activation`] has checked.
///
/// The pointers are good for `nodes + 1` offsets, as many targets and weights as the last offset says, `nodes` activations
/// and `2 * nodes` words of scratch; activations and scratch are nobody else's. Offsets ascend from 0, targets are
/// below `nodes`.
pub(crate) struct Job {
    pub(crate) offsets: *const u32,
    pub(crate) targets: *const u32,
    pub(crate) weights: *const f32,
    pub(crate) nodes: usize,
    pub(crate) activations: *mut f32,
    pub(crate) scratch: *mut u32,
    pub(crate) steps: u32,
    pub(crate) refractory_steps: u32,
    pub(crate) retention: f32,
    pub(crate) transmission: f32,
    pub(crate) threshold: f32,
    /// Whether what a node sends is divided by the number of its edges.
    pub(crate) divides: bool,
    /// Whether each step ends with a division by the largest activation above 1.
    pub(crate) levels: bool,
}

/// # Safety
/// The job is as its comment says.
#[inline(always)]
pub(super) unsafe fn run(job: &Job) {
    let nodes = job.nodes;
    // SAFETY: nodes floats at each of the two, and as many words behind the second.
    unsafe {
        let mut now = job.activations;
        let mut next = job.scratch.cast::<f32>();
        let waits = job.scratch.add(nodes);
        if job.refractory_steps > 0 {
            waits.write_bytes(0, nodes);
        }
        for _ in 0..job.steps {
            keep(std::slice::from_raw_parts(now, nodes), next, job.retention);
            if job.refractory_steps > 0 {
                fire::<true>(job, now, next, waits);
            } else {
                fire::<false>(job, now, next, waits);
            }
            if job.levels {
                level(std::slice::from_raw_parts_mut(next, nodes));
            }
            std::mem::swap(&mut now, &mut next);
        }
        // An odd number of steps ends in the scratch.
        for node in 0..nodes {
            let activation = *now.add(node);
            *job.activations.add(node) = if activation.is_nan() { NAN } else { activation };
        }
    }
}

/// # Safety
/// `next` is writable for as many floats as `now` has.
#[inline(always)]
unsafe fn keep(now: &[f32], next: *mut f32, retention: f32) {
    for (node, activation) in now.iter().enumerate() {
        // SAFETY: below the length of `now`.
        unsafe { next.add(node).write(activation * retention) };
    }
}

/// # Safety
/// The job is as its comment says; `now` and `next` have its nodes, and so has `waits` where nodes rest.
#[inline(always)]
unsafe fn fire<const RESTS: bool>(job: &Job, now: *const f32, next: *mut f32, waits: *mut u32) {
    for node in 0..job.nodes {
        // SAFETY: nodes are below their number, edges below the last offset, targets are nodes.
        unsafe {
            if RESTS && *waits.add(node) > 0 {
                *waits.add(node) -= 1;
                continue;
            }
            let activation = *now.add(node);
            // False for NaN.
            if activation > job.threshold {
                if RESTS {
                    *waits.add(node) = job.refractory_steps;
                }
                let (first, end) = (*job.offsets.add(node), *job.offsets.add(node + 1));
                let mut sent = activation * job.transmission;
                if job.divides {
                    sent /= (end - first) as f32;
                }
                for edge in first as usize..end as usize {
                    let target = next.add(*job.targets.add(edge) as usize);
                    *target += sent * *job.weights.add(edge);
                }
            }
        }
    }
}

/// Divides by the largest of the absolute values when that is above 1 and finite.
#[inline(always)]
fn level(activations: &mut [f32]) {
    let mut peaks = [1.0_f32; LANES];
    let (blocks, last) = activations.as_chunks::<LANES>();
    for block in blocks {
        for (peak, activation) in peaks.iter_mut().zip(block) {
            *peak = if activation.abs() > *peak { activation.abs() } else { *peak };
        }
    }
    for (peak, activation) in peaks.iter_mut().zip(last) {
        *peak = if activation.abs() > *peak { activation.abs() } else { *peak };
    }
    // The maximum of numbers is the same in whatever order.
    let peak = peaks.into_iter().fold(1.0, f32::max);
    if peak > 1.0 && peak < f32::INFINITY {
        for activation in activations {
            *activation /= peak;
        }
    }
}
