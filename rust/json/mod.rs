//! Columns to bytes.

mod cells;
pub mod encode;
pub mod serialize;
pub mod table;
