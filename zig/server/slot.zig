//! What is known of one connection: 384 bytes in five parts that start at cache lines of their own, so that the common
//! path, a whole request in one buffer and its answer in one send, touches the first two and the tail of the fourth only.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const http = @import("protocol/http.zig");
const web_socket = @import("web_socket.zig");
const Buffer = @import("buffers.zig").Buffer;
const Listener = @import("broadcast.zig").Listener;
const DeferredNode = @import("deferred.zig").DeferredNode;
const Descriptor = @import("io.zig").Descriptor;

/// Where a connection stands. Input is looked at in the first three only.
pub const State = enum(u8) {
    /// Between two requests, or in a request's head.
    head,
    /// In a request's body.
    body,
    /// Frames are read instead of requests.
    web_socket,
    /// The handler's answer comes later.
    deferred,
    /// It came, while those before it are still being sent.
    answered,
    /// The answer is longer than what is buffered: a body that is sent from where it lies, or one that is asked for piece
    /// by piece.
    answering,
    /// No further request is read. What is answered leaves, then the connection ends.
    ending,
    /// All is sent, and our half closed. What still comes is thrown away until the client closes, too.
    lingering,
    /// To be closed at once: there is no memory even for saying why, or the body broke off.
    broken,
    /// The descriptor is given back; the slot waits for a send that is under way.
    closing,
};

pub const Flags = packed struct(u16) {
    /// A multishot receive is under way.
    receiving: bool = false,
    /// It was asked to end: too much waits already.
    receive_cancelled: bool = false,
    /// The kernel had no buffer for us.
    starved: bool = false,
    /// A send is under way: the output stays as it is.
    sending: bool = false,
    /// The client sends no more.
    peer_finished: bool = false,
    /// Of the request that is being answered.
    is_head: bool = false,
    keep_alive: bool = false,
    is_http10: bool = false,
    /// Of the body in pieces: each gets the frame of a chunk.
    chunked: bool = false,
    /// The body lies elsewhere, and is not sent yet.
    owned: bool = false,
    /// A shutdown is under way. It runs on a thread of the kernel's, which looks the descriptor up when it comes to it: a close
    /// before that would have it end whoever got the descriptor next.
    shutting: bool = false,
    /// To be closed as soon as that is done.
    close_wanted: bool = false,
    /// An application's answer goes on behind what is being sent.
    more: bool = false,
    /// Broadcasts wait for this WebSocket: they go first.
    behind: bool = false,
    /// The frame of a broadcast that is sent from where it lies follows the output.
    sharing: bool = false,
    _: u1 = 0,
};

/// Nobody has looked since the send was begun.
pub const unacknowledged_unknown = std.math.maxInt(u32);

/// Ends a list of held buffers.
pub const held_none = std.math.maxInt(u16);

/// Is told that a body is sent, or never will be: whole where it was sent from where it lay, empty where it came in pieces.
pub const Release = *const fn (context: ?*anyopaque, body: []const u8) void;

/// Writes the next piece of a body; 0 ends it.
pub const Produce = *const fn (context: ?*anyopaque, into: []u8) anyerror!usize;

/// The first part: all that an event looks at.
pub const Line1 = struct {
    /// 0 while the slot is free.
    gen_id: u32 = 0,
    fd: Descriptor = 0,
    /// How much of the output is sent.
    write_offset: u32 = 0,
    /// Requests that were answered.
    req_count: u32 = 0,
    /// Answers that are not sent yet.
    output: Buffer = .{},
    /// Buffers that arrived while the connection was busy, in their order.
    held_first: u16 = held_none,
    held_last: u16 = held_none,
    held_count: u16 = 0,
    flags: Flags = .{},
    state: State = .head,
    /// The round of the loop in which the send that is under way was asked for.
    send_round: u32 = 0,
    /// The broadcast that is sent from where it lies, while `flags.sharing`.
    shared: u32 = 0,
};

