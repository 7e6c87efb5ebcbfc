//! Text: copied a register at a time, escaped where a bit of the register's mask says so, checked for UTF-8 only
//! where it leaves ASCII.
//!
//! Everything here may read 64 bytes behind its input and write 64 behind its output.

const std = @import("std");
const builtin = @import("builtin");
const config = @import("config");

const block_bytes = 64;

/// Bytes of one register. A block is as many of them as make 64 bytes: of a comparison of wider vectors LLVM makes
/// three times the instructions.
const register_bytes = if (builtin.cpu.arch != .x86_64)
    16
else if (builtin.cpu.has(.x86, .avx512bw))
    64
else if (builtin.cpu.has(.x86, .avx2))
    32
else
    16;
const Register = @Vector(register_bytes, u8);

/// The baseline of aarch64 leaves it to LLVM how a comparison becomes a mask.
const is_neon = builtin.cpu.arch == .aarch64 and
    !std.mem.eql(u8, config.suffix, "baseline") and !std.mem.eql(u8, config.suffix, "checked");

/// 64 bytes in registers. A mask's lowest bit stands for the first byte.
const Block = struct {
    registers: [block_bytes / register_bytes]Register,

    inline fn load(from: [*]const u8) Block {
        var block: Block = undefined;
        inline for (&block.registers, 0..) |*register, n| register.* = from[n * register_bytes ..][0..register_bytes].*;
        return block;
    }

    inline fn store(block: Block, to: [*]u8) void {
        inline for (block.registers, 0..) |register, n| to[n * register_bytes ..][0..register_bytes].* = register;
    }

    inline fn mask(block: Block, comptime compare: Compare, byte: u8) u64 {
        if (is_neon) return block.maskByPairs(compare, byte);
        var bits: u64 = 0;
        inline for (block.registers, 0..) |register, n| {
            const part: std.meta.Int(.unsigned, register_bytes) = @bitCast(compare(register, @splat(byte)));
            bits |= scalar(part) << (n * register_bytes);
        }
        return bits;
    }

    /// NEON has no instruction that makes a mask: of each byte its own bit is kept, and neighbours are added until eight
    /// of them are one byte.
    inline fn maskByPairs(block: Block, comptime compare: Compare, byte: u8) u64 {
        const own_bits: Register = [_]u8{ 1, 2, 4, 8, 16, 32, 64, 128 } ** 2;
        const none: Register = @splat(0);
        var kept: [4]Register = undefined;
        inline for (block.registers, &kept) |register, *bits| {
            bits.* = @select(u8, compare(register, @splat(byte)), own_bits, none);
        }
        const sums = addPairs(addPairs(kept[0], kept[1]), addPairs(kept[2], kept[3]));
        return @as(@Vector(2, u64), @bitCast(addPairs(sums, sums)))[0];
    }

    /// The sums of neighbours, those of `a` first: one instruction, `addp`.
    inline fn addPairs(a: Register, b: Register) Register {
        comptime var even: [register_bytes]i32 = undefined;
        comptime var odd: [register_bytes]i32 = undefined;
        comptime for (0..register_bytes) |i| {
            const pair: i32 = 2 * @as(i32, i % (register_bytes / 2));
            // Those of the second operand are counted from -1 down.
            even[i] = if (i < register_bytes / 2) pair else ~pair;
            odd[i] = if (i < register_bytes / 2) pair + 1 else ~(pair + 1);
        };
        return @shuffle(u8, a, b, even) +% @shuffle(u8, a, b, odd);
    }

    /// A mask that stays in a general register. Seeing through to the comparison, LLVM would rather spread the other
    /// operand of an `&` over a vector, a bit at a time. Where masks have registers of their own it knows better.
    inline fn scalar(part: anytype) u64 {
        const wide: u64 = part;
        if (register_bytes == block_bytes) return wide;
        return asm (""
            : [same] "=r" (-> u64),
            : [wide] "0" (wide),
        );
    }

    /// Bytes that are below a limit.
    inline fn below(block: Block, limit: u8) u64 {
        return block.mask(isBelow, limit);
    }

    inline fn equal(block: Block, byte: u8) u64 {
        return block.mask(isEqual, byte);
    }

    /// Bytes that must be escaped or aren't ASCII: one mask for both, without which names took a quarter longer.
    inline fn special(block: Block) u64 {
        return block.mask(isSpecial, 0);
    }

    /// Bytes that aren't ASCII.
    inline fn high(block: Block) u64 {
        return block.mask(isHigh, 0);
    }

    const Bools = @Vector(register_bytes, bool);
    const Compare = fn (Register, Register) callconv(.@"inline") Bools;

    inline fn isBelow(a: Register, b: Register) Bools {
        return a < b;
    }

    inline fn isEqual(a: Register, b: Register) Bools {
        return a == b;
    }

    inline fn isSpecial(a: Register, _: Register) Bools {
        // With its sign, what isn't ASCII is below the space as well.
        const signed: @Vector(register_bytes, i8) = @bitCast(a);
        const are_below = signed < @as(@Vector(register_bytes, i8), @splat(0x20));
        return isEqual(a, @splat('"')) | isEqual(a, @splat('\\')) | are_below;
    }

    inline fn isEscaped(a: Register, _: Register) Bools {
        return isEqual(a, @splat('"')) | isEqual(a, @splat('\\')) | isBelow(a, @splat(0x20));
    }

    inline fn isHigh(a: Register, _: Register) Bools {
        const signed: @Vector(register_bytes, i8) = @bitCast(a);
        return signed < @as(@Vector(register_bytes, i8), @splat(0));
    }
};

