//! Doubles and singles as the shortest decimal that reads back as the same number, and of those the nearest.
//!
//! The digits come from Schubfach (Raffaele Giulietti, "The Schubfach way to render doubles", 2020): scale the number
//! and the middles to its neighbours by a power of ten so that the answer is among four integers. Prices and other
//! numbers with at most two decimals take a shorter way.
//!
//! The layout is that of Rust's `zmij` crate, with which rust/kernels writes the same numbers: plain digits when the
//! first one stands for 10^-5 to 10^15 (10^-6 to 10^12 in a single), always with a point; else `1.5e+16`.
//!
//! Everything here may write 32 bytes behind what it returns.

const std = @import("std");
const digits = @import("digits.zig");

/// Writes a number, `null` for NaN and the infinities, and returns the end.
pub inline fn write(comptime T: type, start: [*]u8, value: T) [*]u8 {
    if (!std.math.isFinite(value)) {
        start[0..4].* = "null".*;
        return start + 4;
    }
    start[0] = '-';
    const at = start + @intFromBool(std.math.signbit(value));
    return writeHundredths(T, at, @abs(value)) orelse writeShortest(T, at, @abs(value));
}

/// A number that is nearest to some hundredths, when these have so few digits (15, or 6 in a single) that no two of
/// them share a number: then they are the shortest text. Null for others.
inline fn writeHundredths(comptime T: type, start: [*]u8, value: T) ?[*]u8 {
    const hundredths_end: T = if (T == f64) 1e15 else 1e6;
    const times_100 = value * 100;
    if (!(times_100 < hundredths_end - 1)) return null;
    const hundredths: u64 = @intFromFloat(times_100 + 0.5);
    // Both operands are exact and division rounds correctly, so this is how the text would be read.
    if (@as(T, @floatFromInt(hundredths)) / 100 != value) return null;
    if (hundredths < 100_000_000) return writePrice(start, @intCast(hundredths));
    const at = digits.write(start, hundredths / 100);
    const decimals: u8 = @intCast(hundredths % 100);
    at[0..3].* = .{ '.', '0' + decimals / 10, '0' + decimals % 10 };
    return at + (3 - @as(usize, @intFromBool(decimals % 10 == 0)));
}

/// Eight digits, of which the last two stand behind the point, from one register. A third less than writing both sides.
inline fn writePrice(at: [*]u8, hundredths: u32) [*]u8 {
    const packed_digits = digits.eight(hundredths);
    // The last digit before the point always counts, so that 0 is "0".
    const zeros: u6 = @intCast(@ctz(packed_digits | 1 << 40) / 8);
    const ascii = packed_digits | 0x3030303030303030;
    at[0..8].* = @bitCast(ascii >> (zeros * 8));
    const whole = at + (6 - @as(usize, zeros));
    whole[0..4].* = @bitCast(@as(u32, @truncate(ascii >> 40 & 0xffff00)) | '.');
    return whole + (3 - @as(usize, @intFromBool(packed_digits >> 56 == 0)));
}

fn writeShortest(comptime T: type, start: [*]u8, value: T) [*]u8 {
    const decimal = shortest(T, value);
    // Seventeen digits with zeros in front: one, eight, eight.
    var text: [64]u8 = undefined;
    const upper = decimal.digits / 100_000_000;
    const low = digits.eight(@intCast(decimal.digits % 100_000_000));
    const middle = digits.eight(@intCast(upper % 100_000_000));
    text[7] = '0' + @as(u8, @intCast(upper / 100_000_000));
    text[8..16].* = @bitCast(middle | 0x3030303030303030);
    text[16..24].* = @bitCast(low | 0x3030303030303030);

    const first: usize = if (text[7] != '0') 7 else if (middle != 0) 8 + @ctz(middle) / 8 else 16 + @ctz(low) / 8;
    const end: usize = if (low != 0) 24 - @clz(low) / 8 else if (middle != 0) 16 - @clz(middle) / 8 else 8;
    return layout(T, start, text[first..].ptr, end - first, decimal.exponent + @as(i32, @intCast(24 - first)) - 1);
}

