//! Where a request goes, from a URL as people write it.

const std = @import("std");
const bytes_of = @import("../protocol/bytes.zig");
const target_of = @import("../protocol/http/target.zig");

pub const Error = error{
    /// Not `http://`, a host, perhaps a port and a path; also one with a user or with spaces.
    InvalidUrl,
    /// TLS is a proxy's, as on the server's own side.
    TlsUnsupported,
};

pub const Url = struct {
    /// Without the brackets of an IPv6 address.
    host: []const u8,
    port: u16,
    /// Host and port as they were written: the field Host.
    authority: []const u8,
    path: []const u8,
    query: ?[]const u8,

    pub fn parse(text: []const u8) Error!Url {
        if (!bytes_of.isAll(.target, text)) return error.InvalidUrl;
        if (std.ascii.startsWithIgnoreCase(text, "https://")) return error.TlsUnsupported;
        if (!std.ascii.startsWithIgnoreCase(text, "http://")) return error.InvalidUrl;
        const target = target_of.parse(text, .without_asterisk) catch return error.InvalidUrl;
        const authority = target.authority.?;
        // What is left out here somebody meant as a password.
        const start = @intFromPtr(authority.ptr) - @intFromPtr(text.ptr);
        if (start != "http://".len) return error.InvalidUrl;
        const colon = if (authority[0] == '[')
            (std.mem.indexOfScalar(u8, authority, ']') orelse return error.InvalidUrl) + 1
        else
            std.mem.indexOfScalar(u8, authority, ':') orelse authority.len;
        const host = std.mem.trim(u8, authority[0..colon], "[]");
        if (host.len == 0) return error.InvalidUrl;
        const digits = if (colon < authority.len) authority[colon + 1 ..] else "";
        const port = if (digits.len == 0) 80 else std.fmt.parseInt(u16, digits, 10) catch return error.InvalidUrl;
        if (port == 0) return error.InvalidUrl;
        return .{ .host = host, .port = port, .authority = authority, .path = target.path, .query = target.query };
    }
};

test "a URL has its parts" {
    const whole: Url = try .parse("http://Example.com:8080/a/b?c=d#e");
    try std.testing.expectEqualStrings("Example.com", whole.host);
    try std.testing.expectEqualStrings("Example.com:8080", whole.authority);
    try std.testing.expectEqual(@as(u16, 8080), whole.port);
    try std.testing.expectEqualStrings("/a/b", whole.path);
    try std.testing.expectEqualStrings("c=d", whole.query.?);
    const short: Url = try .parse("HTTP://[::1]");
    try std.testing.expectEqualStrings("::1", short.host);
    try std.testing.expectEqual(@as(u16, 80), short.port);
    try std.testing.expectEqualStrings("/", short.path);
    try std.testing.expectEqual(null, short.query);
    try std.testing.expectEqual(@as(u16, 81), (try Url.parse("http://[::1]:81/")).port);
}

test "what is no URL of HTTP's is refused" {
    try std.testing.expectError(error.TlsUnsupported, Url.parse("https://example.com/"));
    for ([_][]const u8{
        "",               "/path",             "example.com", "ftp://example.com/",        "http://",     "http:///path",    "http://:80/",
        "http://a b/",    "http://a/\r\nX: y", "http://a:b/", "http://user:secret@host/x", "http://a:0/", "http://a:65536/", "http://[::1/",
        "http://a\x00b/", "http://a/\xc3\xa4",
    }) |text| {
        errdefer std.debug.print("{s}\n", .{text});
        try std.testing.expectError(error.InvalidUrl, Url.parse(text));
    }
}