/// The second: what the scan for time-outs looks at.
pub const Line2 = struct {
    /// The name of the request at hand, for those who answer later.
    conn_id: u64 = 0,
    last_active_ms: u64 = 0,
    /// Until when the client has to send what it owes.
    read_deadline_ms: u64 = 0,
    /// Until when it has to take some of what is under way to it.
    write_deadline_ms: u64 = 0,
    active_list_pos: u32 = 0,
    /// Of that, as far as it is known, so many bytes are not acknowledged.
    unacknowledged: u32 = unacknowledged_unknown,
    /// A head that is not whole yet, or whose body isn't.
    input: Buffer = .{},
};

/// The third: a request that came in several pieces, and what a WebSocket hears of from outside.
pub const Line3 = struct {
    listener: Listener = .{},
    /// Of the application.
    user_context: ?*anyopaque = null,
    parser: http.RequestParser = .{},
};

/// The fourth: bodies, and what is sent from where it lies.
pub const Line4 = struct {
    write_iovs: [2]std.posix.iovec_const = @splat(.{ .base = "", .len = 0 }),
    message: linux.msghdr_const = std.mem.zeroInit(linux.msghdr_const, .{ .iov = undefined }),
    release: ?Release = null,
    release_context: ?*anyopaque = null,
    /// The body of a request, as far as it came; `large_buf_ptr` of the seed. While its answer is waited for, the fields of that.
    body: Buffer = .{},
};

/// "SWAS": a slot that something wrote over is noticed.
pub const sentinel_value = 0x5357_4153;

pub const HttpWork = struct { body: http.Body };
pub const ProduceWork = struct { produce: Produce, context: ?*anyopaque };

/// The fifth: what the current protocol works with.
pub const Line5 = struct {
    sentinel: u32 = sentinel_value,
    ws: Workspace = .{ .none = {} },
};

/// The body that is sent from where it lies: `line4.write_iovs` holds what is left of it. Where a copy had to be made, it
/// lies in a buffer of its own.
pub const OwnedWork = struct { bytes: []const u8, buffer: Buffer = .{} };

pub const Workspace = union(enum) {
    none: void,
    http: HttpWork,
    produce: ProduceWork,
    owned: OwnedWork,
    web_socket: web_socket.Work,
    /// A deferred answer that waits for those before it.
    answer: DeferredNode,
};

const cache_line = 64;

pub const StackSlot = struct {
    line1: Line1 align(cache_line) = .{},
    line2: Line2 align(cache_line) = .{},
    line3: Line3 align(cache_line) = .{},
    line4: Line4 align(cache_line) = .{},
    line5: Line5 align(cache_line) = .{},

    /// A million of them are 384 MB.
    pub const bytes_max = 384;

    comptime {
        assert(@sizeOf(StackSlot) <= bytes_max);
        assert(@sizeOf(Line1) <= cache_line);
        assert(@sizeOf(Line2) <= cache_line);
        assert(@sizeOf(Line3) <= cache_line);
        assert(@sizeOf(Line4) <= 2 * cache_line);
        assert(@sizeOf(Line5) <= cache_line);
    }

    /// Whether nothing more of its input may be looked at for now.
    pub inline fn isPaused(slot: *const StackSlot) bool {
        const flags = slot.line1.flags;
        return flags.sending or flags.behind or flags.sharing or @intFromEnum(slot.line1.state) > @intFromEnum(State.web_socket);
    }
};

/// The name of a connection's current request: whoever answers it twice doesn't answer the connection's next one.
pub const ConnId = packed struct(u64) {
    index: u24,
    request: u8,
    gen_id: u32,

    pub fn of(index: u32, slot: *const StackSlot) u64 {
        return @bitCast(ConnId{
            .index = @intCast(index),
            .request = @truncate(slot.line1.req_count),
            .gen_id = slot.line1.gen_id,
        });
    }
};

test "the name of a request holds the connection's generation and its index" {
    var slot: StackSlot = .{};
    slot.line1.gen_id = 7;
    slot.line1.req_count = 256 + 3;
    try std.testing.expectEqual(@as(u64, 0x0000_0007_0300_0005), ConnId.of(5, &slot));
}
