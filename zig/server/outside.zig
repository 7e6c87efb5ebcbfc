//! What reaches a server from outside of its handlers: from tasks, hooks and other threads. Its functions are the server's.

const std = @import("std");
const broadcasts = @import("broadcast.zig");
const fields_of = @import("answer/fields.zig");
const web_socket = @import("web_socket.zig");
const ConnId = @import("slot.zig").ConnId;
const ContentType = @import("context.zig").ContentType;
const DeferredNode = @import("deferred.zig").DeferredNode;
const Fiber = @import("fiber.zig").Fiber;
const Invoke = @import("deferred.zig").Invoke;
const Loop = @import("next.zig").Loop;
const Scheduler = @import("fiber/scheduler.zig").Scheduler;
const Workers = @import("next/workers.zig").Workers;

pub fn Outside(comptime Server: type) type {
    return struct {
        /// From any thread: answers the deferred request of a connection, with a copy of the body. Waits while the queue is
        /// full. An answer to a connection that is gone is discarded, and counted.
        pub fn sendDeferredResponse(
            server: *Server,
            conn_id: u64,
            status: u16,
            content_type: ContentType,
            body: []const u8,
        ) void {
            sendPacked(server, conn_id, status, content_type, &.{}, body);
        }

        /// The same with fields of its own, behind those that were set before the request waited, and with a type of any name.
        pub fn sendDeferredFields(
            server: *Server,
            conn_id: u64,
            status: u16,
            content_type: ?[]const u8,
            fields: []const fields_of.Field,
            body: []const u8,
        ) void {
            const bytes = packAll(server.allocator, content_type, fields) catch |err| return sendFailure(server, conn_id, err);
            sendPacked(server, conn_id, status, .none, bytes, body);
        }

        fn packAll(allocator: std.mem.Allocator, content_type: ?[]const u8, fields: []const fields_of.Field) ![]u8 {
            const type_field: ?fields_of.Field = if (content_type) |value| .{ .name = "Content-Type", .value = value } else null;
            var len = if (type_field) |field| try fields_of.packedBytesOf(field) else 0;
            for (fields) |field| len += try fields_of.packedBytesOf(field);
            const bytes = try allocator.alloc(u8, len);
            var end = if (type_field) |field| fields_of.packOne(bytes, field) else 0;
            for (fields) |field| end += fields_of.packOne(bytes[end..], field);
            return bytes;
        }

        /// The client must not wait for ever: an empty body needs no memory.
        fn sendFailure(server: *Server, conn_id: u64, err: error{ OutOfMemory, TooManyFields }) void {
            std.log.scoped(.server).warn("an answer that came later can't be sent: {t}", .{err});
            const status: u16 = if (err == error.OutOfMemory) 503 else 500;
            pushDeferred(server, .{ .conn_id = conn_id, .status = status, .content_type = .text, .body = &.{} });
        }

        /// Fields as `answer/fields.zig` packs them; they are the answer's from now on.
        fn sendPacked(server: *Server, conn_id: u64, status: u16, content_type: ContentType, fields: []u8, body: []const u8) void {
            const body_copy = server.allocator.dupe(u8, body) catch |err| {
                server.allocator.free(fields);
                return sendFailure(server, conn_id, err);
            };
            pushDeferred(server, .{
                .conn_id = conn_id,
                .status = status,
                .content_type = content_type,
                .body = body_copy,
                .fields = fields,
            });
        }

        fn pushDeferred(server: *Server, node: DeferredNode) void {
            _ = server.callers.fetchAdd(1, .acquire);
            defer _ = server.callers.fetchSub(1, .release);
            var last = node;
            while (!server.deferred_queue.push(last)) {
                if (Fiber.current() != null) {
                    // The loop's handlers must not run on its stack, and a worker has other fibers.
                    Fiber.yield();
                } else if (server.connections.isOnThread()) {
                    // Nobody else would make room. Inside of a handler: no other may run before it has ended.
                    const first = server.deferred_queue.pop() orelse continue;
                    // Its own request takes an answer behind that: it changes places with this one.
                    const is_own = first.conn_id == server.core.handling;
                    server.connections.answerDeferred(server, if (is_own) last else first);
                    if (is_own) last = first;
                } else std.Thread.yield() catch {};
            }
            // The same turn empties the queue behind its fibers.
            if (Scheduler.current() != &server.next.scheduler) server.io.wake();
        }

        /// From any thread: runs `run(allocator, context)` on the loop's thread. False when too many wait already.
        pub fn invokeOnIoThread(
            server: *Server,
            comptime C: type,
            context: *C,
            comptime run_on_thread: fn (std.mem.Allocator, *C) void,
        ) bool {
            const Call = struct {
                fn call(erased: *anyopaque, allocator: std.mem.Allocator) void {
                    run_on_thread(allocator, @ptrCast(@alignCast(erased)));
                }
            };
            return invoke(server, .{ .run = Call.call, .context = context });
        }

        fn invoke(server: *Server, call: Invoke) bool {
            _ = server.callers.fetchAdd(1, .acquire);
            defer _ = server.callers.fetchSub(1, .release);
            return server.rs.invoke.pushCall(call);
        }

        fn invokeOf(server: *anyopaque, call: Invoke) bool {
            return invoke(@ptrCast(@alignCast(server)), call);
        }

        /// On the loop's thread: a copy of the message to all WebSockets of a topic, those of a route by its pattern. Says to how many.
        /// Who leaves too many unread is closed (`broadcast.zig`).
        pub fn broadcast(server: *Server, topic: []const u8, opcode: web_socket.Opcode, payload: []const u8) broadcasts.Error!u32 {
            if (!server.connections.isOnThread()) @panic("broadcast off the loop's thread: broadcastFromAnyThread is for others");
            return broadcasts.toTopic(&server.core, topic, opcode, payload);
        }

        /// The same from any thread, later. False when too many calls wait.
        pub fn broadcastFromAnyThread(
            server: *Server,
            topic: []const u8,
            opcode: web_socket.Opcode,
            payload: []const u8,
        ) error{OutOfMemory}!bool {
            const call = try broadcasts.Call(Server).create(server, topic, opcode, payload);
            const Call = broadcasts.Call(Server);
            if (invoke(server, .{ .run = Call.run, .context = call, .discard = Call.discard })) return true;
            call.destroy();
            return false;
        }

        /// On the loop's thread: to one WebSocket, outside of its handler. `conn_id` is that of any of its messages.
        pub fn sendMessage(
            server: *Server,
            conn_id: u64,
            opcode: web_socket.Opcode,
            payload: []const u8,
        ) (broadcasts.Error || error{Gone})!void {
            if (!server.connections.isOnThread()) @panic("sendMessage off the loop's thread: invokeOnIoThread gets there");
            const id: ConnId = @bitCast(conn_id);
            const slot = server.core.slots.get(id.index, id.gen_id) orelse return error.Gone;
            if (slot.line1.state != .web_socket) return error.Gone;
            return broadcasts.toOne(&server.core, slot, opcode, payload);
        }

        fn respondOf(server: *anyopaque, conn_id: u64, status: u16, content_type: ContentType, fields: []const u8, body: []const u8) void {
            const own: *Server = @ptrCast(@alignCast(server));
            const copy = own.allocator.dupe(u8, fields) catch |err| return sendFailure(own, conn_id, err);
            sendPacked(own, conn_id, status, content_type, copy, body);
        }

        /// Threads for `Next.submit`, once, and before `run`, which starts them.
        pub fn initPool4NextSubmit(server: *Server, count: u32) error{ InvalidConfig, AlreadyRunning, OutOfMemory }!void {
            if (count == 0 or count > Workers.count_max or server.next.workers != null) return error.InvalidConfig;
            if (server.next.loop != null) return error.AlreadyRunning;
            server.next.workers = try .create(server.allocator, &server.next, &server.core.config, count);
        }

        /// Waits for those that compute. What they have for the loop, which has ended, is taken from them, so that they come to
        /// their ends; nothing of it runs on this thread, which may be another one.
        pub fn endWorkers(server: *Server) void {
            const workers = server.next.workers orelse return;
            workers.stop();
            const until_ms = server.io.monotonic_ms() + server.core.config.stop_timeout_ms;
            while (!workers.isEnded()) {
                while (server.deferred_queue.pop()) |node| node.free(server.allocator);
                server.rs.invoke.discardAll();
                if (server.io.monotonic_ms() >= until_ms) server.next.abandon();
                std.Thread.yield() catch {};
            }
            workers.destroy();
            server.next.workers = null;
        }

        pub fn loopOf(server: *Server) Loop {
            return .{ .server = server, .invoke = invokeOf, .respond = respondOf };
        }
    };
}
