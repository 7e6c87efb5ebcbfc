//! The engine as a whole: its version, its settings, what it says about itself, and how it is let go.

use std::ffi::{c_char, c_void};

use serde_json::json;

use super::error::Failure;
use super::slice::{CONFIG_BYTES_MAX, Output, bytes};
use super::status::Status;
use super::{cache, db, index, operation, panic, resp, result, server, settings, stores, stream, strings};
use crate::{kernels, runtime};

/// The version of this boundary. It grows with every change that an older caller can't live with.
pub const ABI_VERSION: u32 = 1;

/// The version of this boundary, 1. A caller compares it with the one it was written for before it calls anything
/// else. Any thread, any process; never fails.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_abi_version() -> u32 {
    panic::value(ABI_VERSION, || Ok(ABI_VERSION))
}

/// The greeting `Hello from Rust! 🦀`, as a string that the caller gives back to `lyger_free_string`.
/// Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_hello_world() -> *mut c_char {
    panic::value(std::ptr::null_mut(), || strings::issue("Hello from Rust! 🦀"))
}

/// The sum of `sqrt(i) * sin(i)` over `i` in `0..iterations`, computed by the kernels on the calling thread: about half a
/// second for 10^9 iterations with AVX-512, half a minute without any vector unit.
///
/// Each sine is within 2 units in the last place, for every `i` up to 2^53, and the sum within 4 epsilons (2^-52) of the sum of the terms'
/// absolute values; the same bits on every machine.
///
/// NaN on an error: `INVALID_CONFIG` (`LYGER_KERNELS`). NaN also, without an error, above 2^53 iterations, which would take
/// weeks. Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_heavy_computation(iterations: u64) -> f64 {
    panic::value(f64::NAN, || {
        kernels::ready()?;
        Ok(kernels::heavy_computation(iterations))
    })
}

/// What the engine is and does, as a JSON object in a string that the caller gives back to `lyger_free_string`.
///
/// `framework` ("Lyger v0.1"), `status` ("running"), `tokio_runtime` ("active" once a query or a server needed it, else
/// "idle"), `async_enabled` (true), `total_memory` (bytes of physical memory of the machine, 0 where it doesn't say),
/// `version`, `abi`, `kernels` (the variant in use), `cpu`, `shape` ("plain", or "solo" while the server runs), `pid`.
///
/// NULL on an error: `INVALID_CONFIG` (`LYGER_KERNELS`). Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_system_info() -> *mut c_char {
    panic::value(std::ptr::null_mut(), || strings::issue(info()?))
}

/// Writes what `lyger_system_info` returns to `buf` when `cap` bytes hold it, and sets `*needed` to its length.
///
/// Errors: `INVALID_CONFIG` (`LYGER_KERNELS`), `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`. Any thread, any process.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_engine_info(buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        output.fill(info()?.as_bytes())
    })
}

fn info() -> Result<String, Failure> {
    let kernels = kernels::ready()?;
    let info = json!({
        "framework": "Lyger v0.1",
        "status": "running",
        "tokio_runtime": if runtime::is_active() || server::is_present() { "active" } else { "idle" },
        "async_enabled": true,
        "total_memory": total_memory_bytes(),
        "version": env!("CARGO_PKG_VERSION"),
        "abi": ABI_VERSION,
        "kernels": kernels,
        "cpu": kernels::cpu(),
        "shape": match (super::fleet::worker(), server::is_present()) {
            (Some(_), _) => "fleet",
            (None, true) => "solo",
            (None, false) => "plain",
        },
        "pid": std::process::id(),
    });
    Ok(info.to_string())
}

#[cfg(unix)]
fn total_memory_bytes() -> u64 {
    // SAFETY: sysconf only reads its argument.
    let (pages, page_bytes) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page_bytes).unwrap_or(0)
}

#[cfg(not(unix))]
fn total_memory_bytes() -> u64 {
    0
}

/// Checks the environment that the engine will read: `LYGER_KERNELS`, `LYGER_DB_*`, `LYGER_CACHE_BYTES_MAX`
/// and `LYGER_VECTOR_*`.
/// A caller does so once, after `lyger_abi_version`, so that a mistake surfaces at the start and not in the first query.
///
/// Errors: `INVALID_CONFIG`, whose message names the variable and its value. Any thread, any process.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_engine_check() -> Status {
    panic::status(|| {
        kernels::ready()?;
        settings::check_environment()
    })
}

/// Sets the limits of the plain shape from JSON: `{"db":{"connections_max":16,"acquire_timeout_ms":3000,
/// "statement_timeout_ms":30000,"result_bytes_max":67108864},"cache":{"bytes_max":67108864},"vector":{"dimension_max":65536,"bytes_max":4294967296,"threads":0}}`,
/// any of it.
///
/// What is given here goes before the environment; what isn't keeps its value. On an error nothing is changed.
/// The server that `lyger_server_start` starts takes its own configuration, and so does the front of a fleet, which runs its
/// workers' queries of PostgreSQL and MySQL.
///
/// Errors: `INVALID_CONFIG` (not JSON, an unknown key, a value out of range, or one that is in use with another value
/// until `lyger_engine_release`; the message names the key), `NULL_POINTER`, `TOO_LONG` (above 1 MiB), `WRONG_PROCESS`.
/// Any thread.
///
/// # Safety
/// `json` must be null with length 0 or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_engine_configure(json: *const c_char, len: usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let json = unsafe { bytes("json", json, len, CONFIG_BYTES_MAX) }?;
        runtime::not_forked()?;
        settings::configure(json)
    })
}

/// Lets go of everything that the plain shape holds: closes connections, drops results and the cache (what a fleet's workers share
/// or Redis clients use stays), ends the runtime.
///
/// The next call starts afresh, with settings that may have changed; ids given before stay stale. Unless a server
/// runs, the process is no longer claimed: children forked from now on have an engine of their own. Strings that were
/// issued stay valid until they are freed. It waits for a query that another thread is running.
///
/// Errors: `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_engine_release() -> Status {
    panic::status(release)
}

/// The seeds' name of `lyger_engine_release`. There is one engine and no pointer to it: `engine` must be NULL, and
/// anything else is left alone with `INVALID_ARGUMENT` as the last error. Any thread.
///
/// # Safety
/// None: `engine` is compared, never followed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_free_engine(engine: *mut c_void) {
    panic::value((), || {
        if !engine.is_null() {
            return Err(Failure::new(Status::InvalidArgument, "the engine has no pointer: pass NULL"));
        }
        release()
    });
}

fn release() -> Result<(), Failure> {
    runtime::not_forked()?;
    operation::release()?;
    result::release();
    stream::release();
    index::release();
    db::release();
    // Redis clients use the cache still, and who started their server ends it.
    if !resp::is_present() {
        cache::release();
    }
    stores::release();
    runtime::shut_down()?;
    settings::let_go();
    if resp::is_present() {
        settings::start_with([settings::Key::CacheBytesMax])?;
    }
    if !server::is_present() && !resp::is_present() {
        runtime::unclaim();
    }
    Ok(())
}
