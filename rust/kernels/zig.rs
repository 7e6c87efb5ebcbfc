//! The bridge to `zig/kernels/`: a checked plan becomes the structs of `lyger_kernels.h`.
//!
//! The kernels check nothing. What they rely on is what [`Plan`] promises, and that a caller of an
//! [`Implementation`] has asked the CPU for its level.

use super::cpu::Level;
use super::plan::{Plan, Planned};
use super::variant::Implementation;
use super::{LANES, PADDING, Progress, Values, graph, vectors};

/// What bindgen makes of `lyger_kernels.h`, which names the variants of every architecture.
#[allow(dead_code, non_camel_case_types, unreachable_pub, missing_docs)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/lyger_kernels.rs"));
}

use bindings::{lk_column, lk_decay_rate, lk_progress, lk_spread_job, lk_table};

const _: () = assert!(bindings::LK_PADDING as usize == PADDING && bindings::LK_LANES as usize == LANES);

type EncodeTable = unsafe extern "C" fn(*const lk_table, usize, *mut u8, usize, *mut lk_progress);

/// A table of vector kernels.
macro_rules! scores {
    ($f32:ident, $f16:ident, $bf16:ident, $i8:ident, $hamming:ident, $normalize:ident) => {
        vectors::Table {
            f32: scores!(@ $f32, vectors::Batch<f32>, f32),
            f16: scores!(@ $f16, vectors::Batch<vectors::F16>, f32),
            bf16: scores!(@ $bf16, vectors::Batch<vectors::Bf16>, f32),
            i8: scores!(@ $i8, vectors::Batch<i8>, f32),
            hamming: scores!(@ $hamming, vectors::Batch<u8>, u32),
            normalize: {
                unsafe fn normalize(vector: *mut f32, dim: usize) {
                    // SAFETY: the caller has asked for the level.
                    unsafe { bindings::$normalize(vector, dim) }
                }
                normalize
            },
        }
    };
    (@ $kernel:ident, $batch:ty, $score:ty) => {{
        unsafe fn score(batch: &$batch, scores: *mut $score) {
            // SAFETY: the caller has asked for the level; the two structs have one layout.
            unsafe { bindings::$kernel(lend_vectors(batch), scores) }
        }
        score
    }};
}

