//! The limits of the SQL room, under the names they have in the configuration (`db.*`).

use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A day in milliseconds: a longer timeout is a mistake of units.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Bounds on connections, time and memory, per DSN or per query.
///
/// ```
/// let limits = lyger::db::Limits::default();
/// assert_eq!((limits.connections_max, limits.statement_timeout_ms), (16, 30_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections per DSN. 16: PostgreSQL's default of 100 leaves room for five more such processes.
    pub connections_max: u32,
    /// How long a query waits for a free connection, and how long making one may take, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long one statement may run, in milliseconds; 0 lifts the limit.
    pub statement_timeout_ms: u64,
    /// How long a connection may lie unused before it is closed, in milliseconds. 10 minutes: servers and firewalls cut
    /// silent connections later than that.
    pub idle_timeout_ms: u64,
    /// How old a connection may grow, in milliseconds; it is replaced between two statements. Half an hour, so that a
    /// server that was replaced behind its name, or that leaks memory per connection, is let go of.
    pub lifetime_ms: u64,
    /// How many bytes of values one result may hold. 64 MiB; what exceeds `u32::MAX` counts as `u32::MAX`, the
    /// widest offset of a column.
    pub result_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16,
            acquire_timeout_ms: 3_000,
            statement_timeout_ms: 30_000,
            idle_timeout_ms: 600_000,
            lifetime_ms: 1_800_000,
            result_bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// What `db.connections_max` may be: 10,000 is beyond what PostgreSQL and MySQL can be told to accept in earnest.
    pub const CONNECTIONS_MAX: RangeInclusive<u64> = 1..=10_000;
    /// What `db.acquire_timeout_ms` may be.
    pub const ACQUIRE_TIMEOUT_MS: RangeInclusive<u64> = 1..=DAY_MS;
    /// What `db.statement_timeout_ms` may be; 0 lifts the limit.
    pub const STATEMENT_TIMEOUT_MS: RangeInclusive<u64> = 0..=DAY_MS;
    /// What `db.idle_timeout_ms` and `db.lifetime_ms` may be.
    pub const AGE_MS: RangeInclusive<u64> = 1_000..=DAY_MS;
    /// What `db.result_bytes_max` may be: a column's offsets are 32 bits wide.
    pub const RESULT_BYTES_MAX: RangeInclusive<u64> = 1..=u32::MAX as u64;

    pub(super) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// How long a statement may take; `None` is for ever.
    #[must_use]
    pub fn statement_timeout(&self) -> Option<Duration> {
        (self.statement_timeout_ms > 0).then(|| Duration::from_millis(self.statement_timeout_ms))
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(super) fn lifetime(&self) -> Duration {
        Duration::from_millis(self.lifetime_ms)
    }
}
