//! The server without its I/O: bytes of a connection become requests, requests go to handlers, and answers become bytes of
//! its output. Nothing here waits or knows of a kernel, so all of it is the same under the simulator.
//!
//! A connection answers one request at a time and in order. Input is only looked at while nothing of it is being sent, so
//! the output never moves under the kernel, and a client that doesn't read isn't read from either.

const std = @import("std");
const assert = std.debug.assert;
const http = @import("protocol/http.zig");
const application_of = @import("application.zig");
const broadcast = @import("broadcast.zig");
const Broadcasts = broadcast.Broadcasts;
const Buffers = @import("buffers.zig").Buffers;
const Config = @import("config.zig").Config;
const Context = @import("context.zig").Context;
const Routes = @import("routes.zig").Routes;
const StackPool = @import("stack_pool.zig").StackPool;
const StackSlot = @import("slot.zig").StackSlot;
const ConnId = @import("slot.zig").ConnId;
const answer = @import("answer.zig");
const web_socket = @import("web_socket.zig");

/// Answers that wait before requests of the same connection have to: a client that sends requests without end gets what it
/// asked for in pieces of this size. The largest class of buffers.
pub const output_bytes_max = 48 * 1024;

pub const Stats = struct {
    accepted: u64 = 0,
    requests: u64 = 0,
    /// Of WebSockets.
    messages: u64 = 0,
    /// Requests that were refused by their framing or a limit.
    refused: u64 = 0,
    /// Connections that were given up for want of memory.
    exhausted: u64 = 0,
    timed_out: u64 = 0,
    handler_errors: u64 = 0,
    deferred_discarded: u64 = 0,
    /// Messages that were sent to WebSockets from outside of their handlers, each once however many heard it.
    broadcasts: u64 = 0,
    /// Of those from other threads: too long, or no memory.
    broadcasts_failed: u64 = 0,
    /// WebSockets that were closed because they left too many of them waiting.
    slow_consumers: u64 = 0,
    accept_errors: u64 = 0,
    accept_refused: u64 = 0,
};

