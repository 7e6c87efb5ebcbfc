//! Turns of a loop that one thread runs for many tasks.
//!
//! A turn ends when no task has anything left to do; then the loop looks at what has come from outside, and the next turn
//! begins. `tokio::task::yield_now` is not enough for a task that goes on for long: whatever else wakes it in between (the
//! other end of its channel) has it run again in the same turn, and while it waits to be run Tokio sees no end of the turn,
//! only a look at its sockets. Two tasks that hand rows to each other held a loop for 10 ms that way.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

thread_local! {
    /// How many turns have begun on this thread; 0 where nobody counts them.
    static BEGUN: Cell<u64> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// A turn of this thread's loop begins.
pub(crate) fn begin() {
    BEGUN.set(BEGUN.get() + 1);
}

/// A turn of this thread's loop ends: who waits for the next one is run in it, and the loop doesn't sleep before.
pub(crate) fn end() {
    WAITING.with_borrow_mut(|waiting| waiting.drain(..).for_each(Waker::wake))
}

/// Waits for the loop's next turn. On a thread that counts no turns: lets the other tasks run once.
pub(crate) async fn next() {
    let begun = BEGUN.get();
    if begun == 0 {
        return tokio::task::yield_now().await;
    }
    poll_fn(|context| {
        if BEGUN.get() != begun {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| {
            if !waiting.iter().any(|other| other.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
        });
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::sync::Arc;
    use tokio::sync::Notify;

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.on_thread_park(end).on_thread_unpark(begin).build().unwrap()
    }

    /// Is run again in the same turn.
    async fn lets_others_run() {
        let mut has_run = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut has_run, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[test]
    fn who_waits_for_a_turn_runs_in_the_next_one_whatever_wakes_it() {
        let turns = runtime().block_on(async {
            begin();
            let first = BEGUN.get();
            let bell = Arc::new(Notify::new());
            let ringing = Arc::clone(&bell);
            let ringer = tokio::spawn(async move {
                for _ in 0..10 {
                    ringing.notify_one();
                    lets_others_run().await;
                }
            });
            let waiting = tokio::spawn(async move {
                let mut turns = Vec::new();
                for _ in 0..3 {
                    tokio::select! { biased; () = bell.notified() => {}, () = next() => {} }
                    next().await;
                    turns.push(BEGUN.get() - first);
                }
                turns
            });
            ringer.await.unwrap();
            waiting.await.unwrap()
        });
        assert!(turns.is_sorted_by(|one, other| one < other), "{turns:?}");
        assert!(turns[0] > 0, "{turns:?}");
    }

    #[test]
    fn a_thread_without_turns_lets_others_run() {
        std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let ran = Rc::new(Cell::new(false));
                let other = Rc::clone(&ran);
                let task = crate::runtime::local::spawn(async move { other.set(true) });
                next().await;
                assert!(ran.get());
                task.await.unwrap();
            });
        })
        .join()
        .unwrap();
    }
}
