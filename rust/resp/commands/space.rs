//! The table as a command sees it: the whole of it, each operation for itself, or the part that a transaction has locked. Or a
//! store of somebody else's, for the few commands that it is enough for (`foreign`).

use std::cell::RefCell;

use crate::cache::{Batch, Found, Slot, Table};
use crate::resp::store::Store;

/// Only `foreign` has commands for somebody else's store; the others were refused.
pub(super) const NOT_A_TABLE: &str = "a command that was refused";

#[derive(Clone, Copy)]
pub(crate) enum Space<'a> {
    Table(&'a Table),
    Locked(&'a dyn Locked),
    Foreign(&'a dyn Store),
}

/// Keys whose shards are locked. A trait only because a batch's own lifetime would otherwise be in every command's signature.
pub(crate) trait Locked {
    fn get(&self, key: &[u8], now: u64, into: &mut Vec<u8>, head: &mut dyn FnMut(usize, &mut Vec<u8>))
    -> Option<Found>;
    fn peek(&self, key: &[u8], now: u64) -> Option<Found>;
    fn update(&self, key: &[u8], now: u64, change: &mut dyn FnMut(&mut Slot<'_>));
    fn len(&self) -> u64;
    fn clear(&self);
}

impl Locked for RefCell<Batch<'_>> {
    fn get(
        &self,
        key: &[u8],
        now: u64,
        into: &mut Vec<u8>,
        head: &mut dyn FnMut(usize, &mut Vec<u8>),
    ) -> Option<Found> {
        self.borrow().get_framed(key, now, into, head)
    }

    fn peek(&self, key: &[u8], now: u64) -> Option<Found> {
        self.borrow().peek(key, now)
    }

    fn update(&self, key: &[u8], now: u64, change: &mut dyn FnMut(&mut Slot<'_>)) {
        self.borrow_mut().update(key, now, change);
    }

    fn len(&self) -> u64 {
        self.borrow().len()
    }

    fn clear(&self) {
        self.borrow_mut().clear();
    }
}

impl Space<'_> {
    /// Has memory send what these keys lead to, which come next.
    #[inline]
    pub(crate) fn prefetch<'k>(self, keys: impl Iterator<Item = &'k [u8]>) {
        if let Self::Table(table) = self {
            table.prefetch(keys);
        }
    }

    /// The value, behind a head that is made of its length.
    #[inline]
    pub(crate) fn get_framed(
        self,
        key: &[u8],
        now: u64,
        into: &mut Vec<u8>,
        mut head: impl FnMut(usize, &mut Vec<u8>),
    ) -> Option<Found> {
        match self {
            Self::Table(table) => table.get_framed(key, now, into, head),
            Self::Locked(keys) => keys.get(key, now, into, &mut head),
            Self::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
        }
    }

    /// The value at the end of `into`.
    pub(crate) fn get(self, key: &[u8], now: u64, into: &mut Vec<u8>) -> Option<Found> {
        self.get_framed(key, now, into, |_, _| {})
    }

    /// Length and expiry, without counting as a use.
    pub(crate) fn peek(self, key: &[u8], now: u64) -> Option<Found> {
        match self {
            Self::Table(table) => table.peek(key, now),
            Self::Locked(keys) => keys.peek(key, now),
            Self::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
        }
    }

    #[inline]
    pub(crate) fn update<R>(self, key: &[u8], now: u64, change: impl FnOnce(&mut Slot<'_>) -> R) -> R {
        match self {
            Self::Table(table) => table.update(key, now, change),
            Self::Locked(keys) => {
                let (mut change, mut result) = (Some(change), None);
                keys.update(key, now, &mut |slot| result = change.take().map(|change| change(slot)));
                result.expect("a batch changes a key once")
            }
            Self::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
        }
    }

    /// Several keys at once: nobody sees a part of what is done to them.
    pub(crate) fn together<R>(self, keys: &[&[u8]], act: impl FnOnce(Space<'_>) -> R) -> R {
        match self {
            Self::Table(table) => act(Space::Locked(&RefCell::new(table.batch(keys)))),
            // The transaction has locked them.
            Self::Locked(_) => act(self),
            Self::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
        }
    }
}
