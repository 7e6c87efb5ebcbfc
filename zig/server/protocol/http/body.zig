//! The body of a message by its framing (RFC 9112 6), counted against a limit.

const std = @import("std");
const chunked = @import("chunked.zig");
const fields = @import("fields.zig");

pub const Step = chunked.Step;

pub const Error = chunked.Error || error{
    /// More than the limit: status 413.
    BodyTooLong,
};

/// The status that a refused body is answered with, before its connection is closed.
pub fn statusOf(err: Error) u16 {
    return switch (err) {
        error.BodyTooLong, error.ChunkExtensionTooLong => 413,
        error.TrailerTooLong => 431,
        else => 400,
    };
}

/// Finds the end of one body. 40 bytes without pointers.
///
/// ```
/// var body = try Body.init(request.framing, body_bytes_max);
/// while (true) {
///     const step = try body.next(input);
///     keep(step.data);
///     input = input[step.consumed..];
///     if (step.done or input.len == 0) break;
/// }
/// ```
pub const Body = struct {
    kind: enum(u8) { length, chunked, until_close },
    /// What is left of a length.
    remaining: u64 = 0,
    /// What the limit leaves. A length has been compared with it at the start.
    allowed: u64,
    decoder: chunked.Decoder = .{},

    /// A length beyond the limit is told before a byte of the body has been read.
    pub fn init(framing: fields.Framing, body_bytes_max: u64) Error!Body {
        switch (framing) {
            .none => return .{ .kind = .length, .allowed = 0 },
            .length => |length| {
                if (length > body_bytes_max) return error.BodyTooLong;
                return .{ .kind = .length, .remaining = length, .allowed = length };
            },
            .chunked => return .{ .kind = .chunked, .allowed = body_bytes_max },
            .until_close => return .{ .kind = .until_close, .allowed = body_bytes_max },
        }
    }

    /// One piece of the body, as a slice of the input. Bytes behind the body's end are not consumed. May be called
    /// with nothing, to learn whether an empty body is done.
    pub fn next(body: *Body, input: []const u8) Error!Step {
        switch (body.kind) {
            .length => {
                const len: usize = @intCast(@min(body.remaining, input.len));
                body.remaining -= len;
                return .{ .consumed = len, .data = input[0..len], .done = body.remaining == 0 };
            },
            .chunked => {
                const step = try body.decoder.next(input);
                // The size of a chunk counts when its line has ended, not when its data has come.
                if (step.data.len +| body.decoder.announced() > body.allowed) return error.BodyTooLong;
                body.allowed -= step.data.len;
                return step;
            },
            .until_close => {
                if (input.len > body.allowed) return error.BodyTooLong;
                body.allowed -= input.len;
                return .{ .consumed = input.len, .data = input };
            },
        }
    }

    pub const Compacted = struct {
        /// Bytes of the body, which now lie at the input's start.
        data_bytes: usize,
        consumed: usize,
        done: bool,
    };

    /// All pieces of the input, moved to its start.
    pub fn compact(body: *Body, input: []u8) Error!Compacted {
        var done: Compacted = .{ .data_bytes = 0, .consumed = 0, .done = false };
        while (true) {
            const step = try body.next(input[done.consumed..]);
            // To the front only, so that overlapping is fine for a copy that goes forwards.
            std.mem.copyForwards(u8, input[done.data_bytes..][0..step.data.len], step.data);
            done.data_bytes += step.data.len;
            done.consumed += step.consumed;
            done.done = step.done;
            if (step.done or done.consumed == input.len) return done;
        }
    }

    /// Whether the other side may end the connection here without having cut the body off.
    pub fn mayEnd(body: *const Body) bool {
        return switch (body.kind) {
            .length => body.remaining == 0,
            .chunked => body.decoder.state == .done,
            .until_close => true,
        };
    }
};

test {
    _ = @import("body_test.zig");
}
