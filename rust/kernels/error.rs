//! Why a kernel refuses.

/// A column or vector that isn't what it says, or a variant that can't run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A column holds another number of values than the table has rows.
    #[error("column {column} holds {values} values, the table has {rows} rows")]
    ColumnLength {
        /// Position of the column, from 0.
        column: usize,
        /// How many values it holds.
        values: usize,
        /// How many it should hold.
        rows: usize,
    },
    /// A column's bitmap has fewer bits than the table has rows.
    #[error("column {column}: a bitmap of {bytes} bytes is too short for {rows} rows")]
    Validity {
        /// Position of the column, from 0.
        column: usize,
        /// Length of the bitmap in bytes.
        bytes: usize,
        /// How many bits it should have.
        rows: usize,
    },
    /// The offsets of a string column don't ascend, or point behind its bytes.
    #[error("the offsets of a column must ascend from the first cell to the last")]
    Offsets,
    /// A string column isn't followed by [`super::PADDING`] bytes.
    #[error("a string column needs {} bytes of padding behind its last cell", super::PADDING)]
    Padding,
    /// The first row to encode is behind the last one.
    #[error("row {first_row} of a table of {rows} rows")]
    FirstRow {
        /// The row asked for, from 0.
        first_row: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// Slices that belong together differ in length.
    #[error("{values} {what} where there should be {expected}")]
    Length {
        /// What the slice holds.
        what: &'static str,
        /// How many values it holds.
        values: usize,
        /// How many it should hold.
        expected: usize,
    },
    /// A number that a kernel can't work with.
    #[error("{what} must {must}")]
    Setting {
        /// What it stands for.
        what: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// A query and its candidates are vectors of different lengths.
    #[error("the query has {query} elements, the candidates have {rows}")]
    Dimension {
        /// Elements of the query.
        query: usize,
        /// Elements of each candidate.
        rows: usize,
    },
    /// Rows that overlap or reach behind their elements.
    #[error("{count} rows of {dim} elements, {stride} apart, aren't in {elements} elements")]
    Rows {
        /// How many elements there are.
        elements: usize,
        /// Elements of a row.
        dim: usize,
        /// Elements from the start of one row to that of the next.
        stride: usize,
        /// How many rows there should be.
        count: usize,
    },
    /// More or fewer scores or norms than rows.
    #[error("{len} scores or norms for {rows} rows")]
    Scores {
        /// How many scores or norms.
        len: usize,
        /// How many rows.
        rows: usize,
    },
    /// `LYGER_KERNELS` holds a word that names no variant.
    #[error("LYGER_KERNELS: `{name}` is none of {known}")]
    UnknownVariant {
        /// The word.
        name: String,
        /// The words that would do.
        known: &'static str,
    },
    /// The variant exists, but not in this build.
    #[error("LYGER_KERNELS: `{name}` isn't part of this build (it has {available})")]
    NotInBuild {
        /// The variant.
        name: String,
        /// The variants of this build, separated by commas.
        available: String,
    },
    /// The variant needs instructions that this CPU lacks.
    #[error("LYGER_KERNELS: `{name}` needs a CPU of level {level}, this is {cpu}")]
    CpuLacks {
        /// The variant.
        name: &'static str,
        /// The level it needs.
        level: &'static str,
        /// The CPU.
        cpu: String,
    },
}
