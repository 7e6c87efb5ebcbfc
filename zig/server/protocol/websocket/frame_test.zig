const std = @import("std");
const frame = @import("frame.zig");
const Header = frame.Header;
const testing = std.testing;

test "headers_are_read_as_they_were_written_and_not_before_their_last_byte" {
    var random = std.Random.DefaultPrng.init(1);
    const lengths = [_]u64{ 0, 1, 125, 126, 127, 0xffff, 0x10000, 0x7fff_ffff_ffff_ffff };
    for ([_]frame.Opcode{ .continuation, .text, .binary, .close, .ping, .pong }) |opcode| {
        for (lengths) |payload_bytes| for ([_]Header.Sender{ .client, .server }) |sender| {
            if (opcode.isControl() and payload_bytes > frame.control_bytes_max) continue;
            const header: Header = .{
                .opcode = opcode,
                .is_last = opcode.isControl() or random.random().boolean(),
                .compressed = opcode == .text and random.random().boolean(),
                .key = if (sender == .client) .{ 1, 2, 3, random.random().int(u8) } else null,
                .payload_bytes = payload_bytes,
            };
            var buffer: [frame.header_bytes_max]u8 = undefined;
            const len = header.write(&buffer);
            for (0..len) |part| try testing.expectEqual(null, try Header.read(buffer[0..part], sender, true));
            const read = (try Header.read(&buffer, sender, true)).?;
            try testing.expectEqual(len, read.bytes);
            try testing.expectEqualDeep(header, read.header);
        };
    }
}

test "a_header_is_refused_at_its_first_wrong_byte" {
    const Case = struct { []const u8, frame.Error };
    for ([_]Case{
        .{ "\xc1", error.ReservedBits },
        .{ "\xa1", error.ReservedBits },
        .{ "\x91", error.ReservedBits },
        .{ "\xc9", error.ReservedBits },
        .{ "\x83", error.ReservedOpcode },
        .{ "\x87", error.ReservedOpcode },
        .{ "\x8b", error.ReservedOpcode },
        .{ "\x8f", error.ReservedOpcode },
        .{ "\x08", error.InvalidControlFrame },
        .{ "\x09", error.InvalidControlFrame },
        .{ "\x89\xfe", error.InvalidControlFrame },
        .{ "\x88\xff", error.InvalidControlFrame },
        .{ "\x81\x05", error.InvalidMask },
        .{ "\x82\xff\x80", error.InvalidLength },
        .{ "\x82\xfe\x00\x7d", error.InvalidLength },
        .{ "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", error.InvalidLength },
    }) |case| {
        errdefer std.debug.print("{x}\n", .{case[0]});
        for (0..case[0].len) |len| try testing.expectEqual(null, try Header.read(case[0][0..len], .client, false));
        try testing.expectError(case[1], Header.read(case[0], .client, false));
        // And with everything behind it.
        var longer: [32]u8 = @splat(0);
        @memcpy(longer[0..case[0].len], case[0]);
        try testing.expectError(case[1], Header.read(&longer, .client, false));
    }
    try testing.expectError(error.InvalidMask, Header.read("\x81\x85", .server, false));
}

test "codes_that_may_be_sent" {
    // Autobahn's cases 7.7 and 7.9, and the edges of every range.
    for ([_]u16{ 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999 }) |code| {
        try testing.expect(@as(frame.CloseCode, @enumFromInt(code)).isSendable());
    }
    for ([_]u16{ 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 }) |code| {
        try testing.expect(!@as(frame.CloseCode, @enumFromInt(code)).isSendable());
    }
}

test "closes_are_read_and_refused" {
    try testing.expectEqual(null, (try frame.readClose("")).code);
    const close = try frame.readClose("\x03\xe8bye");
    try testing.expectEqual(.normal, close.code.?);
    try testing.expectEqualStrings("bye", close.reason);
    try testing.expectError(error.InvalidCloseCode, frame.readClose("\x03"));
    try testing.expectError(error.InvalidCloseCode, frame.readClose("\x03\xed"));
    try testing.expectError(error.InvalidCloseReason, frame.readClose("\x03\xe8\xce\xba\xe1"));
}

test "a_reason_that_is_too_long_is_cut_between_two_characters" {
    var buffer: [frame.control_frame_bytes_max]u8 = undefined;
    // Characters of every length at every place of the end.
    for ([_][]const u8{ "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" }) |character| for (0..4) |lead| {
        var reason: [400]u8 = @splat('x');
        for (0..90) |n| @memcpy(reason[lead + n * character.len ..][0..character.len], character);
        const written = frame.writeClose(&buffer, .going_away, reason[0 .. lead + 90 * character.len]);
        const read = (try Header.read(written, .server, false)).?;
        const close = try frame.readClose(written[read.bytes..]);
        try testing.expectEqual(.going_away, close.code.?);
        const left = @min(123, lead + 90 * character.len) - close.reason.len;
        try testing.expect(left < character.len);
    };
    try testing.expectEqualStrings("\x88\x00", frame.writeClose(&buffer, null, "nobody reads it"));
    try testing.expectEqualStrings("\x8a\x02hi", frame.writeControl(&buffer, .pong, "hi"));
}
