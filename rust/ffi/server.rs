//! The server of the solo shape: it starts, it drains, it ends. One runs at a time.
//!
//! It has threads of its own, so from its start to its end the process must not fork: a child gets `WRONG_PROCESS` from
//! every call here. SIGINT and SIGTERM begin the drain while it runs, and handlers that stood there before are called too.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use super::engine::ABI_VERSION;
use super::error::Failure;
use super::panic;
use super::slice::{CONFIG_BYTES_MAX, Out, text};
use super::status::Status;
use crate::front::{self, Config, Identity, Server, Worker};
use crate::{kernels, resp, runtime};

// An ended server stays until somebody has waited for it or starts another, so that its worker is told `STOPPED`. The
// lock is held for a look or a change of the place, never while waiting.
static SERVER: RwLock<Option<Arc<Server>>> = RwLock::new(None);

/// The server for Redis clients that was started with this one, and ends with it unless somebody has stopped it before.
static REDIS: Mutex<Option<Arc<resp::Server>>> = Mutex::new(None);

fn stop_redis() -> Result<(), Failure> {
    let server = REDIS.lock().unwrap_or_else(PoisonError::into_inner).take();
    server.map_or(Ok(()), |server| super::resp::stop_this(&server))
}

/// The server whose worker calls.
pub(super) fn current() -> Result<Arc<Server>, Failure> {
    runtime::not_forked()?;
    if super::fleet::worker().is_some() {
        return Err(of_a_fleet());
    }
    let server = SERVER.read().unwrap_or_else(PoisonError::into_inner);
    server.clone().ok_or_else(|| Failure::new(Status::ServerNotRunning, "no server runs: start one"))
}

/// A handler's mistake must not end all the others' work.
fn of_a_fleet() -> Failure {
    let message = "this is a worker of a fleet: it neither starts nor stops a server; a SIGTERM to `rawr serve` does, \
                   and `rawr reload` loads new code";
    Failure::new(Status::ServerFailed, message)
}

/// The worker that calls: of the solo server, or the process of a fleet.
pub(super) fn worker() -> Result<Arc<Worker>, Failure> {
    match super::fleet::worker() {
        Some(worker) => runtime::not_forked().map(|()| Arc::clone(worker)).map_err(Failure::from),
        None => current().map(|server| Arc::clone(server.worker())),
    }
}

/// Whether a server's threads may be there.
pub(super) fn is_present() -> bool {
    !runtime::is_forked_child() && SERVER.read().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn place() -> RwLockWriteGuard<'static, Option<Arc<Server>>> {
    SERVER.write().unwrap_or_else(PoisonError::into_inner)
}

fn start(config: Config) -> Result<u16, Failure> {
    runtime::claim()?;
    if super::fleet::worker().is_some() {
        return Err(of_a_fleet());
    }
    let kernels = kernels::ready()?.to_owned();
    let mut place = place();
    if let Some(before) = &*place {
        // One whose end nobody waited for is waited for here; its threads are gone at once.
        if before.is_running() || !before.wait(Duration::ZERO) {
            return Err(Failure::new(
                Status::ServerRunning,
                format!("a server runs at {}: stop it and wait for its end", before.address()),
            ));
        }
        *place = None;
        stop_redis()?;
    }
    // First what may be refused for its address alone, so that a failure leaves nothing running.
    let redis = config.resp().map(super::resp::start).transpose()?;
    let identity = Identity { abi: ABI_VERSION, kernels, ..Identity::default() };
    let server = Server::start(config, identity).and_then(|server| server.drain_on_signals().map(|()| server));
    let server = match (server, &redis) {
        (Ok(server), _) => server,
        (Err(error), None) => return Err(error.into()),
        (Err(error), Some(redis)) => {
            super::resp::stop_this(redis)?;
            return Err(error.into());
        }
    };
    if let Some(redis) = redis {
        server.show_redis(Arc::clone(&redis));
        *REDIS.lock().unwrap_or_else(PoisonError::into_inner) = Some(redis);
    }
    let port = server.address().port();
    *place = Some(Arc::new(server));
    Ok(port)
}

fn stop() -> Result<(), Failure> {
    current()?.stop();
    Ok(())
}

impl From<front::ConfigError> for Failure {
    fn from(error: front::ConfigError) -> Self {
        let message = error.to_string();
        let failure = Self::new(Status::InvalidConfig, message);
        match error {
            front::ConfigError::NotAnObject(_) => failure,
            front::ConfigError::UnknownKey { key, .. } => failure.with_value(key),
            front::ConfigError::WrongValue { key, .. } => failure.with_value(key),
        }
    }
}