macro_rules! implementations {
    ($($(#[$attribute:meta])* $constant:ident: $name:literal, $level:expr, $automatic:literal, $heavy:ident, $sines:ident, $json:ident,
        $decay:ident, $spread:ident, $vectors:tt;)*) => {$(
        $(#[$attribute])*
        pub(super) const $constant: Implementation = Implementation {
            name: $name,
            level: $level,
            automatic: $automatic,
            heavy: {
                unsafe fn heavy(iterations: u64) -> f64 {
                    // SAFETY: the caller has asked for the level.
                    unsafe { bindings::$heavy(iterations) }
                }
                heavy
            },
            sines: {
                unsafe fn sines(first: u64, out: &mut [f64; LANES]) {
                    // SAFETY: as above; out has as many lanes as the kernel writes.
                    unsafe { bindings::$sines(first, out.as_mut_ptr()) }
                }
                sines
            },
            json: {
                unsafe fn json(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
                    // SAFETY: as above.
                    unsafe { encode(bindings::$json, plan, first_row, out, capacity) }
                }
                json
            },
            graph: graph::Table {
                apply_decay: {
                    unsafe fn apply_decay(strengths: &mut [f32], ages: &[f32], rate: &graph::Rate) {
                        // SAFETY: as above; there are as many ages as strengths.
                        unsafe { bindings::$decay(strengths.as_mut_ptr(), ages.as_ptr(), strengths.len(), &lend_rate(rate)) }
                    }
                    apply_decay
                },
                spread: {
                    unsafe fn spread(job: &graph::Job) {
                        // SAFETY: as above; the job is as its comment says.
                        unsafe { bindings::$spread(&lend_job(job)) }
                    }
                    spread
                },
            },
            vectors: scores!$vectors,
        };
    )*};
}

implementations! {
    BASELINE: "zig", Level::Baseline, true,
        lk_heavy_computation_baseline, lk_heavy_sines_baseline, lk_json_encode_table_baseline,
        lk_apply_decay_baseline, lk_spread_baseline, (lk_vectors_f32_baseline, lk_vectors_f16_baseline, lk_vectors_bf16_baseline, lk_vectors_i8_baseline, lk_vectors_hamming_baseline,
            lk_vectors_normalize_baseline);
    #[cfg(target_arch = "x86_64")]
    V2: "zig-v2", Level::V2, true, lk_heavy_computation_v2, lk_heavy_sines_v2, lk_json_encode_table_v2,
        lk_apply_decay_v2, lk_spread_v2, (lk_vectors_f32_v2, lk_vectors_f16_v2, lk_vectors_bf16_v2, lk_vectors_i8_v2, lk_vectors_hamming_v2,
            lk_vectors_normalize_v2);
    #[cfg(target_arch = "x86_64")]
    V3: "zig-v3", Level::V3, true, lk_heavy_computation_v3, lk_heavy_sines_v3, lk_json_encode_table_v3,
        lk_apply_decay_v3, lk_spread_v3, (lk_vectors_f32_v3, lk_vectors_f16_v3, lk_vectors_bf16_v3, lk_vectors_i8_v3, lk_vectors_hamming_v3,
            lk_vectors_normalize_v3);
    #[cfg(target_arch = "x86_64")]
    V4: "zig-v4", Level::V4, true, lk_heavy_computation_v4, lk_heavy_sines_v4, lk_json_encode_table_v4,
        lk_apply_decay_v4, lk_spread_v4, (lk_vectors_f32_v4, lk_vectors_f16_v4, lk_vectors_bf16_v4, lk_vectors_i8_v4, lk_vectors_hamming_v4,
            lk_vectors_normalize_v4);
    #[cfg(target_arch = "aarch64")]
    NEON: "zig-neon", Level::Neon, true, lk_heavy_computation_neon, lk_heavy_sines_neon, lk_json_encode_table_neon,
        lk_apply_decay_neon, lk_spread_neon, (lk_vectors_f32_neon, lk_vectors_f16_neon, lk_vectors_bf16_neon, lk_vectors_i8_neon, lk_vectors_hamming_neon,
            lk_vectors_normalize_neon);
    // The baseline with Zig's safety checks, which build.rs adds to dev builds only.
    #[cfg(zig_checked)]
    CHECKED: "zig-checked", Level::Baseline, false,
        lk_heavy_computation_checked, lk_heavy_sines_checked, lk_json_encode_table_checked,
        lk_apply_decay_checked, lk_spread_checked, (lk_vectors_f32_checked, lk_vectors_f16_checked, lk_vectors_bf16_checked, lk_vectors_i8_checked, lk_vectors_hamming_checked,
            lk_vectors_normalize_checked);
}

/// # Safety
/// As [`Implementation::json`].
unsafe fn encode(kernel: EncodeTable, plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    let columns: Vec<lk_column> = plan.columns.iter().map(|column| lend(plan, column)).collect();
    let (close, close_len) = plan.form.close();
    let open = plan.form.open();
    let table = lk_table {
        columns: columns.as_ptr(),
        column_count: columns.len(),
        rows: plan.rows,
        // Of a single byte the second doesn't count.
        open: [open[0], open[open.len() - 1]],
        open_len: open.len() as u8,
        close,
        close_len: close_len as u8,
        is_list: u8::from(plan.form.is_list()),
    };
    let mut progress = lk_progress { rows: 0, bytes: 0, needed: 0 };
    // SAFETY: the plan is checked, and columns, plan and progress live until the call returns; the caller promises
    // the rest.
    unsafe { kernel(&raw const table, first_row, out, capacity, &raw mut progress) };
    Progress { rows: progress.rows, bytes: progress.bytes, needed: progress.needed }
}

const _: () = assert!(
    size_of::<vectors::Batch<f32>>() == size_of::<bindings::lk_vectors>()
        && std::mem::offset_of!(vectors::Batch<f32>, norms) == std::mem::offset_of!(bindings::lk_vectors, norms)
        && std::mem::offset_of!(vectors::Batch<f32>, dim) == std::mem::offset_of!(bindings::lk_vectors, dim)
        && std::mem::offset_of!(vectors::Batch<f32>, stride) == std::mem::offset_of!(bindings::lk_vectors, stride)
        && std::mem::offset_of!(vectors::Batch<f32>, count) == std::mem::offset_of!(bindings::lk_vectors, count)
        && std::mem::offset_of!(vectors::Batch<f32>, metric) == std::mem::offset_of!(bindings::lk_vectors, metric)
);

/// The same in C's words.
fn lend_vectors<E>(batch: &vectors::Batch<E>) -> *const bindings::lk_vectors {
    std::ptr::from_ref(batch).cast()
}

/// A column as pointers, valid as long as the plan.
fn lend(plan: &Plan, column: &Planned) -> lk_column {
    let (kind, values, cells) = match column.values {
        Values::Int64(values) => (bindings::LK_INT64, values.as_ptr().cast(), None),
        Values::UInt64(values) => (bindings::LK_UINT64, values.as_ptr().cast(), None),
        Values::Float64(values) => (bindings::LK_FLOAT64, values.as_ptr().cast(), None),
        Values::Float32(values) => (bindings::LK_FLOAT32, values.as_ptr().cast(), None),
        Values::Bool(values) => (bindings::LK_BOOL, values.as_ptr().cast(), None),
        Values::Text(cells) => (bindings::LK_TEXT, cells.bytes().as_ptr().cast(), Some(cells)),
        Values::Ascii(cells) => (bindings::LK_ASCII, cells.bytes().as_ptr().cast(), Some(cells)),
        Values::Json(cells) => (bindings::LK_JSON, cells.bytes().as_ptr().cast(), Some(cells)),
        Values::Bytes(cells) => (bindings::LK_BYTES, cells.bytes().as_ptr().cast(), Some(cells)),
    };
    lk_column {
        key: plan.keys[column.key_start..].as_ptr(),
        key_len: column.key_len,
        values,
        offsets: cells.map_or(std::ptr::null(), |cells| cells.offsets().as_ptr()),
        validity: column.validity.map_or(std::ptr::null(), <[u8]>::as_ptr),
        kind,
    }
}

/// A job as Zig sees it, valid as long as the job's pointers.
fn lend_rate(rate: &graph::Rate) -> lk_decay_rate {
    lk_decay_rate {
        age_max: rate.age_max,
        lift: rate.lift,
        age_end: rate.age_end,
        rate: rate.rate,
        scale: rate.scale,
        high: rate.high,
        low: rate.low,
        linear: rate.linear,
        powers: rate.powers,
    }
}

fn lend_job(job: &graph::Job) -> lk_spread_job {
    lk_spread_job {
        offsets: job.offsets,
        targets: job.targets,
        weights: job.weights,
        nodes: job.nodes,
        activations: job.activations,
        scratch: job.scratch,
        steps: job.steps,
        refractory_steps: job.refractory_steps,
        retention: job.retention,
        transmission: job.transmission,
        threshold: job.threshold,
        divides: u8::from(job.divides),
        levels: u8::from(job.levels),
    }
}
