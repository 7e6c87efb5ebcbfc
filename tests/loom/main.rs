//! The parts of a lane, and of the cache, that sides share without a lock, under loom: every order in which two threads can run, and
//! every value that the memory model lets them read.
//!
//! The parts are the engine's own files, compiled here with loom's atomics. Weaken an `Ordering` in one of them, or leave
//! a fence out, and a test here fails; a wake-up that is missed ends the run, with the word deadlock. Beyond it is the ring's
//! `head`, whose release keeps a cell from being read after it was given away: loom lets no read see a later write.

#![allow(unsafe_code, reason = "the pipe's bytes belong to whom its counts say")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "the engine uses more of these files than is tried here")]

#[path = "../../rust/lane/doorbell.rs"]
mod doorbell;
#[path = "../../rust/lane/epoch.rs"]
mod epoch;
#[path = "../../rust/lane/pipe.rs"]
mod pipe;
#[path = "../../rust/lane/ring.rs"]
mod ring;
#[path = "../../rust/cache/seq.rs"]
mod seq;
#[path = "../../rust/lane/slot.rs"]
mod slot;
#[path = "../../rust/lane/state.rs"]
mod state;

mod futex;
mod sync;

mod bells;
mod claims;
mod epochs;
mod queues;
mod sequences;

/// Every order with at most this many switches away from a thread that could go on. Loom's authors found that 2 or 3 show
/// nearly all mistakes; what is tried without a limit is so small that it can be.
fn model(switches_max: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches_max);
    model.check(run);
}
