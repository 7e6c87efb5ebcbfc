//! The connections between simulated clients and the simulated kernel: two bounded streams of bytes each, and what
//! either end did to them. Neither end sees more than TCP would show it.

const std = @import("std");
const assert = std.debug.assert;

/// What either side can have sent without the other reading it: small, so that both get stuck often.
pub const window_bytes = 16 * 1024;

pub const Window = [window_bytes]u8;

/// Bytes under way in one direction. They lie elsewhere, as whether there are some is asked far more often than which.
pub const Stream = struct {
    bytes: *Window,
    start: usize = 0,
    len: usize = 0,

    pub fn free(stream: *const Stream) usize {
        return window_bytes - stream.len;
    }

    /// Takes as many as there is room for.
    pub fn write(stream: *Stream, bytes: []const u8) usize {
        const count = @min(bytes.len, stream.free());
        const at = (stream.start + stream.len) % window_bytes;
        const first = @min(count, window_bytes - at);
        @memcpy(stream.bytes[at..][0..first], bytes[0..first]);
        @memcpy(stream.bytes[0 .. count - first], bytes[first..count]);
        stream.len += count;
        return count;
    }

    /// Gives as many as there are.
    pub fn read(stream: *Stream, into: []u8) usize {
        const count = @min(into.len, stream.len);
        const first = @min(count, window_bytes - stream.start);
        @memcpy(into[0..first], stream.bytes[stream.start..][0..first]);
        @memcpy(into[first..count], stream.bytes[0 .. count - first]);
        stream.start = (stream.start + count) % window_bytes;
        stream.len -= count;
        return count;
    }
};

pub const Connection = struct {
    to_server: Stream,
    to_client: Stream,
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

    /// Free for the first.
    pub fn init(windows: *[2]Window) Connection {
        var connection: Connection = .{ .to_server = .{ .bytes = &windows[0] }, .to_client = .{ .bytes = &windows[1] } };
        connection.reset(true);
        return connection;
    }

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

    /// A client's end without reading what is there is a reset.
    pub fn clientLeave(connection: *Connection) void {
        connection.client_finished = true;
        connection.client_released = true;
        if (!connection.server_released) connection.client_reset = true;
    }

    /// Whether a client that reads would be told anything.
    pub fn isReadable(connection: *const Connection) bool {
        return connection.to_client.len > 0 or connection.server_finished or connection.server_reset;
    }

    /// Whether a client that writes would get rid of anything.
    pub fn isWritable(connection: *const Connection) bool {
        return !connection.client_finished and (connection.to_server.free() > 0 or connection.server_released);
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
    var window: Window = undefined;
    var stream: Stream = .{ .bytes = &window };
    var out: Window = undefined;
    for (0..3) |_| {
        try std.testing.expectEqual(@as(usize, 10_000), stream.write(&@as([10_000]u8, @splat('a'))));
        try std.testing.expectEqual(window_bytes - 10_000, stream.write(&@as([10_000]u8, @splat('b'))));
        try std.testing.expectEqual(window_bytes, stream.read(&out));
        try std.testing.expectEqual(@as(u8, 'a'), out[9_999]);
        try std.testing.expectEqual(@as(u8, 'b'), out[10_000]);
    }
}

test "closing with unread bytes resets the client" {
    var windows: [2]Window = undefined;
    var connection: Connection = .init(&windows);
    connection.reset(false);
    _ = connection.clientWrite("GET");
    connection.serverClose();
    var out: [8]u8 = undefined;
    try std.testing.expectEqual(Connection.Read.reset, connection.clientRead(&out));
}
