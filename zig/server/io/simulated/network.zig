//! The connections between simulated clients and the simulated kernel: two bounded streams of bytes each, and what
//! either end did to them. Neither end sees more than TCP would show it.

const std = @import("std");
const assert = std.debug.assert;

/// What either side can have sent without the other reading it: small, so that both get stuck often.
pub const window_bytes = 16 * 1024;

/// Bytes under way in one direction.
pub const Stream = struct {
    bytes: [window_bytes]u8 = undefined,
    start: usize = 0,
    len: usize = 0,

    pub fn free(stream: *const Stream) usize {
        return window_bytes - stream.len;
    }

    /// Takes as many as there is room for.
    pub fn write(stream: *Stream, bytes: []const u8) usize {
        const count = @min(bytes.len, stream.free());
        for (bytes[0..count], 0..) |byte, i| stream.bytes[(stream.start + stream.len + i) % window_bytes] = byte;
        stream.len += count;
        return count;
    }

    /// Gives as many as there are.
    pub fn read(stream: *Stream, into: []u8) usize {
        const count = @min(into.len, stream.len);
        for (into[0..count], 0..) |*byte, i| byte.* = stream.bytes[(stream.start + i) % window_bytes];
        stream.start = (stream.start + count) % window_bytes;
        stream.len -= count;
        return count;
    }
};

pub const Connection = struct {
    to_server: Stream = .{},
    to_client: Stream = .{},
    /// The client will send no more.
    client_finished: bool = false,
    /// The client is gone, and what was under way to it with it.
    client_reset: bool = false,
    /// The client is done with it, in whatever way.
    client_released: bool = false,
    /// The server will send no more.
    server_finished: bool = false,
    /// The server threw away what the client had sent: the client may lose what was under way to it.
    server_reset: bool = false,
    server_released: bool = false,
    /// The kernel had no descriptor for it: the server never saw it.
    dropped: bool = false,

    /// Without touching the streams' bytes. Released by both sides it is free for the next.
    pub fn reset(connection: *Connection, is_released: bool) void {
        connection.to_server.start = 0;
        connection.to_server.len = 0;
        connection.to_client.start = 0;
        connection.to_client.len = 0;
        connection.client_finished = is_released;
        connection.client_reset = false;
        connection.client_released = is_released;
        connection.server_finished = is_released;
        connection.server_reset = false;
        connection.server_released = is_released;
        connection.dropped = false;
    }

    /// What a client reads: bytes, the end, or a reset.
    pub const Read = union(enum) { bytes: usize, nothing, end, reset };

    pub fn clientRead(connection: *Connection, into: []u8) Read {
        assert(!connection.client_released);
        if (connection.server_reset) return .reset;
        const count = connection.to_client.read(into);
        if (count > 0) return .{ .bytes = count };
        return if (connection.server_finished) .end else .nothing;
    }

    /// How much was taken. After the server closed, the first bytes provoke a reset, as they do with TCP.
    pub fn clientWrite(connection: *Connection, bytes: []const u8) usize {
        assert(!connection.client_released);
        assert(!connection.client_finished);
        if (connection.server_released) {
            connection.server_reset = true;
            return bytes.len;
        }
        return connection.to_server.write(bytes);
    }

    pub fn clientReset(connection: *Connection) void {
        connection.client_reset = true;
        connection.client_released = true;
    }

    /// The server's last reference is gone.
    pub fn serverClose(connection: *Connection) void {
        assert(!connection.server_released);
        if (connection.to_server.len > 0) connection.server_reset = true;
        connection.server_finished = true;
        connection.server_released = true;
    }

    pub fn isFree(connection: *const Connection) bool {
        return connection.client_released and connection.server_released;
    }
};

test "a stream gives what it took, and no more than it holds" {
    var stream: Stream = .{};
    var out: [window_bytes]u8 = undefined;
    for (0..3) |_| {
        try std.testing.expectEqual(@as(usize, 10_000), stream.write(&@as([10_000]u8, @splat('a'))));
        try std.testing.expectEqual(window_bytes - 10_000, stream.write(&@as([10_000]u8, @splat('b'))));
        try std.testing.expectEqual(window_bytes, stream.read(&out));
        try std.testing.expectEqual(@as(u8, 'a'), out[9_999]);
        try std.testing.expectEqual(@as(u8, 'b'), out[10_000]);
    }
}

test "closing with unread bytes resets the client" {
    var connection: Connection = .{};
    _ = connection.clientWrite("GET");
    connection.serverClose();
    var out: [8]u8 = undefined;
    try std.testing.expectEqual(Connection.Read.reset, connection.clientRead(&out));
}
