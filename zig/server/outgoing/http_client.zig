//! HTTP to elsewhere as a fiber sees it: a call that returns the response, while everything else runs on.
//!
//! ```
//! fn handler(allocator: std.mem.Allocator, ctx: *sws.Context) anyerror!void {      // registered by sws.yielding
//!     const response = try client.get("http://api.example.com/data");
//!     defer response.deinit();
//!     ctx.json(response.status, response.body);
//! }
//! ```
//!
//! Redirects are answers like all others. Connections are used again by the ring's `TinyCache`.

const std = @import("std");
const http_exchange = @import("http_exchange.zig");
const http_ring = @import("http_ring.zig");
const Fiber = @import("../fiber.zig").Fiber;

pub const Request = http_exchange.Request;
pub const Response = http_exchange.Response;
pub const Options = http_exchange.Options;

pub const Failure = http_exchange.Failure || error{
    /// The caller has no stack that could wait: a task of `Next.go` has, and a yielding handler. Others use `start`.
    NotOnFiber,
    /// The caller is on another thread than the ring's loop, as on a worker: `invokeOnIoThread` leads there.
    NotOnLoop,
};

pub fn HttpClientType(comptime IO: type) type {
    return struct {
        exchanges: Exchanges,

        const HttpClient = @This();
        const HttpRing = http_ring.HttpRingType(IO);
        pub const Exchanges = http_exchange.HttpExchangesType(IO);

        /// The ring outlives it, and stays where it is.
        pub fn init(allocator: std.mem.Allocator, ring: *HttpRing) error{OutOfMemory}!HttpClient {
            return initOptions(allocator, ring, .{});
        }

        pub fn initOptions(allocator: std.mem.Allocator, ring: *HttpRing, options: Options) error{OutOfMemory}!HttpClient {
            return .{ .exchanges = try .init(allocator, ring.rs, &ring.cache, options) };
        }

        /// When its loop has ended, or on its thread. Fibers that wait for it are not told.
        pub fn deinit(client: *HttpClient) void {
            client.exchanges.deinit();
            client.* = undefined;
        }

        pub fn get(client: *HttpClient, url: []const u8) Failure!Response {
            return client.request(.{ .url = url });
        }

        pub fn post(client: *HttpClient, url: []const u8, body: []const u8) Failure!Response {
            return client.request(.{ .method = "POST", .url = url, .body = body });
        }

        /// Parks the calling fiber until the response is there, or nothing will come of it.
        pub fn request(client: *HttpClient, asked: Request) Failure!Response {
            const fiber = Fiber.current() orelse return error.NotOnFiber;
            if (!client.exchanges.rs.isOnThread()) return error.NotOnLoop;
            var waiting: Waiting = .{ .fiber = fiber };
            _ = try client.exchanges.start(asked, .{ .ptr = &waiting, .on = Waiting.on });
            while (true) {
                if (waiting.outcome) |outcome| return outcome;
                Fiber.park();
            }
        }

        /// Without a fiber: the waiter is told. On the loop's thread.
        pub fn start(client: *HttpClient, asked: Request, waiter: http_exchange.Waiter) http_exchange.Failure!*Exchanges.Exchange {
            return client.exchanges.start(asked, waiter);
        }

        const Waiting = struct {
            fiber: *Fiber,
            outcome: ?http_exchange.Outcome = null,

            fn on(ptr: *anyopaque, outcome: http_exchange.Outcome) void {
                const waiting: *Waiting = @ptrCast(@alignCast(ptr));
                waiting.outcome = outcome;
                waiting.fiber.unpark();
            }
        };
    };
}
