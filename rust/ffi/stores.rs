//! Which cache a call means: the process's own, which the workers of a fleet share, or one that was opened.

use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cache::{now, with_cache};
use super::error::Failure;
use super::panic;
use super::slice::{DSN_BYTES_MAX, Out, text};
use super::status::Status;
use crate::cache::{Condition, Expiry, Flight, Found, Rate, Remote, Stats, Table, Written};
use crate::handles::{Handles, Kind};
use crate::runtime;

/// The id of the process's own.
const OWN: u64 = 0;

static OPENED: Mutex<Handles<Remote>> = Mutex::new(Handles::new(Kind::Store));

// Nothing that can panic happens while it is held.
fn opened() -> MutexGuard<'static, Handles<Remote>> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes every cache that was opened; their ids stay stale.
pub(super) fn release() {
    opened().clear();
}

/// A cache, while a call uses it. Each function is the table's of the same name, at the time of the call.
#[derive(Clone, Copy)]
pub(super) enum Store<'a> {
    Table(&'a Table),
    Remote(&'a Remote),
}

type Outcome<T> = Result<T, Failure>;

/// Has `body` use the cache that an id stands for.
pub(super) fn with<T>(store: u64, body: impl FnOnce(Store<'_>) -> Outcome<T>) -> Outcome<T> {
    if store == OWN {
        return with_cache(|table| body(Store::Table(table)))?;
    }
    runtime::not_forked()?;
    // A clone: another thread may close it meanwhile.
    let remote = opened().get(store)?.clone();
    body(Store::Remote(&remote))
}

/// Opens the cache that a DSN names (`redis://…`, `rediss://…`, `redis+unix://…`, `redis-cluster://…`, `redis-sentinel://…`: docs/cache.md) and sets
/// `*store` to its id, which the caller gives back to `lyger_store_close`. It connects when it is first used.
///
/// Errors: `INVALID_DSN`, `HANDLES_EXHAUSTED`, `NULL_POINTER`, `TOO_LONG` (above 4,096 bytes), `INVALID_UTF8`, `WRONG_PROCESS`; `*store`
/// is 0 then, which is the process's own. Any thread.
///
/// # Safety
/// `dsn` must be null with length 0 or readable for its length; `store` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_open(dsn: *const c_char, dsn_len: usize, store: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("store", store) }?;
        out.set(OWN);
        // SAFETY: the same.
        let dsn = unsafe { text("dsn", dsn, dsn_len, DSN_BYTES_MAX) }?;
        runtime::claim()?;
        out.set(opened().insert(Remote::open(dsn)?)?);
        Ok(())
    })
}

/// Closes a cache that `lyger_store_open` has opened, with its connections; its id is stale afterwards. What another thread does with it
/// ends first. What it holds stays on its server.
///
/// Errors: `INVALID_HANDLE` (0 as well: the process's own stays), `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_store_close(store: u64) -> Status {
    panic::status(|| {
        runtime::not_forked()?;
        let remote = opened().remove(store)?;
        drop(remote);
        Ok(())
    })
}

