const std = @import("std");
const client = @import("../client.zig");
const date_of = @import("date.zig");
const fields = @import("fields.zig");
const response = @import("response.zig");
const Writer = response.Writer;
const testing = std.testing;

test "a_head_is_written_as_it_is_read" {
    var buffer: [256]u8 = undefined;
    var writer: Writer = .{ .buffer = &buffer };
    writer.status(200);
    writer.date(&date_of.format(784_111_777));
    writer.field("Content-Type", "text/plain");
    try testing.expectEqualStrings("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" ++
        "Content-Type: text/plain\r\nContent-Length: 18446744073709551615\r\n\r\n", try writer.end(.{ .length = std.math.maxInt(u64) }, .keep));
}

test "endings_and_connections" {
    const Case = struct { u16, response.Ending, response.Connection, []const u8 };
    for ([_]Case{
        .{ 204, .nothing, .keep, "HTTP/1.1 204 No Content\r\n\r\n" },
        .{ 101, .nothing, .upgrade, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n" },
        .{ 200, .chunked, .close, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" },
        .{ 200, .until_close, .keep_alive, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" },
        .{ 299, .{ .length = 0 }, .keep_alive, "HTTP/1.1 299 \r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n" },
    }) |case| {
        var buffer: [128]u8 = undefined;
        var writer: Writer = .{ .buffer = &buffer };
        writer.status(case[0]);
        try testing.expectEqualStrings(case[3], try writer.end(case[1], case[2]));
    }
}

test "nobody_s_input_becomes_a_line_of_its_own" {
    const Case = struct { []const u8, []const u8, response.Error };
    for ([_]Case{
        .{ "X", "a\r\nSet-Cookie: b", error.InvalidValue },
        .{ "X", "a\nb", error.InvalidValue },
        .{ "X", "a\rb", error.InvalidValue },
        .{ "X", "a\x00", error.InvalidValue },
        .{ "X: a\r\nY", "b", error.InvalidName },
        .{ "X Y", "b", error.InvalidName },
        .{ "", "b", error.InvalidName },
        .{ "content-LENGTH", "5", error.FramingField },
        .{ "Transfer-Encoding", "chunked", error.FramingField },
    }) |case| {
        var buffer: [128]u8 = undefined;
        var writer: Writer = .{ .buffer = &buffer };
        writer.status(200);
        writer.field(case[0], case[1]);
        writer.field("Fine", "after it");
        try testing.expectError(case[2], writer.end(.{ .length = 0 }, .keep));
    }
    for ([_]u16{ 0, 99, 1000 }) |code| {
        var buffer: [128]u8 = undefined;
        var writer: Writer = .{ .buffer = &buffer };
        writer.status(code);
        try testing.expectError(error.InvalidStatus, writer.end(.nothing, .keep));
    }
}

test "a_buffer_without_room_is_not_written_behind_and_the_need_is_told" {
    var wide: [128]u8 = undefined;
    const whole = try response.refusal(&wide, 413, &date_of.format(0));
    for (0..whole.len) |room| {
        var buffer: [128]u8 = @splat('#');
        var writer: Writer = .{ .buffer = buffer[0..room] };
        writer.status(413);
        writer.date(&date_of.format(0));
        try testing.expectError(error.NoRoom, writer.end(.{ .length = 0 }, .close));
        try testing.expectEqual(whole.len, writer.needed);
        for (buffer[room..]) |byte| try testing.expectEqual('#', byte);
    }
}

test "bodies_are_for_statuses_that_have_them" {
    try testing.expect(response.hasBody(200, false) and response.hasBody(404, false));
    try testing.expect(!response.hasBody(200, true) and !response.hasBody(204, false));
    try testing.expect(!response.hasBody(304, false) and !response.hasBody(101, false));
}

test "chunk_heads_are_hexadecimal" {
    var buffer: [response.chunk_head_bytes_max]u8 = undefined;
    try testing.expectEqualStrings("1\r\n", response.chunkHead(&buffer, 1));
    try testing.expectEqualStrings("10ab\r\n", response.chunkHead(&buffer, 0x10ab));
    try testing.expectEqualStrings("ffffffffffffffff\r\n", response.chunkHead(&buffer, std.math.maxInt(u64)));
}

test "the_client_reads_what_the_writer_wrote" {
    var random = std.Random.DefaultPrng.init(8);
    const names = [_][]const u8{ "A", "X-Long-Name", "Content-Type", "Set-Cookie" };
    const values = [_][]const u8{ "", "a", "a b\tc", "\xc3\xa4", "v" ** 60 };
    for (0..2_000) |_| {
        var buffer: [1024]u8 = undefined;
        var writer: Writer = .{ .buffer = &buffer };
        const code = 200 + random.random().uintLessThan(u16, 400);
        writer.status(code);
        const count = random.random().uintLessThan(usize, 6);
        var picked: [6][2][]const u8 = undefined;
        for (picked[0..count]) |*pair| {
            pair.* = .{ names[random.random().uintLessThan(usize, names.len)], values[random.random().uintLessThan(usize, values.len)] };
            writer.field(pair[0], pair[1]);
        }
        const length = random.random().int(u32);
        const head = try writer.end(.{ .length = @as(u64, length) + 1 }, .keep);
        var parser: client.ResponseParser = .{};
        var array: [100]fields.Field = undefined;
        try testing.expectEqual(.complete, try parser.feed(head, &.{}, &array));
        const read = parser.response(head, &.{}, &array);
        try testing.expectEqual(code, read.status);
        try testing.expectEqualStrings(response.reasonOf(code), read.reason);
        try testing.expectEqual(count + 1, read.fields.len);
        for (picked[0..count], read.fields[0..count]) |pair, field| {
            try testing.expectEqualStrings(pair[0], field.name.of(head));
            try testing.expectEqualStrings(pair[1], field.value.of(head));
        }
        if (code != 204 and code != 304) try testing.expectEqual(fields.Framing{ .length = @as(u64, length) + 1 }, read.framing);
    }
}
