//! `apply_decay`: strengths that halve with every half-life. rust/kernels/graph/decay.rs is the same, line by line, and
//! explains the exponential and its error.

const std = @import("std");
const builtin = @import("builtin");

/// How many values are taken at a time: they hide the latency of the polynomial.
const lanes = 32;

/// Doubles per register. Lanes are independent of each other, so this changes no bit.
const width = if (builtin.cpu.arch == .x86_64)
    (if (builtin.cpu.has(.x86, .avx512f)) 8 else if (builtin.cpu.has(.x86, .avx)) 4 else 2)
else
    2;
const Floats = @Vector(width, f32);
const Doubles = @Vector(width, f64);
const Bits = @Vector(width, u64);

/// More halvings than any float survives.
const exponent_min: f64 = -300;

/// Added to a small double it leaves in the low bits the nearest integer plus 1023.
const round: f64 = (3 << 51) + 1023;

/// `2^r = 1 + r * (p[0] + r * (p[1] + ...))`.
const p = [6]f64{
    @bitCast(@as(u64, 0x3fe62e43117329aa)),
    @bitCast(@as(u64, 0x3fcebfbe2c534a46)),
    @bitCast(@as(u64, 0x3fac6ae72e11bb26)),
    @bitCast(@as(u64, 0x3f83b270e6ee2afb)),
    @bitCast(@as(u64, 0x3f55f72764d957b0)),
    @bitCast(@as(u64, 0x3f2470b4220237c3)),
};

const nan: f32 = @bitCast(@as(u32, 0x7fc00000));

inline fn splat(value: f64) Doubles {
    return @splat(value);
}

inline fn decayed(strength: Floats, age: Floats, rate: f64) Floats {
    // A comparison with NaN is false, so that NaN stays.
    const zero: Floats = @splat(0);
    const known: Doubles = @floatCast(@select(f32, age < zero, zero, age));
    const exponent = known * splat(rate);
    const x = @select(f64, exponent < splat(exponent_min), splat(exponent_min), exponent);
    const rounded = x + splat(round);
    const scale: Doubles = @bitCast(@as(Bits, @bitCast(rounded)) << @splat(52));
    const r = x - (rounded - splat(round));
    var power = splat(p[5]);
    power = power * r + splat(p[4]);
    power = power * r + splat(p[3]);
    power = power * r + splat(p[2]);
    power = power * r + splat(p[1]);
    power = power * r + splat(p[0]);
    power = power * r + splat(1);
    const result: Floats = @floatCast(@as(Doubles, @floatCast(strength)) * (power * scale));
    return @select(f32, result != result, @as(Floats, @splat(nan)), result);
}

inline fn decayBlock(strengths: *[lanes]f32, ages: *const [lanes]f32, rate: f64) void {
    inline for (0..lanes / width) |n| {
        const strength: Floats = strengths[n * width ..][0..width].*;
        const age: Floats = ages[n * width ..][0..width].*;
        strengths[n * width ..][0..width].* = decayed(strength, age, rate);
    }
}

pub fn apply(strengths: [*]f32, ages: [*]const f32, count: usize, rate: f64) callconv(.c) void {
    var first: usize = 0;
    while (count - first >= lanes) : (first += lanes) {
        decayBlock(strengths[first..][0..lanes], ages[first..][0..lanes], rate);
    }
    const left = count - first;
    if (left > 0) {
        var last: [lanes]f32 = @splat(0);
        var last_ages: [lanes]f32 = @splat(0);
        @memcpy(last[0..left], strengths[first..][0..left]);
        @memcpy(last_ages[0..left], ages[first..][0..left]);
        decayBlock(&last, &last_ages, rate);
        @memcpy(strengths[first..][0..left], last[0..left]);
    }
}

test "strengths halve with every half-life" {
    var strengths: [70]f32 = undefined;
    var ages: [70]f32 = undefined;
    for (&strengths, &ages, 0..) |*strength, *age, i| {
        strength.* = 1;
        age.* = @floatFromInt(i * 10);
    }
    apply(&strengths, &ages, 70, -1.0 / 10.0);
    for (strengths, 0..) |strength, i| {
        try std.testing.expectEqual(std.math.exp2(-@as(f32, @floatFromInt(i))), strength);
    }
}

test "what isn't a number is the one NaN" {
    var strengths = [_]f32{ @bitCast(@as(u32, 0xffc12345)), 1 };
    const ages = [_]f32{ 1, -std.math.nan(f32) };
    apply(&strengths, &ages, 2, -1);
    for (strengths) |strength| try std.testing.expectEqual(@as(u32, 0x7fc00000), @as(u32, @bitCast(strength)));
}
