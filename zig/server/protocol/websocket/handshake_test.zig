const std = @import("std");
const handshake = @import("handshake.zig");
const http = @import("../http.zig");
const testing = std.testing;

fn check(text: []const u8) !handshake.Error!handshake.Upgrade {
    var parser: http.RequestParser = .{};
    var array: [100]http.Field = undefined;
    try testing.expect(try parser.feed(text, &.{}, &array));
    const request = parser.request(text, &array);
    return handshake.check(&request);
}

test "the_example_of_the_rfc" {
    // RFC 6455 1.3.
    try testing.expectEqualStrings("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &handshake.acceptOf("dGhlIHNhbXBsZSBub25jZQ=="));
    const upgrade = try try check("GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n" ++
        "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n");
    try testing.expectEqualStrings("chat, superchat", upgrade.protocols.?);
    try testing.expectEqual(null, upgrade.extensions);
    var buffer: [256]u8 = undefined;
    var writer: http.response.Writer = .{ .buffer = &buffer };
    handshake.beginAnswer(&writer, &upgrade, "chat");
    try testing.expectEqualStrings("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" ++
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\nConnection: Upgrade\r\n\r\n", try writer.end(.nothing, .upgrade));
}

test "what_is_no_handshake_is_told_by_its_status" {
    const line = "GET / HTTP/1.1\r\nHost: a\r\n";
    const upgrade = "Upgrade: x, WebSocket\r\nConnection: keep-alive, upgrade\r\n";
    const version = "Sec-WebSocket-Version: 13\r\n";
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const Case = struct { []const u8, ?handshake.Error, u16 };
    for ([_]Case{
        .{ line ++ upgrade ++ version ++ key ++ "\r\n", null, 0 },
        .{ line ++ version ++ key ++ "\r\n", error.NotAnUpgrade, 426 },
        .{ line ++ "Upgrade: websocket\r\n" ++ version ++ key ++ "\r\n", error.NotAnUpgrade, 426 },
        .{ line ++ "Upgrade: h2c\r\nConnection: upgrade\r\n" ++ version ++ key ++ "\r\n", error.NotAnUpgrade, 426 },
        .{ "GET / HTTP/1.0\r\n" ++ upgrade ++ version ++ key ++ "\r\n", error.NotAnUpgrade, 426 },
        .{ "POST / HTTP/1.1\r\nHost: a\r\n" ++ upgrade ++ version ++ key ++ "\r\n", error.InvalidUpgrade, 400 },
        .{ line ++ upgrade ++ version ++ key ++ "Content-Length: 1\r\n\r\n", error.InvalidUpgrade, 400 },
        .{ line ++ upgrade ++ key ++ "\r\n", error.VersionNotSupported, 426 },
        .{ line ++ upgrade ++ key ++ "Sec-WebSocket-Version: 8\r\n\r\n", error.VersionNotSupported, 426 },
        .{ line ++ upgrade ++ version ++ version ++ key ++ "\r\n", error.VersionNotSupported, 426 },
        .{ line ++ upgrade ++ version ++ "\r\n", error.InvalidKey, 400 },
        .{ line ++ upgrade ++ version ++ key ++ key ++ "\r\n", error.InvalidKey, 400 },
        .{ line ++ upgrade ++ version ++ "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n", error.InvalidKey, 400 },
        .{ line ++ upgrade ++ version ++ "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n\r\n", error.InvalidKey, 400 },
        .{ line ++ upgrade ++ version ++ "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXh4\r\n\r\n", error.InvalidKey, 400 },
    }) |case| {
        errdefer std.debug.print("{s}\n", .{case[0]});
        const result = try check(case[0]);
        const expected = case[1] orelse {
            _ = try result;
            continue;
        };
        try testing.expectError(expected, result);
        try testing.expectEqual(case[2], handshake.statusOf(expected));
        var buffer: [256]u8 = undefined;
        var writer: http.response.Writer = .{ .buffer = &buffer };
        handshake.beginRefusal(&writer, expected);
        const answer = try writer.end(.{ .length = 0 }, .close);
        try testing.expectEqual(case[2] == 426, std.mem.indexOf(u8, answer, "Sec-WebSocket-Version: 13\r\n") != null);
    }
}
