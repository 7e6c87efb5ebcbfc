//! Answers that come later, from any thread: nodes in a bounded lock-free queue that the loop's thread empties.

const std = @import("std");
const BoundedQueue = @import("bounded_queue.zig").BoundedQueue;
const Field = @import("answer/fields.zig").Field;
const ContentType = @import("context.zig").ContentType;

/// One answer on its way. Hooks see it before it is sent; `body` is valid as long as they run. What it holds was made by the
/// server's allocator, which has to work from all threads.
pub const DeferredNode = struct {
    conn_id: u64,
    status: u16,
    content_type: ContentType,
    body: []u8,
    /// Fields of its own, packed (`answer/fields.zig`).
    fields: []u8 = &.{},

    pub fn free(node: *const DeferredNode, allocator: std.mem.Allocator) void {
        allocator.free(node.body);
        allocator.free(node.fields);
    }
};

pub const DeferredQueue = BoundedQueue(DeferredNode);

/// A callback on its way to the loop's thread.
pub const Invoke = struct {
    run: *const fn (context: *anyopaque, allocator: std.mem.Allocator) void,
    context: *anyopaque,
    /// Takes the place of `run`, on any thread, where the loop has ended before it came to that. Null where nothing is to be given back.
    discard: ?*const fn (context: *anyopaque) void = null,
};

pub const InvokeQueue = BoundedQueue(Invoke);

/// How a handler that set `ctx.deferred` answers later, once, from any thread.
pub fn DeferredResponse(comptime Server: type) type {
    return struct {
        server: *Server,
        conn_id: u64,
        allocator: std.mem.Allocator,

        const Response = @This();

        pub fn text(response: *const Response, status: u16, body: []const u8) void {
            response.server.sendDeferredResponse(response.conn_id, status, .text, body);
        }

        pub fn json(response: *const Response, status: u16, body: []const u8) void {
            response.server.sendDeferredResponse(response.conn_id, status, .json, body);
        }

        pub fn html(response: *const Response, status: u16, body: []const u8) void {
            response.server.sendDeferredResponse(response.conn_id, status, .html, body);
        }

        /// With fields of its own behind those that were set before, and of any type.
        pub fn respond(response: *const Response, status: u16, content_type: ?[]const u8, fields: []const Field, body: []const u8) void {
            response.server.sendDeferredFields(response.conn_id, status, content_type, fields, body);
        }
    };
}