/// Copies `len` bytes. Keys and most cells are short, and a store of 64 bytes nearly always crosses a cache line, which is
/// two: a thousand rows of six columns took a thirtieth longer with these alone.
pub inline fn copy(from: [*]const u8, len: usize, to: [*]u8) void {
    if (len <= 16) {
        to[0..16].* = from[0..16].*;
        return;
    }
    if (len <= 32) {
        to[0..32].* = from[0..32].*;
        return;
    }
    var done: usize = 0;
    while (true) {
        Block.load(from + done).store(to + done);
        done += block_bytes;
        if (done >= len) return;
    }
}

/// What a byte becomes: up to 8 bytes of text, and how many of them count.
const escapes: [256][8]u8 = blk: {
    var table: [256][8]u8 = @splat(@splat(0));
    for (0..0x20) |byte| table[byte] = ("\\u00" ++ std.fmt.hex(@as(u8, @intCast(byte))) ++ "\x00\x06").*;
    for ("\x08\t\n\x0c\r\"\\", "btnfr\"\\") |byte, letter| table[byte] = .{ '\\', letter, 0, 0, 0, 0, 0, 2 };
    break :blk table;
};

inline fn writeEscape(at: [*]u8, byte: u8) [*]u8 {
    const escape_text = escapes[byte];
    at[0..8].* = escape_text;
    return at + escape_text[7];
}

/// Bytes of a block that must be escaped.
inline fn needsEscape(block: Block) u64 {
    return block.mask(Block.isEscaped, 0);
}

/// The low `count` bits.
inline fn lowBits(count: usize) u64 {
    return if (count >= block_bytes) ~@as(u64, 0) else (@as(u64, 1) << @intCast(count)) - 1;
}

/// Blocks that are looked at together where nothing has to be escaped.
const stride_blocks = 4;
const stride_bytes = stride_blocks * block_bytes;

/// Copies 256 bytes, and tells whether all of them are ASCII that needs no escape: one mask for them, where a block alone takes three. Half of the
/// time of a long text.
inline fn copyPlain(from: [*]const u8, to: [*]u8) bool {
    var nearest: Register = @splat(0xff);
    var lowest: @Vector(register_bytes, i8) = @splat(0x7f);
    inline for (0..stride_bytes / register_bytes) |n| {
        const register: Register = from[n * register_bytes ..][0..register_bytes].*;
        to[n * register_bytes ..][0..register_bytes].* = register;
        // Zero where it is one of the two.
        nearest = @min(nearest, register ^ @as(Register, @splat('"')), register ^ @as(Register, @splat('\\')));
        // With its sign, what isn't ASCII is below the space as well.
        lowest = @min(lowest, @as(@Vector(register_bytes, i8), @bitCast(register)));
    }
    const is_one_of_two = nearest == @as(Register, @splat(0));
    const is_below = lowest < @as(@Vector(register_bytes, i8), @splat(0x20));
    return !@reduce(.Or, is_one_of_two | is_below);
}

