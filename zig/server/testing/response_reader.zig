//! Reads answers for tests, on purpose by other code than the server's: it accepts exactly what the server promises to
//! send, so a fault of the server's writer can't hide in a reader that shares it.

const std = @import("std");

pub const Response = struct {
    status: u16,
    head: []const u8,
    body: []const u8,
    /// Bytes of the whole answer.
    consumed: usize,
    /// Whether it says that it is the connection's last.
    closes: bool,

    pub fn header(response: *const Response, name: []const u8) ?[]const u8 {
        var start = (find(response.head, 0, "\r\n") orelse return null) + 2;
        while (find(response.head, start, "\r\n")) |end| {
            const line = response.head[start..end];
            start = end + 2;
            if (line.len < name.len + 2 or !std.mem.startsWith(u8, line[name.len..], ": ")) continue;
            if (std.ascii.eqlIgnoreCase(line[0..name.len], name)) return line[name.len + 2 ..];
        }
        return null;
    }
};

/// A third of a simulated run's time was std.mem.indexOf, which looks for short needles at each position anew.
fn find(bytes: []const u8, start: usize, needle: []const u8) ?usize {
    var at = start;
    while (std.mem.indexOfScalarPos(u8, bytes, at, needle[0])) |found| {
        if (std.mem.startsWith(u8, bytes[found..], needle)) return found;
        at = found + 1;
    }
    return null;
}

pub const ResponseReader = struct {
    is_head: bool = false,

    pub const Error = error{ InvalidResponse, BodyTooLong };

    /// The answer at the start of `bytes`, or null while it isn't whole. A chunked body is put together in `scratch`.
    pub fn read(reader: *const ResponseReader, bytes: []const u8, scratch: []u8) Error!?Response {
        const head_len = find(bytes, 0, "\r\n\r\n") orelse return null;
        const head = bytes[0 .. head_len + 2];
        if (!std.mem.startsWith(u8, head, "HTTP/1.1 ") or head.len < 13) return error.InvalidResponse;
        const status = std.fmt.parseInt(u16, head[9..12], 10) catch return error.InvalidResponse;
        var response: Response = .{ .status = status, .head = head, .body = "", .consumed = head_len + 4, .closes = false };
        if (response.header("connection")) |value| response.closes = std.mem.eql(u8, value, "close");
        const length = response.header("content-length");
        const is_chunked = response.header("transfer-encoding") != null;
        if (status < 200 or status == 204 or status == 304) {
            if (length != null or is_chunked) return error.InvalidResponse;
            return response;
        }
        if (length != null and is_chunked) return error.InvalidResponse;
        if (reader.is_head) return response;
        if (length == null and !is_chunked) return error.InvalidResponse;
        const rest = bytes[response.consumed..];
        if (length) |text| {
            const len = std.fmt.parseInt(usize, text, 10) catch return error.InvalidResponse;
            if (rest.len < len) return null;
            response.body = rest[0..len];
            response.consumed += len;
            return response;
        }
        var at: usize = 0;
        var body_len: usize = 0;
        while (true) {
            const line_end = find(rest, at, "\r\n") orelse return null;
            const size = std.fmt.parseInt(usize, rest[at..line_end], 16) catch return error.InvalidResponse;
            at = line_end + 2;
            if (rest.len - at < size + 2) return null;
            if (body_len + size > scratch.len) return error.BodyTooLong;
            @memcpy(scratch[body_len..][0..size], rest[at..][0..size]);
            body_len += size;
            if (!std.mem.eql(u8, rest[at + size ..][0..2], "\r\n")) return error.InvalidResponse;
            at += size + 2;
            if (size == 0) break;
        }
        response.body = scratch[0..body_len];
        response.consumed += at;
        return response;
    }
};

test "an answer is whole or nothing" {
    const reader: ResponseReader = .{};
    var scratch: [64]u8 = undefined;
    const answers = [_][]const u8{
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    };
    for (answers) |answer| {
        for (0..answer.len) |len| try std.testing.expectEqual(null, try reader.read(answer[0..len], &scratch));
        const response = (try reader.read(answer, &scratch)).?;
        try std.testing.expectEqualStrings("abc", response.body);
        try std.testing.expectEqual(answer.len, response.consumed);
    }
    try std.testing.expectError(error.InvalidResponse, reader.read("HTTP/1.1 200 OK\r\n\r\n", &scratch));
}
