//! What a simulated kernel keeps of an open descriptor, and the list of what it may do to a server.

const std = @import("std");
const interface = @import("../../io.zig");
const Connection = @import("network.zig").Connection;
const window_bytes = @import("network.zig").window_bytes;
const UserData = interface.UserData;

/// What can go wrong; each is counted, so that a run shows that it occurred.
pub const Fault = enum {
    partial_receive,
    partial_send,
    client_reset,
    buffers_exhausted,
    multishot_ended,
    accept_failed,
    accept_dropped,
    late_completion,
    data_after_cancel,
    reordered,
    empty_turn,
    send_stuck,
    open_failed,
    connect_failed,
    connect_stuck,
    datagram_lost,
};

/// How often, in 1,000.
pub const Rates = struct {
    partial_receive: u16 = 300,
    partial_send: u16 = 300,
    buffers_exhausted: u16 = 10,
    multishot_ended: u16 = 20,
    accept_failed: u16 = 50,
    accept_dropped: u16 = 10,
    data_after_cancel: u16 = 500,
    empty_turn: u16 = 20,
    open_failed: u16 = 10,
    connect_failed: u16 = 50,
    /// It never ends by itself.
    connect_stuck: u16 = 20,
    datagram_lost: u16 = 100,
};

/// An operation that completes at that time at the earliest.
pub const Armed = struct { user_data: UserData, ready_ns: u64 };

pub const Socket = struct {
    connection: ?u32 = null,
    /// Where it stands among the open ones.
    open_at: u32 = 0,
    kind: interface.Kind = .stream,
    /// What a socket of the server's own connects to.
    port: u16 = 0,
    connecting: ?Armed = null,
    /// Where its receive writes.
    room: ?[]u8 = null,
    receiving: ?Armed = null,
    /// The receive was asked to end.
    cancelled: bool = false,
    sending: ?Sending = null,
    shutting: ?Armed = null,
    closing: ?Armed = null,

    /// When it may next complete something, as things stand on its connection.
    pub fn readyNs(socket: *const Socket, connection: *const Connection) u64 {
        if (socket.closing) |closing| return closing.ready_ns;
        var ready_ns: u64 = std.math.maxInt(u64);
        if (socket.shutting) |shutting| ready_ns = shutting.ready_ns;
        if (socket.connecting) |connecting| ready_ns = @min(ready_ns, connecting.ready_ns);
        if (socket.receiving) |receiving| {
            const is_cancelled = socket.cancelled and socket.room == null;
            const has_something = is_cancelled or connection.to_server.len > 0 or connection.client_finished or connection.client_reset;
            if (has_something) ready_ns = @min(ready_ns, receiving.ready_ns);
        }
        if (socket.sending) |*sending| {
            const can_end = !sending.is_stuck or sending.hasRoom(connection) or connection.client_reset;
            if (can_end) ready_ns = @min(ready_ns, sending.ready_ns);
        }
        return ready_ns;
    }
};

/// As many as a server sends at once: a head, a body.
const pieces_max = 4;

pub const Sending = struct {
    user_data: UserData,
    ready_ns: u64,
    pieces: [pieces_max]std.posix.iovec_const = undefined,
    pieces_len: usize,
    checksum: u64,
    /// It found no room, and waits for some.
    is_stuck: bool = false,

    pub fn init(user_data: UserData, ready_ns: u64, pieces: []const std.posix.iovec_const) Sending {
        var sending: Sending = .{ .user_data = user_data, .ready_ns = ready_ns, .pieces_len = pieces.len, .checksum = 0 };
        @memcpy(sending.pieces[0..pieces.len], pieces);
        sending.checksum = sending.compute();
        return sending;
    }

    /// One that found no room isn't woken before a third of the window is free, as Linux's.
    pub fn hasRoom(sending: *const Sending, connection: *const Connection) bool {
        const least: usize = if (sending.is_stuck) window_bytes / 3 else 1;
        return connection.to_client.free() >= least;
    }

    /// The bytes belong to the kernel until the send is done.
    pub fn check(sending: *const Sending) void {
        if (sending.compute() != sending.checksum) @panic("bytes changed while they were being sent");
    }

    fn compute(sending: *const Sending) u64 {
        var lanes: Lanes = @splat(0);
        for (sending.pieces[0..sending.pieces_len]) |piece| lanes = mix(lanes, piece.base[0..piece.len]);
        return @reduce(.Xor, lanes);
    }

    const Lanes = @Vector(8, u64);

    /// One changed byte always gives another result. Wyhash, of which that isn't asked, took a fifth of a run in Debug.
    fn mix(start: Lanes, bytes: []const u8) Lanes {
        const prime: Lanes = @splat(0x9e37_79b9_7f4a_7c15);
        var lanes = start;
        var rest = bytes;
        while (rest.len >= @sizeOf(Lanes)) : (rest = rest[@sizeOf(Lanes)..]) {
            lanes = (lanes ^ @as(Lanes, @bitCast(rest[0..@sizeOf(Lanes)].*))) *% prime;
        }
        var last: [@sizeOf(Lanes)]u8 = @splat(0);
        @memcpy(last[0..rest.len], rest);
        return (lanes ^ @as(Lanes, @bitCast(last))) *% prime;
    }
};
