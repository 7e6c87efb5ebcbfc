//! A body that is made slice by slice: of each, whoever writes it waits until it is taken, and lets others have their turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::db;
use crate::json::body::Misshapen;
use crate::json::keyed::KeyError;
use crate::runtime::turn;

/// Why there are no rows to send, or no more.
#[derive(Debug)]
pub(in crate::front) enum Failure {
    Database(db::Error),
    /// The rows don't fit the shape.
    Misshapen(Misshapen),
    /// The request's own time was over.
    Late,
    /// A bug of the engine's, caught.
    Panicked,
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Misshapen> for Failure {
    fn from(error: Misshapen) -> Self {
        Self::Misshapen(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::Misshapen(error.into())
    }
}

/// Where slices are put, one at a time.
#[derive(Clone, Default)]
pub(super) struct Outlet(Rc<RefCell<Option<Bytes>>>);

impl Outlet {
    /// Puts a slice and returns when it is taken and others had their turn.
    pub(super) async fn emit(&self, slice: Vec<u8>) {
        self.leave(slice);
        // Whoever takes it polls again: there is nothing to be woken by.
        poll_fn(|_| if self.0.borrow().is_none() { Poll::Ready(()) } else { Poll::Pending }).await;
        turn::next().await;
    }

    /// Puts the last slice.
    pub(super) fn leave(&self, slice: Vec<u8>) {
        if !slice.is_empty() {
            self.0.replace(Some(slice.into()));
        }
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// The slices of one answer.
pub(in crate::front) struct Slices {
    /// Slices that are made already.
    made: VecDeque<Bytes>,
    outlet: Outlet,
    work: Option<Work>,
    /// The request's id as the log has it.
    request: u64,
    taken_bytes: u64,
}

impl Slices {
    /// The slices that `work` puts into `outlet`.
    pub(super) fn new(request: u64, outlet: Outlet, work: impl Future<Output = Result<(), Failure>> + 'static) -> Self {
        Self { made: VecDeque::new(), outlet, work: Some(Box::pin(work)), request, taken_bytes: 0 }
    }

    /// Makes slices until these are more than `bytes`, or all.
    pub(super) async fn make(&mut self, bytes: usize) -> Result<(), Failure> {
        let mut made = 0;
        while made <= bytes
            && let Some(slice) = poll_fn(|context| self.poll_work(context)).await
        {
            let slice = slice?;
            made += slice.len();
            self.made.push_back(slice);
        }
        Ok(())
    }

    /// The whole body, where all slices are made.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        if self.work.is_some() {
            return None;
        }
        match self.made.len() {
            0 | 1 => Some(self.made.pop_front().unwrap_or_default()),
            _ => Some(Vec::from(std::mem::take(&mut self.made)).concat().into()),
        }
    }

    /// The next slice; `None` behind the last.
    pub(in crate::front) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let next = match self.made.pop_front() {
            Some(slice) => Poll::Ready(Some(Ok(slice))),
            None => self.poll_work(context),
        };
        if let Poll::Ready(Some(Ok(slice))) = &next {
            self.taken_bytes += slice.len() as u64;
        }
        next
    }

    /// Whether the last slice is taken.
    pub(in crate::front) fn is_done(&self) -> bool {
        self.made.is_empty() && self.work.is_none()
    }

    /// Tells the log why the answer ends too early.
    pub(in crate::front) fn say_cut(&self, failure: &Failure) {
        let (_, detail, sqlstate) = failure.words();
        let sqlstate = sqlstate.map(|sqlstate| format!(" [{sqlstate}]")).unwrap_or_default();
        let (request, taken) = (self.request, self.taken_bytes);
        super::super::log(format_args!("request {request}: cut off after {taken} bytes{sqlstate}: {detail}"));
    }

    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let outcome = work.as_mut().poll(context);
        if outcome.is_ready() {
            self.work = None; // with its connection to the database
        }
        let slice = self.outlet.0.take();
        match (outcome, slice) {
            (Poll::Ready(Err(failure)), _) => Poll::Ready(Some(Err(failure))),
            (_, Some(slice)) => Poll::Ready(Some(Ok(slice))),
            (Poll::Ready(Ok(())), None) => Poll::Ready(None),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Ten slices of ten bytes, and how many of them were begun.
    fn ten(fails: bool) -> (Slices, Rc<RefCell<usize>>) {
        let (outlet, begun) = (Outlet::default(), Rc::new(RefCell::new(0)));
        let (to, count) = (outlet.clone(), Rc::clone(&begun));
        let work = async move {
            for _ in 0..10 {
                *count.borrow_mut() += 1;
                to.emit(vec![b'x'; 10]).await;
            }
            if fails { Err(Failure::Late) } else { Ok(()) }
        };
        (Slices::new(1, outlet, work), begun)
    }

    async fn next(slices: &mut Slices) -> Option<Result<Bytes, Failure>> {
        poll_fn(|context| slices.poll_next(context)).await
    }

    #[test]
    fn a_slice_is_made_when_the_one_before_is_taken_and_not_sooner() {
        block_on(async {
            let (mut slices, begun) = ten(false);
            for taken in 1..=10 {
                assert_eq!(next(&mut slices).await.unwrap().unwrap().len(), 10);
                let mut context = Context::from_waker(Waker::noop());
                assert_eq!(*begun.borrow(), taken, "{:?}", slices.outlet.0.borrow());
                if taken == 5 {
                    // It lets others have their turn before it goes on.
                    assert!(slices.poll_next(&mut context).is_pending());
                }
            }
            assert!(next(&mut slices).await.is_none() && slices.is_done());
        });
    }

    #[test]
    fn what_is_made_at_first_comes_first_and_all_of_it_is_the_whole() {
        block_on(async {
            let (mut slices, begun) = ten(false);
            slices.make(35).await.unwrap();
            assert_eq!((*begun.borrow(), slices.whole()), (4, None));
            let mut bytes = 0;
            while let Some(slice) = next(&mut slices).await {
                bytes += slice.unwrap().len();
            }
            assert_eq!(bytes, 100);
            let (mut slices, _) = ten(false);
            slices.make(1_000).await.unwrap();
            assert_eq!(slices.whole().unwrap().len(), 100);
        });
    }

    #[test]
    fn a_failure_comes_behind_what_was_made_before() {
        block_on(async {
            let (mut slices, _) = ten(true);
            for _ in 0..10 {
                assert!(next(&mut slices).await.unwrap().is_ok());
            }
            assert!(matches!(next(&mut slices).await, Some(Err(Failure::Late))));
            assert!(next(&mut slices).await.is_none());
            assert!(matches!(ten(true).0.make(1_000).await, Err(Failure::Late)));
        });
    }
}
