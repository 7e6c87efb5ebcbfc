//! The request target (RFC 9112 3.2) and the Host that goes with it.
//!
//! The bytes have been checked to be visible ASCII. Percent-escapes are the router's business: the target keeps them.

const std = @import("std");
const bytes_of = @import("../bytes.zig");

pub const Form = enum(u2) { origin, absolute, authority, asterisk };

/// The parts of a target, as slices of it. A fragment is no part of a request; where one was sent, it is left out.
pub const Target = struct {
    form: Form,
    /// `/` where an absolute form has none; empty in the authority and the asterisk forms.
    path: []const u8,
    /// Behind the `?`, without it. Null where there is no `?`.
    query: ?[]const u8,
    /// Host and port of the absolute and authority forms. It takes the place of the Host field (RFC 9112 3.2.2).
    authority: ?[]const u8,
};

pub const Error = error{InvalidTarget};

/// What the method allows: CONNECT has the authority form and no other.
pub const Allowed = enum { authority, with_asterisk, without_asterisk };

pub fn parse(target: []const u8, allowed: Allowed) Error!Target {
    if (target.len == 0) return error.InvalidTarget;
    if (allowed == .authority) {
        if (!isAuthority(target, .with_port)) return error.InvalidTarget;
        return .{ .form = .authority, .path = "", .query = null, .authority = target };
    }
    if (target[0] == '/') return origin(target);
    if (target.len == 1 and target[0] == '*') {
        if (allowed != .with_asterisk) return error.InvalidTarget;
        return .{ .form = .asterisk, .path = "", .query = null, .authority = null };
    }
    const scheme = std.mem.indexOf(u8, target, "://") orelse return error.InvalidTarget;
    if (!isScheme(target[0..scheme])) return error.InvalidTarget;
    const rest = target[scheme + 3 ..];
    const whole = rest[0 .. std.mem.indexOfAny(u8, rest, "/?#") orelse rest.len];
    // A user isn't part of the host (RFC 9110 4.2.4), and of no use here.
    const authority = if (std.mem.lastIndexOfScalar(u8, whole, '@')) |at| whole[at + 1 ..] else whole;
    // An `http` URI with an empty host is invalid (RFC 9110 4.2.1).
    if (authority.len == 0 or authority[0] == ':' or !isAuthority(authority, .any)) return error.InvalidTarget;
    return splitPath(.absolute, rest[whole.len..], authority);
}

/// A target that begins with a slash, of a method other than CONNECT.
pub inline fn origin(target: []const u8) Target {
    return splitPath(.origin, target, null);
}

inline fn splitPath(form: Form, whole: []const u8, authority: ?[]const u8) Target {
    const path_bytes = bytes_of.indexOfOther(.path, whole, 0);
    const path = whole[0..path_bytes];
    var query: ?[]const u8 = null;
    if (path_bytes < whole.len and whole[path_bytes] == '?') {
        const rest = whole[path_bytes + 1 ..];
        query = rest[0 .. std.mem.indexOfScalar(u8, rest, '#') orelse rest.len];
    }
    return .{
        .form = form,
        .path = if (path.len == 0) "/" else path,
        .query = query,
        .authority = authority,
    };
}

fn isScheme(name: []const u8) bool {
    if (name.len == 0 or !std.ascii.isAlphabetic(name[0])) return false;
    for (name) |byte| switch (byte) {
        'a'...'z', 'A'...'Z', '0'...'9', '+', '-', '.' => {},
        else => return false,
    };
    return true;
}

const Port = enum { any, with_port };

/// `host[:port]` (RFC 3986 3.2.2), an IPv6 address in brackets among them. What a Host field may hold, which may be
/// empty as well (RFC 9110 7.2).
pub fn isHost(value: []const u8) bool {
    return value.len == 0 or isAuthority(value, .any);
}

fn isAuthority(value: []const u8, port: Port) bool {
    var at: usize = 0;
    if (value[0] == '[') {
        at = (std.mem.indexOfScalar(u8, value, ']') orelse return false) + 1;
        // An address, or a future one `v1.x`: whoever resolves it looks closer.
        if (at == 2) return false;
        for (value[1 .. at - 1]) |byte| switch (byte) {
            '0'...'9', 'a'...'z', 'A'...'Z', ':', '.', '-', '_', '~' => {},
            else => return false,
        };
    } else {
        at = bytes_of.indexOfOther(.host, value, 0);
    }
    if (at == value.len) return port == .any;
    if (value[at] != ':') return false;
    const digits = value[at + 1 ..];
    if (port == .with_port and (digits.len == 0 or at == 0)) return false;
    if (digits.len > 5) return false;
    var number: u32 = 0;
    for (digits) |digit| {
        if (digit < '0' or digit > '9') return false;
        number = number * 10 + (digit - '0');
    }
    return number <= std.math.maxInt(u16);
}

test "the_four_forms" {
    const Case = struct { []const u8, Form, []const u8, ?[]const u8, ?[]const u8 };
    for ([_]Case{
        .{ "/", .origin, "/", null, null },
        .{ "/a/b?c=d?e", .origin, "/a/b", "c=d?e", null },
        .{ "/a?", .origin, "/a", "", null },
        .{ "/a#b?c", .origin, "/a", null, null },
        .{ "//a//b", .origin, "//a//b", null, null },
        .{ "http://example.com", .absolute, "/", null, "example.com" },
        .{ "http://example.com:80/x?y", .absolute, "/x", "y", "example.com:80" },
        .{ "http://u:p@example.com@b:80/x@y", .absolute, "/x@y", null, "b:80" },
        .{ "https://[::1]:8443?y", .absolute, "/", "y", "[::1]:8443" },
    }) |case| {
        const target = try parse(case[0], .without_asterisk);
        try std.testing.expectEqual(case[1], target.form);
        try std.testing.expectEqualStrings(case[2], target.path);
        try std.testing.expectEqualDeep(case[3], target.query);
        try std.testing.expectEqualDeep(case[4], target.authority);
    }
    try std.testing.expectEqual(.asterisk, (try parse("*", .with_asterisk)).form);
    try std.testing.expectEqualStrings("a.b:443", (try parse("a.b:443", .authority)).authority.?);
    for ([_][]const u8{ "", "a", "*", "a.b:443", "?a", "1http://a/", "http:///x", "http://:80/", "http://u@/", "http://u@:1/", "http:/a", "://a" }) |target| {
        try std.testing.expectError(error.InvalidTarget, parse(target, .without_asterisk));
    }
    for ([_][]const u8{ "/", "a.b", "a.b:", ":443", "a.b:65536", "a.b:443/", "*", "http://a.b:443" }) |target| {
        try std.testing.expectError(error.InvalidTarget, parse(target, .authority));
    }
}

test "a_host_is_a_name_or_an_address_with_or_without_a_port" {
    for ([_][]const u8{ "", "a", "example.com:", "example.com:65535", "[::1]", "[v1.x]:80", "a%20b", "127.0.0.1:1", "xn--a" }) |host| {
        try std.testing.expect(isHost(host));
    }
    for ([_][]const u8{ "a b", "a,b c", "u@a", "a/b", "a:65536", "a:1x", "[::1", "[]", "[::1]x", "a:1:2", "a\\b", "\xc3\xa4" }) |host| {
        try std.testing.expect(!isHost(host));
    }
}
