//! The hot loops: one safe function per kernel.

/// Zero bytes behind every string buffer that a kernel reads: one AVX-512 register, so that a load at the last byte stays inside.
pub const PADDING: usize = 64;
