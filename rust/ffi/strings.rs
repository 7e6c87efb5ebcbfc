//! Strings that the seeds' functions return as `char*`, and their registry.
//!
//! The engine owns every string it has issued until `lyger_free_string` gives it back. The registry knows them by
//! address and frees only what it finds, so that a second free, a pointer into a string, or one that came from
//! somewhere else is an error and not a crash. After a free the address may be issued again: free exactly once.
//!
//! The registry belongs to the process that made it. A forked child starts an empty one instead of waiting for
//! a lock that was held at the fork; what its parent was issued, the child must not free.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::Failure;
use super::panic;
use super::status::Status;

struct Registry {
    pid: u32,
    // Issued strings by their address; dropping the entry frees the memory. A std Mutex: held for one map operation.
    issued: Mutex<HashMap<usize, CString>>,
}

static REGISTRY: AtomicPtr<Registry> = AtomicPtr::new(std::ptr::null_mut());

fn issued() -> MutexGuard<'static, HashMap<usize, CString>> {
    let pid = std::process::id();
    loop {
        let current = REGISTRY.load(Ordering::Acquire);
        // SAFETY: null, or from Box::leak below and never freed.
        if let Some(registry) = unsafe { current.as_ref() }
            && registry.pid == pid
        {
            return registry.issued.lock().unwrap_or_else(PoisonError::into_inner);
        }
        let fresh = Box::into_raw(Box::new(Registry { pid, issued: Mutex::default() }));
        if REGISTRY.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: another thread was first; this box was never shared.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

/// Issues a string to the caller, who gives it back to `lyger_free_string`.
pub(super) fn issue(text: impl Into<Vec<u8>>) -> Result<*mut c_char, Failure> {
    let string = CString::new(text).map_err(|error| {
        let at = error.nul_position();
        let message =
            format!("the text has a NUL byte at {at} and can't be a C string: use the function with a buffer");
        Failure::new(Status::InvalidArgument, message).with_value(at)
    })?;
    let address = string.as_ptr();
    issued().insert(address as usize, string);
    Ok(address.cast_mut())
}

/// Gives back a string that `lyger_hello_world`, `lyger_system_info`, `lyger_jsonify_result` or
/// `lyger_cache_get` returned. The pointer is invalid afterwards.
///
/// NULL does nothing. Anything that isn't an issued string (freed before, never issued, issued to the parent of a forked
/// child) is left alone, and `lyger_last_error` says `INVALID_ARGUMENT`. Any thread, any process.
///
/// # Safety
/// None beyond C's own: `ptr` is compared, never followed. Nobody may use the string afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_free_string(ptr: *mut c_char) {
    panic::value((), || {
        if ptr.is_null() {
            return Ok(());
        }
        match issued().remove(&(ptr as usize)) {
            Some(_) => Ok(()),
            None => Err(Failure::new(Status::InvalidArgument, "this string was freed before or never issued here")),
        }
    });
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::ffi::error::last;

    fn free(ptr: *mut c_char) -> Option<Status> {
        // SAFETY: nothing reads the string afterwards.
        unsafe { lyger_free_string(ptr) };
        last().map(|failure| failure.status())
    }

    #[test]
    fn an_issued_string_is_freed_once() {
        let ptr = issue("ünïcode 🦀").unwrap();
        // SAFETY: just issued.
        assert_eq!(unsafe { CStr::from_ptr(ptr) }.to_str().unwrap(), "ünïcode 🦀");
        assert_eq!(free(ptr.wrapping_add(1)), Some(Status::InvalidArgument), "a pointer into it");
        assert_eq!(free(ptr), None);
        assert_eq!(free(ptr), Some(Status::InvalidArgument));
    }

    #[test]
    fn foreign_pointers_are_errors_and_null_is_nothing() {
        assert_eq!(free(std::ptr::null_mut()), None);
        assert_eq!(free(c"literal".as_ptr().cast_mut()), Some(Status::InvalidArgument));
        assert_eq!(free(std::ptr::without_provenance_mut(1)), Some(Status::InvalidArgument));
    }

    #[test]
    fn text_with_a_nul_is_an_error_that_says_where() {
        assert_eq!(issue("ab\0c").unwrap_err().status(), Status::InvalidArgument);
    }
}
