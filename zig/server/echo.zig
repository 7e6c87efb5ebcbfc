//! A server that says what it was asked: `zig build run-echo -- --port 8080`. For suites that test a server from outside,
//! and for measuring: `/plaintext` and `/json` are what benchmarks ask for.

const std = @import("std");
const sws = @import("sws");

pub fn main(init: std.process.Init) !void {
    var config: sws.Config = .{};
    var port: u16 = 8080;
    var arguments = init.minimal.args.iterate();
    _ = arguments.next();
    while (arguments.next()) |argument| {
        const value = arguments.next() orelse return usage(argument);
        if (std.mem.eql(u8, argument, "--port")) {
            port = std.fmt.parseInt(u16, value, 10) catch return usage(value);
        } else if (std.mem.eql(u8, argument, "--slots")) {
            config.slots = std.fmt.parseInt(u32, value, 10) catch return usage(value);
        } else if (std.mem.eql(u8, argument, "--cpu")) {
            config.io_cpu = std.fmt.parseInt(u32, value, 10) catch return usage(value);
        } else return usage(argument);
    }
    var buffer: [32]u8 = undefined;
    const address = try std.fmt.bufPrint(&buffer, "0.0.0.0:{d}", .{port});
    var server = try sws.AsyncServer.initConfig(std.heap.smp_allocator, address, null, config);
    defer server.deinit();
    server.GET("/plaintext", plaintext);
    server.GET("/json", json);
    server.ws("/ws", echoMessage);
    server.any("/*path", echo);
    std.log.info("listening on port {d}", .{server.port()});
    try server.run();
}

fn usage(argument: []const u8) error{InvalidArgument} {
    std.log.err("{s}: expected --port N, --slots N or --cpu N", .{argument});
    return error.InvalidArgument;
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

/// `METHOD PATH`, an empty line, and the body.
fn echo(allocator: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
    const text = try std.fmt.allocPrint(allocator, "{s} {s}\n\n{s}", .{ ctx.method(), ctx.path(), ctx.body() });
    ctx.respondAllocated(200, sws.ContentType.text.name(), text);
}
