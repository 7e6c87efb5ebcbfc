//! The sum of `sqrt(i) * sin(i)` beside PHP, libm, who computes several sines at once (glibc's libmvec and SLEEF), and what the
//! ports of multiply-adds need at least.

use std::hint::black_box;
use std::process::Command;

use lyger::kernels::{self, Variant};

use crate::support::{Case, Comparison, Metric, absent, is_short, is_wanted, repeated};
use crate::{SAMPLE, beside, beside_peer, fallback};

/// First mark of issue 2.
const RATIO_MIN: f64 = 10.0;

/// Terms of the sum, in the kernels' runs and in PHP's.
fn iterations() -> u64 {
    if is_short() { 100_000 } else { 2_000_000 }
}

pub(crate) fn compare() -> Vec<Comparison> {
    let iterations = iterations();
    let name = format!("sum of sqrt(i) * sin(i), {iterations} terms");
    if !is_wanted(&name) {
        return Vec::new();
    }
    let placement = "one thread; PHP in a process of its own";
    let case = Case { name: &name, unit: "us", placement, metric: Metric::Cpu, bytes: None };
    let mut comparisons = Vec::new();
    let peers = [("PHP's own loop", &[][..]), ("PHP's own loop, JIT", &JIT[..])];
    for (peer, options) in peers {
        if let Err(reason) = php(options) {
            absent(peer, &reason);
            continue;
        }
        for variant in Variant::available() {
            let is_active = variant.name() == kernels::active();
            if !is_active && !options.is_empty() {
                continue;
            }
            let mut subject = || _ = black_box(variant.heavy_computation(black_box(iterations)));
            comparisons.extend(beside(
                case,
                (variant.name(), &mut repeated(SAMPLE, &mut subject)),
                (peer, &mut || php(options).expect("it ran before")),
                is_active.then_some(RATIO_MIN),
            ));
        }
    }
    let mut subject = || _ = black_box(kernels::heavy_computation(black_box(iterations)));
    let mut libm = || _ = black_box(naive(black_box(iterations)));
    let libm = ("Rust's own loop (libm)", &mut libm as &mut dyn FnMut(), None);
    comparisons.extend(beside_peer(case, (kernels::active(), &mut subject), libm));
    comparisons.extend(fallback(case, &mut |variant| {
        Box::new(move || _ = black_box(variant.heavy_computation(black_box(iterations))))
    }));
    #[cfg(target_arch = "x86_64")]
    comparisons.extend(several::compare(case, iterations));
    comparisons
}

fn naive(iterations: u64) -> f64 {
    (0..iterations).map(|i| (i as f64).sqrt() * (i as f64).sin()).sum()
}

const JIT: [&str; 6] = ["-d", "opcache.enable_cli=1", "-d", "opcache.jit_buffer_size=64M", "-d", "opcache.jit=tracing"];

/// Runs the loop in PHP and returns the microseconds of CPU that the loop alone took.
fn php(options: &[&str]) -> Result<f64, String> {
    let iterations = iterations();
    let wants_jit = !options.is_empty();
    let script = format!(
        "if ({wants_jit} && !(opcache_get_status(false)['jit']['on'] ?? false)) {{ fwrite(STDERR, 'no JIT'); exit(1); }}
        function heavy(int $n): float {{ $s = 0.0; for ($i = 0; $i < $n; $i++) {{ $s += sqrt($i) * sin($i); }} return $s; }}
        function cpu(): float {{ $u = getrusage(); return $u['ru_utime.tv_sec'] * 1e6 + $u['ru_utime.tv_usec']; }}
        $start = cpu(); $sum = heavy({iterations}); $took = cpu() - $start; echo $took, ' ', $sum;"
    );
    let output = Command::new("php")
        .args(options)
        .arg("-r")
        .arg(script)
        .output()
        .map_err(|_| "php isn't installed".to_owned())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (took, sum) = text.split_once(' ').ok_or_else(|| text.clone())?;
    let (took, sum): (f64, f64) = (took.parse().map_err(|_| text.clone())?, sum.parse().map_err(|_| text.clone())?);
    let expected = kernels::heavy_computation(iterations);
    if (sum - expected).abs() > 1e-3 { Err(format!("PHP's sum is {sum}, ours {expected}")) } else { Ok(took) }
}

