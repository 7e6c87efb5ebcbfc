//! Numbers of a column written eight at a time, before the rows that they belong to: the arithmetic of digits.zig and of float.zig's
//! hundredths in vectors. What has more than eight bytes of text is left to these.
//!
//! Rows of one column took, ns a row: small integers 3.7 instead of 6.0, prices 4.3 instead of 9.2, of which both have 2.7 in common with booleans
//! (x86-64-v4; on v3 5.1 instead of 5.9, and 6.2 instead of 9.9). Longer numbers pay a twentieth (v3: a tenth) for being looked at, and on v3 a
//! table without any number 0.6 ns.

const std = @import("std");
const builtin = @import("builtin");
const digits = @import("digits.zig");
const float = @import("float.zig");

/// Registers of two lanes, as SSE and NEON have them, are slower at integers than one number at a time is: a sixth, measured with v2.
pub const pays = builtin.cpu.arch == .x86_64 and builtin.cpu.has(.x86, .avx2);

/// Numbers of a column that are kept.
pub const rows_max = 32;

const lanes = 8;
const Words = @Vector(lanes, u64);
const Doubles = @Vector(lanes, f64);
const Flags = @Vector(lanes, bool);

/// The texts of some rows' numbers of one column.
pub const Texts = struct {
    /// The first byte is the lowest.
    bytes: [rows_max]u64,
    /// How many bytes count; none where a number isn't written.
    lens: [rows_max]u8,

    /// No number is written.
    pub const none: Texts = .{ .bytes = @splat(0), .lens = @splat(0) };

    /// Writes the first `count` numbers, at most `rows_max`, except those behind the last eight: behind a column nothing is readable.
    pub inline fn fill(texts: *Texts, comptime T: type, values: [*]const T, count: usize) void {
        var row: usize = 0;
        while (row + lanes <= count) : (row += lanes) {
            const eight_values: @Vector(lanes, T) = values[row..][0..lanes].*;
            const written = switch (T) {
                i64 => integers(@abs(eight_values), eight_values < @as(@Vector(lanes, i64), @splat(0))),
                u64 => integers(eight_values, @splat(false)),
                f64 => hundredths(eight_values),
                else => @compileError("no number that is written ahead"),
            } orelse {
                texts.lens[row..][0..lanes].* = @splat(0);
                continue;
            };
            texts.bytes[row..][0..lanes].* = written.bytes;
            texts.lens[row..][0..lanes].* = @as(@Vector(lanes, u8), @truncate(written.lens));
        }
        for (row..count) |rest| texts.lens[rest] = 0;
    }

    /// Writes the number of a row and returns the end; null where it isn't written ahead.
    pub inline fn write(texts: *const Texts, row: usize, at: [*]u8) ?[*]u8 {
        if (texts.lens[row] == 0) return null;
        at[0..8].* = @bitCast(texts.bytes[row]);
        return at + texts.lens[row];
    }
};

const Written = struct { bytes: Words, lens: Words };

inline fn all(value: u64) Words {
    return @splat(value);
}

/// Null where none can be written: so columns of longer numbers pay for the comparison only.
inline fn integers(magnitudes: Words, are_negative: Flags) ?Written {
    // Eight bytes with the sign.
    const are_written = magnitudes < @select(u64, are_negative, all(10_000_000), all(100_000_000));
    if (!@reduce(.Or, are_written)) return null;
    // The mask says that one multiplication of 32 bits is enough for the product below.
    const packed_digits = eightDigits(@select(u64, are_written, magnitudes, all(0)) & all(0xffff_ffff));
    // The last digit always counts, so that 0 is "0".
    const zero_bits = leadingZeroBits(packed_digits | all(1 << 56));
    const bytes = (packed_digits | all(0x3030303030303030)) >> @intCast(zero_bits);
    return signed(bytes, all(8) - (zero_bits >> @splat(3)), are_negative, are_written);
}

/// As float.zig's `writeHundredths` has them, and null as above.
inline fn hundredths(values: Doubles) ?Written {
    const are_negative = @as(@Vector(lanes, i64), @bitCast(values)) < @as(@Vector(lanes, i64), @splat(0));
    const times_100 = @abs(values) * @as(Doubles, @splat(100));
    // Seven digits, or six and the sign: the point takes a byte.
    const ends = @select(f64, are_negative, @as(Doubles, @splat(1e6 - 1)), @as(Doubles, @splat(1e7 - 1)));
    const are_small = times_100 < ends;
    const rounded = @select(f64, are_small, times_100, @as(Doubles, @splat(0))) + @as(Doubles, @splat(0.5));
    const whole: @Vector(lanes, i32) = @intFromFloat(rounded);
    const are_equal = @as(Doubles, @floatFromInt(whole)) / @as(Doubles, @splat(100)) == @abs(values);
    const are_written = @select(bool, are_small, are_equal, @as(Flags, @splat(false)));
    if (!@reduce(.Or, are_written)) return null;

    const packed_digits = eightDigits(@as(@Vector(lanes, u32), @bitCast(whole)));
    const ascii = packed_digits | all(0x3030303030303030);
    // The first of eight digits is zero and makes room for the point.
    const bytes = (ascii >> @splat(8) & all(0xff_ffff_ffff)) | all('.' << 40) | (ascii & all(0xffff << 48));
    // The last digit before the point always counts, so that 0 is "0.0".
    const zero_bits = leadingZeroBits(packed_digits | all(1 << 40)) - all(8);
    const last_zeros = @select(u64, packed_digits >> @splat(56) == all(0), all(1), all(0));
    return signed(bytes >> @intCast(zero_bits), all(8) - (zero_bits >> @splat(3)) - last_zeros, are_negative, are_written);
}

