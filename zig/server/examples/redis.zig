//! As much of Redis's protocol as it takes for a PING: a synchronous library over any reader and writer, that knows nothing
//! of fibers and rings. Over a `Pipe` it runs on the loop's thread.

const std = @import("std");

pub const Error = std.Io.Reader.DelimiterError || std.Io.Writer.Error || error{
    /// The server's own words are in the log.
    RedisError,
    InvalidReply,
};

/// The server's answer, valid until the next read.
pub fn ping(reader: *std.Io.Reader, writer: *std.Io.Writer) Error![]const u8 {
    return command(reader, writer, &.{"PING"});
}

/// For commands whose answer is one line.
pub fn command(reader: *std.Io.Reader, writer: *std.Io.Writer, words: []const []const u8) Error![]const u8 {
    try writer.print("*{d}\r\n", .{words.len});
    for (words) |word| try writer.print("${d}\r\n{s}\r\n", .{ word.len, word });
    try writer.flush();
    const line = try reader.takeDelimiterInclusive('\n');
    if (line.len < 3 or !std.mem.endsWith(u8, line, "\r\n")) return error.InvalidReply;
    const text = line[1 .. line.len - 2];
    switch (line[0]) {
        '+', ':' => return text,
        '-' => {
            std.log.scoped(.redis).warn("{s}", .{text});
            return error.RedisError;
        },
        else => return error.InvalidReply,
    }
}
