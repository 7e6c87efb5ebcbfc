//! What a handler sees of a request, and how it answers.

const std = @import("std");
const http = @import("protocol/http.zig");
const answer = @import("answer.zig");
const Core = @import("core.zig").Core;
const Fields = answer.Fields;
const slots = @import("slot.zig");

/// Lives as long as the handler runs, and so do all slices it gives: a handler that answers later copies what it needs.
///
/// ```
/// fn hello(_: std.mem.Allocator, ctx: *Context) anyerror!void {
///     ctx.text(200, "hello");
/// }
/// ```
pub const Context = struct {
    core: *Core,
    slot: *slots.StackSlot,
    request: *const http.Request,
    request_body: []const u8,
    params: []const Param = &.{},
    /// The `AsyncServer`.
    server: ?*anyopaque,
    /// What the server was made with.
    app_ctx: ?*anyopaque,
    /// The connection's name for an answer that comes later.
    conn_id: u64,
    /// Set by a handler whose answer comes later, from any thread, by `DeferredResponse`.
    deferred: bool = false,
    /// An answer was given: nothing else runs for this request.
    responded: bool = false,
    /// The fields that were there before whoever runs now.
    fields_before: Fields.Mark = .{ .len = 0, .bytes_len = 0 },

    pub const SetHeaderError = error{
        /// 100 of them, or 16 KB.
        TooManyFields,
        AlreadyAnswered,
    };

    pub const Param = @import("protocol/router.zig").Param;

    pub fn method(ctx: *const Context) []const u8 {
        return ctx.request.method_name;
    }

    /// As it was sent, without the query.
    pub fn path(ctx: *const Context) []const u8 {
        return ctx.request.target.path;
    }

    /// Behind the `?`; null without one.
    pub fn query(ctx: *const Context) ?[]const u8 {
        return ctx.request.target.query;
    }

    /// The whole body, whatever way it came.
    pub fn body(ctx: *const Context) []const u8 {
        return ctx.request_body;
    }

    /// The first field of that name, which is written in small letters.
    pub fn header(ctx: *const Context, name_lower: []const u8) ?[]const u8 {
        return ctx.request.header(name_lower);
    }

    /// What stands in the path for `:name`, or for the wildcard `*name`.
    pub fn param(ctx: *const Context, name: []const u8) ?[]const u8 {
        for (ctx.params) |each| if (std.mem.eql(u8, each.name, name)) return each.value;
        return null;
    }

    /// Adds a field to the answer, whether that is given at once or later.
    pub fn setHeader(ctx: *Context, name: []const u8, value: []const u8) SetHeaderError!void {
        if (ctx.responded) return error.AlreadyAnswered;
        return ctx.core.answer_fields.add(name, value);
    }

    pub fn text(ctx: *Context, status: u16, bytes: []const u8) void {
        ctx.respond(status, ContentType.text.name(), bytes);
    }

    pub fn json(ctx: *Context, status: u16, bytes: []const u8) void {
        ctx.respond(status, ContentType.json.name(), bytes);
    }

    pub fn html(ctx: *Context, status: u16, bytes: []const u8) void {
        ctx.respond(status, ContentType.html.name(), bytes);
    }

    /// Copies the body, which may be as long as the largest buffer. One that is given at once takes the place of one that was to come
    /// later; a second one is a mistake of the handler's, which is logged and counted, and the first one holds.
    pub fn respond(ctx: *Context, status: u16, content_type: ?[]const u8, bytes: []const u8) void {
        if (!ctx.begin()) return;
        answer.whole(ctx.core, ctx.slot, status, content_type, bytes) catch |err| ctx.fail(err);
    }

    /// Sends a body of any length that was made with the handler's allocator, and frees it.
    pub fn respondAllocated(ctx: *Context, status: u16, content_type: ?[]const u8, bytes: []const u8) void {
        ctx.respondOwned(status, content_type, bytes, Core.free, ctx.core);
    }

    /// Sends a body of any length from where it lies. `release` is told when it isn't needed any more, once.
    pub fn respondOwned(
        ctx: *Context,
        status: u16,
        content_type: ?[]const u8,
        bytes: []const u8,
        release: ?slots.Release,
        context: ?*anyopaque,
    ) void {
        if (!ctx.begin()) return if (release) |call| call(context, bytes);
        answer.owned(ctx.core, ctx.slot, status, content_type, bytes, release, context) catch |err| ctx.fail(err);
    }

    /// Asks for the body piece by piece, whenever the client has taken the last one, until `produce` gives none.
    /// `release` is told when no more will be asked for, once.
    pub fn respondPieces(
        ctx: *Context,
        status: u16,
        content_type: ?[]const u8,
        produce: slots.Produce,
        release: ?slots.Release,
        context: ?*anyopaque,
    ) void {
        if (!ctx.begin()) return if (release) |call| call(context, "");
        answer.pieces(ctx.core, ctx.slot, status, content_type, produce, release, context) catch |err| ctx.fail(err);
    }

    fn begin(ctx: *Context) bool {
        if (ctx.responded) {
            ctx.core.stats.handler_errors += 1;
            std.log.scoped(.server).warn("{s} {s}: a second answer", .{ ctx.method(), ctx.path() });
            return false;
        }
        ctx.deferred = false;
        ctx.responded = true;
        return true;
    }

    /// In place of an answer that can't be sent.
    pub fn fail(ctx: *Context, err: answer.Error) void {
        std.log.scoped(.server).warn("{s} {s}: {t}", .{ ctx.method(), ctx.path(), err });
        answer.failed(ctx.core, ctx.slot, err, ctx.fields_before);
    }
};

/// The usual ones.
pub const ContentType = enum {
    /// None, or the one that a field says.
    none,
    text,
    json,
    html,

    pub fn name(content_type: ContentType) ?[]const u8 {
        return switch (content_type) {
            .none => null,
            .text => "text/plain; charset=utf-8",
            .json => "application/json",
            .html => "text/html; charset=utf-8",
        };
    }
};
