//! A future that stays on its thread, in the clothes of one that could move.
//!
//! The front's runtime is a current-thread one, which polls every task on the thread that drives it, but its `spawn`
//! asks for `Send` all the same. A `LocalSet` would do, at the price of a system call per turn: it is driven as the
//! runtime's main future, and waking that one always writes to the driver's event descriptor.

use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Has the calling thread's runtime say when a descriptor can be read.
///
/// # Errors
/// What the operating system says, for example of a descriptor that can't be waited for.
pub fn watch_reads(descriptor: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and names the same file for as long as the `AsyncFd` owns it.
    Ok(unsafe { tokio::io::unix::AsyncFd::register_with_interest(descriptor, tokio::io::Interest::READABLE) }?)
}

static NEXT_MARK: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static MARK: u64 = NEXT_MARK.fetch_add(1, Ordering::Relaxed);
}

/// A number that no other thread ever has; cheaper to read than `ThreadId`.
fn thread_mark() -> u64 {
    MARK.with(|mark| *mark)
}

/// A future that may be polled on the thread that made it, and panics on any other.
pub struct Local<F> {
    future: ManuallyDrop<F>,
    mark: u64,
}

// SAFETY: the future is reached only through `poll` and `drop`, and both check that this is the thread that made it.
unsafe impl<F> Send for Local<F> {}

impl<F> Local<F> {
    /// Ties a future to the calling thread.
    #[must_use]
    pub fn new(future: F) -> Self {
        Self { future: ManuallyDrop::new(future), mark: thread_mark() }
    }
}

impl<F: Future> Future for Local<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        assert_eq!(self.mark, thread_mark(), "a local future was polled on another thread");
        // SAFETY: the future is pinned with `self` and never moved out of it.
        unsafe { self.map_unchecked_mut(|local| &mut *local.future) }.poll(context)
    }
}

impl<F> Drop for Local<F> {
    fn drop(&mut self) {
        // Elsewhere it is leaked: its destructor may touch what belongs to the thread that made it.
        if self.mark == thread_mark() {
            // SAFETY: dropped once, here, on its own thread.
            unsafe { ManuallyDrop::drop(&mut self.future) }
        }
    }
}

/// Spawns a task on the current-thread runtime that is running now.
pub fn spawn<F: Future<Output: Send + 'static> + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(Local::new(future))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn a_future_that_is_not_send_runs_on_a_current_thread_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let counter = Rc::new(std::cell::Cell::new(0));
        runtime.block_on(async {
            let counter = Rc::clone(&counter);
            spawn(async move { counter.set(counter.get() + 1) }).await.unwrap();
        });
        assert_eq!((counter.get(), Rc::strong_count(&counter)), (1, 1));
    }

    #[test]
    fn polling_elsewhere_panics_instead_of_racing() {
        let local = Local::new(std::future::ready(()));
        let polled = std::thread::spawn(move || futures_util::FutureExt::now_or_never(local)).join();
        assert!(polled.is_err());
    }
}
