//! Handlers that wait: `server.GET("/report", sws.yielding(report))`. What a handler is registered as says where it runs, and
//! the type of its context holds it to that:
//!
//! - `fn (Allocator, *Context)` runs to its end on the loop's stack, and sees the request where the kernel wrote it.
//! - `fn (Allocator, *FiberContext)`, made a handler by `yielding`, has a fiber and a copy of its request: it may wait by whatever
//!   parks a fiber, in mid-frame, while other requests are served.

const std = @import("std");
const fields_of = @import("answer/fields.zig");
const http = @import("protocol/http.zig");
const ContentType = @import("context.zig").ContentType;
const Context = @import("context.zig").Context;
const Core = @import("core.zig").Core;
const Handler = @import("routes.zig").Handler;
const Next = @import("next.zig").Next;
const Param = Context.Param;

pub const YieldingHandler = fn (allocator: std.mem.Allocator, ctx: *FiberContext) anyerror!void;

/// Too many of them at once are answered 503, as all tasks of `Next`. No answer within `deferred_timeout_ms` is a 504.
pub fn yielding(comptime handler: YieldingHandler) Handler {
    return struct {
        fn start(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
            const copy = try FiberContext.create(allocator, ctx);
            errdefer copy.destroy();
            try Next.go(Task, .{ .ctx = copy }, Task.run);
            ctx.deferred = true;
        }

        const Task = struct {
            ctx: *FiberContext,

            pub fn onDiscard(task: *Task) void {
                task.ctx.destroy();
            }

            fn run(task: *Task, _: @import("next.zig").Complete) void {
                const ctx = task.ctx;
                defer ctx.destroy();
                handler(ctx.core.allocator, ctx) catch |err| return ctx.failed(err);
                if (!ctx.responded) ctx.failed(error.NoAnswer);
            }
        };
    }.start;
}

