//! `liblyger_resp.a`: the Redis-compatible server in front of a store that a C or C++ program brings with it.
//!
//! The program defines three functions (`lyger_resp.h`), or derives from a class (`lyger_resp.hpp`), and calls `rust_init`.
//! What always holds: no function of the program's is called before all threads have had their `cpp_worker_thread_init`, a
//! buffer that it has given is given back exactly once, and what it calls a failure is an error reply.
#![allow(unsafe_code, reason = "functions that C defines, and those that it calls")]

#[allow(
    dead_code,
    reason = "the program looks at all variables, and a program of somebody else may have such of its own"
)]
#[path = "../program/arguments.rs"]
mod arguments;

use std::cell::RefCell;
use std::ffi::c_char;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Parser;
use lyger::resp::{Server, Settings, Store, StoreFailed, share_descriptors};

const GET: u32 = 1;
const SET: u32 = 2;

/// More than any machine has cores.
const THREADS_MAX: usize = 1024;
/// Of a failure's text; a reply with more helps nobody.
const FAILURE_BYTES_MAX: usize = 1024;

unsafe extern "C" {
    fn cpp_worker_thread_init(thread_id: usize);
    fn cpp_execute_request_sync(
        op: u32,
        key_ptr: *const u8,
        key_len: usize,
        val_ptr: *const u8,
        val_len: usize,
        out_ptr: *mut *mut u8,
        out_len: *mut usize,
    ) -> bool;
    fn cpp_free_buf(ptr: *mut u8, len: usize);
}

/// Looked at and changed, and never locked while a function of the program's may run: it may ask for the port, or try to start another.
static PLACE: Mutex<Place> = Mutex::new(Place::Empty);

enum Place {
    Empty,
    Starting,
    Running(Server),
}

fn place() -> MutexGuard<'static, Place> {
    PLACE.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// What the store has said of its failure, by `rust_fail`.
    static FAILURE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The program's functions.
struct Foreign;

/// A buffer of the program's, given back when it is dropped.
struct Buffer {
    ptr: *mut u8,
    len: usize,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the store says that so many bytes are there until the buffer is given back.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the store gave it, and nobody else gives it back.
        unsafe { cpp_free_buf(self.ptr, self.len) }
    }
}

/// What came of a request: `None` is success without a buffer.
fn request(op: u32, key: &[u8], value: &[u8]) -> Result<Option<Buffer>, StoreFailed> {
    let (mut ptr, mut len) = (std::ptr::null_mut(), 0);
    // What was said of an earlier request, which didn't fail after all.
    drop(FAILURE.take());
    // SAFETY: key and value are so long, for as long as the call takes, and the other two are places to write to.
    let done = unsafe {
        cpp_execute_request_sync(op, key.as_ptr(), key.len(), value.as_ptr(), value.len(), &raw mut ptr, &raw mut len)
    };
    if !done {
        // What a store that has failed left in `ptr` is nothing that it promised.
        let text = FAILURE.take();
        let text = if text.is_empty() { b"the store has failed".to_vec() } else { text };
        return Err(StoreFailed(text));
    }
    Ok((!ptr.is_null()).then(|| Buffer { ptr, len }))
}

impl Store for Foreign {
    fn begin_thread(&self, thread: usize) {
        // SAFETY: the program defines it; it is called once by each thread.
        unsafe { cpp_worker_thread_init(thread) }
    }

    fn get(&self, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<bool, StoreFailed> {
        let value = request(GET, key, &[])?;
        if let Some(value) = &value {
            take(value.bytes());
        }
        Ok(value.is_some())
    }

    fn set(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFailed> {
        request(SET, key, value).map(drop)
    }
}

/// A line on stderr, if anybody reads it: nothing is to end the program for it.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "lyger_resp: {text}");
}

/// Starts the server with so many threads. False, and a line on stderr that says why, when it can't.
#[unsafe(no_mangle)]
pub extern "C" fn rust_init(n_threads: usize) -> bool {
    {
        let mut place = place();
        if !matches!(*place, Place::Empty) {
            drop(place);
            say("the server runs already");
            return false;
        }
        *place = Place::Starting;
    }
    let started = catch_unwind(|| start(n_threads)).unwrap_or_else(|_| Err("it has panicked".to_owned()));
    let (next, why) = match started {
        Ok(server) => (Place::Running(server), None),
        Err(why) => (Place::Empty, Some(why)),
    };
    *place() = next;
    why.iter().for_each(|why| say(why));
    why.is_none()
}

fn start(threads: usize) -> Result<Server, String> {
    if !(1..=THREADS_MAX).contains(&threads) {
        return Err(format!("{threads} threads, where 1 to {THREADS_MAX} are possible"));
    }
    // No flags: what can be set is set by variables, and a wrong one is told as the program lyger-resp tells it.
    let arguments = arguments::Arguments::try_parse_from(["lyger_resp"]).map_err(|error| error.to_string())?;
    // The server's end is the program's to decide, and so is what is saved of its store.
    let mut settings = Settings { threads, shutdown: false, snapshot: None, ..arguments.settings().0 };
    let asked = settings.clients_max;
    if let Some(most) = share_descriptors(&mut settings) {
        let clients_max = settings.clients_max;
        say(&format!(
            "{clients_max} clients at once and not {asked}: this process may have {most} descriptors, and needs some itself"
        ));
    }
    Server::start_over(Arc::new(Foreign), settings).map_err(|error| error.to_string())
}

/// Ends all connections and waits for the threads: after this no function of the program's is called. Not from one of them.
#[unsafe(no_mangle)]
pub extern "C" fn rust_stop() {
    let stopped = catch_unwind(|| {
        let mut place = place();
        // One that is starting is not this thread's to end.
        if !matches!(*place, Place::Running(_)) {
            return Ok(());
        }
        let before = std::mem::replace(&mut *place, Place::Empty);
        drop(place);
        if let Place::Running(server) = before { server.stop() } else { Ok(()) }
    });
    match stopped {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(&error.to_string()),
        Err(_) => say("the server has panicked while it was stopped"),
    }
}

/// The port that the server listens on; 0 when it doesn't run, and while it starts.
#[unsafe(no_mangle)]
pub extern "C" fn rust_port() -> u16 {
    if let Place::Running(server) = &*place() { server.address().port() } else { 0 }
}

/// Says why the request that this thread is executing fails. It counts when `cpp_execute_request_sync` then returns false.
///
/// # Safety
/// `text` must be so long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_fail(text: *const c_char, len: usize) {
    if text.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len.min(FAILURE_BYTES_MAX)) };
    // Fails only while the thread ends, when nobody asks any more.
    let _ = catch_unwind(AssertUnwindSafe(|| FAILURE.set(text.to_vec())));
}
