//! The fleet's processes: the master, its front, and the zygotes that fork workers.
//!
//! Each blocks the calling thread for the process's life, needs a process that has one thread and in which nothing of the
//! engine has been used, and is called by `rawr serve` and by the processes that it starts, nobody else.

use std::ffi::c_char;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use super::engine::ABI_VERSION;
use super::error::Failure;
use super::panic;
use super::settings;
use super::slice::{CONFIG_BYTES_MAX, Out, text};
use super::status::Status;
use crate::cache::Table;
use crate::fleet::{self, BOOT_REPORT_BYTES_MAX, BootReport, Fork, Opened, Spec};
use crate::front::{self, Identity, Worker};
use crate::{kernels, resp, runtime};

/// The worker that this process is.
static WORKER: OnceLock<Arc<Worker>> = OnceLock::new();

/// Where it says why it doesn't boot.
static BOOT_REPORT: OnceLock<BootReport> = OnceLock::new();

pub(super) fn worker() -> Option<&'static Arc<Worker>> {
    WORKER.get()
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(Status::ServerFailed, error.to_string())
}

/// Serves with a fleet of processes until a signal ends it, and sets `*exit_code` to what the process should exit with.
///
/// `spec` is a JSON object (at most 1 MiB): `app` (the application's folder), `control` (the path of the socket for `rawr status`
/// and `rawr reload`, `{port}` replaced, or null), `host`, `port`, `workers`, `watch` (null, or the `folder` whose code is watched and whether to `poll`), `drain_timeout_ms`, `cache_bytes_max` (of the cache that the
/// workers share), `config` (a string: the front's
/// configuration, as `lyger_server_start` takes it; with `resp.listen` the front serves Redis clients, too), `front` and `zygote` (lists: program and arguments of a process that calls
/// `lyger_fleet_front` or `lyger_fleet_fork`), `announcement` (printed to standard output when the first workers serve, `{port}`
/// and `{redis}`, the address for Redis clients, replaced). SIGTERM and SIGINT drain, a second one ends at once; SIGHUP starts new workers and then retires the old ones.
///
/// Errors: `ADDRESS_IN_USE`, `INVALID_CONFIG`, `SERVER_FAILED`, `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`.
/// Any thread that is its process's only one.
///
/// # Safety
/// `spec` must be null with length 0 or readable for `len` bytes; `exit_code` must be null or writable for one `int32_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_fleet_run(spec: *const c_char, len: usize, exit_code: *mut i32) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut exit_code = unsafe { Out::new("exit_code", exit_code) }?;
        // SAFETY: the same.
        let spec = unsafe { text("spec", spec, len, CONFIG_BYTES_MAX) }?;
        runtime::not_forked()?;
        let spec: Spec = serde_json::from_str(spec)
            .map_err(|error| Failure::new(Status::InvalidConfig, format!("the fleet's specification: {error}")))?;
        let config = front::Config::from_json(&spec.config)?;
        let bytes_max = settings::checked(settings::Key::CacheBytesMax, "cache_bytes_max", spec.cache_bytes_max)?;
        let opened = open(config.resp(), super::cache::create_shared(bytes_max))?;
        exit_code.set(fleet::run(spec, opened)?);
        Ok(())
    })
}

/// What a fleet needs beside its specification: the cache, with what was saved of it, and where Redis clients come.
fn open(redis: Option<resp::Settings>, cache: io::Result<(Table, OwnedFd)>) -> Result<Opened, Failure> {
    let Some(settings) = redis else {
        let cache = cache.map(|(_, file)| file);
        return Ok(Opened { cache, redis: Vec::new(), redis_address: String::new() });
    };
    let (table, file) = cache.map_err(|error| {
        let message = format!("resp.listen: there is no cache that workers and Redis clients could share: {error}");
        Failure::new(Status::ServerFailed, message)
    })?;
    let sockets = resp::Sockets::open(&settings)?;
    // The master is the one process that no other begins without: before it starts them, nobody has written yet.
    settings.snapshot.iter().try_for_each(|path| super::cache::load(&table, path))?;
    let redis_address = sockets.address().to_string();
    Ok(Opened { cache: Ok(file), redis: sockets.into_descriptors(), redis_address })
}

/// Is the front of a fleet until its master needs it no more. Standard input is the link to the master.
///
/// Errors: `SERVER_FAILED`, `INVALID_CONFIG` (`LYGER_KERNELS`), `WRONG_PROCESS`. Any thread that is its process's only one.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_fleet_front() -> Status {
    panic::status(|| {
        runtime::claim()?;
        super::cache::tell_of_losses();
        let kernels = kernels::ready()?.to_owned();
        let link = fleet::link_of_stdin().map_err(failed)?;
        let identity = Identity { shape: "fleet", abi: ABI_VERSION, kernels, ..Identity::default() };
        front::serve_fleet(link, identity).map_err(failed)
    })
}

/// Forks workers as the master asks. Returns `OK` in each worker, with its number in `*worker`, and `STOPPED` in the calling
/// process when the master needs it no more. Standard input is the link to the master.
///
/// A worker loads its application and goes on with `lyger_worker_next`.
///
/// Errors: `SERVER_FAILED`, `NULL_POINTER`, `WRONG_PROCESS`. Any thread that is its process's only one.
///
/// # Safety
/// `worker` must be null or writable for one `uint32_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_fleet_fork(worker: *mut u32) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("worker", worker) }?;
        runtime::not_forked()?;
        let link = fleet::link_of_stdin().map_err(failed)?;
        match fleet::fork_workers(link).map_err(failed)? {
            Fork::Worker { number, worker, report, cache } => {
                runtime::claim()?;
                cache.into_iter().for_each(super::cache::share);
                let _ = BOOT_REPORT.set(report);
                let _ = WORKER.set(Arc::from(worker)); // a process becomes a worker once
                out.set(number);
                Ok(())
            }
            Fork::Ended => Err(Failure::new(Status::Stopped, "the master needs this zygote no more")),
        }
    })
}

/// Tells the fleet how much memory this worker uses, and with `leaving` not 0 that it wants to be replaced: requests go on
/// coming until its replacement is there, then `lyger_worker_next` returns `STOPPED`. In a solo server nobody hears it.
///
/// Errors: `SERVER_NOT_RUNNING`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_worker_report(memory_bytes: u64, leaving: u8) -> Status {
    panic::status(|| {
        super::server::worker()?.report(memory_bytes, leaving != 0, super::cache::is_alone());
        Ok(())
    })
}

/// Leaves the reason why this worker of a fleet doesn't boot, for whoever has asked for the reload; the worker ends then.
///
/// `reason` has at most 64 KiB of UTF-8.
///
/// Errors: `SERVER_NOT_RUNNING` (no worker of a fleet), `SERVER_FAILED`, `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`.
/// Any thread.
///
/// # Safety
/// `reason` must be null with length 0 or readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_worker_boot_failed(reason: *const c_char, len: usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let reason = unsafe { text("reason", reason, len, BOOT_REPORT_BYTES_MAX) }?;
        runtime::not_forked()?;
        let report = BOOT_REPORT.get();
        let report = report.ok_or_else(|| Failure::new(Status::ServerNotRunning, "this is no worker of a fleet"))?;
        report.write(reason).map_err(failed)
    })
}
