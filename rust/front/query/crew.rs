//! Work that blocks (`SQLite`) on Tokio's blocking threads, few at a time.
//!
//! A thread for each job has all of them woken by a burst, to fight over two cores for work of some microseconds. Here
//! one hand does job after job, without sleeping in between, and another one comes only when a job has waited for
//! longer than a short job takes: then the ones at work are busy with something long.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// How long a job waits until another hand is called. Tokio's timers count in milliseconds; most jobs take microseconds.
const PATIENCE_MS: u64 = 2;
/// While a job runs on, its waiter looks again ever more rarely, up to this.
const PATIENCE_MS_MAX: u64 = 256;

/// Hands for blocking work.
pub(super) struct Crew {
    yard: Arc<Mutex<Yard>>,
    hands_max: usize,
}

#[derive(Default)]
struct Yard {
    jobs: VecDeque<Job>,
    hands: usize,
}

// A poisoned lock is taken all the same: nothing in it is ever half done.
fn lock(yard: &Mutex<Yard>) -> MutexGuard<'_, Yard> {
    yard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    pub(super) fn new(hands_max: usize) -> Self {
        Self { yard: Arc::default(), hands_max }
    }

    /// Does some work on a blocking thread; `None` when it panicked. Dropped before its turn comes, it isn't done.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (result, mut receiver) = oneshot::channel();
        lock(&self.yard).jobs.push_back(Box::new(move || {
            if !result.is_closed() {
                let _ = result.send(work());
            }
        }));
        self.call_hand(1);
        let mut patience_ms = PATIENCE_MS;
        loop {
            match tokio::time::timeout(Duration::from_millis(patience_ms), &mut receiver).await {
                Ok(result) => return result.ok(),
                Err(_) => self.call_hand(self.hands_max),
            }
            patience_ms = (patience_ms * 2).min(PATIENCE_MS_MAX);
        }
    }

    /// What a job says when it waits for somebody slow.
    pub(super) fn bench(&self) -> Bench {
        Bench { yard: Arc::clone(&self.yard), hands_max: self.hands_max }
    }

    /// Calls one more hand if work waits and fewer than this many are there.
    fn call_hand(&self, hands_max: usize) {
        call_hand(&self.yard, hands_max);
    }
}

fn call_hand(shared: &Arc<Mutex<Yard>>, hands_max: usize) {
    let mut yard = lock(shared);
    if !yard.jobs.is_empty() && yard.hands < hands_max {
        yard.hands += 1;
        let yard = Arc::clone(shared);
        tokio::task::spawn_blocking(move || work_off(&yard));
    }
}

/// Where a hand sits while its job waits for a client: it doesn't count then, and others do the work that comes.
pub(super) struct Bench {
    yard: Arc<Mutex<Yard>>,
    hands_max: usize,
}

impl Bench {
    /// The calling hand begins to wait.
    pub(super) fn sit(&self) {
        lock(&self.yard).hands -= 1;
        call_hand(&self.yard, self.hands_max);
    }

    /// It goes on, although there may be as many others by now.
    pub(super) fn rise(&self) {
        lock(&self.yard).hands += 1;
    }
}

fn work_off(yard: &Mutex<Yard>) {
    loop {
        let job = {
            let mut yard = lock(yard);
            let Some(job) = yard.jobs.pop_front() else {
                yard.hands -= 1;
                return;
            };
            job
        };
        // The panic was reported by its hook, and the waiter sees that no result came.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn block_on(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future);
    }

    #[test]
    fn short_jobs_in_a_burst_share_one_hand() {
        block_on(async {
            let crew = Crew::new(8);
            let jobs = (0..100).map(|number| crew.run(move || number));
            let mut jobs = Box::pin(futures_util::future::join_all(jobs));
            // All are given, and none has waited yet: how long the machine keeps a hand from its work decides nothing.
            let done = futures_util::FutureExt::now_or_never(&mut jobs);
            assert!(lock(&crew.yard).hands <= 1);
            let done = match done {
                Some(done) => done,
                None => jobs.await,
            };
            assert!(done.into_iter().enumerate().all(|(index, number)| number == Some(index)));
        });
    }

    #[test]
    fn a_long_job_does_not_keep_others_waiting_and_hands_are_limited() {
        block_on(async {
            let crew = Crew::new(3);
            let (release, gate) = std::sync::mpsc::channel::<()>();
            let gate = Arc::new(Mutex::new(gate));
            let (at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let long = |_| {
                let (gate, at_work, most) = (Arc::clone(&gate), Arc::clone(&at_work), Arc::clone(&most));
                crew.run(move || {
                    most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    at_work.fetch_sub(1, Ordering::SeqCst);
                })
            };
            let long_ones = futures_util::future::join_all((0..2).map(long));
            let short_one = async {
                assert_eq!(crew.run(|| 7).await, Some(7)); // while both of them block
                drop(release);
            };
            let (finished, ()) = tokio::join!(long_ones, short_one);
            assert!(finished.iter().all(Option::is_some));
            assert_eq!(most.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn hands_that_wait_for_somebody_do_not_count() {
        block_on(async {
            let crew = Crew::new(2);
            let (release, gate) = std::sync::mpsc::channel::<()>();
            let gate = Arc::new(Mutex::new(gate));
            let slow = |_| {
                let (gate, bench) = (Arc::clone(&gate), crew.bench());
                crew.run(move || {
                    bench.sit();
                    let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    bench.rise();
                })
            };
            let slow_ones = futures_util::future::join_all((0..5).map(slow));
            let short_one = async {
                assert_eq!(crew.run(|| 7).await, Some(7)); // while five of two wait
                drop(release);
            };
            let (finished, ()) = tokio::join!(slow_ones, short_one);
            assert!(finished.iter().all(Option::is_some));
            assert_eq!(crew.run(|| 7).await, Some(7));
            assert!(lock(&crew.yard).hands <= 2);
        });
    }

    #[test]
    fn a_panic_ends_its_own_job_only() {
        block_on(async {
            let crew = Crew::new(1);
            let (panicked, fine) = tokio::join!(crew.run(|| assert_eq!(1, 2, "on purpose")), crew.run(|| 7));
            assert_eq!((panicked, fine), (None, Some(7)));
        });
    }

    #[test]
    fn a_job_whose_waiter_has_gone_is_not_done() {
        block_on(async {
            let crew = Crew::new(1);
            let (started, waits) = std::sync::mpsc::channel();
            let first = crew.run(move || waits.recv());
            let done = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&done);
            let gone = crew.run(move || counter.fetch_add(1, Ordering::SeqCst));
            let release = async {
                tokio::select! {
                    _ = gone => panic!("it ran before its turn"),
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
                started.send(()).unwrap();
            };
            tokio::join!(first, release).0.unwrap().unwrap();
            assert_eq!((crew.run(|| 7).await, done.load(Ordering::SeqCst)), (Some(7), 0));
        });
    }
}
