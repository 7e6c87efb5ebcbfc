//! Which cache a call means: the process's own, which the workers of a fleet share, or one that was opened.

use super::cache::{now, with_cache};
use super::error::Failure;
use super::status::Status;
use crate::cache::{Condition, Expiry, Flight, Found, Rate, Stats, Table, Written};

/// The id of the process's own.
const OWN: u64 = 0;

/// A cache, while a call uses it. Each function is the table's of the same name, at the time of the call.
#[derive(Clone, Copy)]
pub(super) enum Store<'a> {
    Table(&'a Table),
}

type Outcome<T> = Result<T, Failure>;

/// Has `body` use the cache that an id stands for.
pub(super) fn with<T>(store: u64, body: impl FnOnce(Store<'_>) -> Outcome<T>) -> Outcome<T> {
    if store != OWN {
        let message = format!("{store} is not the id of a cache: 0 is the process's own");
        return Err(Failure::new(Status::InvalidHandle, message).with_value(store));
    }
    with_cache(|table| body(Store::Table(table)))?
}

impl Store<'_> {
    pub(super) fn get(self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        let Self::Table(table) = self;
        let mut value = Vec::new();
        Ok(table.get(key, now(), &mut value).map(|_| value))
    }

    pub(super) fn set(
        self,
        (key, value): (&[u8], &[u8]),
        condition: Condition,
        expiry: Expiry,
        wants_old: bool,
    ) -> Outcome<Written> {
        let Self::Table(table) = self;
        Ok(table.set(key, value, condition, expiry, wants_old, now())?)
    }

    pub(super) fn compare_and_set(self, key: &[u8], expected: &[u8], new: &[u8]) -> Outcome<bool> {
        let Self::Table(table) = self;
        Ok(table.compare_and_set(key, expected, new, now())?)
    }

    pub(super) fn delete_many(self, keys: &[&[u8]]) -> Outcome<u64> {
        let Self::Table(table) = self;
        Ok(table.delete_many(keys, now()))
    }

    pub(super) fn peek(self, key: &[u8]) -> Outcome<Option<Found>> {
        let Self::Table(table) = self;
        Ok(table.peek(key, now()))
    }

    pub(super) fn expire(self, key: &[u8], expiry: Expiry) -> Outcome<bool> {
        let Self::Table(table) = self;
        Ok(table.expire(key, expiry, now())?)
    }

    pub(super) fn increment(self, key: &[u8], by: i64) -> Outcome<i64> {
        let Self::Table(table) = self;
        Ok(table.increment(key, by, now())?)
    }

    pub(super) fn increment_float(self, key: &[u8], by: f64) -> Outcome<f64> {
        let Self::Table(table) = self;
        Ok(table.increment_float(key, by, now())?)
    }

    pub(super) fn append(self, key: &[u8], bytes: &[u8]) -> Outcome<usize> {
        let Self::Table(table) = self;
        Ok(table.append(key, bytes, now())?)
    }

    pub(super) fn get_range(self, key: &[u8], first: i64, last: i64) -> Outcome<Vec<u8>> {
        let Self::Table(table) = self;
        Ok(table.get_range(key, first, last, now()))
    }

    pub(super) fn set_range(self, key: &[u8], offset: usize, bytes: &[u8]) -> Outcome<usize> {
        let Self::Table(table) = self;
        Ok(table.set_range(key, offset, bytes, now())?)
    }

    pub(super) fn get_and_delete(self, key: &[u8]) -> Outcome<Option<Vec<u8>>> {
        let Self::Table(table) = self;
        Ok(table.get_and_delete(key, now()))
    }

    pub(super) fn get_and_expire(self, key: &[u8], expiry: Expiry) -> Outcome<Option<Vec<u8>>> {
        let Self::Table(table) = self;
        Ok(table.get_and_expire(key, expiry, now())?)
    }

    pub(super) fn get_many(self, keys: &[&[u8]]) -> Outcome<Vec<Option<Vec<u8>>>> {
        let Self::Table(table) = self;
        Ok(table.get_many(keys, now()))
    }

    pub(super) fn set_many(self, pairs: &[(&[u8], &[u8])], condition: Condition, expiry: Expiry) -> Outcome<bool> {
        let Self::Table(table) = self;
        Ok(table.set_many(pairs, condition, expiry, now())?)
    }

    pub(super) fn scan(self, cursor: u64, count: usize, each: impl FnMut(&[u8])) -> Outcome<u64> {
        let Self::Table(table) = self;
        Ok(table.scan(cursor, count, now(), each))
    }

    pub(super) fn len(self) -> Outcome<u64> {
        let Self::Table(table) = self;
        Ok(table.len())
    }

    pub(super) fn clear(self) -> Outcome<()> {
        let Self::Table(table) = self;
        table.clear();
        Ok(())
    }

    pub(super) fn stats(self) -> Outcome<Stats> {
        let Self::Table(table) = self;
        Ok(table.stats())
    }

    pub(super) fn lock(self, name: &[u8], ttl_ms: u64) -> Outcome<Option<u64>> {
        let Self::Table(table) = self;
        Ok(table.lock(name, ttl_ms, now())?)
    }

    pub(super) fn unlock(self, name: &[u8], token: u64) -> Outcome<bool> {
        let Self::Table(table) = self;
        Ok(table.unlock(name, token, now()))
    }

    pub(super) fn extend_lock(self, name: &[u8], token: u64, ttl_ms: u64) -> Outcome<bool> {
        let Self::Table(table) = self;
        Ok(table.extend_lock(name, token, ttl_ms, now())?)
    }

    pub(super) fn lock_holder(self, name: &[u8]) -> Outcome<Option<u64>> {
        let Self::Table(table) = self;
        Ok(table.lock_holder(name, now()))
    }

    pub(super) fn count_rate(self, name: &[u8], window_ms: u64) -> Outcome<Rate> {
        let Self::Table(table) = self;
        Ok(table.count_rate(name, window_ms, now())?)
    }

    pub(super) fn read_rate(self, name: &[u8]) -> Outcome<Option<Rate>> {
        let Self::Table(table) = self;
        Ok(table.read_rate(name, now()))
    }

    pub(super) fn reset_rate(self, name: &[u8]) -> Outcome<bool> {
        let Self::Table(table) = self;
        Ok(table.reset_rate(name, now()))
    }

    /// What is to be done, and the value where there is one.
    pub(super) fn take_off(self, key: &[u8], patience_ms: u64) -> Outcome<(Flight, Vec<u8>)> {
        let Self::Table(table) = self;
        let mut value = Vec::new();
        Ok((table.take_off(key, patience_ms, now(), &mut value)?, value))
    }

    pub(super) fn land(self, key: &[u8], token: u64, value: &[u8], expiry: Expiry) -> Outcome<bool> {
        let Self::Table(table) = self;
        let now = now();
        Ok(table.land(key, token, value, expiry.at(now, None), now)?)
    }

    pub(super) fn abandon(self, key: &[u8], token: u64) -> Outcome<()> {
        let Self::Table(table) = self;
        table.abandon(key, token, now());
        Ok(())
    }
}
