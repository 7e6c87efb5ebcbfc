//! The C boundary: every exported function and nothing else. Their names begin with `lyger_`; those of kernels on a caller's arrays
//! with `engram_`, as in the seed that describes them.
//!
//! Two families stand side by side. The seeds' functions take C strings and return a value; what went wrong in
//! them is told by `lyger_last_error` alone. Their siblings carry lengths, write to the caller's memory and return a
//! [`Status`]; the PHP layer uses these. What holds for both:
//!
//! - **Pointers** are checked for null, lengths against a documented maximum, text for UTF-8 (`slice`). Inputs are
//!   copied or read during the call; no pointer outlives it. Strings that a seed's function returns belong to
//!   the caller until `lyger_free_string` ([`strings`]).
//! - **Ids** ([`crate::handles`]) stand for results and requests; a wrong one is `INVALID_HANDLE`.
//! - **Panics** end at the boundary (`panic`).
//! - **Threads**: every function may be called from any thread. Queries of two threads run one after the other
//!   ([`crate::runtime`]); one result's id should be used by one thread at a time, or a free by another makes it stale.
//!   Requests of one server may be taken and answered by any thread. No function may be called from a signal handler.
//! - **Processes**: the first use of anything that keeps state claims the process, and a child forked later gets
//!   `WRONG_PROCESS` at once. Functions that keep no state (`lyger_abi_version`, `lyger_last_error`, `lyger_hello_world`,
//!   `lyger_heavy_computation`, `lyger_system_info`, `lyger_engine_info`, `lyger_engine_check`, `lyger_free_string` and
//!   all `engram_*`) work in the child too.
//!
//! | file | holds |
//! |---|---|
//! | `engine` | the version, the information, the check, the settings, the release |
//! | `call` | the structure that queries are run by |
//! | `db`, `fetch`, `stream`, `result` | queries, the same in one call, rows chunk by chunk, and what they gave |
//! | `operation` | queries that are under way while their caller does other things |
//! | `cache` | the seeds' cache, which all the rest of the cache shares |
//! | `store`, `amend`, `many`, `lock` | a cache by its id: a key's value, changes of it, several keys and all, locks and counters |
//! | `session` | visitors' sessions in a cache |
//! | `stores` | which cache an id stands for |
//! | `index` | vector indexes |
//! | `server`, `request` | the server's life, and the worker's pull |
//! | `fleet` | the processes of a fleet |
//! | `resp` | the server for Redis clients |
//! | `graph` | the kernels of graphs and memories |
//! | `vectors` | the kernels of vectors |
//! | `status`, `error`, `strings` | the numbers, the last error, strings that the seeds' functions issue |
//! | `slice`, `panic`, `settings` | checks of what comes in and goes out, the boundary, keys and their values |
//!
//! The header `lyger.h` and PHP's `php/src/Core/lyger.ffi.h` are generated from these files; `cargo test --test abi`
//! holds them to it, and rewrites them with `LYGER_BLESS=1`.

pub mod amend;
pub mod cache;
pub mod call;
pub mod db;
pub mod engine;
pub mod error;
pub mod fetch;
pub mod fleet;
pub mod graph;
pub mod index;
pub mod lock;
pub mod many;
pub mod operation;
mod panic;
pub mod request;
pub mod resp;
pub mod result;
pub mod server;
pub mod session;
mod settings;
mod slice;
mod status;
pub mod store;
pub mod stores;
pub mod stream;
pub mod strings;
pub mod vectors;

pub use status::Status;
