//! What this CPU is and can.

/// Groups of instructions that a variant may need; those of x86-64 as its psABI names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Whatever the target guarantees.
    Baseline,
    /// x86-64-v2: SSE up to 4.2, POPCNT.
    #[cfg(target_arch = "x86_64")]
    V2,
    /// x86-64-v3: AVX2, FMA, BMI.
    #[cfg(target_arch = "x86_64")]
    V3,
    /// x86-64-v4: AVX-512 F, BW, CD, DQ, VL.
    #[cfg(target_arch = "x86_64")]
    V4,
    /// Vectors of 128 bits.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Self::V2 => "x86-64-v2",
            #[cfg(target_arch = "x86_64")]
            Self::V3 => "x86-64-v3",
            #[cfg(target_arch = "x86_64")]
            Self::V4 => "x86-64-v4",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
        }
    }

    /// Whether this CPU, and the kernel that saves its registers, has the level. The standard library asks the CPU
    /// once and remembers.
    pub(super) fn is_supported(self) -> bool {
        match self {
            Self::Baseline => true,
            // Every feature is asked for, since the Zig compiler may use any of them.
            #[cfg(target_arch = "x86_64")]
            Self::V2 => {
                is_x86_feature_detected!("cmpxchg16b")
                    && is_x86_feature_detected!("popcnt")
                    && is_x86_feature_detected!("sse3")
                    && is_x86_feature_detected!("ssse3")
                    && is_x86_feature_detected!("sse4.1")
                    && is_x86_feature_detected!("sse4.2")
            }
            #[cfg(target_arch = "x86_64")]
            Self::V3 => {
                Self::V2.is_supported()
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("f16c")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("lzcnt")
                    && is_x86_feature_detected!("movbe")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Self::V4 => {
                Self::V3.is_supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512cd")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        }
    }
}

/// The CPU's own name and the highest level of instructions that the kernels can use, for people:
/// `AMD EPYC (x86-64-v4)`.
#[must_use]
pub fn cpu() -> String {
    let name = brand().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    match best() {
        Level::Baseline => name,
        level => format!("{name} ({})", level.name()),
    }
}

#[cfg(target_arch = "x86_64")]
fn best() -> Level {
    [Level::V4, Level::V3, Level::V2].into_iter().find(|level| level.is_supported()).unwrap_or(Level::Baseline)
}

#[cfg(target_arch = "aarch64")]
fn best() -> Level {
    if Level::Neon.is_supported() { Level::Neon } else { Level::Baseline }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn best() -> Level {
    Level::Baseline
}

#[cfg(target_arch = "x86_64")]
fn brand() -> Option<String> {
    use std::arch::x86_64::__cpuid;
    const BRAND_FIRST: u32 = 0x8000_0002;
    const BRAND_LAST: u32 = 0x8000_0004;
    if __cpuid(0x8000_0000).eax < BRAND_LAST {
        return None;
    }
    let bytes: Vec<u8> = (BRAND_FIRST..=BRAND_LAST)
        .flat_map(|leaf| {
            let part = __cpuid(leaf);
            [part.eax, part.ebx, part.ecx, part.edx]
        })
        .flat_map(u32::to_le_bytes)
        .take_while(|&byte| byte != 0)
        .collect();
    let name = String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

#[cfg(not(target_arch = "x86_64"))]
fn brand() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_has_a_name_without_padding() {
        let name = cpu();
        assert!(!name.is_empty() && name.trim() == name && !name.contains('\0'), "{name:?}");
    }
}
