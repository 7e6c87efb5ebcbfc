//! A server that says what it was asked: `zig build run-echo -- --port 8080`. For suites that test a server from outside,
//! and for measuring: `/plaintext` and `/json` are what benchmarks ask for.
//!
//! Every other path gives its request's body back, with the fields `Echo-Method` and `Echo-Path`, and `/ws` is a WebSocket
//! that gives messages back. `tests/server/front.rs` is the same on the axum front.

const std = @import("std");
const sws = @import("sws");

/// The longest body and message: what Autobahn's largest cases send.
const message_bytes_max = 16 << 20;

/// Such a message takes two blocks on its way. Those that nobody uses cost nothing.
const large_buffers = 32;

/// A block holds a message with its head.
const large_buffer_bytes = message_bytes_max + (1 << 20);

const Arguments = struct {
    /// 0 takes a free one.
    port: u16 = 8080,
    /// Each has a thread, and they share the port.
    rings: u16 = 1,
    /// Connections of a ring; 0 takes what the limit of descriptors leaves.
    slots: u32 = 0,
    /// The processor of the first ring; each further one has the next.
    cpu: ?u32 = null,
    idle_timeout_ms: u32 = 30_000,

    fn parse(list: std.process.Args) !Arguments {
        var parsed: Arguments = .{};
        var arguments = list.iterate();
        _ = arguments.next();
        next: while (arguments.next()) |argument| {
            inline for (std.meta.fields(Arguments)) |field| {
                if (isFlag(argument, field.name)) {
                    const value = arguments.next() orelse return usage(argument);
                    const Number = if (field.type == ?u32) u32 else field.type;
                    @field(parsed, field.name) = std.fmt.parseInt(Number, value, 10) catch return usage(value);
                    continue :next;
                }
            }
            return usage(argument);
        }
        return parsed;
    }

    /// `--idle-timeout-ms` is `idle_timeout_ms`.
    fn isFlag(argument: []const u8, name: []const u8) bool {
        if (argument.len != name.len + 2 or !std.mem.startsWith(u8, argument, "--")) return false;
        for (argument[2..], name) |ours, theirs| if (ours != (if (theirs == '_') '-' else theirs)) return false;
        return true;
    }

    fn usage(argument: []const u8) error{InvalidArgument} {
        std.log.err("{s}: expected --port, --rings, --slots, --cpu or --idle-timeout-ms, and a number", .{argument});
        return error.InvalidArgument;
    }
};

pub fn main(init: std.process.Init) !void {
    var arguments: Arguments = try .parse(init.minimal.args);
    if (arguments.rings == 0) return Arguments.usage("--rings 0");
    // All listen before anybody is told where: who came earlier would go to the first ones.
    const servers = try init.gpa.alloc(sws.AsyncServer, arguments.rings);
    for (servers, 0..) |*server, number| {
        server.* = try listen(&arguments, @intCast(number));
        arguments.port = server.port();
        register(server);
    }
    std.log.info("listening on port {d}", .{arguments.port});
    for (servers[1..]) |*server| {
        const thread: std.Thread = try .spawn(.{}, run, .{server});
        thread.detach();
    }
    run(&servers[0]);
}

fn run(server: *sws.AsyncServer) void {
    server.run() catch |err| fail(err);
}

fn fail(err: anyerror) noreturn {
    std.log.err("{t}", .{err});
    std.process.exit(1);
}

fn listen(arguments: *const Arguments, number: u16) !sws.AsyncServer {
    var buffer: [32]u8 = undefined;
    const address = try std.fmt.bufPrint(&buffer, "0.0.0.0:{d}", .{arguments.port});
    return sws.AsyncServer.initConfig(std.heap.smp_allocator, address, null, .{
        .slots = arguments.slots,
        .io_cpu = if (arguments.cpu) |cpu| cpu + number else null,
        .idle_timeout_ms = arguments.idle_timeout_ms,
        .reuse_port = arguments.rings > 1,
        .body_bytes_max = message_bytes_max,
        .large_buffers = large_buffers,
        .large_buffer_bytes = large_buffer_bytes,
    });
}

fn register(server: *sws.AsyncServer) void {
    server.GET("/plaintext", plaintext);
    server.GET("/json", json);
    server.ws("/ws", echoMessage);
    server.any("/*path", echo);
}

fn plaintext(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
    ctx.respond(200, "text/plain", "Hello, World!");
}

fn json(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
    ctx.json(200, "{\"message\":\"Hello, World!\"}");
}

fn echoMessage(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    try socket.send(message.opcode, message.payload);
}

fn echo(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
    try ctx.setHeader("Echo-Method", ctx.method());
    try ctx.setHeader("Echo-Path", ctx.path());
    ctx.respond(200, "application/octet-stream", ctx.body());
}
