//! How large an index may get, under the names of the configuration (`vector.*`).

use std::ops::RangeInclusive;

/// Bounds on one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Elements of a vector. 65,536: sixteen times what the largest models give; what is more is a mistake of units.
    pub dimension_max: usize,
    /// Memory of one index, in bytes. 4 GiB: a million vectors of 1,024 elements; whoever has more says so, before the machine is
    /// out of memory.
    pub bytes_max: u64,
    /// How many threads a search may use, the caller's included; 0 is one for each core.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { dimension_max: 65_536, bytes_max: 4 << 30, threads: 0 }
    }
}

impl Limits {
    /// What `vector.dimension_max` may be: a row of 2^24 floats is 64 MiB, beyond what a statement's row may be.
    pub const DIMENSION_MAX: RangeInclusive<u64> = 1..=1 << 24;
    /// What `vector.bytes_max` may be.
    pub const BYTES_MAX: RangeInclusive<u64> = 1..=1 << 40;
    /// What `vector.threads` may be; 0 is one for each core.
    pub const THREADS: RangeInclusive<u64> = 0..=1024;
}