/// Puts `-` before negative numbers, and no length where nothing is written.
inline fn signed(bytes: Words, lens: Words, are_negative: Flags, are_written: Flags) Written {
    const signs = @select(u64, are_negative, all(1), all(0));
    return .{
        .bytes = @select(u64, are_negative, bytes << @splat(8) | all('-'), bytes),
        .lens = @select(u64, are_written, lens + signs, all(0)),
    };
}

/// The bits of the zero bytes below the lowest other one.
inline fn leadingZeroBits(packed_digits: Words) Words {
    return @as(Words, @ctz(packed_digits)) & all(0x78);
}

/// `digits.eight` of numbers below 10^8. The multiplications are of 16 bits where they can be, for which every CPU has an instruction.
inline fn eightDigits(values: Words) Words {
    const Halves = @Vector(2 * lanes, u32);
    const Quarters = @Vector(4 * lanes, u16);
    const Products = @Vector(4 * lanes, u32);
    // x * 3518437209 >> 45 is x / 10000 below 2^32.
    const high = values * all(3518437209) >> @splat(45);
    const fours: Quarters = @bitCast(high | (values - high * all(10_000)) << @splat(32));
    const upper: Quarters = @truncate(@as(Products, fours) * @as(Products, @splat(5243)) >> @splat(16));
    const hundreds = upper >> @splat(3);
    const below_100: Halves = @bitCast(fours - hundreds * @as(Quarters, @splat(100)));
    const twos: Quarters = @bitCast(@as(Halves, @bitCast(hundreds)) | below_100 << @splat(16));
    const tens = twos * @as(Quarters, @splat(103)) >> @splat(10);
    return @bitCast(tens | (twos - tens * @as(Quarters, @splat(10))) << @splat(8));
}

/// Whether numbers are written as one at a time, in every lane, or left out: integers only where eight bytes don't suffice.
fn expectSame(comptime T: type, values: []const T) !void {
    for (0..values.len) |i| {
        var columns: [lanes]T = undefined;
        for (&columns, 0..) |*other, lane| other.* = values[(i + lane) % values.len];
        var texts: Texts = .none;
        texts.fill(T, &columns, lanes);
        for (columns, 0..) |number, lane| {
            var expected: [64]u8 = undefined;
            const expected_end = switch (T) {
                i64 => digits.writeSigned(&expected, number),
                u64 => digits.write(&expected, number),
                else => float.write(f64, &expected, number),
            };
            const text = expected[0 .. expected_end - &expected];
            var out: [8]u8 = undefined;
            const end = texts.write(lane, &out) orelse {
                try std.testing.expect(text.len > 8 or T == f64);
                continue;
            };
            try std.testing.expectEqualStrings(text, out[0 .. end - &out]);
        }
    }
}

test "integers are those of one at a time" {
    var values: [400]u64 = undefined;
    var count: usize = 0;
    var power: u64 = 1;
    while (power < 10_000_000_000_000_000_000) : (power *= 10) {
        for ([_]u64{ power - 1, power, power + 1, power * 7 }) |value| {
            values[count] = value;
            values[count + 1] = 0 -% value;
            count += 2;
        }
    }
    for (0..64) |bit| {
        values[count] = @as(u64, 1) << @intCast(bit);
        count += 1;
    }
    try expectSame(u64, values[0..count]);
    try expectSame(i64, @as([*]const i64, @ptrCast(&values))[0..count]);
}

test "doubles are those of one at a time" {
    var values: [6000]f64 = undefined;
    for (values[0..2000], 0..) |*value, i| value.* = @as(f64, @floatFromInt(i * 5_003)) / 100;
    for (values[2000..4000], 0..) |*value, i| value.* = -@as(f64, @floatFromInt(i)) / 100;
    var random: std.Random.DefaultPrng = .init(1);
    for (values[4000..]) |*value| value.* = @bitCast(random.random().int(u64));
    try expectSame(f64, &values);
    const near: f64 = @bitCast(@as(u64, @bitCast(@as(f64, 12.34))) + 1);
    const infinity = std.math.inf(f64);
    const edges = [_]f64{ 0, -0.0, 0.01, 0.001, near, 9999.99, 10000, 99999.98, 99999.99, 100000, infinity, std.math.nan(f64), 5e-324, 1e300 };
    var both: [2 * edges.len]f64 = undefined;
    for (edges, 0..) |edge, i| both[2 * i ..][0..2].* = .{ edge, -edge };
    try expectSame(f64, &both);
}

test "prices and small integers are written, and what stands behind the last eight isn't" {
    var texts: Texts = .none;
    const prices: [12]f64 = @splat(99999.98);
    texts.fill(f64, &prices, prices.len);
    var out: [8]u8 = undefined;
    for (0..8) |row| try std.testing.expectEqual(8, texts.write(row, &out).? - &out);
    try std.testing.expectEqualStrings("99999.98", &out);
    for (8..12) |row| try std.testing.expectEqual(null, texts.write(row, &out));
    const integer: [8]i64 = @splat(-9_999_999);
    texts.fill(i64, &integer, integer.len);
    for (0..8) |row| try std.testing.expectEqual(8, texts.write(row, &out).? - &out);
    try std.testing.expectEqualStrings("-9999999", &out);
}
