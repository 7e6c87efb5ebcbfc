//! The one place for I/O: what a server may ask of the kernel, and what it is told. Two implementations have the same
//! functions, and a server takes one of them as a parameter at comptime: `Linux` is io_uring, `Simulated` a kernel and its
//! clients in memory, driven by one seed.
//!
//! Nothing here blocks but `turn`: everything else queues an operation, which the next `turn` hands over with all the
//! others in one system call. Every operation is answered by events that carry the `UserData` it was queued with.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;

pub const Linux = @import("io/linux.zig").Linux;
pub const Simulated = @import("io/simulated.zig").Simulated;
pub const SocketAddress = @import("io/address.zig").SocketAddress;

/// What was asked for.
pub const Operation = enum(u8) {
    /// A connection arrived: `result` is its descriptor. Multishot or single, as it was asked for.
    accept,
    /// Bytes arrived: `result` of them in `buffer`; 0 at the end of the stream. Multishot.
    receive,
    /// `result` bytes were taken from the front of what was to be sent.
    send,
    /// The kernel has `result` bytes that the client's has not acknowledged.
    unacknowledged,
    /// The connection's sending half is closed.
    shutdown,
    /// The descriptor is free again.
    close,
    /// An operation was asked to end; it ends with an event of its own.
    cancel,
    /// Another thread called `wake`, or a watched descriptor can be read.
    wake,
    /// The same of a socket that we opened ourselves (`outgoing/socket.zig`), and its connecting. A receive of one is not
    /// multishot, and fills memory of the socket's owner: who isn't done with it isn't read from.
    socket_connect,
    socket_receive,
    socket_send,
    socket_shutdown,
    socket_close,
    /// Something that the registry's user polls for may be done.
    socket_poll,
};

/// Of a socket that we open.
pub const Kind = enum { stream, datagram };

pub const OpenError = error{
    /// Descriptors or memory ran out.
    SystemResources,
    /// The kernel has no IPv6, or no IPv4.
    FamilyUnsupported,
    Unexpected,
};

/// The name of an operation in flight. A slot's generation changes with every connection it holds, so that whatever
/// completes late for its last one is known by its old generation, and discarded.
pub const UserData = packed struct(u64) {
    /// 16 million connections on one ring, sixteen times what the largest pool holds.
    index: u24,
    operation: Operation,
    generation: u32,

    pub const index_max = std.math.maxInt(u24);
};

/// Whether an operation goes on after its first event.
pub const Shots = enum { single, multi };

/// One of the buffers that the kernel fills.
pub const BufferId = u16;

/// What became of an operation.
pub const Event = struct {
    user_data: UserData,
    /// What the operation gives, or the negative error number.
    result: i32,
    /// The buffer that holds what was received. Whoever takes the event gives it back, by `returnBuffer`.
    buffer: ?BufferId,
    /// The operation goes on, and more events follow. Without it a multishot operation has ended.
    more: bool,

    /// The error, or null.
    pub fn failure(event: *const Event) ?linux.E {
        if (event.result >= 0) return null;
        return @enumFromInt(-event.result);
    }
};

/// The connection behind it: an index into the ring's table, or one of the process's descriptors (`Options.direct`).
pub const Descriptor = u32;

/// What an implementation is made with. Everything is taken at the start, nothing grows.
pub const Options = struct {
    /// Bytes of a receive buffer.
    buffer_size: u32,
    /// Receive buffers; a power of two.
    buffer_count: u16,
    /// Connections that may be open at once.
    descriptors: u32,
    /// Connections lie in the ring's own table; otherwise they are descriptors of the process, which may be asked for their
    /// peer, at the price of a reference to the file with each operation.
    direct: bool = true,
    /// Sockets that may be opened beside them.
    outgoing: u32 = 0,
};

/// Events that are taken at a time. A turn queues at most four operations an event (a receive that is armed again, a
/// send, a shutdown, a close of two), which the submission queue holds.
pub const events_per_turn_max = 512;
pub const operations_per_event_max = 4;

comptime {
    assert(@bitSizeOf(UserData) == 64);
    assert(@sizeOf(Event) <= 24);
}

test "a user datum keeps its parts apart" {
    const datum: UserData = .{ .index = UserData.index_max, .operation = .send, .generation = 0xfeed_beef };
    const number: u64 = @bitCast(datum);
    try std.testing.expectEqual(@as(u64, 0xfeed_beef), number >> 32);
    try std.testing.expectEqual(datum, @as(UserData, @bitCast(number)));
}

test {
    _ = Linux;
    _ = Simulated;
    _ = SocketAddress;
}
