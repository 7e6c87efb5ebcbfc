//! Standard base64 with padding (RFC 4648, section 4).

const std = @import("std");
const builtin = @import("builtin");

/// Writes four characters for each three bytes begun, and returns their end. Behind the bytes, and behind the characters, 64 more are readable
/// and writable.
pub fn encode(bytes: []const u8, start: [*]u8) [*]u8 {
    var at = start;
    var from = bytes.ptr;
    var left = bytes.len;
    while (left >= 48) : (left -= 48) {
        at[0..64].* = characters(4, load(4, from));
        at += 64;
        from += 48;
    }
    // Where a register has room for all that may be left, it is one.
    if (!has_wide_registers) {
        while (left >= 12) : (left -= 12) {
            at[0..16].* = characters(1, load(1, from));
            at += 16;
            from += 12;
        }
    }
    if (left == 0) return at;
    const blocks = if (has_wide_registers) 4 else 1;
    at[0 .. 16 * blocks].* = characters(blocks, some(blocks, load(blocks, from), left));
    at += (left + 2) / 3 * 4;
    if (left % 3 != 0) (at - 1)[0] = '=';
    if (left % 3 == 1) (at - 2)[0] = '=';
    return at;
}

const has_wide_registers = builtin.cpu.arch == .x86_64 and builtin.cpu.has(.x86, .avx512bw);

/// Blocks of 16 bytes, 12 apart.
inline fn load(comptime blocks: comptime_int, from: [*]const u8) [blocks][16]u8 {
    if (has_wide_registers and blocks == 4) {
        const words: @Vector(16, u32) = @bitCast(from[0..64].*);
        const places = [16]i32{ 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12 };
        return @bitCast(@shuffle(u32, words, undefined, places));
    }
    var loaded: [blocks][16]u8 = undefined;
    inline for (&loaded, 0..) |*block, n| block.* = from[12 * n ..][0..16].*;
    return loaded;
}

/// The first `count` bytes of blocks that are 12 apart, and zeros.
inline fn some(comptime blocks: comptime_int, bytes: [blocks][16]u8, count: usize) [blocks][16]u8 {
    const Bytes = @Vector(16 * blocks, u8);
    const places = comptime places: {
        var places: [16 * blocks]u8 = undefined;
        for (&places, 0..) |*place, i| place.* = i / 16 * 12 + i % 16;
        break :places places;
    };
    const is_there = @as(Bytes, places) < all(Bytes, @intCast(count));
    return @bitCast(@select(u8, is_there, @as(Bytes, @bitCast(bytes)), all(Bytes, 0)));
}

/// Of the first 12 bytes of each block.
inline fn characters(comptime blocks: comptime_int, bytes: [blocks][16]u8) [16 * blocks]u8 {
    const Bytes = @Vector(16 * blocks, u8);
    const Words = @Vector(4 * blocks, u32);
    // Three bytes to a word, the first one highest; what stands below them is cut off.
    const places = comptime places: {
        var places: [16 * blocks]i32 = undefined;
        for (&places, 0..) |*place, i| place.* = i / 16 * 16 + i % 16 / 4 * 3 + (if (i % 4 == 0) 0 else 3 - i % 4);
        break :places places;
    };
    const groups: Words = @bitCast(@shuffle(u8, @as(Bytes, @bitCast(bytes)), undefined, places));
    const sextets: Bytes = @bitCast(groups >> all(Words, 26) |
        (groups >> all(Words, 12) & all(Words, 0x3f00)) |
        (groups << all(Words, 2) & all(Words, 0x3f0000)) |
        (groups << all(Words, 16) & all(Words, 0x3f000000)));
    // The distance from a sextet to its character, which changes at each end of a range.
    var distance = all(Bytes, 'A');
    inline for (.{ .{ 26, 'a' - 26 }, .{ 52, '0' -% 52 }, .{ 62, '+' -% 62 }, .{ 63, '/' -% 63 } }) |range| {
        const first, const offset = range;
        distance = @select(u8, sextets >= all(Bytes, first), all(Bytes, @as(u8, @bitCast(@as(i8, offset)))), distance);
    }
    return sextets +% distance;
}

inline fn all(comptime Vector: type, value: @typeInfo(Vector).vector.child) Vector {
    return @splat(value);
}

test "every length up to 199, and so every character, is as the standard library has it" {
    var bytes: [199 + 64]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = @truncate(i * 89 + 200);
    for (0..200) |len| {
        var expected: [300]u8 = undefined;
        var out: [300 + 64]u8 = undefined;
        const end = encode(bytes[0..len], &out);
        try std.testing.expectEqualStrings(
            std.base64.standard.Encoder.encode(&expected, bytes[0..len]),
            out[0 .. end - &out],
        );
    }
}
