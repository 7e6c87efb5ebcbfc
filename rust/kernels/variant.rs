//! Who runs the kernels: the implementations of this build, and the choice between them.

use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cpu::Level;
use super::plan::Plan;
use super::{ColumnView, Error, Form, LANES, Progress, cpu, graph, heavy, json, vectors};

/// The environment variable that forces a variant.
const ENVIRONMENT: &str = "LYGER_KERNELS";

/// Every word of `LYGER_KERNELS`, in builds of whatever kind.
const KNOWN: &str = "auto, rust, rust-v2, rust-v3, rust-v4, rust-neon, zig, zig-v2, zig-v3, zig-v4, zig-neon";

/// One implementation of all kernels. Only this file makes them, so that each entry's functions need its level and
/// nothing more.
pub(super) struct Implementation {
    pub(super) name: &'static str,
    pub(super) level: Level,
    /// Whether `auto` may pick it.
    pub(super) automatic: bool,
    pub(super) heavy: unsafe fn(u64) -> f64,
    pub(super) sines: unsafe fn(u64, &mut [f64; LANES]),
    /// Encodes rows from the given one on into `capacity` bytes; `needed` is filled.
    pub(super) json: unsafe fn(&Plan, usize, *mut u8, usize) -> Progress,
    pub(super) graph: graph::Table,
    pub(super) vectors: vectors::Table,
}

/// Best first.
static IMPLEMENTATIONS: &[Implementation] = &[
    #[cfg(all(feature = "zig-kernels", target_arch = "x86_64"))]
    super::zig::V4,
    #[cfg(target_arch = "x86_64")]
    Implementation {
        name: "rust-v4",
        level: Level::V4,
        automatic: true,
        heavy: heavy::sum_v4,
        sines: heavy::sines_v4,
        json: json::encode_v4,
        graph: graph::V4,
        vectors: vectors::V4,
    },
    #[cfg(all(feature = "zig-kernels", target_arch = "x86_64"))]
    super::zig::V3,
    #[cfg(target_arch = "x86_64")]
    Implementation {
        name: "rust-v3",
        level: Level::V3,
        automatic: true,
        heavy: heavy::sum_v3,
        sines: heavy::sines_v3,
        json: json::encode_v3,
        graph: graph::V3,
        vectors: vectors::V3,
    },
    #[cfg(all(feature = "zig-kernels", target_arch = "x86_64"))]
    super::zig::V2,
    #[cfg(target_arch = "x86_64")]
    Implementation {
        name: "rust-v2",
        level: Level::V2,
        automatic: true,
        heavy: heavy::sum_v2,
        sines: heavy::sines_v2,
        json: json::encode_v2,
        graph: graph::V2,
        vectors: vectors::V2,
    },
    #[cfg(all(feature = "zig-kernels", target_arch = "aarch64"))]
    super::zig::NEON,
    #[cfg(target_arch = "aarch64")]
    Implementation {
        name: "rust-neon",
        level: Level::Neon,
        automatic: true,
        heavy: heavy::sum_neon,
        sines: heavy::sines_neon,
        json: json::encode_neon,
        graph: graph::NEON,
        vectors: vectors::NEON,
    },
    #[cfg(feature = "zig-kernels")]
    super::zig::BASELINE,
    Implementation {
        name: "rust",
        level: Level::Baseline,
        automatic: true,
        heavy: heavy::sum_portable,
        sines: heavy::sines_portable,
        json: json::encode_portable,
        graph: graph::PORTABLE,
        vectors: vectors::PORTABLE,
    },
    #[cfg(zig_checked)]
    super::zig::CHECKED,
];

