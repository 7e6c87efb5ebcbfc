//! The opening handshake (RFC 6455 4), as a server and, for tests and outbound connections, as a client.

const std = @import("std");
const bytes_of = @import("../bytes.zig");
const http = @import("../http.zig");

/// Appended to the key, so that nothing answers by accident (RFC 6455 1.3).
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key is 16 bytes in base64.
const key_bytes = 24;

pub const Accept = [28]u8;

pub const Error = error{
    /// No upgrade to `websocket` was asked for.
    NotAnUpgrade,
    /// Not by GET in HTTP/1.1, or with a body.
    InvalidUpgrade,
    /// None, several, or not 16 bytes in base64.
    InvalidKey,
    /// Not version 13: the answer names the one that is known.
    VersionNotSupported,
};

pub fn statusOf(err: Error) u16 {
    return switch (err) {
        error.NotAnUpgrade, error.VersionNotSupported => 426,
        else => 400,
    };
}

pub const Upgrade = struct {
    accept: Accept,
    /// What the client offered, as it was sent: `http.listHas`, or a choice of the application.
    protocols: ?[]const u8,
    extensions: ?[]const u8,
};

/// Checks what a client sent and computes the answer's proof.
pub fn check(request: *const http.Request) Error!Upgrade {
    if (!request.upgrade or !hasWebSocket(request)) return error.NotAnUpgrade;
    if (request.method != .get or request.framing != .none) return error.InvalidUpgrade;
    const version = single(request, "sec-websocket-version") orelse return error.VersionNotSupported;
    if (!std.mem.eql(u8, version, "13")) return error.VersionNotSupported;
    const key = single(request, "sec-websocket-key") orelse return error.InvalidKey;
    if (!isKey(key)) return error.InvalidKey;
    return .{
        .accept = acceptOf(key),
        .protocols = request.header("sec-websocket-protocol"),
        .extensions = request.header("sec-websocket-extensions"),
    };
}

fn hasWebSocket(request: *const http.Request) bool {
    for (0..request.fields.len) |index| {
        if (!bytes_of.isName(request.headerName(index), "upgrade")) continue;
        if (http.listHas(request.headerValue(index), "websocket")) return true;
    }
    return false;
}

/// Null where there are none or several.
fn single(request: *const http.Request, comptime name: []const u8) ?[]const u8 {
    var found: ?[]const u8 = null;
    for (0..request.fields.len) |index| {
        if (!bytes_of.isName(request.headerName(index), name)) continue;
        if (found != null) return null;
        found = request.headerValue(index);
    }
    return found;
}

fn isKey(key: []const u8) bool {
    if (key.len != key_bytes) return false;
    var nonce: [16]u8 = undefined;
    const decoder = std.base64.standard.Decoder;
    // 24 characters without padding would be 18 bytes, for which the decoder takes the room for granted.
    if ((decoder.calcSizeForSlice(key) catch return false) != nonce.len) return false;
    decoder.decode(&nonce, key) catch return false;
    return true;
}

pub fn acceptOf(key: []const u8) Accept {
    var hash = std.crypto.hash.Sha1.init(.{});
    hash.update(key);
    hash.update(guid);
    var digest: [20]u8 = undefined;
    hash.final(&digest);
    var accept: Accept = undefined;
    _ = std.base64.standard.Encoder.encode(&accept, &digest);
    return accept;
}

/// The 101, up to fields of the caller's and `Writer.end(.nothing, .upgrade)`. `protocol` is one that the client offered, or null.
pub fn beginAnswer(writer: *http.response.Writer, upgrade: *const Upgrade, protocol: ?[]const u8) void {
    writer.status(101);
    writer.field("Upgrade", "websocket");
    writer.field("Sec-WebSocket-Accept", &upgrade.accept);
    if (protocol) |name| writer.field("Sec-WebSocket-Protocol", name);
}

/// The answer to what is no handshake: what to upgrade to, and in which version (RFC 6455 4.4, RFC 9110 15.5.22). Fields of the
/// caller's and `Writer.end(.{ .length = 0 }, .close)` follow.
pub fn beginRefusal(writer: *http.response.Writer, err: Error) void {
    const code = statusOf(err);
    writer.status(code);
    if (code == 426) {
        writer.field("Upgrade", "websocket");
        writer.field("Sec-WebSocket-Version", "13");
    }
}

test {
    _ = @import("handshake_test.zig");
}
