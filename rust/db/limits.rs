//! The limits of the SQL room, under the names they have in the configuration (`db.*`).

use serde::Deserialize;
use std::time::Duration;

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
            result_bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    pub(super) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        (self.statement_timeout_ms > 0).then(|| Duration::from_millis(self.statement_timeout_ms))
    }

    pub(super) fn result_budget(&self) -> Budget {
        let result_bytes_max = self.result_bytes_max.min(u64::from(u32::MAX));
        Budget { left: usize::try_from(result_bytes_max).unwrap_or(usize::MAX), result_bytes_max }
    }
}

/// What a result may still grow by.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    result_bytes_max: u64,
}

impl Budget {
    /// Takes the bytes of one row, or says that the result is too large.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), super::Error> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(super::Error::ResultTooLarge { result_bytes_max: self.result_bytes_max }),
        }
    }
}
