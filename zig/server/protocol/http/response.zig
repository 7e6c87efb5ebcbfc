//! Heads of responses, written into a buffer of the caller.
//!
//! Always: no byte of a field can end its line, so that nobody's input becomes a field or a response of its own; and
//! the fields that say where the message ends are written by `end` alone. A buffer that is too small is never written
//! behind: the writer goes on counting, and tells what it would take.

const std = @import("std");
const bytes_of = @import("../bytes.zig");
const date_of = @import("date.zig");

pub const Error = error{
    /// `Writer.needed` says how many bytes it takes.
    NoRoom,
    /// A name that is no token.
    InvalidName,
    /// A value with a control character other than the tab.
    InvalidValue,
    /// Content-Length, Transfer-Encoding: `end` writes them.
    FramingField,
    /// Not between 100 and 999.
    InvalidStatus,
};

/// How the other side learns where the body ends.
pub const Ending = union(enum) {
    length: u64,
    chunked,
    /// For clients of HTTP/1.0 that know no chunks. Writes `Connection: close`.
    until_close,
    /// 1xx, 204 and 304, which have none (RFC 9110 8.6), and 101.
    nothing,
};

pub const Connection = enum {
    /// Says nothing: it stays open in HTTP/1.1.
    keep,
    /// `keep-alive`, which a client of HTTP/1.0 has to hear.
    keep_alive,
    close,
    /// `upgrade`, of a 101.
    upgrade,
};

/// Whether a response has a body at all: not to HEAD, and not with these statuses (RFC 9112 6.3).
pub fn hasBody(status: u16, is_head: bool) bool {
    return !is_head and status >= 200 and status != 204 and status != 304;
}

/// ```
/// var writer: Writer = .{ .buffer = &buffer };
/// writer.status(200);
/// writer.date(cache.at(now));
/// writer.field("Content-Type", "text/plain");
/// const head = try writer.end(.{ .length = body.len }, .keep);
/// ```
pub const Writer = struct {
    buffer: []u8,
    /// Bytes written so far, or that would have been if there were room.
    needed: usize = 0,
    /// The first thing that was wrong; `end` tells it.
    failed: ?Error = null,

    pub fn status(writer: *Writer, code: u16) void {
        if (code < 100 or code > 999) return writer.fail(error.InvalidStatus);
        switch (code) {
            inline 200, 404 => |known| writer.put(comptime statusLine(known)),
            else => {
                const digits = [3]u8{ '0' + @as(u8, @intCast(code / 100)), '0' + @as(u8, @intCast(code / 10 % 10)), '0' + @as(u8, @intCast(code % 10)) };
                writer.put("HTTP/1.1 ");
                writer.put(&digits);
                writer.put(" ");
                writer.put(reasonOf(code));
                writer.put("\r\n");
            },
        }
    }

    pub fn field(writer: *Writer, name: []const u8, value: []const u8) void {
        if (name.len == 0 or !bytes_of.isAll(.token, name)) return writer.fail(error.InvalidName);
        if (!bytes_of.isAll(.field_value, value)) return writer.fail(error.InvalidValue);
        if (bytes_of.isName(name, "content-length") or bytes_of.isName(name, "transfer-encoding")) {
            return writer.fail(error.FramingField);
        }
        writer.line(name, value);
    }

    /// A field of ours, whose name needs no looking at.
    pub fn contentType(writer: *Writer, value: []const u8) void {
        if (!bytes_of.isAll(.field_value, value)) return writer.fail(error.InvalidValue);
        writer.line("Content-Type", value);
    }

    pub fn date(writer: *Writer, text: *const date_of.Text) void {
        writer.put("Date: ");
        writer.put(text);
        writer.put("\r\n");
    }

    /// Writes what says where the body ends, and the empty line. The head, or the first thing that was wrong.
    pub fn end(writer: *Writer, ending: Ending, connection: Connection) Error![]const u8 {
        switch (ending) {
            .length => |length| {
                var digits: [20]u8 = undefined;
                writer.line("Content-Length", decimal(&digits, length));
            },
            .chunked => writer.line("Transfer-Encoding", "chunked"),
            .until_close, .nothing => {},
        }
        const said: Connection = if (ending == .until_close) .close else connection;
        switch (said) {
            .keep => {},
            .keep_alive => writer.line("Connection", "keep-alive"),
            .close => writer.line("Connection", "close"),
            .upgrade => writer.line("Connection", "Upgrade"),
        }
        writer.put("\r\n");
        if (writer.failed) |err| return err;
        if (writer.needed > writer.buffer.len) return error.NoRoom;
        return writer.buffer[0..writer.needed];
    }

    inline fn line(writer: *Writer, name: []const u8, value: []const u8) void {
        writer.put(name);
        writer.put(": ");
        writer.put(value);
        writer.put("\r\n");
    }

    inline fn put(writer: *Writer, bytes: []const u8) void {
        const at = writer.needed;
        writer.needed = at +| bytes.len;
        if (writer.needed <= writer.buffer.len) @memcpy(writer.buffer[at..][0..bytes.len], bytes);
    }

    fn fail(writer: *Writer, err: Error) void {
        if (writer.failed == null) writer.failed = err;
    }
};

/// Its digits, at the end of the buffer.
pub fn decimal(digits: *[20]u8, number: u64) []const u8 {
    var left = number;
    var at: usize = digits.len;
    while (true) {
        at -= 1;
        digits[at] = '0' + @as(u8, @intCast(left % 10));
        left /= 10;
        if (left == 0) return digits[at..];
    }
}

/// The longest line before a chunk: 16 digits and the line's end.
pub const chunk_head_bytes_max = 18;
/// Behind the data of each chunk.
pub const chunk_end = "\r\n";
/// Behind the last one. An empty chunk would end the body: nothing is to be sent for it.
pub const last_chunk = "0\r\n\r\n";

/// The line before the data of a chunk.
pub fn chunkHead(buffer: *[chunk_head_bytes_max]u8, data_bytes: u64) []const u8 {
    std.debug.assert(data_bytes != 0);
    var at: usize = chunk_head_bytes_max - 2;
    buffer[at..][0..2].* = "\r\n".*;
    var left = data_bytes;
    while (left != 0) : (left >>= 4) {
        at -= 1;
        buffer[at] = "0123456789abcdef"[@intCast(left & 15)];
    }
    return buffer[at..];
}

pub const continue_head = "HTTP/1.1 100 Continue\r\n\r\n";

/// What a refused request is answered with when nobody wants to say it better: an empty body, and the end.
pub fn refusal(buffer: []u8, code: u16, date_text: *const date_of.Text) Error![]const u8 {
    var writer: Writer = .{ .buffer = buffer };
    writer.status(code);
    writer.date(date_text);
    return writer.end(.{ .length = 0 }, .close);
}

fn statusLine(comptime code: u16) []const u8 {
    return std.fmt.comptimePrint("HTTP/1.1 {d} {s}\r\n", .{ code, reasonOf(code) });
}

/// The reason phrases of IANA's registry; empty where it has none.
pub fn reasonOf(code: u16) []const u8 {
    return switch (code) {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        else => "",
    };
}

test {
    _ = @import("response_test.zig");
}
