//! Columns to bytes.

pub mod serialize;
pub mod table;
