//! The kernels of graphs and memories, on arrays of the caller's.

use super::error::Failure;
use super::panic;
use super::slice::{apart, numbers, numbers_mut};
use super::status::Status;
use crate::kernels::graph::{self, Graph, Normalization, Spreading};

/// Multiplies each of `count` strengths by `2^(-age / half_life)`, in place: what has lain for one half-life is half as
/// strong. Within 1.5 units in the last place of the true product, and the same bits on every machine.
///
/// An age of 0 or below leaves a strength as it is, an infinite one leaves 0 with the strength's sign. An infinite strength
/// stays. Where either isn't a number the result is the NaN 0x7fc00000. The arrays are aligned as floats are, and don't
/// overlap; `count` is at most 2^32 - 1.
///
/// Errors, after which the strengths are as they were: `INVALID_ARGUMENT` (the half-life isn't above 0 and finite, an array
/// isn't aligned, they overlap), `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`. Any thread, any process.
///
/// # Safety
/// `strengths` must be readable and writable and `ages_seconds` readable for `count` floats, which no other thread
/// writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engram_apply_decay(
    strengths: *mut f32,
    ages_seconds: *const f32,
    count: usize,
    half_life_seconds: f32,
) -> Status {
    panic::status(|| {
        apart(("strengths", strengths, count), ("ages_seconds", ages_seconds, count))?;
        // SAFETY: the caller's promise, passed on; the two don't overlap.
        let (strengths, ages) =
            unsafe { (numbers_mut("strengths", strengths, count)?, numbers("ages_seconds", ages_seconds, count)?) };
        graph::apply_decay(strengths, ages, half_life_seconds).map_err(Failure::from)
    })
}

/// Spreads activation along the edges of a graph in compressed sparse rows, in place and in steps: the edges of node `n` are
/// those from `offsets[n]` up to, not including, `offsets[n + 1]`; `offsets` has `nodes + 1` numbers, `targets` and `weights` have
/// `edges`, `activations` has `nodes`.
///
/// In each of `steps` steps every node keeps `retention` (0 to 1) of its activation. Every node above `threshold` (at least 0)
/// that doesn't rest adds `activation * transmission * weight` (`transmission` from 0 to 1, the activation from before the step)
/// to the target of each of its edges, and rests for `refractory_steps`. `normalization` is 0 for none, 1 to divide what a
/// node sends by the number of its edges, 2 to divide all activations after each step by the largest absolute value when that
/// is above 1 and finite.
///
/// Every product and sum is rounded to a float as it comes, by ascending source and then in the graph's order: the same bits on
/// every machine. What isn't a number doesn't fire and is the NaN 0x7fc00000 in the end.
///
/// `scratch` has room for `scratch_len` numbers, at least `2 * nodes`; what it holds doesn't matter before and means nothing
/// after. Nothing is allocated. The arrays are aligned to 4 bytes; activations and scratch overlap neither each other nor the
/// rest. Each length is at most 2^32 - 1. Every call checks all offsets and targets.
///
/// Errors, after which the activations are as they were: `INVALID_ARGUMENT` (offsets that don't ascend from 0 to `edges`, a
/// target that isn't a node, a number out of its range, a scratch too short, arrays that overlap or aren't aligned),
/// `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`. Any thread, any process.
///
/// # Safety
/// The pointers must be readable, those of activations and scratch also writable, for as many numbers as said above, which
/// no other thread writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engram_spread_activation(
    offsets: *const u32,
    targets: *const u32,
    weights: *const f32,
    nodes: usize,
    edges: usize,
    activations: *mut f32,
    steps: u32,
    retention: f32,
    transmission: f32,
    threshold: f32,
    refractory_steps: u32,
    normalization: u32,
    scratch: *mut u32,
    scratch_len: usize,
) -> Status {
    panic::status(|| {
        // The largest number of nodes is refused with the offsets, of which there is one more.
        let offset_count = nodes.saturating_add(1);
        let active = ("activations", activations.cast_const(), nodes);
        let room = ("scratch", scratch.cast_const(), scratch_len);
        apart(active, room)?;
        apart(active, ("offsets", offsets, offset_count))?;
        apart(active, ("targets", targets, edges))?;
        apart(active, ("weights", weights, edges))?;
        apart(room, ("offsets", offsets, offset_count))?;
        apart(room, ("targets", targets, edges))?;
        apart(room, ("weights", weights, edges))?;
        // SAFETY: the caller's promise, passed on.
        let (offsets, targets, weights) = unsafe {
            (
                numbers("offsets", offsets, offset_count)?,
                numbers("targets", targets, edges)?,
                numbers("weights", weights, edges)?,
            )
        };
        // SAFETY: the caller's promise, passed on; these overlap nothing.
        let (activations, scratch) =
            unsafe { (numbers_mut("activations", activations, nodes)?, numbers_mut("scratch", scratch, scratch_len)?) };
        let normalization = match normalization {
            0 => Normalization::None,
            1 => Normalization::Fan,
            2 => Normalization::Peak,
            other => {
                let message = format!("{other} is no normalization: 0, 1 and 2 are");
                return Err(Failure::new(Status::InvalidArgument, message).with_value(other));
            }
        };
        let graph = Graph::new(offsets, targets, weights)?;
        let spreading = Spreading { steps, retention, transmission, threshold, refractory_steps, normalization };
        Ok(graph::spread_activation(&graph, activations, &spreading, scratch)?)
    })
}
