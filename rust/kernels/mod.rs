//! The hot loops: one safe function per kernel.
//!
//! Each kernel exists several times: in pure Rust ([`Variant`] `rust`, `rust-v2`, `rust-v3`, `rust-v4`, on aarch64
//! `rust-neon`) and, with the feature `zig-kernels`, in Zig (`zig`, `zig-v2` and so on). They follow one algorithm in one
//! lane order, so that all of them give the same bits; `tests/differential` holds them to it. The best one that the CPU
//! can run is picked once, at first use, and `LYGER_KERNELS` forces another.
//!
//! Everything a kernel may assume is checked here, before it starts: the lengths of the columns, their padding, the
//! capacity of the output. The kernels themselves check nothing.
//!
//! The way through: [`table`] is what a kernel reads, `plan` prepares it, `variant` picks who runs it, `json/`,
//! `graph/`, `heavy` and `vectors/` are the Rust implementations, `zig` is the bridge to `zig/kernels/`.

mod cpu;
mod error;
pub mod graph;
mod heavy;
pub(crate) mod json;
mod plan;
pub mod table;
mod variant;
pub mod vectors;
#[cfg(feature = "zig-kernels")]
mod zig;

pub use cpu::cpu;
pub use error::Error;
pub use heavy::LANES;
pub use table::{Cells, ColumnView, Form, Progress, Values};
pub use variant::{Variant, choose};

/// Zero bytes behind every string buffer that a kernel reads: one AVX-512 register, so that a load at the last byte stays inside.
pub const PADDING: usize = 64;

/// The name of the variant in use, a value of `LYGER_KERNELS`: `"zig-v4"`, `"rust-v3"`, `"rust"`.
///
/// # Panics
/// As [`heavy_computation`].
#[must_use]
pub fn active() -> &'static str {
    variant::active().unwrap_or_else(|error| panic!("{error}")).name()
}

/// As [`active`], for callers that report what is wrong with `LYGER_KERNELS` instead of panicking.
///
/// # Errors
/// When `LYGER_KERNELS` asks for what this build or this CPU lacks.
pub fn ready() -> Result<&'static str, Error> {
    variant::active().map(Variant::name)
}

/// The sum of `sqrt(i) * sin(i)` over `i` in `0..iterations`.
///
/// Each sine is within 2 units in the last place of the true one, for every `i` up to 2^53. The result carries at most 4
/// epsilons of the sum of the terms' absolute values as error, and is the same in every bit whichever variant runs. Indices
/// are doubles, exact up to 2^53; more iterations than that (six weeks of work) give NaN at once.
///
/// ```
/// assert_eq!(lyger::kernels::heavy_computation(2), 1f64.sin());
/// ```
///
/// # Panics
/// When `LYGER_KERNELS` asks for what this build or this CPU lacks; [`choose`] tells before.
#[must_use]
pub fn heavy_computation(iterations: u64) -> f64 {
    variant::active().unwrap_or_else(|error| panic!("{error}")).heavy_computation(iterations)
}

/// Writes rows as JSON into `out`, starting with row `first_row`.
///
/// In a list, of objects or arrays, row 0 is preceded by `[`, every other by `,`, the last one followed by `]`; no rows
/// give `[]`. In [`Form::Lines`] every row ends with a line feed, and no rows give nothing; a cell of JSON is copied, so
/// who wants a line each keeps line breaks out of those. Whole rows are
/// written as long as the longest text that a row could become fits the rest of `out`, so the same call with the
/// same capacity stops at the same row in every variant. Bytes of `out` behind [`Progress::bytes`] are scratch space.
///
/// ```
/// use lyger::kernels::{ColumnView, Form, Values, json_encode_table};
/// let ids = ColumnView { key: b"\"id\":", values: Values::Int64(&[7, 8]), validity: Some(&[0b01]) };
/// let mut out = [0; 256];
/// let progress = json_encode_table(Form::Objects, &[ids], 2, 0, &mut out)?;
/// assert_eq!(&out[..progress.bytes], br#"[{"id":7},{"id":null}]"#);
/// assert_eq!(progress.needed, 0);
/// let progress = json_encode_table(Form::Arrays, &[ids], 2, 0, &mut out)?;
/// assert_eq!(&out[..progress.bytes], b"[[7],[null]]");
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When a column is shorter than `rows`, its bitmap is too short, `first_row` is behind the last row, or
/// `LYGER_KERNELS` asks for what this build or this CPU lacks.
pub fn json_encode_table(
    form: Form,
    columns: &[ColumnView],
    rows: usize,
    first_row: usize,
    out: &mut [u8],
) -> Result<Progress, Error> {
    variant::active()?.json_encode_table(form, columns, rows, first_row, out)
}

/// [`json_encode_table`] into the spare capacity of a vector, which nobody has zeroed: appends what it writes.
///
/// # Errors
/// As [`json_encode_table`].
pub fn json_append_table(
    form: Form,
    columns: &[ColumnView],
    rows: usize,
    first_row: usize,
    out: &mut Vec<u8>,
) -> Result<Progress, Error> {
    let progress =
        variant::active()?.json_encode_table_uninit(form, columns, rows, first_row, out.spare_capacity_mut())?;
    // SAFETY: the kernel has initialized that many bytes of the spare capacity.
    unsafe { out.set_len(out.len() + progress.bytes) };
    Ok(progress)
}