/// An implementation of the kernels. Having one proves that this build holds it and this CPU can run it.
#[derive(Clone, Copy)]
pub struct Variant(&'static Implementation);

impl Variant {
    /// The variants that can run here, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        IMPLEMENTATIONS.iter().filter(|implementation| implementation.level.is_supported()).map(Self)
    }

    /// The variant of a name that `LYGER_KERNELS` takes; `auto` and the empty string give the best one.
    ///
    /// # Errors
    /// When there is no such variant, not in this build, or the CPU lacks the instructions.
    ///
    /// # Panics
    /// Never: the portable variant is always there.
    pub fn by_name(name: &str) -> Result<Self, Error> {
        if matches!(name, "" | "auto") {
            let best = Self::available().find(|variant| variant.0.automatic);
            return Ok(best.expect("the portable variant is in every build"));
        }
        if let Some(implementation) = IMPLEMENTATIONS.iter().find(|implementation| implementation.name == name) {
            return if implementation.level.is_supported() {
                Ok(Self(implementation))
            } else {
                let level = implementation.level.name();
                Err(Error::CpuLacks { name: implementation.name, level, cpu: cpu() })
            };
        }
        if KNOWN.split(", ").any(|known| known == name) {
            let names: Vec<&str> = IMPLEMENTATIONS.iter().map(|implementation| implementation.name).collect();
            return Err(Error::NotInBuild { name: name.to_owned(), available: names.join(", ") });
        }
        Err(Error::UnknownVariant { name: name.to_owned(), known: KNOWN })
    }

    /// The word by which `LYGER_KERNELS` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Its kernels of [`graph`].
    pub(super) fn graph(self) -> &'static graph::Table {
        &self.0.graph
    }

    /// Its kernels of [`vectors`].
    pub(super) fn vectors(self) -> &'static vectors::Table {
        &self.0.vectors
    }

    /// [`super::heavy_computation`] by this variant.
    #[must_use]
    pub fn heavy_computation(self, iterations: u64) -> f64 {
        if iterations > heavy::ITERATIONS_MAX {
            return f64::NAN;
        }
        // SAFETY: a Variant exists only for a CPU of its level.
        unsafe { (self.0.heavy)(iterations) }
    }

    /// The sines of [`LANES`] integers in a row, as [`super::heavy_computation`] computes them, so that tests can see
    /// them at any size without summing up to there.
    ///
    /// # Panics
    /// When `first` isn't a multiple of [`LANES`] or the last integer exceeds 2^53.
    #[must_use]
    pub fn sines(self, first: u64) -> [f64; LANES] {
        assert!(first.is_multiple_of(LANES as u64) && first <= heavy::ITERATIONS_MAX - LANES as u64);
        let mut sines = [0.0; LANES];
        // SAFETY: a Variant exists only for a CPU of its level.
        unsafe { (self.0.sines)(first, &mut sines) };
        sines
    }

    /// [`super::json_encode_table`] by this variant.
    ///
    /// # Errors
    /// As [`super::json_encode_table`].
    pub fn json_encode_table(
        self,
        form: Form,
        columns: &[ColumnView],
        rows: usize,
        first_row: usize,
        out: &mut [u8],
    ) -> Result<Progress, Error> {
        // SAFETY: the kernels only write initialized bytes, so the slice stays one of initialized bytes.
        let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<u8>]) };
        self.json_encode_table_uninit(form, columns, rows, first_row, out)
    }

    /// [`Variant::json_encode_table`] into memory that nobody has zeroed: the first [`Progress::bytes`] bytes are written.
    ///
    /// # Errors
    /// As [`super::json_encode_table`].
    pub fn json_encode_table_uninit(
        self,
        form: Form,
        columns: &[ColumnView],
        rows: usize,
        first_row: usize,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<Progress, Error> {
        let plan = Plan::new(form, columns, rows, first_row)?;
        // SAFETY: a Variant exists only for a CPU of its level; the plan is checked, first_row is at most its rows,
        // and out is as long as its length says.
        Ok(unsafe { (self.0.json)(&plan, first_row, out.as_mut_ptr().cast(), out.len()) })
    }
}

impl std::fmt::Debug for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Position in IMPLEMENTATIONS plus one; 0 while nothing is chosen. Relaxed is enough: the table is immutable.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);

/// Uses the named variant from now on, and returns its full name: `auto` and the empty string become the best one.
///
/// ```
/// assert_eq!(lyger::kernels::choose("rust"), Ok("rust"));
/// assert!(lyger::kernels::choose("abacus").is_err());
/// ```
///
/// # Errors
/// When there is no such variant, not in this build, or the CPU lacks the instructions; the choice stays as it was.
pub fn choose(name: &str) -> Result<&'static str, Error> {
    let variant = Variant::by_name(name)?;
    let position = IMPLEMENTATIONS.iter().position(|implementation| std::ptr::eq(implementation, variant.0));
    CHOSEN.store(position.map_or(0, |position| position + 1), Ordering::Relaxed);
    Ok(variant.name())
}

/// The variant in use; at first use the one that `LYGER_KERNELS` names.
pub(super) fn active() -> Result<Variant, Error> {
    static FROM_ENVIRONMENT: OnceLock<Result<Variant, Error>> = OnceLock::new();
    match CHOSEN.load(Ordering::Relaxed) {
        0 => FROM_ENVIRONMENT
            .get_or_init(|| {
                let name = std::env::var_os(ENVIRONMENT).unwrap_or_default();
                Variant::by_name(&name.to_string_lossy())
            })
            .clone(),
        position => Ok(Variant(&IMPLEMENTATIONS[position - 1])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variant_is_refused_by_name() {
        let error = Variant::by_name("zig-v9").unwrap_err();
        assert!(error.to_string().contains("zig-v9") && error.to_string().contains("rust-v3"), "{error}");
    }

    #[test]
    fn auto_is_the_first_available_variant() {
        assert_eq!(Variant::by_name("auto").unwrap().name(), Variant::by_name("").unwrap().name());
        assert!(Variant::available().any(|variant| variant.name() == "rust"));
    }

    #[cfg(not(feature = "zig-kernels"))]
    #[test]
    fn a_variant_of_another_build_says_what_this_build_has() {
        let error = Variant::by_name("zig").unwrap_err().to_string();
        assert!(error.contains("isn't part of this build") && error.contains("rust"), "{error}");
    }
}
