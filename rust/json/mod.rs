//! Columns to bytes.

pub mod encode;
pub mod serialize;
pub mod table;
