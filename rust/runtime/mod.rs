//! Whose process this is, and the plain shape's runtime.
//!
//! In the plain shape one lazy current-thread Tokio runtime is driven by the thread that calls: PHP's own. A
//! multi-thread runtime would cost about 70 us a query in wake-ups across cores. It is made at the first
//! [`block_on`], never when the library is loaded, so that a program may load the library and fork.
//!
//! What always holds:
//! - The first use of anything that keeps state [`claim`]s the process. A child forked afterwards gets
//!   [`WrongProcess`] from every later claim, before any lock is touched: a lock that another thread held at the
//!   fork would never open in the child, and the child would share the parent's database sockets. Forks are
//!   seen through `pthread_atfork`, which costs a load per call where `getpid` costs 100 ns; a raw `clone`
//!   that bypasses libc isn't seen.
//! - [`block_on`] is serial: a second thread waits until the first one's future is done. A call from inside a
//!   Tokio task is refused instead of deadlocking.
//! - Threads that the runtime starts (name resolution) block all signals, so that PHP's handlers run on PHP's thread.

pub(crate) mod clock;
#[cfg(unix)]
pub mod direct;
pub mod family;
pub mod intake;
pub mod local;
pub mod memory;
#[cfg(unix)]
pub mod outqueue;
pub(crate) mod say;
#[cfg(unix)]
pub mod signals;
pub(crate) mod turn;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// How long [`shut_down`] waits for a name resolution that is under way; libc can't be interrupted in it.
const SHUT_DOWN_WAIT: Duration = Duration::from_millis(200);

// The process that the engine works in; 0 while nothing was used.
static OWNER: AtomicU32 = AtomicU32::new(0);
// Set in a child that was forked after its parent claimed.
static INHERITED: AtomicBool = AtomicBool::new(false);
static ACTIVE: AtomicBool = AtomicBool::new(false);
// Held while a future runs: this is what makes calls serial. A poisoned lock is taken all the same: a panic in
// a future leaves the runtime whole, and what the future held was dropped while it unwound.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The engine was started in another process, of which this is a forked child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the engine was started in process {started} and this is its forked child {here}: fork before the first use, or call lyger_engine_release first"
)]
pub struct WrongProcess {
    /// The process that started it.
    pub started: u32,
    /// The process that called.
    pub here: u32,
}

/// Why a future wasn't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This is a forked child.
    #[error(transparent)]
    WrongProcess(#[from] WrongProcess),
    /// The calling thread is one of Tokio's.
    #[error("the engine's blocking functions can't be called from inside a Tokio runtime")]
    Nested,
    /// The operating system gave no event queue.
    #[error("the runtime could not start: {0}")]
    Start(#[from] io::Error),
}

/// Makes this process the engine's, at the first use of anything that keeps state.
///
/// # Errors
/// In a child that was forked after the claim.
pub fn claim() -> Result<(), WrongProcess> {
    not_forked()?;
    if OWNER.load(Ordering::Acquire) == 0 {
        watch_forks();
        OWNER.store(std::process::id(), Ordering::Release);
    }
    Ok(())
}

/// Gives the process up after everything that keeps state is gone: children forked from now on start afresh.
pub fn unclaim() {
    if !is_forked_child() {
        OWNER.store(0, Ordering::Release);
    }
}

/// As [`claim`], but leaves a process unclaimed: for what only looks at state, or ends it.
///
/// # Errors
/// In a child that was forked after the claim.
pub fn not_forked() -> Result<(), WrongProcess> {
    if is_forked_child() {
        return Err(WrongProcess { started: OWNER.load(Ordering::Acquire), here: std::process::id() });
    }
    Ok(())
}

/// Whether this process is a child of the one that the engine was started in.
#[must_use]
pub fn is_forked_child() -> bool {
    INHERITED.load(Ordering::Acquire)
}

/// Runs a future on the calling thread until it is done; other callers wait meanwhile.
///
/// ```
/// let three = lyger::runtime::block_on(async { 1 + 2 }).unwrap();
/// assert_eq!(three, 3);
/// ```
///
/// # Errors
/// In a forked child, inside a Tokio task, and when the runtime can't start.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    claim()?;
    if Handle::try_current().is_ok() {
        return Err(Error::Nested);
    }
    let mut runtime = lock();
    // By reference: the future of a query is some kilobytes, and Tokio would move it twice more.
    let future = std::pin::pin!(future);
    Ok(made(&mut runtime)?.block_on(future))
}

/// Whether a future that runs next has the calling thread for itself: the runtime is there, and no task waits to be driven.
#[must_use]
pub fn is_alone() -> bool {
    lock().as_ref().is_some_and(|runtime| runtime.metrics().num_alive_tasks() == 0)
}

