//! Standard base64 with padding (RFC 4648, section 4).

const std = @import("std");

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes four characters for each three bytes begun, and returns their end.
pub fn encode(bytes: []const u8, start: [*]u8) [*]u8 {
    var at = start;
    var left = bytes;
    while (left.len >= 3) : (left = left[3..]) {
        at[0..4].* = quartet(left[0], left[1], left[2]);
        at += 4;
    }
    if (left.len == 0) return at;
    at[0..4].* = quartet(left[0], if (left.len == 2) left[1] else 0, 0);
    if (left.len == 1) at[2] = '=';
    at[3] = '=';
    return at + 4;
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

test "every length up to 99 reads back" {
    var bytes: [99]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = @truncate(i * 89 + 200);
    for (0..bytes.len + 1) |len| {
        var expected: [200]u8 = undefined;
        var out: [200]u8 = undefined;
        const end = encode(bytes[0..len], &out);
        try std.testing.expectEqualStrings(
            std.base64.standard.Encoder.encode(&expected, bytes[0..len]),
            out[0 .. end - &out],
        );
    }
}
