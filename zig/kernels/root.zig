//! The kernels, once per CPU level: build.zig compiles this file several times, each time with another suffix for
//! the exported symbols. lyger_kernels.h is the interface; rust/kernels/ holds the twins that must give equal bits.
//!
//! Nothing here allocates, keeps state, or imports anything of Rust.

const builtin = @import("builtin");
const config = @import("config");
const std = @import("std");

pub const bytes = @import("vectors/bytes.zig");
pub const decay = @import("graph/decay.zig");
pub const heavy = @import("heavy.zig");
pub const json = @import("json.zig");
pub const spread = @import("graph/spread.zig");
pub const vectors = @import("vectors.zig");

/// A failed safety check traps. Printing would bring threads and stack probes into the library.
pub const panic = if (builtin.is_test) std.debug.FullPanic(std.debug.defaultPanic) else std.debug.no_panic;

comptime {
    if (builtin.cpu.arch.endian() != .little) @compileError("digits are packed with the first one in the lowest byte");
    if (!builtin.is_test) {
        const suffix = "_" ++ config.suffix;
        @export(&json.encodeTable, .{ .name = "lk_json_encode_table" ++ suffix, .visibility = .hidden });
        @export(&decay.apply, .{ .name = "lk_apply_decay" ++ suffix, .visibility = .hidden });
        @export(&spread.run, .{ .name = "lk_spread" ++ suffix, .visibility = .hidden });
        @export(&heavy.computation, .{ .name = "lk_heavy_computation" ++ suffix, .visibility = .hidden });
        @export(&heavy.sines, .{ .name = "lk_heavy_sines" ++ suffix, .visibility = .hidden });
        @export(&vectors.scoreF32, .{ .name = "lk_vectors_f32" ++ suffix, .visibility = .hidden });
        @export(&vectors.scoreF16, .{ .name = "lk_vectors_f16" ++ suffix, .visibility = .hidden });
        @export(&vectors.scoreBf16, .{ .name = "lk_vectors_bf16" ++ suffix, .visibility = .hidden });
        @export(&bytes.scoreI8, .{ .name = "lk_vectors_i8" ++ suffix, .visibility = .hidden });
        @export(&bytes.hamming, .{ .name = "lk_vectors_hamming" ++ suffix, .visibility = .hidden });
        @export(&vectors.normalize, .{ .name = "lk_vectors_normalize" ++ suffix, .visibility = .hidden });
    }
}

test {
    _ = bytes;
    _ = decay;
    _ = heavy;
    _ = json;
    _ = spread;
    _ = vectors;
    _ = @import("json/base64.zig");
    _ = @import("json/digits.zig");
    _ = @import("json/float.zig");
    _ = @import("json/numbers.zig");
    _ = @import("json/text.zig");
}
