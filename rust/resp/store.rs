//! What a server serves: the shared table, or a store of somebody else's, of which only whole values can be got and set.

use std::sync::Arc;

use super::commands::Space;
use crate::cache::{Stats, Table};

/// A store of somebody else's. All of the server's threads call it at once, each for its own clients, and wait for it.
pub trait Store: Send + Sync {
    /// Called once by each thread, before any of them accepts a client.
    fn begin_thread(&self, thread: usize);

    /// Hands a key's value to `take`, once; whether there is one.
    ///
    /// # Errors
    /// Why nobody knows.
    fn get(&self, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<bool, StoreFailed>;

    /// Keeps a value under a key.
    ///
    /// # Errors
    /// Why it didn't; what was there before should be there still.
    fn set(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFailed>;
}

/// What a store says of its failure. The client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFailed(pub Vec<u8>);

/// What is behind a server's commands.
#[derive(Clone)]
pub(crate) enum Backing {
    Table(Table),
    Foreign(Arc<dyn Store>),
}

impl Backing {
    /// As a command sees it.
    #[inline]
    pub(crate) fn space(&self) -> Space<'_> {
        match self {
            Self::Table(table) => Space::Table(table),
            Self::Foreign(store) => Space::Foreign(&**store),
        }
    }

    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }

    pub(crate) fn table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::Foreign(_) => None,
        }
    }

    /// The table's; of somebody else's store nothing is known.
    pub(crate) fn stats(&self) -> Option<Stats> {
        self.table().map(Table::stats)
    }

    /// Removes some of what has expired.
    pub(crate) fn sweep(&self, now_ms: u64, buckets: usize) {
        if let Self::Table(table) = self {
            table.sweep(now_ms, buckets);
        }
    }

    /// In each thread, before any of them accepts.
    pub(crate) fn begin_thread(&self, thread: usize) {
        if let Self::Foreign(store) = self {
            store.begin_thread(thread);
        }
    }
}
