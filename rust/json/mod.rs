//! Columns to bytes.

pub mod table;
