//! Classes of bytes, and the search for the first byte outside of one: what every parser of this folder does most.
//!
//! Searches look at a register of bytes at a time while one fits into what is left, and at single bytes behind that:
//! nothing is read outside of the slice that was given. A loop over single bytes is the oracle in the tests.

const std = @import("std");

/// Bytes of one register: what the target has, and 16 where it has none, which LLVM then takes apart.
pub const register_bytes = std.simd.suggestVectorLength(u8) orelse 16;

/// Bytes of a register in a search. Values and targets are short: with 64 bytes a register would mostly reach over their ends.
const search_bytes = @min(register_bytes, 32);

/// What a search runs over. Each class has a table, which says what is meant, and a comparison of registers, which may
/// find less: a byte that it doesn't know is looked up in the table.
pub const Class = enum {
    /// RFC 9110 5.6.2, `tchar`: methods, field names, parameters.
    token,
    /// RFC 9110 5.5: visible characters, obs-text, space and tab.
    field_value,
    /// A request target, by its bytes: visible ASCII. What a URI leaves out of that (`"<>\^`{|}`) stands in links that
    /// browsers send, and llhttp takes it as well.
    target,
    /// The same and bytes beyond ASCII, for those who take UTF-8 as well.
    target_bytes,
    /// A target's path: what goes on until a query or a fragment.
    path,
    /// RFC 3986 3.2.2, `reg-name`: unreserved, sub-delims, percent-escapes. No `@`: a user in a Host is how requests are sent
    /// astray.
    host,
    /// Everything but the percent sign.
    plain,
    /// ASCII.
    ascii,

    fn has(comptime class: Class, byte: u8) bool {
        return switch (class) {
            .token => switch (byte) {
                'a'...'z', 'A'...'Z', '0'...'9' => true,
                '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~' => true,
                else => false,
            },
            .field_value => byte == '\t' or (byte >= ' ' and byte != 0x7f),
            .target => byte > ' ' and byte < 0x7f,
            .target_bytes => byte > ' ' and byte != 0x7f,
            .path => byte > ' ' and byte < 0x7f and byte != '?' and byte != '#',
            .host => switch (byte) {
                'a'...'z', 'A'...'Z', '0'...'9', '-', '.', '_', '~', '%' => true,
                '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=' => true,
                else => false,
            },
            .plain => byte != '%',
            .ascii => byte < 0x80,
        };
    }

    /// Whether a comparison of registers finds less than the table: then most of the class, as it is usually written.
    fn isPartial(comptime class: Class) bool {
        return class == .token or class == .host;
    }

    /// Which bytes of a register are surely in the class.
    inline fn hasRegister(comptime class: Class, comptime len: usize, register: @Vector(len, u8)) @Vector(len, bool) {
        const Register = @Vector(len, u8);
        return switch (class) {
            .token, .host => blk: {
                const lower = register | @as(Register, @splat(0x20));
                const letter = lower -% @as(Register, @splat('a')) < @as(Register, @splat(26));
                const digit = register -% @as(Register, @splat('0')) < @as(Register, @splat(10));
                const dash = register == @as(Register, @splat('-'));
                const dot = register == @as(Register, @splat('.'));
                break :blk letter | digit | dash | dot;
            },
            .field_value => blk: {
                const printed = (register >= @as(Register, @splat(' '))) & (register != @as(Register, @splat(0x7f)));
                break :blk printed | (register == @as(Register, @splat('\t')));
            },
            .target => register -% @as(Register, @splat('!')) < @as(Register, @splat(0x7f - '!')),
            .target_bytes => (register > @as(Register, @splat(' '))) & (register != @as(Register, @splat(0x7f))),
            .path => blk: {
                const seen = register -% @as(Register, @splat('!')) < @as(Register, @splat(0x7f - '!'));
                const ends = (register == @as(Register, @splat('?'))) | (register == @as(Register, @splat('#')));
                break :blk seen & ~ends;
            },
            .plain => register != @as(Register, @splat('%')),
            .ascii => register < @as(Register, @splat(0x80)),
        };
    }
};

fn table(comptime class: Class) *const [256]bool {
    return comptime blk: {
        @setEvalBranchQuota(10_000);
        var bits: [256]bool = undefined;
        for (&bits, 0..) |*bit, byte| bit.* = class.has(byte);
        const done = bits;
        break :blk &done;
    };
}

pub inline fn is(comptime class: Class, byte: u8) bool {
    return table(class)[byte];
}

