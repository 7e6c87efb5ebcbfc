//! Columns to bytes.

pub mod body;
mod cells;
pub mod csv;
pub mod encode;
pub mod escapes;
mod few;
pub mod forms;
pub mod keyed;
mod name;
pub mod pack;
pub mod reread;
pub mod rows;
pub mod serialize;
pub mod shape;
mod short;
mod slices;
pub mod spare;
pub mod table;
