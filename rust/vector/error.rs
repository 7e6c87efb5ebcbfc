//! Why an index refuses.

use std::fmt;
use std::io;

use crate::kernels;

/// Whose vector it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// One that is asked for.
    Query,
    /// One of the index.
    Id(i64),
}

impl fmt::Display for Of {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query => formatter.write_str("the query"),
            Self::Id(id) => write!(formatter, "the vector of id {id}"),
        }
    }
}

/// What the system says, as C and PHP word it: without the number that Rust puts behind.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error.raw_os_error().map(|number| format!(" (os error {number})")).unwrap_or_default();
    text.strip_suffix(&number).unwrap_or(&text).to_owned()
}

/// What can be wrong with vectors, and with what holds them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No index has such vectors.
    #[error("vectors have 1 to {dimension_max} elements (vector.dimension_max), not {dimension}")]
    Dimension {
        /// Elements that were asked for.
        dimension: usize,
        /// Elements that there may be.
        dimension_max: usize,
    },
    /// A vector of another length than the index has.
    #[error("{of} has {elements} elements, the index has vectors of {dimension}")]
    Elements {
        /// Whose.
        of: Of,
        /// How many elements it has.
        elements: usize,
        /// How many it should have.
        dimension: usize,
    },
    /// Bytes that aren't whole numbers, or another number of vectors than of ids.
    #[error("{what} has {len} bytes, {expected}")]
    Packed {
        /// The argument.
        what: &'static str,
        /// How many bytes it has.
        len: usize,
        /// What it should have.
        expected: String,
    },
    /// NaN, or an infinity.
    #[error("{of} has {value} at element {position}: only finite numbers can be compared")]
    NotFinite {
        /// Whose.
        of: Of,
        /// Where, from 0.
        position: usize,
        /// What is there.
        value: f32,
    },
    /// No vector has this id.
    #[error("there is no vector of id {id} in the index")]
    Unknown {
        /// The id.
        id: i64,
    },
    /// More memory than `vector.bytes_max` allows.
    #[error("the index would take {bytes} bytes, and may take {bytes_max} (vector.bytes_max)")]
    TooLarge {
        /// What it would take.
        bytes: u64,
        /// What it may.
        bytes_max: u64,
    },
    /// The system has no more.
    #[error("there is no memory for {bytes} bytes more of the index")]
    Memory {
        /// What was asked for.
        bytes: u64,
    },
    /// A statement has other columns than an index is made of.
    #[error("{reason}")]
    Columns {
        /// What it should have, and has.
        reason: String,
    },
    /// A row whose id can't be one.
    #[error("row {row} of the statement: {reason}")]
    Row {
        /// The row, from 1.
        row: u64,
        /// What is wrong.
        reason: String,
    },
    /// A cell that is no vector.
    #[error("the vector of id {id} {reason}")]
    Unreadable {
        /// The row's id.
        id: i64,
        /// What is wrong, after its name.
        reason: String,
    },
    /// The operating system refused something of a file.
    #[error("{path} can't be {done}: {}", reason(error))]
    File {
        /// The file.
        path: String,
        /// Opened, read, written.
        done: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// A file that isn't a whole index.
    #[error("{path} is no index: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `LYGER_KERNELS` asks for what this build or this CPU lacks.
    #[error(transparent)]
    Kernels(#[from] kernels::Error),
}