/// Begins a future, which goes on whenever some [`block_on`] runs. Waits for one that another thread runs.
///
/// # Errors
/// As [`block_on`].
pub fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> Result<JoinHandle<F::Output>, Error> {
    claim()?;
    if Handle::try_current().is_ok() {
        return Err(Error::Nested);
    }
    let mut runtime = lock();
    // From within: from outside Tokio would ring the runtime's bell, a system call for each, although nobody sleeps there.
    Ok(made(&mut runtime)?.block_on(futures_util::future::lazy(|_| tokio::spawn(future))))
}

fn made(runtime: &mut Option<Runtime>) -> io::Result<&Runtime> {
    if runtime.is_none() {
        *runtime = Some(build()?);
        ACTIVE.store(true, Ordering::Release);
    }
    Ok(runtime.as_ref().expect("just built"))
}

/// Whether the runtime runs in this process. Takes no lock.
#[must_use]
pub fn is_active() -> bool {
    ACTIVE.load(Ordering::Acquire) && !is_forked_child()
}

/// Ends the runtime; the next [`block_on`] makes a new one. What lives on it (connections) must be gone before.
///
/// # Errors
/// In a forked child.
pub fn shut_down() -> Result<(), WrongProcess> {
    not_forked()?;
    let runtime = lock().take();
    ACTIVE.store(false, Ordering::Release);
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(SHUT_DOWN_WAIT);
    }
    Ok(())
}

fn lock() -> MutexGuard<'static, Option<Runtime>> {
    RUNTIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().thread_name("lyger-blocking").on_thread_start(block_signals).build()
}

/// Runs what starts threads, so that all signals are blocked in these from their first instruction on, and in theirs: a new thread
/// has the mask of the one that starts it, and blocking in its first line would leave a gap.
pub fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    #[cfg(unix)]
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    #[cfg(unix)]
    // SAFETY: sigfillset initialises `all`; pthread_sigmask reads it and writes the mask before into `before`.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = start();
    #[cfg(unix)]
    // SAFETY: `before` was written above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    started
}

/// Blocks all signals in the calling thread: for threads that the engine starts, so that a signal finds PHP's.
pub fn block_signals() {
    #[cfg(unix)]
    // SAFETY: sigfillset initialises the set that pthread_sigmask reads; the old mask isn't asked for.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(unix)]
fn watch_forks() {
    // Runs in the child, where only async-signal-safe work is allowed: atomics and sigaction are.
    extern "C" fn in_child() {
        if OWNER.load(Ordering::Acquire) != 0 {
            INHERITED.store(true, Ordering::Release);
            signals::give_up_in_child();
        }
    }
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: in_child is a plain function that stays mapped: the library is linked with nodelete.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        assert_eq!(failed, 0, "pthread_atfork has no memory");
    });
}

#[cfg(not(unix))]
fn watch_forks() {
    static _WATCHED: Once = Once::new();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    // The runtime is the process's: tests that need it gone or present take turns.
    static TURN: Mutex<()> = Mutex::new(());

    #[cfg(unix)]
    #[test]
    fn a_thread_started_without_signals_blocks_them_and_its_starter_does_not() {
        fn is_blocked(signal: libc::c_int) -> bool {
            let mut mask = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: without a new mask, pthread_sigmask only writes the one that is there.
            unsafe {
                libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), mask.as_mut_ptr());
                libc::sigismember(mask.as_ptr(), signal) == 1
            }
        }
        let all = [libc::SIGTERM, libc::SIGINT, libc::SIGALRM, libc::SIGCHLD];
        let thread = without_signals(|| thread::spawn(move || all.map(is_blocked)));
        assert_eq!(thread.join().unwrap(), [true; 4]);
        assert_eq!(all.map(is_blocked), [false; 4]);
    }

    #[test]
    fn futures_of_two_threads_run_one_after_the_other() {
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let work = async {
                        assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "another future was running");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        INSIDE.fetch_sub(1, Ordering::SeqCst);
                    };
                    block_on(work).unwrap();
                });
            }
        });
    }

    #[test]
    fn a_call_from_inside_a_task_is_refused() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = block_on(async { block_on(async {}) }).unwrap();
        assert!(matches!(inner, Err(Error::Nested)));
    }

    #[test]
    fn a_panic_in_a_future_leaves_the_runtime_usable() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let panicked = std::panic::catch_unwind(|| block_on(async { panic!("on purpose") }));
        assert!(panicked.is_err());
        assert_eq!(block_on(async { 7 }).unwrap(), 7);
    }

    #[test]
    fn the_runtime_is_lazy_and_starts_again_after_a_shut_down() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        shut_down().unwrap();
        assert!(!is_active());
        block_on(async {}).unwrap();
        assert!(is_active());
    }
}