/// Who computes several sines at once, in the widths of the levels that have marks.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod several {
    use std::arch::x86_64::{
        __m256d, __m512d, _mm256_add_pd, _mm256_mul_pd, _mm256_set1_pd, _mm256_setr_pd, _mm256_setzero_pd,
        _mm256_sqrt_pd, _mm256_storeu_pd, _mm512_add_pd, _mm512_fmadd_pd, _mm512_mul_pd, _mm512_reduce_add_pd,
        _mm512_set1_pd, _mm512_setr_pd, _mm512_setzero_pd, _mm512_sqrt_pd,
    };
    use std::ffi::{CStr, c_void};
    use std::hint::black_box;

    use lyger::kernels::{self, Variant};

    use crate::beside_peer;
    use crate::support::{Case, Comparison, absent};

    #[allow(
        improper_ctypes_definitions,
        reason = "C's vectors of this width, in registers where the caller has the instructions"
    )]
    type Sines4 = unsafe extern "C" fn(__m256d) -> __m256d;
    #[allow(improper_ctypes_definitions, reason = "as above")]
    type Sines8 = unsafe extern "C" fn(__m512d) -> __m512d;

    const MVEC: &CStr = c"libmvec.so.1";
    const SLEEF: &CStr = c"libsleef.so.3";

    /// The level, its peer, where that is, whether it takes 8 at once, and the mark of issue 5.
    type Several = (&'static str, &'static str, &'static CStr, &'static CStr, bool, Option<f64>);

    const PEERS: [Several; 6] = [
        ("v3", "libmvec x4", MVEC, c"_ZGVdN4v_sin", false, None),
        ("v3", "SLEEF u10 x4", SLEEF, c"Sleef_sind4_u10avx2", false, None),
        ("v3", "SLEEF u35 x4", SLEEF, c"Sleef_sind4_u35avx2", false, Some(2.0)),
        ("v4", "libmvec x8", MVEC, c"_ZGVeN8v_sin", true, None),
        ("v4", "SLEEF u10 x8", SLEEF, c"Sleef_sind8_u10avx512f", true, None),
        ("v4", "SLEEF u35 x8", SLEEF, c"Sleef_sind8_u35avx512f", true, Some(2.5)),
    ];

    pub(super) fn compare(case: Case, iterations: u64) -> Vec<Comparison> {
        let language = kernels::active().split('-').next().unwrap_or_default();
        let mut comparisons = Vec::new();
        for (level, peer, library, symbol, is_wide, ratio_min) in PEERS {
            let Some(variant) = Variant::available().find(|variant| variant.name() == format!("{language}-{level}"))
            else {
                absent(peer, "for a wider CPU");
                continue;
            };
            let sines = match load(library, symbol) {
                Ok(sines) => sines,
                Err(reason) => {
                    absent(peer, &reason);
                    continue;
                }
            };
            let sum = || {
                // SAFETY: the function of this name takes and returns so many, and the variant of its level says that the CPU has
                // the instructions.
                unsafe {
                    if is_wide {
                        sum_8(std::mem::transmute::<*mut c_void, Sines8>(sines), black_box(iterations))
                    } else {
                        sum_4(std::mem::transmute::<*mut c_void, Sines4>(sines), black_box(iterations))
                    }
                }
            };
            let expected = variant.heavy_computation(iterations / 8 * 8);
            assert!((sum() - expected).abs() < 1e-3, "{peer}'s sum is {}, ours {expected}", sum());
            let mut subject = || _ = black_box(variant.heavy_computation(black_box(iterations)));
            let mut work = || _ = black_box(sum());
            comparisons.extend(beside_peer(case, (variant.name(), &mut subject), (peer, &mut work, ratio_min)));
        }
        if let Some(variant) = Variant::available().find(|variant| variant.name() == format!("{language}-v4")) {
            let mut subject = || _ = black_box(variant.heavy_computation(black_box(iterations)));
            // SAFETY: the variant of this level says that the CPU has the instructions.
            let mut work = || _ = black_box(unsafe { multiply_adds_8(black_box(iterations)) });
            let floor = ("limit: the ports of multiply-adds", &mut work as &mut dyn FnMut(), Some(1.0 / 1.6));
            comparisons.extend(beside_peer(case, (variant.name(), &mut subject), floor));
        }
        comparisons
    }

    /// What of a term goes through the ports of fused multiply-adds: twelve of these (one to round, two to reduce, seven of the polynomial, one to
    /// leave it, one to sum) and two multiplications. A subtraction and a root come on top, which have ports of their own.
    const MULTIPLY_ADDS: usize = 14;

    /// As many fused multiply-adds, none of which waits for another.
    #[target_feature(enable = "avx512f")]
    fn multiply_adds_8(iterations: u64) -> f64 {
        let (factor, summand) = (_mm512_set1_pd(black_box(0.5)), _mm512_set1_pd(black_box(1.0)));
        let mut sums = [_mm512_setzero_pd(); MULTIPLY_ADDS];
        for _ in 0..iterations / 8 {
            for sum in &mut sums {
                *sum = _mm512_fmadd_pd(*sum, factor, summand);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_pd(sum)).sum()
    }

    fn load(library: &CStr, symbol: &CStr) -> Result<*mut c_void, String> {
        // SAFETY: the library's constructors are its own business.
        let address = unsafe {
            let handle = libc::dlopen(library.as_ptr(), libc::RTLD_NOW);
            if handle.is_null() {
                return Err(format!("{} isn't installed", library.to_string_lossy()));
            }
            libc::dlsym(handle, symbol.as_ptr())
        };
        if address.is_null() { Err(format!("it lacks {}", symbol.to_string_lossy())) } else { Ok(address) }
    }

    /// The terms up to the last multiple of 8.
    #[target_feature(enable = "avx2")]
    fn sum_4(sines: Sines4, iterations: u64) -> f64 {
        let mut sum = _mm256_setzero_pd();
        let mut i = _mm256_setr_pd(0.0, 1.0, 2.0, 3.0);
        for _ in 0..iterations / 8 * 2 {
            // SAFETY: the caller's function, for a CPU that has these instructions.
            let sine = unsafe { sines(i) };
            sum = _mm256_add_pd(sum, _mm256_mul_pd(_mm256_sqrt_pd(i), sine));
            i = _mm256_add_pd(i, _mm256_set1_pd(4.0));
        }
        let mut lanes = [0.0; 4];
        // SAFETY: as many as there are lanes.
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), sum) };
        lanes.into_iter().sum()
    }

    /// The same, 8 at once.
    #[target_feature(enable = "avx512f")]
    fn sum_8(sines: Sines8, iterations: u64) -> f64 {
        let mut sum = _mm512_setzero_pd();
        let mut i = _mm512_setr_pd(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
        for _ in 0..iterations / 8 {
            // SAFETY: the caller's function, for a CPU that has these instructions.
            let sine = unsafe { sines(i) };
            sum = _mm512_add_pd(sum, _mm512_mul_pd(_mm512_sqrt_pd(i), sine));
            i = _mm512_add_pd(i, _mm512_set1_pd(8.0));
        }
        _mm512_reduce_add_pd(sum)
    }
}
