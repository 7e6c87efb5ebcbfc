//! The native engine of Lyger, a PHP application server and framework.
//!
//! PHP keeps the application: routes, controllers, models. This library keeps what PHP is slow at: HTTP, SQL,
//! JSON, the cache. PHP loads it with `ext-ffi` and *pulls*; nothing in here ever calls PHP, because a call from
//! a foreign thread would crash it.
//!
//! # A tour
//! One request, from the socket and back, meets the rooms in this order:
//!
//! 1. [`front`] accepts the connection, parses HTTP, enforces limits, and queues what PHP has to answer.
//! 2. [`lane`] hands it to a worker: the state machine of a slot between the front and PHP.
//! 3. [`ffi`] is how the worker sees it: every exported `lyger_*` function, with its checks of pointers, lengths
//!    and ids, its panic boundary and its last error. `ffi/lyger.h` is generated from there.
//! 4. [`db`] runs the SQL that the controller asks for: DSNs, connections, bound parameters, typed columns, and the
//!    store of results that PHP names by id.
//! 5. [`json`] turns columns into bytes: JSON for clients, PHP's serialize format for PHP.
//! 6. [`kernels`] does the hot part of it, in Zig or in Rust, whichever the build has and the CPU can run.
//!
//! With the feature `zig-server`, `ring` brings the io_uring server in Zig, which may face the clients in the place of hyper.
//!
//! Beside the way of a request stand [`cache`], the table of bytes; [`vector`], the index of vectors; [`handles`], the ids that PHP holds instead of
//! pointers; and [`runtime`], which knows whose process this is and drives futures on PHP's own thread.
//!
//! Dependencies point one way: `ffi` uses every room and none uses it; `front` stands on `lane` and `db`, `db` on `json`,
//! `json` on `kernels`, and `kernels` on nothing. A test holds the rooms to it.
//!
//! `unsafe` is denied for the crate and allowed here by name, for the rooms that can't do without.

pub mod db;
pub mod fleet;
pub mod front;
pub mod handles;
pub mod json;
pub mod resp;
pub(crate) mod tls;
pub mod vector;
pub(crate) mod wording;

// Memory that processes share and read without a lock.
#[allow(unsafe_code)]
pub mod cache;

// The C boundary: raw pointers from PHP.
#[allow(unsafe_code)]
pub mod ffi;

// A slot's payload changes owner by its state; the worker sleeps on a futex.
#[allow(unsafe_code)]
pub mod lane;

// SIMD, and calls into the Zig kernels.
#[allow(unsafe_code)]
pub mod kernels;

// SQLite's C interface.
#[allow(unsafe_code)]
pub mod prepared;

// Calls into the io_uring server in Zig, and its calls back.
#[cfg(feature = "zig-server")]
#[allow(unsafe_code)]
pub(crate) mod ring;

// pthread_atfork, signals, sockets that libraries hide, and tasks that stay on their thread.
#[allow(unsafe_code)]
pub mod runtime;

#[global_allocator]
static MEMORY: runtime::memory::Memory = runtime::memory::Memory;
