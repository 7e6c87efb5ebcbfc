//! `apply_decay`: strengths that halve with every half-life. rust/kernels/graph/decay.rs is the same, line by line, and
//! explains the arithmetic and its error.

const std = @import("std");
const builtin = @import("builtin");

/// How many values are taken at a time, and looked at for odd ones.
const lanes = 32;

/// Floats per register. Lanes are independent of each other, so this changes no bit.
const width = if (builtin.cpu.arch == .x86_64)
    (if (builtin.cpu.has(.x86, .avx512f)) 16 else if (builtin.cpu.has(.x86, .avx)) 8 else 4)
else
    4;
const Floats = @Vector(width, f32);
const Bits = @Vector(width, u32);

/// Added to a small float it leaves in the low bits the nearest integer plus 127.
const round: f32 = (3 << 22) + 127;

/// From here on a strength times `2^r` may be infinite.
const large: f32 = @bitCast(@as(u32, 254 << 23));

const nan: f32 = @bitCast(@as(u32, 0x7fc00000));

/// lk_decay_rate of lyger_kernels.h.
pub const Rate = extern struct {
    age_max: f32,
    lift: f32,
    age_end: f32,
    rate: f32,
    scale: f32,
    high: f32,
    low: f32,
    linear: f32,
    powers: [5]f32,
};

inline fn splat(value: f32) Floats {
    return @splat(value);
}

/// The strength times `2^r`, and `k` in the low bits of a float.
inline fn fraction(strength: Floats, age: Floats, rate: *const Rate) struct { Floats, Floats } {
    const rounded = age * splat(rate.rate) + splat(round);
    const k = rounded - splat(round);
    const d = (age * splat(rate.scale) + k * splat(rate.high)) + k * splat(rate.low);
    const dd = d * d;
    const p = (splat(rate.powers[0]) + splat(rate.powers[1]) * d) +
        dd * ((splat(rate.powers[2]) + splat(rate.powers[3]) * d) + dd * splat(rate.powers[4]));
    return .{ strength + (strength * (splat(rate.linear) * d) + (strength * dd) * p), rounded };
}

/// `2^k`.
inline fn power(rounded: Floats) Floats {
    return @bitCast(@as(Bits, @bitCast(rounded)) << @splat(23));
}

/// Of strengths and ages that aren't odd.
inline fn decayed(strength: Floats, age: Floats, rate: *const Rate) Floats {
    const result, const rounded = fraction(strength, age, rate);
    return result * power(rounded);
}

/// Of any strengths and ages: the same in every bit for those that aren't odd.
inline fn decayedOdd(strength: Floats, age: Floats, rate: *const Rate) Floats {
    // A comparison with NaN is false, so that NaN stays.
    const aged = @select(f32, age < splat(0), splat(0), age) * splat(rate.lift);
    const lifted = @select(f32, aged > splat(rate.age_end), splat(rate.age_end), aged);
    const is_large = @abs(strength) >= splat(large);
    var result, var rounded = fraction(@select(f32, is_large, strength * splat(0.5), strength), lifted, rate);
    rounded = @select(f32, is_large, rounded + splat(1), rounded);
    // In two steps, since 2^-299 is no float.
    inline for (0..2) |_| {
        const old = rounded < splat(round - 125);
        rounded = @select(f32, old, rounded + splat(100), rounded);
        result = @select(f32, old, result * power(splat(round - 100)), result);
    }
    result *= power(rounded);
    const infinity = splat(std.math.inf(f32));
    result = @select(f32, age == infinity, strength * splat(0), result);
    // These stay; the sums would turn -0 into 0, and an infinity into NaN.
    const known = @select(f32, age == age, @abs(strength), splat(1));
    result = @select(f32, known == infinity, strength, result);
    result = @select(f32, known == splat(0), strength, result);
    return @select(f32, result != result, splat(nan), result);
}