impl From<front::Error> for Failure {
    fn from(error: front::Error) -> Self {
        let message = error.to_string();
        match error {
            front::Error::AddressInUse(address) => {
                Self::new(Status::AddressInUse, message).with_value(address.to_string())
            }
            front::Error::Failed { .. } => Self::new(Status::ServerFailed, message),
        }
    }
}

/// Starts the server with its defaults at 127.0.0.1 and `port`, and returns; the caller goes on with `lyger_worker_next`.
///
/// Port 0 takes any free one, which only `lyger_server_start` tells. On an error nothing runs, and `lyger_last_error` says
/// what: those of `lyger_server_start`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_start_server(port: u16) {
    panic::value((), || start(Config { port, ..Config::default() }).map(drop));
}

/// Begins the server's drain and returns at once. `lyger_last_error` says `SERVER_NOT_RUNNING` or `WRONG_PROCESS` when there
/// is none. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_stop_server() {
    panic::value((), stop);
}

/// Starts the server and returns; the caller goes on with `lyger_worker_next`. `*port` is the port that it listens on.
///
/// `config` is a JSON object (at most 1 MiB; empty for the defaults) with any of `host`, `port` (0 takes any free one),
/// `queue_max`, `queue_timeout_ms`, `half_close_timeout_ms`, `request_timeout_ms`, `head_timeout_ms`,
/// `body_idle_timeout_ms`, `idle_timeout_ms`, `write_timeout_ms`, `head_bytes_max`, `header_count_max`, `uri_bytes_max`, `body_bytes_max`, `drain_timeout_ms`, `debug`,
/// `trusted_proxies`, `db`, an object of `connections_max`, `acquire_timeout_ms`, `statement_timeout_ms`, `result_bytes_max`, and
/// `resp`, an object of what `lyger_resp_start` takes: with its `listen` Redis clients are served until this server has ended.
///
/// SIGINT and SIGTERM begin the drain. When its time is over and the answer to a claimed request is still owed, the process
/// ends with 1; a second signal ends it at once, with 130 or 143.
///
/// Errors: `SERVER_RUNNING`, `ADDRESS_IN_USE`, `INVALID_CONFIG` (the message names the key; also `LYGER_KERNELS`),
/// `SERVER_FAILED`, `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`; `*port` is 0 then, and nothing runs.
/// Any thread.
///
/// # Safety
/// `config` must be null with length 0 or readable for `len` bytes; `port` must be null or writable for one `uint16_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_server_start(config: *const c_char, len: usize, port: *mut u16) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut port = unsafe { Out::new("port", port) }?;
        port.set(0);
        // SAFETY: the same.
        let config = unsafe { text("config", config, len, CONFIG_BYTES_MAX) }?;
        let config = if config.is_empty() { Config::default() } else { Config::from_json(config)? };
        port.set(start(config)?);
        Ok(())
    })
}

/// Begins the server's drain and returns at once: it accepts no connection any more, and what runs and waits is finished
/// within `drain_timeout_ms`. The worker goes on until `lyger_worker_next` returns `STOPPED`. A second call does nothing.
///
/// Errors: `SERVER_NOT_RUNNING`, `SERVER_FAILED` (in a worker of a fleet, which has no server of its own), `WRONG_PROCESS`.
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_server_stop() -> Status {
    panic::status(stop)
}

/// Waits up to `timeout_ms` until the server has drained and its threads have ended. It doesn't begin the drain.
///
/// Afterwards there is no server: every call about it is `SERVER_NOT_RUNNING`, signal handlers are those of before, and
/// another may be started.
///
/// Errors: `TIMEOUT`, `SERVER_NOT_RUNNING`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_server_wait(timeout_ms: u32) -> Status {
    panic::status(|| {
        let server = current()?;
        if !server.wait(Duration::from_millis(timeout_ms.into())) {
            return Err(Failure::new(Status::Timeout, "the server still runs"));
        }
        let mut place = place();
        // Only this one: another thread may have started the next meanwhile.
        if place.as_ref().is_some_and(|present| Arc::ptr_eq(present, &server)) {
            *place = None;
            drop(place);
            // What it saves is what the last request has left.
            return stop_redis();
        }
        Ok(())
    })
}