pub const Core = struct {
    allocator: std.mem.Allocator,
    config: Config,
    options: http.Options,
    routes: Routes,
    slots: StackPool(StackSlot),
    buffers: Buffers,
    broadcasts: Broadcasts,
    date: http.date.Cache = .{},
    now_ms: u64 = 0,
    now_seconds: u64 = 0,
    /// Requests whose answers come later.
    deferred: u32 = 0,
    /// No connection is kept open any more.
    stopping: bool = false,
    stats: Stats = .{},
    app_ctx: ?*anyopaque = null,
    /// Takes all requests, in the place of the routes.
    application: ?application_of.Application = null,
    /// The `AsyncServer` around it, for handlers.
    server: ?*anyopaque = null,
    /// The fields of the request at hand, and those of its answer.
    fields: [http.Limits.header_count_standard]http.Field = undefined,
    /// The WebSocket whose handler runs.
    speaking: ?*StackSlot = null,
    /// The request whose handler runs, by its `conn_id`.
    handling: ?u64 = null,
    /// Something lies behind it already, most likely the next one.
    more_follows: bool = false,
    answer_fields: answer.Fields = .{},
    answer_memo: answer.Memo = .{},

    pub fn init(allocator: std.mem.Allocator, config: Config) (Config.Error || error{OutOfMemory})!Core {
        try config.check();
        var slots: StackPool(StackSlot) = try .init(config.slotCount());
        errdefer slots.deinit();
        if (config.warmup) slots.warmup();
        var routes: Routes = try .init(allocator);
        errdefer routes.deinit();
        var broadcasts: Broadcasts = try .init(.{
            .slots = slots.capacity(),
            .topics = config.topics_max,
            .subscriptions = config.subscriptionCount(slots.capacity()),
            .messages = config.broadcast_messages_max,
            .waiting_max = config.broadcasts_waiting_max,
        });
        errdefer broadcasts.deinit();
        return .{
            .allocator = allocator,
            .config = config,
            .options = .{ .limits = config.limits, .unknown_methods = .accept },
            .routes = routes,
            .slots = slots,
            .broadcasts = broadcasts,
            .buffers = try .init(config.class_bytes, config.large_buffers, config.large_buffer_bytes),
        };
    }

    pub fn deinit(core: *Core) void {
        core.routes.deinit();
        core.broadcasts.deinit();
        core.buffers.deinit();
        core.slots.deinit();
        core.* = undefined;
    }

    /// Goes on with what arrived. Says how much of it is done with: less than all when the connection is paused.
    pub fn consume(core: *Core, slot: *StackSlot, bytes: []u8) usize {
        var at: usize = 0;
        while (at < bytes.len and !slot.isPaused() and slot.line1.output.len < output_bytes_max) {
            const consumed = switch (slot.line1.state) {
                .head => core.consumeHead(slot, bytes[at..]),
                .body => core.consumeBody(slot, bytes[at..]),
                .web_socket => web_socket.consume(core, slot, bytes[at..]),
                else => unreachable,
            };
            assert(consumed > 0 or slot.isPaused());
            at += consumed;
        }
        return at;
    }

    /// Whether answers have to leave before more is read.
    pub inline fn outputIsFull(slot: *const StackSlot) bool {
        return slot.line1.output.len >= output_bytes_max;
    }

    fn consumeHead(core: *Core, slot: *StackSlot, bytes: []const u8) usize {
        const input = &slot.line2.input;
        if (!input.isEmpty()) return core.consumeHeadRest(slot, bytes);

        var parser: http.RequestParser = .{};
        const complete = parser.feed(bytes, &core.options, &core.fields) catch |err| {
            slot.line3.parser = parser;
            core.refuse(slot, http.requestStatusOf(err));
            return bytes.len;
        };
        if (!complete) {
            slot.line3.parser = parser;
            if (parser.hasBegun()) slot.line2.read_deadline_ms = core.now_ms + core.config.head_timeout_ms;
            if (!core.buffers.append(input, bytes)) core.giveUp(slot);
            return bytes.len;
        }
        const head_bytes = parser.headBytes();
        if (core.application != null) {
            application_of.takeHead(core, slot, bytes[0..head_bytes], &parser);
            return head_bytes;
        }
        const request = parser.request(bytes, &core.fields);
        switch (request.framing) {
            .none => {
                core.more_follows = bytes.len > head_bytes;
                core.dispatch(slot, &request, "");
                core.more_follows = false;
                return head_bytes;
            },
            .length => |length| if (length <= bytes.len - head_bytes and length <= core.config.body_bytes_max) {
                const body = bytes[head_bytes..][0..@intCast(length)];
                core.dispatch(slot, &request, body);
                return head_bytes + body.len;
            },
            else => {},
        }
        slot.line3.parser = parser;
        if (!core.buffers.append(input, bytes[0..head_bytes])) {
            core.giveUp(slot);
            return bytes.len;
        }
        core.beginBody(slot, &request, bytes.len > head_bytes);
        return head_bytes;
    }

    /// A head that came in several pieces: they are gathered, and nothing behind it.
    fn consumeHeadRest(core: *Core, slot: *StackSlot, bytes: []const u8) usize {
        const input = &slot.line2.input;
        const parser = &slot.line3.parser;
        const before = input.len;
        // No more than a head may have, so that the rest of the bytes doesn't decide about the size of the buffer.
        const wanted = @min(bytes.len, core.config.limits.head_bytes_max - before);
        assert(wanted > 0);
        if (!core.buffers.append(input, bytes[0..wanted])) {
            core.giveUp(slot);
            return bytes.len;
        }
        const had_begun = parser.hasBegun();
        const complete = parser.feed(input.bytes(), &core.options, &core.fields) catch |err| {
            core.refuse(slot, http.requestStatusOf(err));
            return bytes.len;
        };
        if (!complete) {
            if (parser.hasBegun() and !had_begun) slot.line2.read_deadline_ms = core.now_ms + core.config.head_timeout_ms;
            return wanted;
        }
        const consumed = parser.headBytes() - before;
        input.len = @intCast(parser.headBytes());
        if (core.application != null) {
            parser.rescan(input.bytes(), &core.config.limits, &core.fields);
            application_of.takeHead(core, slot, input.bytes(), parser);
            return consumed;
        }
        const request = core.requestOf(slot);
        if (request.framing == .none) {
            core.dispatch(slot, &request, "");
        } else core.beginBody(slot, &request, bytes.len > consumed);
        return consumed;
    }

    /// The head lies in the input, the body is to come. `has_begun` says that some of it is there already.
    fn beginBody(core: *Core, slot: *StackSlot, request: *const http.Request, has_begun: bool) void {
        const body = http.Body.init(request.framing, core.config.body_bytes_max) catch |err|
            return core.refuse(slot, http.bodyStatusOf(err));
        slot.line5.ws = .{ .http = .{ .body = body } };
        slot.line1.state = .body;
        slot.line2.read_deadline_ms = core.now_ms + core.config.body_timeout_ms;
        if (request.expect_continue and !has_begun) {
            if (!core.buffers.append(&slot.line1.output, http.response.continue_head)) core.giveUp(slot);
        }
    }

    fn consumeBody(core: *Core, slot: *StackSlot, bytes: []const u8) usize {
        const body = &slot.line5.ws.http.body;
        const step = body.next(bytes) catch |err| {
            core.refuse(slot, http.bodyStatusOf(err));
            return bytes.len;
        };
        if (core.application != null) {
            application_of.takeBody(core, slot, step.data, step.done);
            return step.consumed;
        }
        if (!core.buffers.append(&slot.line4.body, step.data)) {
            core.giveUp(slot);
            return bytes.len;
        }
        if (step.done) {
            const request = core.requestOf(slot);
            core.dispatch(slot, &request, slot.line4.body.bytes());
        }
        return step.consumed;
    }

    /// The request whose whole head lies in the input.
    fn requestOf(core: *Core, slot: *StackSlot) http.Request {
        const message = slot.line2.input.bytes();
        slot.line3.parser.rescan(message, &core.config.limits, &core.fields);
        return slot.line3.parser.request(message, &core.fields);
    }

    fn dispatch(core: *Core, slot: *StackSlot, request: *const http.Request, body: []const u8) void {
        core.stats.requests += 1;
        slot.line1.req_count +%= 1;
        slot.line2.conn_id = ConnId.of(core.slots.indexOf(slot), slot);
        const flags = &slot.line1.flags;
        flags.is_head = request.method == .head;
        flags.is_http10 = request.version_minor == 0;
        flags.keep_alive = request.keep_alive and !core.stopping;
        core.answer_fields.clear();
        var context: Context = .{
            .core = core,
            .slot = slot,
            .request = request,
            .request_body = body,
            .server = core.server,
            .app_ctx = core.app_ctx,
            .conn_id = slot.line2.conn_id,
        };
        // Handlers see a connection whose request is done; what they answer decides about the state.
        slot.line1.state = .ending;
        core.handling = context.conn_id;
        core.routes.run(&context);
        core.handling = null;
        core.finishRequest(slot, &context);
    }

    fn finishRequest(core: *Core, slot: *StackSlot, context: *const Context) void {
        core.buffers.release(&slot.line2.input);
        core.buffers.release(&slot.line4.body);
        if (slot.line1.state == .broken) return;
        if (context.responded) {
            // A body that is still to be sent keeps the state that its answer gave.
            if (slot.line1.state == .ending) core.finishAnswer(slot);
            return;
        }
        assert(context.deferred);
        if (core.deferred == core.config.deferred_max) {
            answer.plain(core, slot, 503, "too many requests wait for their answers\n");
            return core.finishAnswer(slot);
        }
        if (!answer.keepFields(core, slot)) {
            core.stats.exhausted += 1;
            answer.plain(core, slot, 503, "no memory for what the answer begins with\n");
            return core.finishAnswer(slot);
        }
        core.deferred += 1;
        slot.line1.state = .deferred;
        slot.line2.read_deadline_ms = core.now_ms + core.config.deferred_timeout_ms;
    }

    /// The answer lies in the output: on with the next request, or to the end.
    pub fn finishAnswer(core: *Core, slot: *StackSlot) void {
        if (slot.line1.state == .broken) return;
        slot.line5.ws = .{ .none = {} };
        if (slot.line1.flags.more) return application_of.goOn(core, slot);
        if (!slot.line1.flags.keep_alive) {
            slot.line1.state = .ending;
            return;
        }
        slot.line1.state = .head;
        slot.line2.last_active_ms = core.now_ms;
        slot.line2.read_deadline_ms = core.now_ms + core.config.idle_timeout_ms;
    }

    /// Answers with the status and an empty body; nothing that the client sends afterwards is understood.
    pub fn refuse(core: *Core, slot: *StackSlot, status: u16) void {
        if (core.application != null) return application_of.refuse(core, slot, status);
        core.stats.refused += 1;
        core.buffers.release(&slot.line2.input);
        core.buffers.release(&slot.line4.body);
        if (slot.line1.state == .deferred) core.deferred -= 1;
        slot.line1.state = .ending;
        slot.line1.flags.keep_alive = false;
        const output = &slot.line1.output;
        if (!core.buffers.reserve(output, refusal_bytes_max)) return core.giveUp(slot);
        const head = http.response.refusal(output.unused(), status, core.date.at(core.now_seconds)) catch unreachable;
        output.len += @intCast(head.len);
    }

    /// No memory even for saying so: the connection is closed.
    pub fn giveUp(core: *Core, slot: *StackSlot) void {
        core.stats.exhausted += 1;
        slot.line1.state = .broken;
    }

    /// Frees what the allocator made, for answers that are sent from where they lie.
    pub fn free(core: ?*anyopaque, bytes: []const u8) void {
        @as(*Core, @ptrCast(@alignCast(core.?))).allocator.free(bytes);
    }

    /// Gives back all that a connection keeps, but not its slot.
    pub fn releaseAll(core: *Core, slot: *StackSlot) void {
        assert(!slot.line1.flags.sending);
        core.buffers.release(&slot.line1.output);
        core.buffers.release(&slot.line2.input);
        core.buffers.release(&slot.line4.body);
        answer.releaseBody(core, slot);
        if (slot.line1.flags.sharing) broadcast.endSharing(core, slot);
    }
};

/// Status line, Date, Content-Length and Connection.
const refusal_bytes_max = 256;
