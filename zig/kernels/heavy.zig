//! `heavy_computation`: the sum of `sqrt(i) * sin(i)`. rust/kernels/heavy.rs is the same, line by line, and explains
//! the reduction and its error.

const std = @import("std");
const builtin = @import("builtin");

pub const lanes = 32;

/// From this index on the reduction carries two doubles.
const small = 1 << 26;

/// Doubles per register. Lanes are independent of each other, so this changes no bit.
const width = if (builtin.cpu.arch == .x86_64)
    (if (builtin.cpu.has(.x86, .avx512f)) 8 else if (builtin.cpu.has(.x86, .avx)) 4 else 2)
else
    2;
const Vector = @Vector(width, f64);
const Bits = @Vector(width, u64);
const Sums = [lanes / width]Vector;

const pi_1: f64 = @bitCast(@as(u64, 0x400921fb54442d18));
const pi_2: f64 = @bitCast(@as(u64, 0x3ca1a62633145c07));
const pi_3: f64 = @bitCast(@as(u64, 0xb92f1976b7ed8fbc));
const inverse_pi: f64 = @bitCast(@as(u64, 0x3fd45f306dc9c883));
/// Added to a double in `0..2^52` it leaves the nearest integer in the low bits.
const round: f64 = 1 << 52;
/// The same for small doubles of either sign.
const round_signed: f64 = 3 << 51;

/// `sin(r) / r = 1 + z * (s[0] + z * (s[1] + ...))` with `z = r * r`.
const s = [8]f64{
    @bitCast(@as(u64, 0xbfc5555555555555)),
    @bitCast(@as(u64, 0x3f811111111110c8)),
    @bitCast(@as(u64, 0xbf2a01a01a014d92)),
    @bitCast(@as(u64, 0x3ec71de3a52a29b4)),
    @bitCast(@as(u64, 0xbe5ae6454d5ba068)),
    @bitCast(@as(u64, 0x3de6123cd6ef9551)),
    @bitCast(@as(u64, 0xbd6ae43a44ead716)),
    @bitCast(@as(u64, 0x3ce8836743f689ab)),
};

inline fn splat(value: f64) Vector {
    return @splat(value);
}

inline fn mulAdd(a: Vector, b: Vector, c: Vector) Vector {
    return @mulAdd(Vector, a, b, c);
}

inline fn polynomial(z: Vector) Vector {
    var p = splat(s[7]);
    p = mulAdd(p, z, splat(s[6]));
    p = mulAdd(p, z, splat(s[5]));
    p = mulAdd(p, z, splat(s[4]));
    p = mulAdd(p, z, splat(s[3]));
    p = mulAdd(p, z, splat(s[2]));
    p = mulAdd(p, z, splat(s[1]));
    return mulAdd(p, z, splat(s[0]));
}

/// Negates `value` where the last bit of `k`, an integer plus `round`, is set.
inline fn negateOdd(value: Vector, k: Vector) Vector {
    const sign = @as(Bits, @bitCast(k)) << @splat(63);
    return @bitCast(@as(Bits, @bitCast(value)) ^ sign);
}

inline fn sineSmall(x: Vector) Vector {
    const rounded = mulAdd(x, splat(inverse_pi), splat(round));
    const k = rounded - splat(round);
    const r = mulAdd(-k, splat(pi_2), mulAdd(-k, splat(pi_1), x));
    const z = r * r;
    return negateOdd(mulAdd(r * z, polynomial(z), r), rounded);
}

inline fn sineWide(x: Vector) Vector {
    const guess = mulAdd(x, splat(inverse_pi), splat(round)) - splat(round);
    const rest = mulAdd(-guess, splat(pi_2), mulAdd(-guess, splat(pi_1), x));
    const step = mulAdd(rest, splat(inverse_pi), splat(round_signed)) - splat(round_signed);
    const k = guess + step;
    const rounded = k + splat(round);
    const t = mulAdd(-k, splat(pi_1), x);
    const p = k * splat(pi_2);
    const p_low = mulAdd(k, splat(pi_2), -p);
    const high = t - p;
    const back = high - t;
    const low = mulAdd(-k, splat(pi_3), ((t - (high - back)) - (p + back)) - p_low);
    const r = high + low;
    const back_low = r - high;
    const r_low = (high - (r - back_low)) + (low - back_low);
    const z = r * r;
    const correction = r_low * mulAdd(z, splat(-0.5), splat(1.0));
    return negateOdd(r + mulAdd(r * z, polynomial(z), correction), rounded);
}

/// The indices of register `n` in the block of lanes that starts at `first`.
inline fn indices(first: u64, n: usize) Vector {
    const lane: Vector = @floatFromInt(std.simd.iota(u64, width));
    return splat(@floatFromInt(first + n * width)) + lane;
}

inline fn addBlock(sums: *Sums, first: u64, comptime sine: fn (Vector) callconv(.@"inline") Vector) void {
    @setEvalBranchQuota(10_000);
    inline for (sums, 0..) |*sum, n| {
        const x = indices(first, n);
        sum.* = mulAdd(@sqrt(x), sine(x), sum.*);
    }
}

pub fn computation(iterations: u64) callconv(.c) f64 {
    const whole = iterations - iterations % lanes;
    var sums: Sums = @splat(splat(0));
    var first: u64 = 0;
    while (first < @min(whole, small)) : (first += lanes) addBlock(&sums, first, sineSmall);
    while (first < whole) : (first += lanes) addBlock(&sums, first, sineWide);

    var total: [lanes]f64 = @bitCast(sums);
    if (whole < iterations) {
        var last: [lanes]f64 = undefined;
        sines(whole, &last);
        for (0..@intCast(iterations - whole)) |lane| {
            const x = @as(f64, @floatFromInt(whole)) + @as(f64, @floatFromInt(lane));
            total[lane] = @mulAdd(f64, @sqrt(x), last[lane], total[lane]);
        }
    }
    comptime var half = lanes / 2;
    inline while (half > 0) : (half /= 2) {
        for (0..half) |lane| total[lane] += total[lane + half];
    }
    return total[0];
}

/// The sines of the indices from `first` on, a multiple of `lanes`, so that all are on one side of `small`.
pub fn sines(first: u64, out: *[lanes]f64) callconv(.c) void {
    for (0..lanes / width) |n| {
        const x = indices(first, n);
        const sine: [width]f64 = if (first < small) sineSmall(x) else sineWide(x);
        out[n * width ..][0..width].* = sine;
    }
}

test "the first terms are those of the definition" {
    try std.testing.expectEqual(0, computation(0));
    try std.testing.expectEqual(0, computation(1));
    var naive: f64 = 0;
    for (0..1000) |i| {
        const x: f64 = @floatFromInt(i);
        naive += @sqrt(x) * @sin(x);
    }
    try std.testing.expectApproxEqAbs(naive, computation(1000), 1e-10);
}

test "sines are near those of the standard library on both sides of the border" {
    for ([_]u64{ 0, 320, small - lanes, small, 1 << 30 }) |first| {
        var out: [lanes]f64 = undefined;
        sines(first, &out);
        for (out, 0..) |sine, lane| {
            try std.testing.expectApproxEqAbs(@sin(@as(f64, @floatFromInt(first + lane))), sine, 1e-15);
        }
    }
}