/// Whether the bits of one of the floats are above those of `max`.
inline fn anyAbove(floats: *const [lanes]f32, max: f32) bool {
    var highest: Bits = @splat(0);
    inline for (0..lanes / width) |n| {
        const bits: Bits = @bitCast(floats[n * width ..][0..width].*);
        highest = @max(highest, bits);
    }
    return @reduce(.Or, highest > @as(Bits, @splat(@bitCast(max))));
}

inline fn decayBlock(strengths: *[lanes]f32, ages: *const [lanes]f32, rate: *const Rate) void {
    const strength_max: f32 = comptime @bitCast(@as(u32, @bitCast(large)) - 1);
    if (anyAbove(ages, rate.age_max) or anyAbove(strengths, strength_max)) {
        inline for (0..lanes / width) |n| {
            const strength: Floats = strengths[n * width ..][0..width].*;
            const age: Floats = ages[n * width ..][0..width].*;
            strengths[n * width ..][0..width].* = decayedOdd(strength, age, rate);
        }
    } else {
        inline for (0..lanes / width) |n| {
            const strength: Floats = strengths[n * width ..][0..width].*;
            const age: Floats = ages[n * width ..][0..width].*;
            strengths[n * width ..][0..width].* = decayed(strength, age, rate);
        }
    }
}

pub fn apply(strengths: [*]f32, ages: [*]const f32, count: usize, given: *const Rate) callconv(.c) void {
    // All steps are inlined for each register of a block.
    @setEvalBranchQuota(10_000);
    // A copy, which no write to the strengths can change.
    const rate = given.*;
    var first: usize = 0;
    while (count - first >= lanes) : (first += lanes) {
        decayBlock(strengths[first..][0..lanes], ages[first..][0..lanes], &rate);
    }
    const left = count - first;
    if (left > 0) {
        var last: [lanes]f32 = @splat(0);
        var last_ages: [lanes]f32 = @splat(0);
        @memcpy(last[0..left], strengths[first..][0..left]);
        @memcpy(last_ages[0..left], ages[first..][0..left]);
        decayBlock(&last, &last_ages, &rate);
        @memcpy(strengths[first..][0..left], last[0..left]);
    }
}

/// A half-life of 10: 1.25 times 8.
const ten: Rate = .{
    .age_max = 1250,
    .lift = 1,
    .age_end = 2990,
    .rate = -0.1,
    .scale = 0.125,
    .high = 1.25,
    .low = 0,
    .linear = -0.5545178,
    .powers = .{ 0.15374498, -0.028417589, 0.0039394069, -0.00043930993, 0.0000408806 },
};

test "strengths halve with every half-life" {
    var strengths: [70]f32 = undefined;
    var ages: [70]f32 = undefined;
    for (&strengths, &ages, 0..) |*strength, *age, i| {
        strength.* = 1;
        age.* = @floatFromInt(i * 10);
    }
    apply(&strengths, &ages, 70, &ten);
    for (strengths, 0..) |strength, i| {
        try std.testing.expectEqual(std.math.exp2(-@as(f32, @floatFromInt(i))), strength);
    }
}

test "between two half-lives is what the exponential says" {
    var strengths = [_]f32{ 1, 3, -3 };
    const ages = [_]f32{ 5, 12.5, 12.5 };
    apply(&strengths, &ages, 3, &ten);
    for (strengths, [_]f32{ 0.70710678, 1.26134462, -1.26134462 }) |strength, expected| {
        try std.testing.expectApproxEqRel(expected, strength, 1e-6);
    }
}

test "what isn't a number is the one NaN" {
    var strengths = [_]f32{ @bitCast(@as(u32, 0xffc12345)), 1 };
    const ages = [_]f32{ 1, -std.math.nan(f32) };
    apply(&strengths, &ages, 2, &ten);
    for (strengths) |strength| try std.testing.expectEqual(@as(u32, 0x7fc00000), @as(u32, @bitCast(strength)));
}