/// Writes text escaped, each maximal part that isn't UTF-8 as U+FFFD, and returns the end. At most 6 bytes per byte.
pub fn escape(text: []const u8, start: [*]u8) [*]u8 {
    if (text.len >= stride_bytes) return escapeLong(text, start);
    var cursor: Cursor = .{ .at = start };
    if (!escapeBlocks(text, &cursor, text.len)) return escapeLossy(text[cursor.done..], cursor.at);
    return cursor.at;
}

/// Where the next byte is written, how many are done, and whether the others are known to be UTF-8.
const Cursor = struct { at: [*]u8, done: usize = 0, is_utf8: bool = false };

/// Strides where the text is plain, and blocks where it isn't. A function of its own, for short cells took a fortieth longer with all of it.
noinline fn escapeLong(text: []const u8, start: [*]u8) [*]u8 {
    var cursor: Cursor = .{ .at = start };
    // How far single blocks go before strides are tried again. Each failure makes that four times as long, so that text full of escapes pays next
    // to nothing for trying.
    var blocks_len: usize = 4 * stride_bytes;
    while (cursor.done < text.len) {
        while (text.len - cursor.done >= stride_bytes and copyPlain(text.ptr + cursor.done, cursor.at)) {
            cursor.at += stride_bytes;
            cursor.done += stride_bytes;
            blocks_len = 4 * stride_bytes;
        }
        if (!escapeBlocks(text, &cursor, @min(text.len, cursor.done + blocks_len))) {
            return escapeLossy(text[cursor.done..], cursor.at);
        }
        blocks_len *= 4;
    }
    return cursor.at;
}

/// Writes the blocks up to `end`: that of the text, or whole ones. False where what is left isn't UTF-8.
inline fn escapeBlocks(text: []const u8, cursor: *Cursor, end: usize) bool {
    while (cursor.done < end) {
        const block = Block.load(text.ptr + cursor.done);
        block.store(cursor.at);
        const counts = lowBits(text.len - cursor.done);
        const len = @min(block_bytes, text.len - cursor.done);
        var escaped = counts & if (cursor.is_utf8) needsEscape(block) else block.special();
        if (escaped == 0) {
            cursor.at += len;
            cursor.done += len;
            continue;
        }
        if (!cursor.is_utf8) {
            const high = block.high() & counts;
            if (high != 0 and !areTwoByteCharacters(block, high)) {
                // What is before ends with a whole character, so one begins here.
                if (!isUtf8(text[cursor.done..])) return false;
                cursor.is_utf8 = true;
            }
            escaped &= ~high;
        }
        var written: usize = 0;
        // Not from the start again after each escape: the mask still knows where the next one is.
        while (escaped != 0) : (escaped &= escaped - 1) {
            const position: usize = @ctz(escaped);
            cursor.at = writeEscape(cursor.at + (position - written), text[cursor.done + position]);
            written = position + 1;
            Block.load(text.ptr + cursor.done + written).store(cursor.at);
        }
        cursor.at += len - written;
        cursor.done += len;
    }
    return true;
}

/// Whether what isn't ASCII in a block are characters of two bytes, the last of which ends there: all that most languages of Europe have, so
/// that short text of theirs needs no function of its own.
inline fn areTwoByteCharacters(block: Block, high: u64) bool {
    if (high & ~block.below(0xe0) != 0) return false;
    const continuation = high & block.below(0xc0);
    // C0 and C1 would start overlong forms.
    const lead = high & ~block.below(0xc2);
    return (lead << 1 ^ continuation) | lead >> 63 | (high ^ lead ^ continuation) == 0;
}

