//! The end of a turn: what was queued is handed over, and the thread sleeps.
//!
//! While nothing but clients and workers can be waited for, it sleeps in the ring, in the very system call that hands over:
//! a turn costs that one, and a look of Tokio's at its own descriptors. A statement under way is Tokio's to wait for, so then the
//! thread sleeps there, and the ring, which is one of Tokio's descriptors, wakes it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::Uring;
use crate::front::joint::Joint;

/// How long the thread sleeps in the ring before it does so in Tokio's way. Timers, and words of the master's, may come so much
/// later than they should; Tokio counts in milliseconds anyway.
const SLEEP_MAX: Duration = Duration::from_millis(1);

thread_local! {
    static RING: RefCell<Weak<Uring>> = const { RefCell::new(Weak::new()) };
}

/// From now on the calling thread's turns end with a look at this ring.
pub(super) fn attend(uring: &Rc<Uring>) {
    RING.set(Rc::downgrade(uring));
}

/// Called when nothing is left to run, but perhaps the answers of workers.
pub(in crate::front) fn end_turn(joint: &Joint, has_work: bool) {
    let Some(uring) = RING.with_borrow(Weak::upgrade) else { return };
    let Some(ring) = uring.ring() else { return };
    // Solo the worker wakes the loop by Tokio alone.
    let may_sleep = !has_work && uring.bell.is_some() && !joint.is_anybody_away();
    if ring.wait(if may_sleep { SLEEP_MAX } else { Duration::ZERO }) {
        uring.ready.wake();
    }
}
