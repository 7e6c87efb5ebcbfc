//! The boundary that no panic crosses.
//!
//! Unwinding into PHP or C would abort the process. Each export runs its body in here; a panic becomes the status
//! `PANIC` (for a seed's function: NULL, 0, NaN or nothing) with the panic's message as the last error, and
//! Rust's hook has printed where it came from to standard error.
//!
//! A panic while a lock was held poisons it, and the next call takes it all the same. That is sound because
//! what the engine's locks guard is whole between any two steps: a map of ids or strings changes by one operation
//! of `std`, settings are replaced as one value, and a future that unwinds drops the connection it held.
//!
//! Out of promise: exhausted memory and an overflowing stack abort the process, as they do in PHP's own engine.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::{Failure, remember};
use super::status::Status;

/// Runs the body of an export that returns a status.
pub(super) fn status(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    match guarded(body) {
        Ok(()) => {
            remember(None);
            Status::Ok
        }
        Err(failure) => {
            let status = failure.status();
            remember(Some(failure));
            status
        }
    }
}

/// Runs the body of a seed's export, which has no status to return: `otherwise` stands for every failure.
pub(super) fn value<T>(otherwise: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    match guarded(body) {
        Ok(value) => {
            remember(None);
            value
        }
        Err(failure) => {
            remember(Some(failure));
            otherwise
        }
    }
}

/// Runs a body that must not change the last error: `lyger_last_error` itself.
pub(super) fn without_trace(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    guarded(body).map_or_else(|failure| failure.status(), |()| Status::Ok)
}

fn guarded<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // AssertUnwindSafe: see above for what a panic leaves behind in shared state; raw pointers of the caller
    // are only written by the last step of a body.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(panicked(payload)))
}

fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => format!("the engine panicked: {text}"),
        (_, Some(text)) => format!("the engine panicked: {text}"),
        _ => {
            // A payload of a foreign type may panic again while it is dropped, outside of any boundary.
            std::mem::forget(payload);
            return Failure::new(Status::Panic, "the engine panicked");
        }
    };
    Failure::new(Status::Panic, message)
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::ffi::error::last;

    #[test]
    fn a_panic_is_a_status_with_its_message() {
        assert_eq!(status(|| panic!("on {}", "purpose")), Status::Panic);
        let failure = last().unwrap();
        assert_eq!(failure, Failure::new(Status::Panic, "the engine panicked: on purpose"));
    }

    #[test]
    fn a_panic_in_a_seeds_function_is_its_error_value() {
        assert_eq!(value(0, || panic!("plain")), 0);
        assert_eq!(last().map(|failure| failure.status()), Some(Status::Panic));
        assert_eq!(value(0, || Ok(7)), 7);
        assert_eq!(last(), None, "success clears the last error");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("the payload was dropped");
            }
        }
        assert_eq!(status(|| panic_any(Bomb)), Status::Panic);
    }

    #[test]
    fn a_lock_that_a_panic_poisoned_opens_for_the_next_call() {
        let lock = Mutex::new(1);
        let poisoned = status(|| {
            let mut guard = lock.lock().unwrap();
            *guard = 2;
            panic!("while holding the lock")
        });
        assert_eq!(poisoned, Status::Panic);
        assert_eq!(*lock.lock().unwrap_or_else(PoisonError::into_inner), 2);
    }
}
