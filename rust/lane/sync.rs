//! The atomics of this room. `tests/loom` compiles `state`, `slot`, `ring` and `bell` once more with loom's in their place.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
