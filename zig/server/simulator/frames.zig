//! What a simulated WebSocket client says, made from the seed, and what it has to be told for it: a handshake, messages in
//! fragments with control frames in between, and at the end a Close, a breach, or half a frame.

const std = @import("std");
const Random = std.Random;
const filler = @import("script.zig").filler;

pub const groups = 2;

/// Characters of one to four bytes.
const letters: [9_600]u8 = "a\u{e9}\u{20ac}\u{1f600}".* ** 960;

pub const Expected = struct {
    kind: enum { message, pong, close },
    /// Of a message.
    is_text: bool = false,
    source: enum { filler, letters, command } = .filler,
    start: u32 = 0,
    len: u32 = 0,
    command: [2]u8 = undefined,
    /// Of a Close; 0 has none.
    code: u16 = 0,

    pub fn payload(expected: *const Expected) []const u8 {
        return switch (expected.source) {
            .filler => filler[expected.start..][0..expected.len],
            .letters => letters[0..expected.len],
            .command => &expected.command,
        };
    }
};

const expected_max = 128;

pub const Frames = struct {
    bytes: std.ArrayList(u8) = .empty,
    expected: [expected_max]Expected = undefined,
    len: usize = 0,
    handshake_len: usize = 0,
    /// Of the answer to the handshake.
    status: u16 = 101,
    ends_with: enum { close, breach, cut } = .close,

    pub fn fill(frames: *Frames, allocator: std.mem.Allocator, random: Random, message_bytes_max: u32, id: u64) !void {
        frames.bytes.clearRetainingCapacity();
        frames.len = 0;
        frames.status = 101;
        frames.ends_with = .close;
        var maker: Maker = .{ .frames = frames, .allocator = allocator, .random = random, .message_bytes_max = message_bytes_max };
        try maker.handshake(id);
        if (frames.status != 101) return;
        for (0..random.uintLessThan(usize, 16)) |_| switch (random.uintLessThan(u8, 100)) {
            0...69 => try maker.message(),
            70...79 => try maker.command(),
            else => try maker.control(),
        };
        switch (random.uintLessThan(u8, 100)) {
            0...54 => try maker.close(),
            55...89 => {
                frames.ends_with = .breach;
                try maker.breach();
            },
            else => {
                frames.ends_with = .cut;
                const before = frames.bytes.items.len;
                try maker.frame(0x81, filler[0..200], true);
                frames.bytes.shrinkRetainingCapacity(before + 1 + random.uintLessThan(usize, 200));
            },
        }
    }
};

