//! UTF-8 as it comes in (RFC 3629): a text message fails at the first byte that no text can go on with, however
//! its characters were split over frames and reads.

const std = @import("std");
const bytes_of = @import("../bytes.zig");

/// What the next byte must be. Three bytes, and as it is by default between two characters.
pub const Validator = struct {
    /// Continuation bytes that are missing.
    missing: u8 = 0,
    /// The range of the next of them: overlong forms, surrogates and what lies beyond U+10FFFF differ by it alone.
    lowest: u8 = 0x80,
    highest: u8 = 0xbf,

    /// False when no text begins with what was fed. The validator is of no use then.
    pub fn feed(validator: *Validator, text: []const u8) bool {
        var at: usize = 0;
        while (at < text.len) {
            if (validator.missing == 0) {
                at = bytes_of.indexOfOther(.ascii, text, at);
                if (at == text.len) break;
                if (!validator.begin(text[at])) return false;
            } else {
                const byte = text[at];
                if (byte < validator.lowest or byte > validator.highest) return false;
                validator.missing -= 1;
                validator.lowest = 0x80;
                validator.highest = 0xbf;
            }
            at += 1;
        }
        return true;
    }

    /// Whether the text may end here.
    pub fn isComplete(validator: *const Validator) bool {
        return validator.missing == 0;
    }

    /// RFC 3629 4, by the first byte.
    fn begin(validator: *Validator, byte: u8) bool {
        switch (byte) {
            0xc2...0xdf => validator.missing = 1,
            0xe0...0xef => {
                validator.missing = 2;
                if (byte == 0xe0) validator.lowest = 0xa0;
                if (byte == 0xed) validator.highest = 0x9f;
            },
            0xf0...0xf4 => {
                validator.missing = 3;
                if (byte == 0xf0) validator.lowest = 0x90;
                if (byte == 0xf4) validator.highest = 0x8f;
            },
            else => return false,
        }
        return true;
    }
};

pub fn isValid(text: []const u8) bool {
    var validator: Validator = .{};
    return validator.feed(text) and validator.isComplete();
}

test "every_code_point_and_nothing_else" {
    var buffer: [4]u8 = undefined;
    for (0..0x110000) |number| {
        const point: u21 = @intCast(number);
        const is_surrogate = point >= 0xd800 and point <= 0xdfff;
        const len = if (is_surrogate) std.unicode.wtf8Encode(point, &buffer) catch unreachable else std.unicode.utf8Encode(point, &buffer) catch unreachable;
        try std.testing.expectEqual(!is_surrogate, isValid(buffer[0..len]));
    }
}

test "short_sequences_agree_with_the_standard_library_however_they_are_cut" {
    var random = std.Random.DefaultPrng.init(3);
    var buffer: [24]u8 = undefined;
    // Bytes at the edges of every range.
    const edges = "a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
    for (0..200_000) |_| {
        const len = random.random().uintLessThan(usize, 9);
        for (buffer[0..len]) |*byte| byte.* = edges[random.random().uintLessThan(usize, edges.len)];
        const text = buffer[0..len];
        const expected = std.unicode.utf8ValidateSlice(text);
        try std.testing.expectEqual(expected, isValid(text));
        for (0..len + 1) |cut| {
            var validator: Validator = .{};
            const ok = validator.feed(text[0..cut]) and validator.feed(text[cut..]) and validator.isComplete();
            try std.testing.expectEqual(expected, ok);
        }
    }
}

test "a_text_fails_at_the_first_byte_that_cannot_be" {
    const Case = struct { []const u8, usize };
    for ([_]Case{
        .{ "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 12 },
        .{ "\xed\xa0\x80", 1 },
        .{ "abc\xc0", 3 },
        .{ "\xe0\x9f", 1 },
        .{ "\xf0\x8f", 1 },
        .{ "\xe2\x82A", 2 },
        .{ "\x80", 0 },
    }) |case| {
        for (0..case[0].len) |cut| {
            var validator: Validator = .{};
            try std.testing.expectEqual(cut < case[1], validator.feed(case[0][0 .. cut + 1]));
        }
    }
}
