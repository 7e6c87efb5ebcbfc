//! The server for Redis clients, in any process: it serves the process's own cache. One runs at a time.
//!
//! Its threads are the engine's and block all signals. Like any other thread they are not in a forked child: from the start to the end of
//! the server the process must not fork, and a child gets `WRONG_PROCESS` from every call here.

use std::ffi::c_char;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};

use super::error::Failure;
use super::panic;
use super::slice::{CONFIG_BYTES_MAX, Out, Output, text};
use super::status::Status;
use crate::front::{Config, ConfigError};
use crate::resp::{Server, Settings, StartFailed, share_descriptors};
use crate::runtime;

/// Where it listens when nothing else is said: beside a Redis.
const LISTEN_DEFAULT: &str = "127.0.0.1:6380";

// The lock is held while a server starts or is looked at, never while one ends.
static SERVER: RwLock<Option<Arc<Server>>> = RwLock::new(None);

fn not_running() -> Failure {
    Failure::new(Status::ServerNotRunning, "no server for Redis clients runs: start one")
}

/// Whether its threads may be there.
pub(super) fn is_present() -> bool {
    !runtime::is_forked_child() && SERVER.read().unwrap_or_else(PoisonError::into_inner).is_some()
}

pub(super) fn start(mut settings: Settings) -> Result<Arc<Server>, Failure> {
    runtime::claim()?;
    let mut place = SERVER.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = &*place {
        let message = format!("a server for Redis clients runs at {}: stop it before", before.address());
        return Err(Failure::new(Status::ServerRunning, message));
    }
    let asked = settings.clients_max;
    if let Some(most) = share_descriptors(&mut settings) {
        let (clients_max, io) = (settings.clients_max, io::stderr());
        let text = format!(
            "lyger: {clients_max} Redis clients at once and not {asked}: this process may have {most} descriptors, and needs some itself\n"
        );
        runtime::say::say(io, &text);
    }
    let table = super::cache::table()?;
    settings.snapshot.iter().try_for_each(|path| super::cache::load(&table, path))?;
    let server = Arc::new(Server::start(&table, settings)?);
    *place = Some(Arc::clone(&server));
    Ok(server)
}

/// Ends the one that runs, and saves what is to be saved.
fn stop() -> Result<(), Failure> {
    runtime::not_forked()?;
    let server = SERVER.write().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(not_running)?;
    end(&server)
}

/// Ends this one, and not another that was started since somebody has stopped it.
pub(super) fn stop_this(server: &Arc<Server>) -> Result<(), Failure> {
    runtime::not_forked()?;
    let runs = |place: &mut Option<Arc<Server>>| place.take_if(|running| Arc::ptr_eq(running, server)).is_some();
    if runs(&mut SERVER.write().unwrap_or_else(PoisonError::into_inner)) { end(server) } else { Ok(()) }
}

fn end(server: &Server) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::new(Status::ServerFailed, format!("the server for Redis clients: {error}"));
    server.stop().map_err(failed)
}

impl From<StartFailed> for Failure {
    fn from(error: StartFailed) -> Self {
        let message = format!("resp.listen: {error}");
        match &error {
            StartFailed::NoPassword(_) => Self::new(Status::InvalidConfig, message).with_value("resp.listen"),
            StartFailed::Address(address, source) if source.kind() == io::ErrorKind::AddrInUse => {
                Self::new(Status::AddressInUse, message).with_value(address.to_string())
            }
            StartFailed::Address(..) | StartFailed::Threads(_) => Self::new(Status::ServerFailed, message),
        }
    }
}

/// The settings of `{"listen":"127.0.0.1:6380","threads":2,...}`.
fn settings(json: &str) -> Result<Settings, Failure> {
    let given: Value = if json.is_empty() {
        json!({})
    } else {
        serde_json::from_str(json).map_err(|error| ConfigError::NotAnObject(error.to_string()))?
    };
    if !given.is_object() {
        return Err(ConfigError::NotAnObject("another kind of value".to_owned()).into());
    }
    let mut config = Config::from_json(&json!({ "resp": given }).to_string())?;
    config.resp_listen.get_or_insert(LISTEN_DEFAULT.parse().expect("an address"));
    Ok(config.resp().expect("it listens"))
}

/// Serves this process's cache to Redis clients, with threads of its own, and returns; `*port` is where it listens.
///
/// `config` is a JSON object (at most 1 MiB), any of: `listen` (`"127.0.0.1:6380"`; port 0 is any free one), `threads` (0: one for each
/// core), `password` (needed where not only this machine can come), `snapshot` (a file: loaded now, unless the cache was loaded from it before,
/// and saved by `SAVE` and `lyger_resp_stop`), `backlog`, `buffer_bytes`, `clients_max` and the other limits, named as the keys `resp.*` without that word. NULL with
/// length 0 is the defaults. In a worker of a fleet the cache is the one that all share.
///
/// Errors: `SERVER_RUNNING`, `ADDRESS_IN_USE`, `INVALID_CONFIG` (the message names the key; also where a password is missing),
/// `SERVER_FAILED` (a snapshot that is damaged, too), `NULL_POINTER`, `TOO_LONG`, `INVALID_UTF8`, `WRONG_PROCESS`; `*port` is 0 then, and nothing
/// runs. Any thread.
///
/// # Safety
/// `config` must be null with length 0 or readable for `len` bytes; `port` must be null or writable for one `uint16_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_resp_start(config: *const c_char, len: usize, port: *mut u16) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut port = unsafe { Out::new("port", port) }?;
        port.set(0);
        // SAFETY: the same.
        let config = unsafe { text("config", config, len, CONFIG_BYTES_MAX) }?;
        port.set(start(settings(config)?)?.address().port());
        Ok(())
    })
}

/// Where the server for Redis clients listens, as `127.0.0.1:6380`; also the one that `lyger_server_start` has started.
///
/// Errors: `SERVER_NOT_RUNNING` (in a worker of a fleet it is the front that serves), `BUFFER_TOO_SMALL`, `NULL_POINTER`,
/// `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_resp_address(buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        runtime::not_forked()?;
        let server = SERVER.read().unwrap_or_else(PoisonError::into_inner);
        let address = server.as_ref().ok_or_else(not_running)?.address().to_string();
        output.fill(address.as_bytes())
    })
}

/// Ends the server for Redis clients: its connections, its threads; then the cache is saved where `snapshot` names a file. The
/// cache stays.
///
/// Errors: `SERVER_NOT_RUNNING`, `SERVER_FAILED` (nothing was saved; the server has ended all the same), `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_resp_stop() -> Status {
    panic::status(stop)
}
