//! Which handler a request goes to, and what runs before it.

const std = @import("std");
const http = @import("protocol/http.zig");
const router_of = @import("protocol/router.zig");
const Context = @import("context.zig").Context;
const web_socket = @import("web_socket.zig");

/// Runs to its end on the loop's stack: nothing else happens meanwhile.
pub const Handler = *const fn (allocator: std.mem.Allocator, ctx: *Context) anyerror!void;

/// Runs before handlers, in the order of registration; one that answers, or sets `ctx.deferred`, ends the request.
pub const Middleware = Handler;

pub const Method = router_of.Method;
const Target = union(enum) { handler: Handler, web_socket: web_socket.Route };
const Router = router_of.Router(Target, .{});

pub const RegisterError = router_of.RegisterError || error{ TooManyMiddlewares, TopicTooLong };

/// Of one server. They run for every request, so nobody wants more.
const middlewares_max = 32;

pub const Routes = struct {
    allocator: std.mem.Allocator,
    router: *Router,
    middlewares: [middlewares_max]Middleware = undefined,
    middlewares_len: usize = 0,
    /// Where escapes of a path are decoded.
    scratch: [http.Limits.head_bytes_ceiling]u8 = undefined,

    pub fn init(allocator: std.mem.Allocator) error{OutOfMemory}!Routes {
        const router = try allocator.create(Router);
        router.* = .{};
        return .{ .allocator = allocator, .router = router };
    }

    pub fn deinit(routes: *Routes) void {
        routes.allocator.destroy(routes.router);
        routes.* = undefined;
    }

    pub fn add(routes: *Routes, method: Method, pattern: []const u8, handler: Handler) RegisterError!void {
        return routes.router.add(method, pattern, .{ .handler = handler });
    }

    pub fn addWebSocket(routes: *Routes, pattern: []const u8, handler: web_socket.Handler) RegisterError!void {
        // Broadcasts name its connections by it.
        if (pattern.len > @import("topics.zig").name_bytes_max) return error.TopicTooLong;
        return routes.router.add(.get, pattern, .{ .web_socket = .{ .handler = handler, .pattern = pattern } });
    }

    pub fn use(routes: *Routes, middleware: Middleware) RegisterError!void {
        if (routes.middlewares_len == middlewares_max) return error.TooManyMiddlewares;
        routes.middlewares[routes.middlewares_len] = middleware;
        routes.middlewares_len += 1;
    }

    /// Runs middleware and handler. What they don't answer well is answered here.
    pub fn run(routes: *Routes, ctx: *Context) void {
        for (routes.middlewares[0..routes.middlewares_len]) |middleware| {
            ctx.fields_before = ctx.core.answer_fields.mark();
            middleware(ctx.core.allocator, ctx) catch |err| return failed(ctx, err);
            if (ctx.responded or ctx.deferred) return;
        }
        ctx.fields_before = ctx.core.answer_fields.mark();
        var params: router_of.Params = .{};
        const match = routes.router.match(ctx.request.method, ctx.path(), &routes.scratch, &params) catch
            return ctx.text(400, "an escape in the path is not one\n");
        switch (match) {
            .found => |target| {
                ctx.params = params.slice();
                switch (target) {
                    .handler => |handler| {
                        handler(ctx.core.allocator, ctx) catch |err| return failed(ctx, err);
                        if (!ctx.responded and !ctx.deferred) failed(ctx, error.NoAnswer);
                    },
                    .web_socket => |route| web_socket.upgrade(ctx, route),
                }
            },
            .not_allowed => |allow| notAllowed(ctx, allow) catch |err| return failed(ctx, err),
            .not_found => if (ctx.request.target.form == .asterisk) {
                // OPTIONS of the server itself (RFC 9110 9.3.7).
                ctx.respond(204, null, "");
            } else ctx.text(404, "not found\n"),
        }
    }

    fn notAllowed(ctx: *Context, allow: router_of.Allow) Context.SetHeaderError!void {
        var buffer: [router_of.Allow.text_bytes_max]u8 = undefined;
        try ctx.setHeader("Allow", allow.text(&buffer));
        if (ctx.request.method == .options) ctx.respond(204, null, "") else ctx.text(405, "method not allowed\n");
    }

    /// What was set before whoever failed is sent: it isn't his.
    fn failed(ctx: *Context, err: anyerror) void {
        ctx.core.stats.handler_errors += 1;
        std.log.scoped(.server).warn("{s} {s}: {t}", .{ ctx.method(), ctx.path(), err });
        // An answer that was given already is on its way.
        if (ctx.responded) return;
        // One that was to come later won't, as far as the handler knows. If it does, it is discarded and counted.
        ctx.deferred = false;
        ctx.core.answer_fields.backTo(ctx.fields_before);
        switch (err) {
            error.TooManyTasks => ctx.text(503, "too many tasks wait already\n"),
            error.NoAnswer => ctx.text(500, "the handler gave no answer\n"),
            else => ctx.text(500, "internal server error\n"),
        }
    }
};
