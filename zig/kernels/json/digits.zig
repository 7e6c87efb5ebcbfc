//! Integers as decimal digits, eight at a time inside one 64-bit register (SWAR).
//!
//! Everything here may write 8 bytes behind what it returns.

const std = @import("std");

const ascii_zeros = 0x3030303030303030;

/// The eight decimal digits of a number below 10^8, the first one in the lowest byte.
pub inline fn eight(value: u32) u64 {
    const high: u64 = value / 10000;
    const low: u64 = value % 10000;
    // Two fields of four digits, then four of two, then eight of one. x * 5243 >> 19 is x / 100 below 10^4,
    // and x * 103 >> 10 is x / 10 below 100.
    const fours = high | low << 32;
    const hundreds = (fours * 5243 >> 19) & 0x0000007f_0000007f;
    const twos = hundreds | (fours - hundreds * 100) << 16;
    const tens = (twos * 103 >> 10) & 0x000f000f_000f000f;
    return tens | (twos - tens * 10) << 8;
}

/// Writes eight digits as text.
pub inline fn writeEight(at: [*]u8, value: u32) [*]u8 {
    at[0..8].* = @bitCast(eight(value) | ascii_zeros);
    return at + 8;
}

/// Writes a number below 10^8 without leading zeros.
inline fn writeShort(at: [*]u8, value: u32) [*]u8 {
    const packed_digits = eight(value);
    // The last digit always counts, so that 0 is "0".
    const zeros: u6 = @intCast(@ctz(packed_digits | 1 << 56) / 8);
    at[0..8].* = @bitCast((packed_digits | ascii_zeros) >> (zeros * 8));
    return at + (8 - @as(usize, zeros));
}

/// Writes a number without leading zeros and returns the end.
pub inline fn write(at: [*]u8, value: u64) [*]u8 {
    if (value < 100_000_000) return writeShort(at, @intCast(value));
    return writeLong(at, value);
}

fn writeLong(at: [*]u8, value: u64) [*]u8 {
    const rest = value / 100_000_000;
    const low: u32 = @intCast(value % 100_000_000);
    if (rest < 100_000_000) return writeEight(writeShort(at, @intCast(rest)), low);
    const high: u32 = @intCast(rest / 100_000_000);
    return writeEight(writeEight(writeShort(at, high), @intCast(rest % 100_000_000)), low);
}

/// Writes a number, negative ones with `-`.
pub inline fn writeSigned(at: [*]u8, value: i64) [*]u8 {
    at[0] = '-';
    return write(at + @intFromBool(value < 0), @abs(value));
}

test "numbers at every power of ten and of two are those of the standard library" {
    var values: [400]u64 = undefined;
    var count: usize = 0;
    var power: u64 = 1;
    while (true) : (power *= 10) {
        for ([_]u64{ power -% 1, power, power + 1 }) |value| {
            values[count] = value;
            count += 1;
        }
        if (power == 10_000_000_000_000_000_000) break;
    }
    for (0..64) |bit| {
        for ([_]u64{ (@as(u64, 1) << @intCast(bit)) -% 1, @as(u64, 1) << @intCast(bit) }) |value| {
            values[count] = value;
            count += 1;
        }
    }
    values[count] = std.math.maxInt(u64);
    count += 1;
    for (values[0..count]) |value| {
        var expected: [32]u8 = undefined;
        var out: [40]u8 = undefined;
        const end = write(&out, value);
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&expected, "{d}", .{value}), out[0 .. end - &out]);
        const signed: i64 = @bitCast(value);
        const signed_end = writeSigned(&out, signed);
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&expected, "{d}", .{signed}), out[0 .. signed_end - &out]);
    }
}
