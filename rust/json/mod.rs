//! Columns to bytes.

mod cells;
pub mod encode;
pub mod pack;
pub mod serialize;
pub mod table;