/// Writes `d.ddd * 10^exponent`; 32 bytes behind the digits may be read.
inline fn layout(comptime T: type, at: [*]u8, text: [*]const u8, len: usize, exponent: i32) [*]u8 {
    const plain_min, const plain_max = if (T == f64) .{ -5, 15 } else .{ -6, 12 };
    if (exponent < plain_min or exponent > plain_max) {
        at[0] = text[0];
        at[1] = '.';
        at[2..][0..32].* = text[1..][0..32].*;
        const mantissa_end = at + if (len > 1) len + 1 else 1;
        mantissa_end[0..2].* = .{ 'e', if (exponent < 0) '-' else '+' };
        return digits.write(mantissa_end + 2, @abs(exponent));
    }
    if (exponent < 0) {
        const zeros: usize = @intCast(-exponent);
        at[0..8].* = "0.000000".*;
        at[1 + zeros ..][0..32].* = text[0..32].*;
        return at + 1 + zeros + len;
    }
    const whole: usize = @intCast(exponent + 1);
    if (len <= whole) {
        at[0..32].* = text[0..32].*;
        at[len..][0..16].* = @splat('0');
        at[whole..][0..2].* = ".0".*;
        return at + whole + 2;
    }
    at[0..32].* = text[0..32].*;
    at[whole] = '.';
    at[whole + 1 ..][0..32].* = text[whole..][0..32].*;
    return at + len + 1;
}

/// `digits * 10^exponent`; the digits may end in zeros and are below 10^17.
const Decimal = struct { digits: u64, exponent: i32 };

/// The shortest decimal of a positive number. The names are those of the paper.
fn shortest(comptime T: type, value: T) Decimal {
    const Bits = std.meta.Int(.unsigned, @bitSizeOf(T));
    const mantissa_bits = std.math.floatMantissaBits(T);
    const bits: Bits = @bitCast(value);
    const fraction: u64 = bits & ((1 << mantissa_bits) - 1);
    const biased: i32 = @intCast(bits >> mantissa_bits);
    const c: u64 = if (biased == 0) fraction else fraction | 1 << mantissa_bits;
    const exponent: i32 = @max(biased, 1);
    const q = exponent - (std.math.floatExponentMax(T) + mantissa_bits);

    // A power of two is nearer to its lower neighbour than to its upper one.
    const is_irregular = fraction == 0 and biased > 1;
    const odd: u64 = c & 1;
    const cb = 4 * c;
    const cbl = cb - 2 + @as(u64, @intFromBool(is_irregular));
    const cbr = cb + 2;

    const k = if (is_irregular) q * 1262611 - 524031 >> 22 else q * 1262611 >> 22;
    const h: u6 = @intCast(q + (-k * 1741647 >> 19) + 1);
    const g = powers[@intCast(-k - power_min)];
    const vbl = roundToOdd(g, cbl << h);
    const vb = roundToOdd(g, cb << h);
    const vbr = roundToOdd(g, cbr << h);
    const lower = vbl + odd;
    const upper = vbr - odd;

    const s = vb / 4;
    if (s >= 10) {
        const tens = s / 10;
        const down_fits = lower <= 40 * tens;
        const up_fits = 40 * tens + 40 <= upper;
        if (down_fits != up_fits) return .{ .digits = tens + @intFromBool(up_fits), .exponent = k + 1 };
    }
    const down_fits = lower <= 4 * s;
    const up_fits = 4 * s + 4 <= upper;
    if (down_fits != up_fits) return .{ .digits = s + @intFromBool(up_fits), .exponent = k };
    const middle = 4 * s + 2;
    const rounds_up = vb > middle or (vb == middle and s & 1 != 0);
    return .{ .digits = s + @intFromBool(rounds_up), .exponent = k };
}

/// The upper 64 bits of a product of 192, the last bit set when anything was cut off.
inline fn roundToOdd(g: u128, cp: u64) u64 {
    const low = @as(u128, @as(u64, @truncate(g))) * cp;
    const product = (g >> 64) * cp + (low >> 64);
    const rest: u64 = @truncate(product);
    return @as(u64, @truncate(product >> 64)) | @intFromBool(rest > 1);
}

const power_min = -292;
const power_max = 324;

/// `10^k` for every k in question, scaled to 128 bits and rounded up.
const powers: [power_max - power_min + 1]u128 = blk: {
    @setEvalBranchQuota(100_000);
    var table: [power_max - power_min + 1]u128 = undefined;
    // The compiler's integers are as long as they must be.
    var power = 1;
    for (0..power_max + 1) |k| {
        table[k + -power_min] = scaled(power, 1);
        power *= 10;
    }
    power = 1;
    for (1..-power_min + 1) |k| {
        power *= 10;
        table[-power_min - k] = scaled(1, power);
    }
    break :blk table;
};

