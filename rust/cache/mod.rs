//! The cache: bytes by key, bounded by their number, shared by all threads of a process and by all workers of a fleet.
//!
//! A seed kept a map per thread without a bound. Here is one [`Table`] in memory that several processes may have mapped, at
//! any address, and any of which may be killed at any instruction. What always holds: keys and values weigh at most
//! `bytes_max` together; a value that is read is one that was put; what is forgotten is forgotten whole.
//!
//! # A tour
//! `layout` says where everything lies, `map` maps it, and `copy` moves bytes that others may be changing. A key's hash
//! leads to a shard: its `lock`, which outlives its owner, its `seq`uence, by which a reader without a lock sees whether
//! somebody wrote, and its `index`, which leads to an `entry`. Entries lie in two logs of `segments`, long values in a
//! `chain` of them; `evict` says who goes. `shard` and `write` are what a writer does, `read` what a reader does. `kept` is
//! the region for what must not be forgotten, `snapshot` a file of the keys, `part` what it is until it is whole, `place` where it lies. `table`, `slot`, `batch` and `scan` are what others see of it, and `ops` is
//! what PHP and Redis clients do with it.

mod amend;
#[cfg(test)]
mod audit;
mod batch;
mod chain;
mod copy;
mod entry;
mod evict;
mod ghost;
mod grow;
mod index;
mod kept;
mod layout;
mod lock;
mod long_double;
mod map;
mod ops;
mod part;
mod place;
mod read;
#[cfg(unix)]
pub mod remote;
mod scan;
mod segments;
mod seq;
mod shard;
mod slot;
mod snapshot;
mod sync;
mod table;
mod write;

pub use batch::Batch;
pub use entry::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use kept::{Kept, Share};
pub(crate) use ops::sum_of_floats;
pub use ops::{Condition, Expiry, Flight, NotANumber, Rate, Written};
pub use place::OldFile;
pub use read::Found;
#[cfg(unix)]
pub use remote::Remote;
pub use scan::Watch;
pub use shard::on_wiped;
pub use slot::{Old, Slot};
pub use snapshot::{Loaded, SnapshotError};
pub use table::{Lent, PREFETCHED_MAX, Stats, Table};
pub use write::Full;

/// `cache.bytes_max` when nothing is configured: 64 MiB.
pub const BYTES_MAX_DEFAULT: u64 = 64 << 20;

/// What it may be: a terabyte, for places of 32 bits still find everything in it, and a CPU addresses it many times over.
pub const BYTES_MAX_MAX: u64 = 1 << 40;

#[cfg(all(test, target_os = "linux"))]
mod deaths_tests;
#[cfg(test)]
mod lend_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod pressure_tests;
#[cfg(test)]
mod table_tests;
