//! A client for tests that blocks, and reads answers by their own rules.

const std = @import("std");
const linux = std.os.linux;
const ResponseReader = @import("response_reader.zig").ResponseReader;
pub const Response = @import("response_reader.zig").Response;

/// What a test waits for an answer before it fails.
const timeout_seconds = 20;

pub const Client = struct {
    fd: linux.fd_t,
    bytes: [512 * 1024]u8 = undefined,
    /// What arrived, and how much of it is read.
    len: usize = 0,
    at: usize = 0,
    body: [512 * 1024]u8 = undefined,

    pub fn connect(port: u16) !Client {
        const rc = linux.socket(linux.AF.INET, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, 0);
        if (linux.errno(rc) != .SUCCESS) return error.Unexpected;
        const fd: linux.fd_t = @intCast(rc);
        errdefer _ = linux.close(fd);
        const timeout: linux.timeval = .{ .sec = timeout_seconds, .usec = 0 };
        _ = linux.setsockopt(fd, linux.SOL.SOCKET, linux.SO.RCVTIMEO, std.mem.asBytes(&timeout), @sizeOf(linux.timeval));
        const nodelay: c_int = 1;
        _ = linux.setsockopt(fd, linux.IPPROTO.TCP, linux.TCP.NODELAY, std.mem.asBytes(&nodelay), @sizeOf(c_int));
        const address: linux.sockaddr.in = .{ .port = std.mem.nativeToBig(u16, port), .addr = @bitCast([4]u8{ 127, 0, 0, 1 }) };
        if (linux.errno(linux.connect(fd, &address, @sizeOf(linux.sockaddr.in))) != .SUCCESS) return error.ConnectionRefused;
        return .{ .fd = fd };
    }

    pub fn close(client: *Client) void {
        _ = linux.close(client.fd);
    }

    pub fn send(client: *Client, bytes: []const u8) !void {
        var rest = bytes;
        while (rest.len > 0) {
            const rc = linux.sendto(client.fd, rest.ptr, rest.len, linux.MSG.NOSIGNAL, null, 0);
            if (linux.errno(rc) != .SUCCESS) return error.ConnectionReset;
            rest = rest[rc..];
        }
    }

    pub fn receive(client: *Client) !Response {
        return client.receiveAnswer(false);
    }

    /// Of a HEAD, or a 100.
    pub fn receiveHead(client: *Client) !Response {
        return client.receiveAnswer(true);
    }

    fn receiveAnswer(client: *Client, is_head: bool) !Response {
        if (client.at == client.len) {
            client.at = 0;
            client.len = 0;
        }
        while (true) {
            var reader: ResponseReader = .{ .is_head = is_head };
            if (try reader.read(client.bytes[client.at..client.len], &client.body)) |response| {
                client.at += response.consumed;
                return response;
            }
            if (try client.fill() == 0) return error.EndOfStream;
        }
    }

    /// Everything behind a head until the server closes.
    pub fn receiveUntilEnd(client: *Client) ![]const u8 {
        while (try client.fill() > 0) {}
        const all = client.bytes[client.at..client.len];
        client.at = client.len;
        return all[std.mem.indexOf(u8, all, "\r\n\r\n").? + 4 ..];
    }

    /// Bytes as they come.
    pub fn receiveExactly(client: *Client, len: usize) ![]const u8 {
        while (client.len - client.at < len) if (try client.fill() == 0) return error.EndOfStream;
        defer client.at += len;
        return client.bytes[client.at..][0..len];
    }

    /// Bytes as they come, more of them than fit at once.
    pub fn expectBytes(client: *Client, expected: []const u8) !void {
        var rest = expected;
        while (rest.len > 0) {
            if (client.at == client.len) {
                client.at = 0;
                client.len = 0;
                if (try client.fill() == 0) return error.EndOfStream;
            }
            const len = @min(rest.len, client.len - client.at);
            if (!std.mem.eql(u8, rest[0..len], client.bytes[client.at..][0..len])) return error.OtherBytes;
            client.at += len;
            rest = rest[len..];
        }
    }

    /// Whether the server closed, and sent nothing more.
    pub fn isEnded(client: *Client) !bool {
        if (client.at < client.len) return false;
        return try client.fill() == 0;
    }

    fn fill(client: *Client) !usize {
        const room = client.bytes[client.len..];
        const rc = while (true) {
            const rc = linux.recvfrom(client.fd, room.ptr, room.len, 0, null, null);
            switch (linux.errno(rc)) {
                .SUCCESS => break rc,
                .INTR => {},
                .AGAIN => return error.Timeout,
                else => |err| {
                    std.log.err("recv: {t}", .{err});
                    return error.ConnectionReset;
                },
            }
        };
        client.len += rc;
        return rc;
    }
};