/// The index of the first byte from `start` on that isn't of the class, or the length.
pub inline fn indexOfOther(comptime class: Class, bytes: []const u8, start: usize) usize {
    var at = start;
    // Of partial classes are names, which are seldom longer than 16 bytes.
    const wide = comptime if (class.isPartial()) @min(search_bytes, 16) else search_bytes;
    const Bits = std.meta.Int(.unsigned, wide);
    while (bytes.len - at >= wide) {
        const in: Bits = @bitCast(class.hasRegister(wide, bytes[at..][0..wide].*));
        if (in == std.math.maxInt(Bits)) {
            at += wide;
            continue;
        }
        at += @ctz(~in);
        if (comptime !class.isPartial()) return at;
        if (!is(class, bytes[at])) return at;
        at += 1;
    }
    if (bytes.len >= wide) {
        // The last register of the slice: it begins with bytes that were looked at before, or that nobody asked for.
        const last = bytes.len - wide;
        while (at < bytes.len) {
            const in: Bits = @bitCast(class.hasRegister(wide, bytes[last..][0..wide].*));
            const out = ~in >> @intCast(at - last);
            if (out == 0) return bytes.len;
            at += @ctz(out);
            if (comptime !class.isPartial()) return at;
            if (!is(class, bytes[at])) return at;
            at += 1;
        }
        return at;
    }
    while (at < bytes.len and is(class, bytes[at])) at += 1;
    return at;
}

pub inline fn isAll(comptime class: Class, bytes: []const u8) bool {
    return indexOfOther(class, bytes, 0) == bytes.len;
}

/// Whether both are the same but for the case of ASCII letters. `lower` is written in small letters, of which at least
/// one byte differs from every other name in more than its bit 5.
pub inline fn isName(name: []const u8, comptime lower: []const u8) bool {
    if (name.len != lower.len) return false;
    return isNameOfLength(name, lower);
}

/// The same for a name whose length has been compared: words of up to eight bytes at once.
pub inline fn isNameOfLength(name: []const u8, comptime lower: []const u8) bool {
    comptime std.debug.assert(lower.len >= 4);
    const word_bytes = if (lower.len >= 8) 8 else 4;
    const Word = std.meta.Int(.unsigned, word_bytes * 8);
    var different: Word = 0;
    comptime var at: usize = 0;
    inline while (at < lower.len) : (at += word_bytes) {
        // The last word reaches back over bytes that were compared before.
        const from = @min(at, lower.len - word_bytes);
        const ours: Word = comptime @bitCast(lower[from..][0..word_bytes].*);
        const theirs: Word = @bitCast(name[from..][0..word_bytes].*);
        const fold: Word = comptime foldOf(lower[from..][0..word_bytes]);
        different |= (theirs | fold) ^ ours;
    }
    return different == 0;
}

/// Bit 5 for letters only: "\r" must not be taken for "-".
fn foldOf(comptime lower: []const u8) std.meta.Int(.unsigned, lower.len * 8) {
    var bytes: [lower.len]u8 = undefined;
    for (&bytes, lower) |*byte, letter| byte.* = if (letter >= 'a' and letter <= 'z') 0x20 else 0;
    return @bitCast(bytes);
}

/// Without spaces and tabs at both ends.
pub fn trim(bytes: []const u8) []const u8 {
    return std.mem.trim(u8, bytes, " \t");
}

test "registers_and_single_bytes_find_the_same" {
    var random = std.Random.DefaultPrng.init(7);
    var bytes: [200]u8 = undefined;
    inline for (comptime std.enums.values(Class)) |class| {
        for (0..2_000) |round| {
            const len = random.random().uintLessThan(usize, bytes.len);
            // Mostly what belongs there, and one byte of any value.
            for (bytes[0..len]) |*byte| byte.* = "abcXYZ-_09!~"[random.random().uintLessThan(usize, 12)];
            if (len != 0) bytes[random.random().uintLessThan(usize, len)] = @truncate(round);
            const start = random.random().uintAtMost(usize, len);
            var expected = start;
            while (expected < len and class.has(bytes[expected])) expected += 1;
            try std.testing.expectEqual(expected, indexOfOther(class, bytes[0..len], start));
        }
        // Every byte at every place of two registers.
        for (0..256) |value| for (0..2 * register_bytes + 1) |place| {
            var row: [2 * register_bytes + 1]u8 = @splat('a');
            row[place] = @intCast(value);
            const expected = if (class.has(@intCast(value))) row.len else place;
            try std.testing.expectEqual(expected, indexOfOther(class, &row, 0));
        };
    }
}

test "names_are_compared_without_case_and_nothing_else" {
    try std.testing.expect(isName("Content-Length", "content-length"));
    try std.testing.expect(isName("cOnTeNt-lEnGtH", "content-length"));
    try std.testing.expect(isName("HOST", "host"));
    try std.testing.expect(!isName("content\rlength", "content-length"));
    try std.testing.expect(!isName("content-lengtj", "content-length"));
    try std.testing.expect(!isName("hos", "host"));
    for (0..256) |value| for (0..7) |place| {
        var name = "upgrade".*;
        name[place] = @intCast(value);
        try std.testing.expectEqual(std.ascii.eqlIgnoreCase(&name, "upgrade"), isName(&name, "upgrade"));
    };
}