/// One more than the floor of `2^shift * numerator / denominator`, with the shift that makes it 128 bits long.
fn scaled(comptime numerator: comptime_int, comptime denominator: comptime_int) u128 {
    const bits = bitLength(numerator) - bitLength(denominator);
    // The quotient is in 2^(bits - 1)..2^(bits + 1), so that this shift or the next gives 128 bits.
    const first = shifted(numerator, 127 - bits) / shifted(denominator, bits - 127);
    if (first >= 1 << 127) return first + 1;
    return shifted(numerator, 128 - bits) / shifted(denominator, bits - 128) + 1;
}

fn shifted(comptime value: comptime_int, comptime shift: comptime_int) comptime_int {
    return if (shift > 0) value << shift else value;
}

fn bitLength(comptime value: comptime_int) comptime_int {
    comptime var length = 0;
    comptime var rest = value;
    inline while (rest >= 1 << 64) : (length += 64) rest >>= 64;
    inline while (rest > 0) : (length += 1) rest >>= 1;
    return length;
}

fn expectText(comptime T: type, expected: []const u8, value: T) !void {
    var out: [128]u8 = undefined;
    const end = write(T, &out, value);
    try std.testing.expectEqualStrings(expected, out[0 .. end - &out]);
}

test "numbers are laid out as zmij lays them out" {
    try expectText(f64, "0.0", 0.0);
    try expectText(f64, "-0.0", -0.0);
    try expectText(f64, "1.0", 1.0);
    try expectText(f64, "-123.45", -123.45);
    try expectText(f64, "0.5", 0.5);
    try expectText(f64, "0.30000000000000004", 0.30000000000000004);
    try expectText(f64, "1000000000000000.0", 1e15);
    try expectText(f64, "9007199254740992.0", 9007199254740992.0);
    try expectText(f64, "1e+16", 1e16);
    try expectText(f64, "1.2345678901234568e+17", 123456789012345680.0);
    try expectText(f64, "0.0000125", 1.25e-5);
    try expectText(f64, "1e-6", 1e-6);
    try expectText(f64, "5e-324", 5e-324);
    try expectText(f64, "-2.2250738585072014e-308", -2.2250738585072014e-308);
    try expectText(f64, "1.7976931348623157e+308", std.math.floatMax(f64));
    try expectText(f64, "null", std.math.nan(f64));
    try expectText(f64, "null", -std.math.inf(f64));
    try expectText(f32, "0.1", 0.1);
    try expectText(f32, "0.000001", 1e-6);
    try expectText(f32, "16777216.0", 16777216.0);
    try expectText(f32, "1000000000000.0", 1e12);
    try expectText(f32, "1e+13", 1e13);
    try expectText(f32, "3.4028235e+38", std.math.floatMax(f32));
    try expectText(f32, "1e-45", 1e-45);
}

fn expectReadsBack(comptime T: type, value: T) !void {
    var out: [128]u8 = undefined;
    const end = write(T, &out, value);
    const text = out[0 .. end - &out];
    try std.testing.expectEqual(value, try std.fmt.parseFloat(T, text));
    // As short as the standard library's shortest.
    var theirs: [64]u8 = undefined;
    const reference = try std.fmt.bufPrint(&theirs, "{e}", .{value});
    try std.testing.expectEqual(significant(reference), significant(text));
}

/// How many digits count: all up to the exponent, without zeros in front and at the end.
fn significant(text: []const u8) usize {
    var first: ?usize = null;
    var last: usize = 0;
    var position: usize = 0;
    for (text) |byte| switch (byte) {
        '0'...'9' => {
            position += 1;
            if (byte != '0') {
                if (first == null) first = position;
                last = position;
            }
        },
        'e' => break,
        else => {},
    };
    return if (first) |start| last - start + 1 else 0;
}

test "every exponent reads back, as short as can be" {
    var random: std.Random.DefaultPrng = .init(1);
    for (0..2047) |exponent| {
        for ([_]u64{ 0, 1, (1 << 52) - 1, random.random().int(u52), random.random().int(u52) }) |fraction| {
            try expectReadsBack(f64, @bitCast(@as(u64, exponent) << 52 | fraction));
        }
    }
    for (0..255) |exponent| {
        for ([_]u32{ 0, 1, (1 << 23) - 1, random.random().int(u23), random.random().int(u23) }) |fraction| {
            try expectReadsBack(f32, @bitCast(@as(u32, @intCast(exponent)) << 23 | fraction));
        }
    }
}
