//! A lane: how requests travel from the front to one worker, and answers back.
//!
//! A lane is a fixed set of slots and two rings of slot indexes. The front fills a free slot and puts its index
//! into the submission ring; the worker claims it, answers it in place, and puts the index into the completion
//! ring; the front collects it and the slot is free again. Each slot is in one [`State`], changed only by the
//! transitions below, each made by one compare-and-swap, so the two sides share no lock and the payload of a
//! slot always has exactly one owner.
//!
//! ```text
//!            fill            claim             answer             collect
//!   Free ──────────▶ Waiting ───────▶ Claimed ─────────▶ Answered ────────▶ Free
//!  (front)          (nobody)  │      (worker) │          (front)             ▲
//!                     retract │       abandon │                              │
//!                             ▼               ▼                              │
//!                        Retracted        Abandoned ──── answer ─────┐       │
//!                         (front)          (worker)                  ▼       │ collect
//!                             └────────────── skip ───────────▶ Discarded ───┘
//!                                                                (front)
//! ```
//!
//! - *retract*: the client went away, its time in the queue is over, or another worker is idle: the front takes the
//!   request back. Its index stays in the ring, so the worker skips it and sends the empty slot home.
//! - *abandon*: the client went away or got its 504 while the worker was busy with the request. The worker notices
//!   nothing; its answer is dropped.
//!
//! Only the front frees slots, only the worker empties the submission ring. A slot's index is in each ring at most
//! once, so rings as long as the lane never overflow.
//!
//! [`open`] makes a lane over heap memory, which the solo shape uses between the front's thread and PHP's thread.

mod doorbell;
mod heap;
mod ring;
mod slot;
mod state;

pub use doorbell::{Doorbell, Woken};
pub use heap::{Completion, FrontEnd, Lane, WorkerEnd, open};
pub use ring::Ring;
pub use slot::{Id, Slot};
pub use state::{Event, State};
