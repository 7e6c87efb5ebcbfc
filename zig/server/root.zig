//! A single-threaded server for HTTP/1.1 and WebSocket on Linux's io_uring, as a library.
//!
//! ```
//! const sws = @import("sws");
//!
//! fn hello(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
//!     ctx.text(200, "hello");
//! }
//!
//! pub fn main(init: std.process.Init) !void {
//!     var server = try sws.AsyncServer.init(init.gpa, init.io, "0.0.0.0:9090", null, 64);
//!     defer server.deinit();
//!     server.GET("/hello", hello);
//!     try server.run();
//! }
//! ```
//!
//! The way of a request: `io.zig` tells what the kernel did, `connections.zig` gives the bytes of one connection to
//! `core.zig`, that finds the requests in them, `routes.zig` calls the handler, and `answer.zig` writes what it answered.
//! `web_socket.zig` takes the core's place for connections that asked for it.
//!
//! Handlers run to their end on the loop's stack. One that waits is registered by `yielding` and has a fiber (`fiber.zig`), as
//! have tasks that a handler leaves to `next.zig`, on the loop's thread or on workers'. `outside.zig` is what such tasks, hooks and
//! other threads do with the server, `broadcast.zig` how they reach many WebSockets. `examples/room_battle.zig` uses all of it.
//!
//! The way out: `outgoing.zig`. `server.rs` is the server's ring for whoever connects to elsewhere on the loop's thread, by a
//! `RingSharedClient` with callbacks, or by a `Pipe` as if it blocked, on a fiber. HTTP has a ring beside it:
//!
//! ```
//! var fiber_shared = try sws.FiberShared.init(allocator);
//! defer fiber_shared.deinit();
//! var ring_b = try sws.HttpRing.init(allocator, io, server.io.parent(), 1000);
//! defer ring_b.deinit();
//! try ring_b.registerWith(&fiber_shared);
//! var http_client = try sws.HttpClient.init(allocator, &ring_b);
//! defer http_client.deinit();
//! server.fiber_shared = &fiber_shared;
//! ```

pub const AsyncServer = @import("server.zig").AsyncServer;
pub const ServerType = @import("server.zig").ServerType;
pub const Config = @import("config.zig").Config;
pub const Context = @import("context.zig").Context;
pub const Field = @import("answer/fields.zig").Field;
pub const ContentType = @import("context.zig").ContentType;
pub const Handler = @import("routes.zig").Handler;
pub const Middleware = @import("routes.zig").Middleware;
pub const DeferredNode = @import("deferred.zig").DeferredNode;
pub const DeferredResponse = AsyncServer.DeferredResponse;
pub const StackPool = @import("stack_pool.zig").StackPool;
pub const StackSlot = @import("slot.zig").StackSlot;
pub const LargeBufferPool = @import("large_buffer_pool.zig").LargeBufferPool;
pub const Stats = @import("core.zig").Stats;
pub const Fiber = @import("fiber.zig").Fiber;
pub const FiberContext = @import("yielding.zig").FiberContext;
pub const Next = @import("next.zig").Next;
pub const yielding = @import("yielding.zig").yielding;
pub const io = @import("io.zig");
pub const http = @import("protocol/http.zig");
pub const router = @import("protocol/router.zig");
pub const websocket = @import("protocol/websocket.zig");
pub const WebSocket = @import("web_socket.zig").WebSocket;
pub const Message = @import("web_socket.zig").Message;
const outgoing = @import("outgoing.zig");
pub const IORegistry = outgoing.IORegistry;
pub const RingShared = outgoing.RingShared;
pub const RingSharedClient = outgoing.RingSharedClient;
pub const DnsResolver = outgoing.DnsResolver;
pub const DnsConfig = outgoing.DnsConfig;
pub const HttpCaresDns = outgoing.HttpCaresDns;
pub const Resolver = outgoing.Resolver;
pub const Pipe = outgoing.Pipe;
pub const HttpRing = outgoing.HttpRing;
pub const HttpClient = outgoing.HttpClient;
pub const HttpRequest = outgoing.HttpRequest;
pub const HttpResponse = outgoing.HttpResponse;
pub const HttpHeader = outgoing.HttpHeader;
pub const HttpOptions = outgoing.HttpOptions;
pub const TinyCache = outgoing.TinyCache;
pub const FiberShared = outgoing.FiberShared;
pub const RingTrait = outgoing.RingTrait;

/// For tests of applications: a client that blocks, and reads answers by code of its own.
pub const testing = struct {
    pub const Client = @import("testing/client.zig").Client;
};

test {
    _ = @import("acceptor.zig");
    _ = @import("answer.zig");
    _ = @import("answer_test.zig");
    _ = @import("bounded_queue.zig");
    _ = @import("broadcast_test.zig");
    _ = @import("buffers.zig");
    _ = @import("config.zig");
    _ = @import("config_test.zig");
    _ = @import("core.zig");
    _ = @import("deferred_test.zig");
    _ = @import("descriptors.zig");
    _ = @import("fiber.zig");
    _ = @import("io.zig");
    _ = @import("large_buffer_pool.zig");
    _ = @import("next.zig");
    _ = @import("outgoing.zig");
    _ = @import("pages.zig");
    _ = @import("server_test.zig");
    _ = @import("slips_test.zig");
    _ = @import("slow_client_test.zig");
    _ = @import("simulator.zig");
    _ = @import("testing/response_reader.zig");
    _ = @import("slab.zig");
    _ = @import("slot.zig");
    _ = @import("stack_pool.zig");
    _ = @import("stop_test.zig");
    _ = @import("topics.zig");
    _ = @import("web_socket_test.zig");
}
