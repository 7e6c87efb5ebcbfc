//! The cache: bytes by key, bounded by their number, shared by all of the process.
//!
//! A seed kept a map per thread without a bound; this one is one table with a limit on its bytes, and it evicts
//! what was used least (CLOCK-Pro, through `quick_cache`). What always holds: the keys and values in it weigh at
//! most `bytes_max` together. Its bookkeeping comes on top, about 100 bytes an entry.
//!
//! It is safe to use from any thread; a reader never waits for another reader.

#[cfg(test)]
mod audit;
mod batch;
mod chain;
mod copy;
mod entry;
mod evict;
mod ghost;
mod index;
mod kept;
mod layout;
mod lock;
mod map;
mod ops;
mod read;
mod scan;
mod segments;
mod seq;
mod shard;
mod slot;
mod sync;
mod table;
mod write;

use std::sync::Arc;

pub use batch::Batch;
pub use entry::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use kept::Kept;
pub use ops::{Condition, Expiry, Flight, NotANumber, Rate, Written};
pub use read::Found;
pub use scan::Watch;
pub use slot::{Old, Slot};
pub use table::{Stats, Table};
pub use write::Full;

use quick_cache::sync::{Cache as Quick, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// `cache.bytes_max` when nothing is configured: 64 MiB.
pub const BYTES_MAX_DEFAULT: u64 = 64 << 20;

/// The part of the table for entries that were used more than once; no entry may be larger than it.
const HOT_PART: f64 = 0.97;

/// What the table sizes its memory of evicted keys for: about the number of entries of 1 KiB that fit.
const ENTRY_BYTES_ESTIMATE: u64 = 1024;

/// An entry that could never fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {bytes} bytes is larger than the {bytes_max} that one may have in this cache")]
pub struct TooLarge {
    /// Key and value together.
    pub bytes: u64,
    /// What an entry may have: 97% of `cache.bytes_max`.
    pub bytes_max: u64,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Arc<[u8]>> for Bytes {
    fn weight(&self, key: &Box<[u8]>, value: &Arc<[u8]>) -> u64 {
        // A weight of 0 would mean "never evict".
        ((key.len() + value.len()) as u64).max(1)
    }
}

/// A bounded table of bytes.
///
/// ```
/// let cache = lyger::cache::Cache::new(1024);
/// cache.store(b"user:42", b"Ada").unwrap();
/// assert_eq!(cache.fetch(b"user:42").as_deref(), Some(&b"Ada"[..]));
/// assert!(cache.remove(b"user:42") && cache.fetch(b"user:42").is_none());
/// ```
pub struct Cache {
    // One shard: shards divide the limit, and an entry may not be larger than its shard's part of it.
    table: Quick<Box<[u8]>, Arc<[u8]>, Bytes>,
    entry_bytes_max: u64,
}

impl Cache {
    /// An empty cache for keys and values of at most `bytes_max` together.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let options = OptionsBuilder::new()
            .shards(1)
            .hot_allocation(HOT_PART)
            .weight_capacity(bytes_max)
            .estimated_items_capacity((bytes_max / ENTRY_BYTES_ESTIMATE).clamp(32, 1 << 20) as usize)
            .build()
            .expect("capacity and estimate are set");
        let table = Quick::with_options(options, Bytes, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { table, entry_bytes_max: (bytes_max as f64 * HOT_PART) as u64 }
    }

    /// Keeps a value under a key, in place of the one before, and evicts others when it must.
    ///
    /// # Errors
    /// [`TooLarge`] when it could never fit; what was under the key stays.
    pub fn store(&self, key: &[u8], value: &[u8]) -> Result<(), TooLarge> {
        let bytes = (key.len() + value.len()) as u64;
        if bytes > self.entry_bytes_max {
            return Err(TooLarge { bytes, bytes_max: self.entry_bytes_max });
        }
        self.table.insert(key.into(), value.into());
        Ok(())
    }

    /// The value under a key, shared and not copied; `None` when it was never there or was evicted.
    #[must_use]
    pub fn fetch(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.table.get(key)
    }

    /// Forgets a key; whether it was there.
    pub fn remove(&self, key: &[u8]) -> bool {
        self.table.remove(key).is_some()
    }

    /// Forgets everything.
    pub fn purge(&self) {
        self.table.clear();
    }

    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.table.len() as u64
    }

    /// What the keys and values weigh together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.table.weight()
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("count", &self.count()).field("bytes", &self.bytes()).finish()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod deaths_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod table_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_never_weigh_more_than_the_limit() {
        let cache = Cache::new(10_000);
        for n in 0..5_000_u32 {
            let value = vec![0; (n % 700) as usize];
            cache.store(&n.to_le_bytes(), &value).unwrap();
            assert!(cache.bytes() <= 10_000, "{} bytes after {n}", cache.bytes());
        }
        assert!(cache.count() > 5);
    }

    #[test]
    fn what_was_just_stored_is_there_even_when_the_cache_is_full() {
        let cache = Cache::new(4_000);
        for n in 0..1_000_u32 {
            cache.store(&n.to_le_bytes(), &[7; 300]).unwrap();
            assert!(cache.fetch(&n.to_le_bytes()).is_some(), "entry {n}");
        }
    }

    #[test]
    fn the_largest_entry_fits_and_one_more_byte_is_an_error_that_keeps_the_old_value() {
        for bytes_max in [100_u64, 1_000, 4_096, 65_537, 1 << 20] {
            let cache = Cache::new(bytes_max);
            let most = (bytes_max as f64 * HOT_PART) as usize;
            cache.store(b"k", &vec![1; most - 1]).unwrap();
            assert_eq!(cache.fetch(b"k").map(|value| value.len()), Some(most - 1));
            let refused = cache.store(b"k", &vec![2; most]).unwrap_err();
            assert_eq!(refused, TooLarge { bytes: most as u64 + 1, bytes_max: most as u64 });
            assert_eq!(cache.fetch(b"k").map(|value| value[0]), Some(1));
        }
    }

    #[test]
    fn empty_keys_and_empty_values_are_entries_like_others() {
        let cache = Cache::new(64);
        cache.store(b"", b"").unwrap();
        assert_eq!(cache.fetch(b"").as_deref(), Some(&b""[..]));
        assert_eq!(cache.count(), 1);
        cache.purge();
        assert_eq!((cache.count(), cache.bytes()), (0, 0));
        assert!(!cache.remove(b""));
    }

    #[test]
    fn a_second_store_replaces_the_first() {
        let cache = Cache::new(1_000);
        cache.store(b"k", b"one").unwrap();
        cache.store(b"k", &[0, 255, 0]).unwrap();
        assert_eq!(cache.fetch(b"k").as_deref(), Some(&[0, 255, 0][..]));
        assert_eq!((cache.count(), cache.bytes()), (1, 4));
    }
}
