//! Standard base64 with padding (RFC 4648, section 4).

const std = @import("std");

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes four characters for each three bytes begun, and returns their end. Behind the bytes four more are readable.
pub fn encode(bytes: []const u8, start: [*]u8) [*]u8 {
    var at = start;
    var from = bytes.ptr;
    var left = bytes.len;
    while (left >= 48) : (left -= 48) {
        at[0..64].* = characters(4, .{ from[0..16].*, from[12..28].*, from[24..40].*, from[36..52].* });
        at += 64;
        from += 48;
    }
    while (left >= 12) : (left -= 12) {
        at[0..16].* = characters(1, .{from[0..16].*});
        at += 16;
        from += 12;
    }
    while (left >= 3) : (left -= 3) {
        at[0..4].* = quartet(from[0], from[1], from[2]);
        at += 4;
        from += 3;
    }
    if (left == 0) return at;
    at[0..4].* = quartet(from[0], if (left == 2) from[1] else 0, 0);
    if (left == 1) at[2] = '=';
    at[3] = '=';
    return at + 4;
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

inline fn quartet(a: u8, b: u8, c: u8) [4]u8 {
    const group = @as(u24, a) << 16 | @as(u24, b) << 8 | c;
    return .{
        alphabet[group >> 18],
        alphabet[group >> 12 & 63],
        alphabet[group >> 6 & 63],
        alphabet[group & 63],
    };
}

test "every length up to 199, and so every character, is as the standard library has it" {
    var bytes: [199 + 4]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = @truncate(i * 89 + 200);
    for (0..bytes.len - 3) |len| {
        var expected: [300]u8 = undefined;
        var out: [300]u8 = undefined;
        const end = encode(bytes[0..len], &out);
        try std.testing.expectEqualStrings(
            std.base64.standard.Encoder.encode(&expected, bytes[0..len]),
            out[0 .. end - &out],
        );
    }
}