const Maker = struct {
    frames: *Frames,
    allocator: std.mem.Allocator,
    random: Random,
    message_bytes_max: u32,

    fn handshake(maker: *Maker, id: u64) !void {
        const out = &maker.frames.bytes;
        try out.print(maker.allocator, "GET /ws/{d} HTTP/1.1\r\nHost: example.com\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n", .{id});
        const fault = maker.random.uintLessThan(u8, 100);
        if (fault == 0) maker.frames.status = 426 else try out.appendSlice(maker.allocator, "Sec-WebSocket-Version: 13\r\n");
        if (fault == 1) maker.frames.status = 400 else try out.appendSlice(maker.allocator, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        try out.appendSlice(maker.allocator, "\r\n");
        maker.frames.handshake_len = out.items.len;
    }

    fn expect(maker: *Maker, expected: Expected) void {
        maker.frames.expected[maker.frames.len] = expected;
        maker.frames.len += 1;
    }

    fn frame(maker: *Maker, first: u8, payload: []const u8, is_masked: bool) !void {
        const out = &maker.frames.bytes;
        const mask_bit: u8 = if (is_masked) 0x80 else 0;
        try out.append(maker.allocator, first);
        var length: [8]u8 = undefined;
        if (payload.len < 126) {
            try out.append(maker.allocator, mask_bit | @as(u8, @intCast(payload.len)));
        } else if (payload.len < 1 << 16) {
            try out.append(maker.allocator, mask_bit | 126);
            std.mem.writeInt(u16, length[0..2], @intCast(payload.len), .big);
            try out.appendSlice(maker.allocator, length[0..2]);
        } else unreachable;
        if (!is_masked) return out.appendSlice(maker.allocator, payload);
        var key: [4]u8 = @splat(0);
        if (maker.random.uintLessThan(u8, 4) > 0) maker.random.bytes(&key);
        try out.appendSlice(maker.allocator, &key);
        const masked = try out.addManyAsSlice(maker.allocator, payload.len);
        for (masked, payload, 0..) |*into, byte, i| into.* = byte ^ key[i % 4];
    }

    fn lengthOf(maker: *Maker) u32 {
        const limit: u32 = switch (maker.random.uintLessThan(u8, 100)) {
            0...39 => 20,
            40...59 => 130,
            60...84 => 1000,
            85...96 => 6000,
            else => maker.message_bytes_max,
        };
        return maker.random.uintAtMost(u32, @min(limit, maker.message_bytes_max));
    }

    fn message(maker: *Maker) !void {
        const random = maker.random;
        var expected: Expected = .{ .kind = .message, .is_text = random.boolean(), .len = maker.lengthOf() };
        if (expected.is_text and expected.len < 5_000 and random.boolean()) {
            expected.source = .letters;
            // Between two characters.
            while (expected.len > 0 and letters[expected.len] & 0xc0 == 0x80) expected.len -= 1;
        } else expected.start = random.uintLessThan(u32, 5_000);
        try maker.fragments(if (expected.is_text) 1 else 2, expected.payload(), true);
        maker.expect(expected);
    }

    /// A message in one frame or several, with control frames in between where they are answered.
    fn fragments(maker: *Maker, opcode: u8, payload: []const u8, has_controls: bool) !void {
        var rest = payload;
        var first = opcode;
        for (0..maker.random.uintLessThan(usize, 4)) |_| {
            const len = maker.random.uintAtMost(usize, rest.len);
            try maker.frame(first, rest[0..len], true);
            rest = rest[len..];
            first = 0;
            if (has_controls and maker.random.uintLessThan(u8, 3) == 0) try maker.control();
        }
        try maker.frame(0x80 | first, rest, true);
    }

    /// Joins or leaves a group, and is echoed.
    fn command(maker: *Maker) !void {
        var expected: Expected = .{ .kind = .message, .is_text = true, .source = .command, .len = 2 };
        expected.command = .{ if (maker.random.uintLessThan(u8, 3) > 0) '+' else '-', '0' + maker.random.uintLessThan(u8, groups) };
        try maker.frame(0x81, &expected.command, true);
        maker.expect(expected);
    }

    fn control(maker: *Maker) !void {
        const payload = filler[0..maker.random.uintAtMost(usize, 125)];
        // Nobody answers a Pong.
        if (maker.random.uintLessThan(u8, 3) == 0) return maker.frame(0x8a, payload, true);
        try maker.frame(0x89, payload, true);
        maker.expect(.{ .kind = .pong, .len = @intCast(payload.len) });
    }

    fn close(maker: *Maker) !void {
        const codes = [_]u16{ 0, 1000, 1001, 1003, 1011, 3000, 4999 };
        const code = codes[maker.random.uintLessThan(usize, codes.len)];
        var payload: [20]u8 = undefined;
        var len: usize = 0;
        if (code > 0) {
            std.mem.writeInt(u16, payload[0..2], code, .big);
            len = 2 + maker.random.uintAtMost(usize, payload.len - 2);
            @memcpy(payload[2..len], filler[0 .. len - 2]);
        }
        try maker.frame(0x88, payload[0..len], true);
        maker.expect(.{ .kind = .close, .code = code });
    }

    /// What must be refused, and by which code.
    fn breach(maker: *Maker) !void {
        const random = maker.random;
        const out = &maker.frames.bytes;
        var code: u16 = 1002;
        switch (random.uintLessThan(u8, 16)) {
            0 => try maker.frame(0x81 | @as(u8, 0x10) << random.uintLessThan(u3, 3), "abc", true),
            1 => try maker.frame(0x80 | ([_]u8{ 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 })[random.uintLessThan(usize, 10)], "abc", true),
            2 => try maker.frame(0x81, "abc", false),
            3 => try maker.frame(0x09, "abc", true),
            4 => try maker.frame(0x89, filler[0..126], true),
            // A length in more bytes than it takes, and one of 64 bits.
            5 => try out.appendSlice(maker.allocator, "\x82\xfe\x00\x7d\x00\x00\x00\x00"),
            6 => try out.appendSlice(maker.allocator, "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"),
            7 => try out.appendSlice(maker.allocator, "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
            8 => try maker.frame(0x80, "abc", true),
            9 => {
                try maker.frame(0x01, "abc", true);
                try maker.control();
                try maker.frame(0x82, "abc", true);
            },
            10 => try maker.frame(0x88, "\x03", true),
            11 => {
                const codes = [_]u16{ 0, 999, 1004, 1005, 1006, 1015, 2999, 5000 };
                var payload: [2]u8 = undefined;
                std.mem.writeInt(u16, &payload, codes[random.uintLessThan(usize, codes.len)], .big);
                try maker.frame(0x88, &payload, true);
            },
            12 => {
                code = 1007;
                try maker.frame(0x88, "\x03\xe8\xff", true);
            },
            13 => {
                code = 1007;
                const wrong = [_][]const u8{ "\xff", "a\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "abc\xe2\x82", "\x80" };
                try maker.fragments(1, wrong[random.uintLessThan(usize, wrong.len)], false);
            },
            14 => {
                code = 1009;
                try out.appendSlice(maker.allocator, "\x82\xfe");
                var length: [2]u8 = undefined;
                std.mem.writeInt(u16, &length, @intCast(maker.message_bytes_max + 1), .big);
                try out.appendSlice(maker.allocator, &length);
                try out.appendSlice(maker.allocator, "\x00\x00\x00\x00");
            },
            else => {
                code = 1009;
                try maker.frame(0x02, filler[0..maker.message_bytes_max], true);
                try maker.control();
                try maker.frame(0x80, "a", true);
            },
        }
        maker.expect(.{ .kind = .close, .code = code });
        // What stands behind it is nobody's.
        if (random.boolean()) try maker.frame(0x81, "abc", true);
    }
};
