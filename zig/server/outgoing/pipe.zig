//! A connection as a synchronous library wants it: a reader that waits for bytes, a writer that waits for room. What waits is
//! the calling fiber, and the loop runs on. Both directions are bounded: who doesn't read is not sent more, and who writes
//! faster than the other side reads waits.
//!
//! ```
//! var pipe: sws.Pipe = undefined;
//! const client = try sws.RingSharedClient.init(allocator, server.rs, sws.Pipe.onData, sws.Pipe.onClose, &pipe);
//! pipe = try .init(allocator, client);
//!
//! // On a fiber:
//! try pipe.connect("localhost", 6379);
//! try pipe.writer().writeAll("*1\r\n$4\r\nPING\r\n");
//! try pipe.flushWrite();
//! const line = try pipe.reader().takeDelimiterInclusive('\n');
//! ```

const std = @import("std");
const assert = std.debug.assert;
const client_of = @import("client.zig");
const Fiber = @import("../fiber.zig").Fiber;

pub const Options = struct {
    /// What has arrived and isn't read. The longest piece that a reader may ask for at once.
    read_bytes: u32 = 64 * 1024,
    /// What is written between two flushes.
    write_bytes: u32 = 16 * 1024,
    /// How long a reader or a writer waits for the other side.
    timeout_ms: u32 = 30_000,
};