impl Store<'_> {
    pub(super) fn get(self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        let mut value = Vec::new();
        let found = match self {
            Self::Table(table) => table.get(key, now(), &mut value),
            Self::Remote(remote) => remote.get(key, &mut value)?,
        };
        Ok(found.map(|_| value))
    }

    pub(super) fn set(
        self,
        (key, value): (&[u8], &[u8]),
        condition: Condition,
        expiry: Expiry,
        wants_old: bool,
    ) -> Outcome<Written> {
        match self {
            Self::Table(table) => Ok(table.set(key, value, condition, expiry, wants_old, now())?),
            Self::Remote(remote) => Ok(remote.set(key, value, condition, expiry, wants_old)?),
        }
    }

    pub(super) fn compare_and_set(self, key: &[u8], expected: &[u8], new: &[u8]) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.compare_and_set(key, expected, new, now())?),
            Self::Remote(remote) => Ok(remote.compare_and_set(key, expected, new)?),
        }
    }

    pub(super) fn delete_many(self, keys: &[&[u8]]) -> Outcome<u64> {
        match self {
            Self::Table(table) => Ok(table.delete_many(keys, now())),
            Self::Remote(remote) => Ok(remote.delete_many(keys)?),
        }
    }

    /// How long a value stays, by the clock of whoever has it; without an end it is `Some(None)`.
    pub(super) fn ttl_ms(self, key: &[u8]) -> Outcome<Option<Option<u64>>> {
        match self {
            Self::Table(table) => {
                let now = now();
                Ok(table.peek(key, now).map(|found| found.expires_at.map(|at| at.saturating_sub(now))))
            }
            Self::Remote(remote) => Ok(remote.ttl(key)?.map(|left| match left {
                Expiry::After(ms) => Some(ms),
                _ => None,
            })),
        }
    }

    pub(super) fn peek(self, key: &[u8]) -> Outcome<Option<Found>> {
        match self {
            Self::Table(table) => Ok(table.peek(key, now())),
            Self::Remote(remote) => Ok(remote.peek(key)?),
        }
    }

    pub(super) fn expire(self, key: &[u8], expiry: Expiry) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.expire(key, expiry, now())?),
            Self::Remote(remote) => Ok(remote.expire(key, expiry)?),
        }
    }

    pub(super) fn increment(self, key: &[u8], by: i64) -> Outcome<i64> {
        match self {
            Self::Table(table) => Ok(table.increment(key, by, now())?),
            Self::Remote(remote) => Ok(remote.increment(key, by)?),
        }
    }

    pub(super) fn increment_float(self, key: &[u8], by: f64) -> Outcome<f64> {
        match self {
            Self::Table(table) => Ok(table.increment_float(key, by, now())?),
            Self::Remote(remote) => Ok(remote.increment_float(key, by)?),
        }
    }

    pub(super) fn append(self, key: &[u8], bytes: &[u8]) -> Outcome<usize> {
        match self {
            Self::Table(table) => Ok(table.append(key, bytes, now())?),
            Self::Remote(remote) => Ok(remote.append(key, bytes)?),
        }
    }

    pub(super) fn get_range(self, key: &[u8], first: i64, last: i64) -> Outcome<Vec<u8>> {
        match self {
            Self::Table(table) => Ok(table.get_range(key, first, last, now())),
            Self::Remote(remote) => Ok(remote.get_range(key, first, last)?),
        }
    }

    pub(super) fn set_range(self, key: &[u8], offset: usize, bytes: &[u8]) -> Outcome<usize> {
        match self {
            Self::Table(table) => Ok(table.set_range(key, offset, bytes, now())?),
            Self::Remote(remote) => Ok(remote.set_range(key, offset, bytes)?),
        }
    }

    pub(super) fn get_and_delete(self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        match self {
            Self::Table(table) => Ok(table.get_and_delete(key, now())),
            Self::Remote(remote) => Ok(remote.get_and_delete(key)?),
        }
    }

    pub(super) fn get_and_expire(self, key: &[u8], expiry: Expiry) -> Outcome<Option<Vec<u8>>> {
        match self {
            Self::Table(table) => Ok(table.get_and_expire(key, expiry, now())?),
            Self::Remote(remote) => Ok(remote.get_and_expire(key, expiry)?),
        }
    }

    pub(super) fn get_many(self, keys: &[&[u8]]) -> Outcome<Vec<Option<Vec<u8>>>> {
        match self {
            Self::Table(table) => Ok(table.get_many(keys, now())),
            Self::Remote(remote) => Ok(remote.get_many(keys)?),
        }
    }

    pub(super) fn set_many(self, pairs: &[(&[u8], &[u8])], expiry: Expiry) -> Outcome<()> {
        match self {
            Self::Table(table) => Ok(table.set_many(pairs, expiry, now())?),
            Self::Remote(remote) => Ok(remote.set_many(pairs, expiry)?),
        }
    }

    pub(super) fn set_many_if_missing(self, pairs: &[(&[u8], &[u8])], expiry: Expiry) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.set_many_if_missing(pairs, expiry, now())?),
            Self::Remote(remote) => Ok(remote.set_many_if_missing(pairs, expiry)?),
        }
    }

    pub(super) fn scan(self, cursor: u64, count: usize, each: impl FnMut(&[u8])) -> Outcome<u64> {
        match self {
            Self::Table(table) => Ok(table.scan(cursor, count, now(), each)),
            Self::Remote(remote) => Ok(remote.scan(cursor, count, each)?),
        }
    }

    pub(super) fn len(self) -> Outcome<u64> {
        match self {
            Self::Table(table) => Ok(table.len()),
            Self::Remote(remote) => Ok(remote.len()?),
        }
    }

    pub(super) fn clear(self) -> Outcome<()> {
        match self {
            Self::Table(table) => {
                table.clear();
                Ok(())
            }
            Self::Remote(remote) => Ok(remote.clear()?),
        }
    }

    /// A server's are its own to tell, but for how many keys there are.
    pub(super) fn stats(self) -> Outcome<Result<Stats, u64>> {
        match self {
            Self::Table(table) => Ok(Ok(table.stats())),
            Self::Remote(remote) => Ok(Err(remote.len()?)),
        }
    }

    pub(super) fn lock(self, name: &[u8], ttl_ms: u64) -> Outcome<Option<u64>> {
        match self {
            Self::Table(table) => Ok(table.lock(name, ttl_ms, now())?),
            Self::Remote(remote) => Ok(remote.lock(name, ttl_ms)?),
        }
    }

    pub(super) fn unlock(self, name: &[u8], token: u64) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.unlock(name, token, now())),
            Self::Remote(remote) => Ok(remote.unlock(name, token)?),
        }
    }

    pub(super) fn extend_lock(self, name: &[u8], token: u64, ttl_ms: u64) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.extend_lock(name, token, ttl_ms, now())?),
            Self::Remote(remote) => Ok(remote.extend_lock(name, token, ttl_ms)?),
        }
    }

    pub(super) fn lock_holder(self, name: &[u8]) -> Outcome<Option<u64>> {
        match self {
            Self::Table(table) => Ok(table.lock_holder(name, now())),
            Self::Remote(remote) => Ok(remote.lock_holder(name)?),
        }
    }

    pub(super) fn count_rate(self, name: &[u8], window_ms: u64) -> Outcome<Rate> {
        match self {
            Self::Table(table) => Ok(table.count_rate(name, window_ms, now())?),
            Self::Remote(remote) => Ok(remote.count_rate(name, window_ms)?),
        }
    }

    pub(super) fn rate(self, name: &[u8]) -> Outcome<Option<Rate>> {
        match self {
            Self::Table(table) => Ok(table.rate(name, now())),
            Self::Remote(remote) => Ok(remote.rate(name)?),
        }
    }

    pub(super) fn reset_rate(self, name: &[u8]) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.reset_rate(name, now())),
            Self::Remote(remote) => Ok(remote.reset_rate(name)?),
        }
    }

    pub(super) fn open_session(self, id: &[u8], ttl_ms: u64) -> Outcome<Option<u64>> {
        match self {
            Self::Table(table) => Ok(table.open_session(id, ttl_ms, now())?),
            Self::Remote(remote) => Ok(remote.open_session(id, ttl_ms)?),
        }
    }

    pub(super) fn close_session(self, id: &[u8], token: u64) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.close_session(id, token, now())),
            Self::Remote(remote) => Ok(remote.close_session(id, token)?),
        }
    }

    pub(super) fn read_session(self, id: &[u8]) -> Outcome<Option<Vec<u8>>> {
        let mut data = Vec::new();
        let found = match self {
            Self::Table(table) => table.read_session(id, now(), &mut data),
            Self::Remote(remote) => remote.read_session(id, &mut data)?,
        };
        Ok(found.map(|_| data))
    }

    pub(super) fn write_session(self, id: &[u8], token: Option<u64>, data: &[u8], ttl_ms: u64) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.write_session(id, token, data, ttl_ms, now())?),
            Self::Remote(remote) => Ok(remote.write_session(id, token, data, ttl_ms)?),
        }
    }

    pub(super) fn touch_session(self, id: &[u8], ttl_ms: u64) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.touch_session(id, ttl_ms, now())?),
            Self::Remote(remote) => Ok(remote.touch_session(id, ttl_ms)?),
        }
    }

    pub(super) fn destroy_session(self, id: &[u8]) -> Outcome<bool> {
        match self {
            Self::Table(table) => Ok(table.destroy_session(id, now())),
            Self::Remote(remote) => Ok(remote.destroy_session(id)?),
        }
    }

    /// What is to be done, and the value where there is one.
    pub(super) fn take_off(self, key: &[u8], patience_ms: u64) -> Outcome<(Flight, Vec<u8>)> {
        let mut value = Vec::new();
        let flight = match self {
            Self::Table(table) => table.take_off(key, patience_ms, now(), &mut value)?,
            Self::Remote(remote) => remote.take_off(key, patience_ms, &mut value)?,
        };
        Ok((flight, value))
    }

    pub(super) fn land(self, key: &[u8], token: u64, value: &[u8], expiry: Expiry) -> Outcome<bool> {
        match self {
            Self::Table(table) => {
                let now = now();
                Ok(table.land(key, token, value, expiry.at(now, None), now)?)
            }
            Self::Remote(remote) => Ok(remote.land(key, token, value, expiry)?),
        }
    }

    pub(super) fn abandon(self, key: &[u8], token: u64) -> Outcome<()> {
        match self {
            Self::Table(table) => {
                table.abandon(key, token, now());
                Ok(())
            }
            Self::Remote(remote) => Ok(remote.abandon(key, token)?),
        }
    }
}
