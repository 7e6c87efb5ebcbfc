//! The mask over what clients send (RFC 6455 5.3): one that sees nobody's secret, only keeps proxies from taking
//! payloads for HTTP.

const std = @import("std");
const bytes_of = @import("../bytes.zig");

pub const Key = [4]u8;

/// Masks or unmasks in place. `key[0]` belongs to the first byte: a payload in pieces is continued with what comes back.
pub fn apply(payload: []u8, key: Key) Key {
    const word: u32 = @bitCast(key);
    var at: usize = 0;
    const wide = bytes_of.register_bytes;
    const Words = @Vector(wide / 4, u32);
    const keys: @Vector(wide, u8) = @bitCast(@as(Words, @splat(word)));
    while (at + wide <= payload.len) : (at += wide) {
        const register: @Vector(wide, u8) = payload[at..][0..wide].*;
        payload[at..][0..wide].* = register ^ keys;
    }
    while (at + 4 <= payload.len) : (at += 4) {
        const four: u32 = @bitCast(payload[at..][0..4].*);
        payload[at..][0..4].* = @bitCast(four ^ word);
    }
    for (payload[at..], 0..) |*byte, n| byte.* ^= key[n];
    return rotate(key, payload.len);
}

/// The key for what comes behind that many bytes.
fn rotate(key: Key, done_bytes: usize) Key {
    const shift = done_bytes % 4;
    var next: Key = undefined;
    for (&next, 0..) |*byte, n| byte.* = key[(n + shift) % 4];
    return next;
}

test "masking_in_pieces_is_masking_at_once" {
    var random = std.Random.DefaultPrng.init(1);
    var plain: [300]u8 = undefined;
    random.random().bytes(&plain);
    const key: Key = .{ 0x37, 0xfa, 0x21, 0x3d };
    var expected: [300]u8 = undefined;
    for (&expected, plain, 0..) |*byte, from, n| byte.* = from ^ key[n % 4];
    for (0..plain.len + 1) |len| {
        var whole = plain;
        _ = apply(whole[0..len], key);
        try std.testing.expectEqualSlices(u8, expected[0..len], whole[0..len]);
        try std.testing.expectEqualSlices(u8, plain[len..], whole[len..]);
    }
    for (0..plain.len + 1) |cut| {
        var pieces = plain;
        _ = apply(pieces[cut..], apply(pieces[0..cut], key));
        try std.testing.expectEqualSlices(u8, &expected, &pieces);
    }
}