pub fn PipeType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        client: *Client,
        options: Options,
        in: std.Io.Reader,
        out: std.Io.Writer,
        /// Who waits for bytes, and for room.
        reading: ?*Fiber = null,
        writing: ?*Fiber = null,
        connecting: ?*Fiber = null,
        is_open: bool = false,
        /// What `ReadFailed` and `WriteFailed` stand for.
        failure: ?Failure = null,

        const Pipe = @This();
        const Client = client_of.RingSharedClientType(IO);

        pub const Failure = Client.Failure || Client.ConnectError || error{
            /// The caller has no stack that could wait: a task of `Next.go` has, and a yielding handler.
            NotOnFiber,
            /// Another fiber waits for the same.
            TwoFibers,
            NotConnected,
        };

        /// The client's callbacks are `onData` and `onClose`, or others that call `feed` and `reset`, with the pipe as their context.
        pub fn init(allocator: std.mem.Allocator, client: *Client) error{OutOfMemory}!Pipe {
            return initOptions(allocator, client, .{});
        }

        pub fn initOptions(allocator: std.mem.Allocator, client: *Client, options: Options) error{OutOfMemory}!Pipe {
            const read_buffer = try allocator.alloc(u8, options.read_bytes);
            errdefer allocator.free(read_buffer);
            const write_buffer = try allocator.alloc(u8, options.write_bytes);
            client.on_connect = onConnect;
            client.on_drained = onDrained;
            return .{
                .allocator = allocator,
                .client = client,
                .options = options,
                .in = .{
                    .vtable = &.{ .stream = stream, .readVec = readVec, .discard = discard },
                    .buffer = read_buffer,
                    .seek = 0,
                    .end = 0,
                },
                .out = .{ .vtable = &.{ .drain = drain }, .buffer = write_buffer },
            };
        }

        /// Nobody waits for it, and the client is closed or gone.
        pub fn deinit(pipe: *Pipe) void {
            assert(pipe.reading == null and pipe.writing == null and pipe.connecting == null);
            pipe.allocator.free(pipe.in.buffer);
            pipe.allocator.free(pipe.out.buffer);
            pipe.* = undefined;
        }

        /// Parks the fiber until there is a connection, with nothing of the last one in it.
        pub fn connect(pipe: *Pipe, host: []const u8, port: u16) Failure!void {
            assert(pipe.client.ctx == @as(?*anyopaque, pipe));
            const fiber = Fiber.current() orelse return error.NotOnFiber;
            pipe.in.seek = 0;
            pipe.in.end = 0;
            pipe.out.end = 0;
            pipe.failure = null;
            try pipe.client.connect(host, port);
            pipe.connecting = fiber;
            defer pipe.connecting = null;
            // The client has a time-out of its own.
            while (!pipe.is_open) {
                if (pipe.client.state == .closed) return pipe.client.failure orelse error.NotConnected;
                Fiber.park();
            }
        }

        /// Ends the connection in order.
        pub fn close(pipe: *Pipe) void {
            pipe.client.close();
        }

        pub fn reader(pipe: *Pipe) *std.Io.Reader {
            return &pipe.in;
        }

        /// Nothing leaves before `flushWrite`, or the writer's own `flush`, but what has no room.
        pub fn writer(pipe: *Pipe) *std.Io.Writer {
            return &pipe.out;
        }

        pub fn flushWrite(pipe: *Pipe) std.Io.Writer.Error!void {
            return pipe.out.flush();
        }

        /// As many bytes as there are, of one at least; 0 at the end of the stream.
        pub fn read(pipe: *Pipe, into: []u8) error{ReadFailed}!usize {
            if (pipe.in.bufferedLen() == 0) pipe.waitForBytes() catch |err| switch (err) {
                error.EndOfStream => return 0,
                error.ReadFailed => return error.ReadFailed,
            };
            const count = @min(into.len, pipe.in.bufferedLen());
            @memcpy(into[0..count], pipe.in.buffered()[0..count]);
            pipe.in.toss(count);
            return count;
        }

        /// What arrived: kept until it is read. From the client's own callbacks it always fits.
        pub fn feed(pipe: *Pipe, data: []const u8) error{PipeFull}!void {
            const in = &pipe.in;
            if (data.len > in.buffer.len - in.bufferedLen()) return error.PipeFull;
            if (data.len > in.buffer.len - in.end) pack(in);
            @memcpy(in.buffer[in.end..][0..data.len], data);
            in.end += data.len;
            pipe.client.limitReading(in.buffer.len - in.bufferedLen());
            if (pipe.reading) |fiber| fiber.unpark();
        }

        /// The connection has ended. What came before can be read still; who waits for more is told.
        pub fn reset(pipe: *Pipe) void {
            pipe.is_open = false;
            if (pipe.failure == null) pipe.failure = pipe.client.failure;
            for ([_]?*Fiber{ pipe.reading, pipe.writing, pipe.connecting }) |waiting| {
                if (waiting) |fiber| fiber.unpark();
            }
        }

        pub fn onData(ctx: ?*anyopaque, data: []u8) void {
            // No receive takes more than there was room for.
            of(ctx).feed(data) catch unreachable;
        }

        pub fn onClose(ctx: ?*anyopaque) void {
            of(ctx).reset();
        }

        fn onConnect(ctx: ?*anyopaque) void {
            const pipe = of(ctx);
            pipe.is_open = true;
            pipe.client.limitReading(pipe.in.buffer.len);
            if (pipe.connecting) |fiber| fiber.unpark();
        }

        fn onDrained(ctx: ?*anyopaque) void {
            if (of(ctx).writing) |fiber| fiber.unpark();
        }

        fn of(ctx: ?*anyopaque) *Pipe {
            return @ptrCast(@alignCast(ctx.?));
        }

        fn pack(in: *std.Io.Reader) void {
            std.mem.copyForwards(u8, in.buffer, in.buffered());
            in.end = in.bufferedLen();
            in.seek = 0;
        }

        /// Until there is more than there was.
        fn waitForBytes(pipe: *Pipe) error{ EndOfStream, ReadFailed }!void {
            const before = pipe.in.bufferedLen();
            // What was read has made room.
            if (pipe.is_open) pipe.client.limitReading(pipe.in.buffer.len - before);
            while (pipe.in.bufferedLen() == before) {
                if (!pipe.is_open) {
                    const failure = pipe.failure orelse return error.EndOfStream;
                    if (failure == error.EndOfStream) return error.EndOfStream;
                    return error.ReadFailed;
                }
                pipe.park(&pipe.reading) catch |err| {
                    pipe.failure = err;
                    return error.ReadFailed;
                };
            }
        }

        /// Until somebody unparks it, whose reason the caller looks for.
        fn park(pipe: *Pipe, place: *?*Fiber) Failure!void {
            const fiber = Fiber.current() orelse return error.NotOnFiber;
            if (place.* != null) return error.TwoFibers;
            place.* = fiber;
            defer place.* = null;
            if (Fiber.parkUntil(pipe.client.rs.now_ms() + pipe.options.timeout_ms) == .timed_out) return error.TimedOut;
        }

        fn stream(in: *std.Io.Reader, _: *std.Io.Writer, _: std.Io.Limit) std.Io.Reader.StreamError!usize {
            const pipe: *Pipe = @fieldParentPtr("in", in);
            try pipe.waitForBytes();
            // They are in the reader's own buffer.
            return 0;
        }

        fn readVec(in: *std.Io.Reader, _: [][]u8) std.Io.Reader.Error!usize {
            const pipe: *Pipe = @fieldParentPtr("in", in);
            try pipe.waitForBytes();
            return 0;
        }

        fn discard(in: *std.Io.Reader, limit: std.Io.Limit) std.Io.Reader.Error!usize {
            const pipe: *Pipe = @fieldParentPtr("in", in);
            try pipe.waitForBytes();
            const count = limit.minInt(in.bufferedLen());
            in.toss(count);
            return count;
        }

        fn drain(out: *std.Io.Writer, data: []const []const u8, splat: usize) std.Io.Writer.Error!usize {
            const pipe: *Pipe = @fieldParentPtr("out", out);
            try pipe.send(out.buffer[0..out.end]);
            out.end = 0;
            var count: usize = 0;
            for (data[0 .. data.len - 1]) |bytes| {
                try pipe.send(bytes);
                count += bytes.len;
            }
            for (0..splat) |_| try pipe.send(data[data.len - 1]);
            return count + splat * data[data.len - 1].len;
        }

        fn send(pipe: *Pipe, bytes: []const u8) error{WriteFailed}!void {
            var rest = bytes;
            while (rest.len > 0) {
                if (!pipe.is_open) {
                    if (pipe.failure == null) pipe.failure = error.NotConnected;
                    return error.WriteFailed;
                }
                const count = @min(rest.len, pipe.client.writable());
                if (count > 0) {
                    // There is room for it.
                    pipe.client.write(rest[0..count]) catch unreachable;
                    rest = rest[count..];
                    continue;
                }
                pipe.client.askForDrained();
                pipe.park(&pipe.writing) catch |err| {
                    pipe.failure = err;
                    return error.WriteFailed;
                };
            }
        }
    };
}