/// Whether text is UTF-8, by comparing where continuation bytes are with where leading bytes want them.
fn isUtf8(text: []const u8) bool {
    // What the last bytes of the block before want of the first of this one.
    var wanted_before: u64 = 0;
    // Whether its last byte is one that says something of the next: then it is among the limits.
    var lead_3_before: u64 = 0;
    var limits_before: struct { e0: u64 = 0, ed: u64 = 0, f0: u64 = 0, f4: u64 = 0 } = .{};
    var done: usize = 0;
    while (done < text.len) : (done += block_bytes) {
        const counts = lowBits(text.len - done);
        const block = Block.load(text.ptr + done);
        const high = block.high() & counts;
        if (high == 0) {
            if (wanted_before != 0) return false;
            // No leading byte was last in the block before, or it would want something.
            continue;
        }
        const continuation = high & block.below(0xc0);
        const lead_2 = high & ~continuation;
        const lead_3 = high & ~block.below(0xe0);
        // C0 and C1 would start overlong forms.
        const overlong = lead_2 & block.below(0xc2);
        if (lead_3 | lead_3_before == 0) {
            // Characters of two bytes only: all of them that most languages of Europe have. A third of the comparisons.
            if (((lead_2 << 1 | wanted_before) ^ continuation) | overlong != 0) return false;
            wanted_before = lead_2 >> 63;
            continue;
        }
        const lead_4 = high & ~block.below(0xf0);
        const wanted = lead_2 << 1 | lead_3 << 2 | lead_4 << 3 | wanted_before;
        // F5 and above would exceed U+10FFFF.
        const never = overlong | (high & ~block.below(0xf5));
        if ((wanted ^ continuation) | never != 0) return false;

        const e0 = block.equal(0xe0) & counts;
        const ed = block.equal(0xed) & counts;
        const f0 = block.equal(0xf0) & counts;
        const f4 = block.equal(0xf4) & counts;
        const below_a0 = block.below(0xa0);
        const below_90 = block.below(0x90);
        // Overlong forms, surrogates, and again what exceeds U+10FFFF: told by the second byte.
        const wrong = ((e0 << 1 | limits_before.e0) & below_a0) |
            ((ed << 1 | limits_before.ed) & ~below_a0) |
            ((f0 << 1 | limits_before.f0) & below_90) |
            ((f4 << 1 | limits_before.f4) & ~below_90);
        if (wrong != 0) return false;
        wanted_before = lead_2 >> 63 | lead_3 >> 62 | lead_4 >> 61;
        lead_3_before = lead_3 >> 63;
        limits_before = .{ .e0 = e0 >> 63, .ed = ed >> 63, .f0 = f0 >> 63, .f4 = f4 >> 63 };
    }
    return wanted_before == 0;
}

/// Text that isn't UTF-8: a character at a time. Rare, so cold.
noinline fn escapeLossy(text: []const u8, start: [*]u8) [*]u8 {
    @branchHint(.cold);
    var at = start;
    var done: usize = 0;
    while (done < text.len) {
        const byte = text[done];
        if (byte < 0x80) {
            if (escapes[byte][7] != 0) {
                at = writeEscape(at, byte);
            } else {
                at[0] = byte;
                at += 1;
            }
            done += 1;
            continue;
        }
        const part = maximalPart(text[done..]);
        if (part.is_character) {
            for (text[done..][0..part.len]) |part_byte| {
                at[0] = part_byte;
                at += 1;
            }
        } else {
            at[0..3].* = "\u{fffd}".*;
            at += 3;
        }
        done += part.len;
    }
    return at;
}

const Part = struct { len: usize, is_character: bool };

/// The character at the start of text, or the longest beginning of one (Unicode, table 3-7).
fn maximalPart(text: []const u8) Part {
    const wrong: Part = .{ .len = 1, .is_character = false };
    const len: usize, const second_min: u8, const second_max: u8 = switch (text[0]) {
        0xc2...0xdf => .{ 2, 0x80, 0xbf },
        0xe0 => .{ 3, 0xa0, 0xbf },
        0xe1...0xec, 0xee...0xef => .{ 3, 0x80, 0xbf },
        0xed => .{ 3, 0x80, 0x9f },
        0xf0 => .{ 4, 0x90, 0xbf },
        0xf1...0xf3 => .{ 4, 0x80, 0xbf },
        0xf4 => .{ 4, 0x80, 0x8f },
        else => return wrong,
    };
    if (text.len < 2 or text[1] < second_min or text[1] > second_max) return wrong;
    for (2..len) |position| {
        if (text.len <= position or text[position] & 0xc0 != 0x80) return .{ .len = position, .is_character = false };
    }
    return .{ .len = len, .is_character = true };
}