/// What a handler on a fiber sees of its request, and how it answers. All slices are copies that live as long as it runs.
pub const FiberContext = struct {
    arena: std.heap.ArenaAllocator,
    core: *Core,
    request: http.Request,
    request_body: []const u8,
    params: []const Param,
    /// The `AsyncServer`.
    server: ?*anyopaque,
    /// What the server was made with.
    app_ctx: ?*anyopaque,
    conn_id: u64,
    /// Those that the handler adds, packed, and how many.
    fields: std.ArrayList(u8) = .empty,
    fields_len: usize = 0,
    responded: bool = false,

    fn create(allocator: std.mem.Allocator, ctx: *const Context) error{OutOfMemory}!*FiberContext {
        var arena: std.heap.ArenaAllocator = .init(allocator);
        errdefer arena.deinit();
        const inside = arena.allocator();
        const self = try inside.create(FiberContext);
        var request = ctx.request.*;
        // What stands behind the head isn't this request's.
        const head = request.message[0..headLen(&request)];
        request.message = try inside.dupe(u8, head);
        request.fields = try inside.dupe(http.Field, request.fields);
        for ([_]*[]const u8{ &request.method_name, &request.target.path, &request.host }) |part| part.* = try inside.dupe(u8, part.*);
        for ([_]*?[]const u8{ &request.target.query, &request.target.authority }) |part| {
            if (part.*) |value| part.* = try inside.dupe(u8, value);
        }
        const params = try inside.dupe(Param, ctx.params);
        // Names are the route's.
        for (params) |*each| each.value = try inside.dupe(u8, each.value);
        self.* = .{
            .arena = undefined,
            .core = ctx.core,
            .request = request,
            .request_body = try inside.dupe(u8, ctx.request_body),
            .params = params,
            .server = ctx.server,
            .app_ctx = ctx.app_ctx,
            .conn_id = ctx.conn_id,
        };
        self.arena = arena;
        return self;
    }

    fn headLen(request: *const http.Request) usize {
        var len: usize = 0;
        for (request.fields) |field| len = @max(len, @as(usize, field.value.start) + field.value.len, @as(usize, field.name.start) + field.name.len);
        return len;
    }

    fn destroy(ctx: *FiberContext) void {
        // It lies in its arena itself.
        const arena = ctx.arena;
        arena.deinit();
    }

    pub fn method(ctx: *const FiberContext) []const u8 {
        return ctx.request.method_name;
    }

    /// As it was sent, without the query.
    pub fn path(ctx: *const FiberContext) []const u8 {
        return ctx.request.target.path;
    }

    /// Behind the `?`; null without one.
    pub fn query(ctx: *const FiberContext) ?[]const u8 {
        return ctx.request.target.query;
    }

    pub fn body(ctx: *const FiberContext) []const u8 {
        return ctx.request_body;
    }

    /// The first field of that name, which is written in small letters.
    pub fn header(ctx: *const FiberContext, name_lower: []const u8) ?[]const u8 {
        return ctx.request.header(name_lower);
    }

    /// What stands in the path for `:name`, or for the wildcard `*name`.
    pub fn param(ctx: *const FiberContext, name: []const u8) ?[]const u8 {
        for (ctx.params) |each| if (std.mem.eql(u8, each.name, name)) return each.value;
        return null;
    }

    /// Adds a field to the answer, behind those that middleware has set. The limits are `Context.setHeader`'s, and so is what becomes
    /// of a name or a value that can't be sent: a 500.
    pub fn setHeader(ctx: *FiberContext, name: []const u8, value: []const u8) (Context.SetHeaderError || error{OutOfMemory})!void {
        if (ctx.responded) return error.AlreadyAnswered;
        const field: fields_of.Field = .{ .name = name, .value = value };
        const len = try fields_of.packedBytesOf(field);
        if (ctx.fields_len == fields_of.count_max or ctx.fields.items.len + len > fields_of.bytes_max) return error.TooManyFields;
        _ = fields_of.packOne(try ctx.fields.addManyAsSlice(ctx.arena.allocator(), len), field);
        ctx.fields_len += 1;
    }

    pub fn text(ctx: *FiberContext, status: u16, bytes: []const u8) void {
        ctx.respondTyped(status, .text, bytes);
    }

    pub fn json(ctx: *FiberContext, status: u16, bytes: []const u8) void {
        ctx.respondTyped(status, .json, bytes);
    }

    pub fn html(ctx: *FiberContext, status: u16, bytes: []const u8) void {
        ctx.respondTyped(status, .html, bytes);
    }

    /// Answers with a copy, once; the handler may go on afterwards. A second answer is logged and counted, and the first one holds. A client
    /// that is gone meanwhile gets nothing, which is counted.
    pub fn respond(ctx: *FiberContext, status: u16, content_type: ?[]const u8, bytes: []const u8) void {
        if (content_type) |value| ctx.setHeader("Content-Type", value) catch |err| switch (err) {
            // Which is told as the second answer that it is.
            error.AlreadyAnswered => {},
            else => return ctx.failed(err),
        };
        ctx.respondTyped(status, .none, bytes);
    }

    fn respondTyped(ctx: *FiberContext, status: u16, content_type: ContentType, bytes: []const u8) void {
        if (ctx.responded) return ctx.failed(error.AlreadyAnswered);
        ctx.responded = true;
        Next.loopOfThread().respond(ctx.server.?, ctx.conn_id, status, content_type, ctx.fields.items, bytes);
    }

    fn failed(ctx: *FiberContext, err: anyerror) void {
        ctx.core.stats.handler_errors += 1;
        std.log.scoped(.server).warn("{s} {s}: {t}", .{ ctx.method(), ctx.path(), err });
        if (ctx.responded) return;
        // What the handler has set belongs to the answer that it didn't give.
        ctx.fields.clearRetainingCapacity();
        ctx.respondTyped(500, .text, if (err == error.NoAnswer) "the handler gave no answer\n" else "internal server error\n");
    }
};