fn expectEscaped(expected: []const u8, comptime input: []const u8) !void {
    const padded = input ++ ("\xff" ** block_bytes);
    var out: [input.len * 6 + block_bytes]u8 = undefined;
    const end = escape(padded[0..input.len], &out);
    try std.testing.expectEqualStrings(expected, out[0 .. end - &out]);
}

test "quotes, backslashes and control bytes are escaped" {
    try expectEscaped("", "");
    try expectEscaped("plain / \x7f", "plain / \x7f");
    try expectEscaped("\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f", "\"\\\x08\x0c\n\r\t\x00\x1f");
    try expectEscaped(("x" ** 63) ++ "\\n" ++ ("y" ** 70) ++ "\\\"", ("x" ** 63) ++ "\n" ++ ("y" ** 70) ++ "\"");
}

test "valid text stays, also where a character crosses registers" {
    try expectEscaped("zwölf, 漢字, 🦀", "zwölf, 漢字, 🦀");
    inline for (60..65) |before| try expectEscaped(("x" ** before) ++ "🦀é漢", ("x" ** before) ++ "🦀é漢");
    inline for (60..65) |before| try expectEscaped(("x" ** before) ++ "é\\n", ("x" ** before) ++ "é\n");
    inline for (60..65) |before| try expectEscaped(("é" ** before) ++ "\\n", ("é" ** before) ++ "\n");
}

test "long text is the same in strides and in blocks, wherever something must be escaped or isn't ASCII" {
    var text: [3 * stride_bytes + 10 + block_bytes]u8 = @splat('x');
    const len = text.len - block_bytes;
    var out: [6 * text.len]u8 = undefined;
    for (0..len) |at| {
        inline for (.{ .{ "\"", "\\\"" }, .{ "\\", "\\\\" }, .{ "\x1f", "\\u001f" }, .{ "\xff", "\u{fffd}" }, .{ " ", " " } }) |pair| {
            const byte, const escaped = pair;
            text[at] = byte[0];
            const end = escape(text[0..len], &out);
            try std.testing.expectEqual(len - 1 + escaped.len, end - &out);
            try std.testing.expectEqualStrings(escaped, out[at..][0..escaped.len]);
            for (out[0..at]) |before| try std.testing.expectEqual('x', before);
            for (out[at + escaped.len .. end - &out]) |after| try std.testing.expectEqual('x', after);
        }
        text[at] = 'x';
    }
}

test "each maximal part that isn't UTF-8 becomes one replacement" {
    try expectEscaped("a\u{fffd}b", "a\xffb");
    try expectEscaped("\u{fffd}", "\xf0\x9f\xa6");
    try expectEscaped("\u{fffd}\u{fffd}", "\xc0\xaf");
    try expectEscaped("\u{fffd}\u{fffd}\u{fffd}", "\xed\xa0\x80");
    try expectEscaped("\u{fffd}\u{fffd}\u{fffd}\u{fffd}", "\xf4\x90\x80\x80");
    inline for (60..65) |before| {
        try expectEscaped(("x" ** before) ++ "\u{fffd}\\n", ("x" ** before) ++ "\xe2\x82\n");
        try expectEscaped(("x" ** before) ++ "\u{fffd}", ("x" ** before) ++ "\xe2\x82");
    }
}

test "all pairs and triples around the borders agree with the standard library" {
    const borders = [_]u8{ 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };
    for (borders) |a| for (borders) |b| for (borders) |c| for (borders) |d| {
        const bytes = [4]u8{ a, b, c, d } ++ [_]u8{'x'} ** block_bytes;
        for (1..5) |len| {
            try std.testing.expectEqual(std.unicode.utf8ValidateSlice(bytes[0..len]), isUtf8(bytes[0..len]));
        }
    };
}
