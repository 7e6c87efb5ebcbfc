//! Heads of responses, for the HttpClient (RFC 9112 4 to 6), as strictly as those of requests: a connection is used again,
//! so that a response that ends elsewhere than we think would be the answer to somebody else's request.

const std = @import("std");
const bytes_of = @import("bytes.zig");
const fields = @import("http/fields.zig");

const Field = fields.Field;
const Span = fields.Span;

pub const Error = fields.Error || error{
    /// Not `HTTP/1.` and a digit.
    InvalidVersion,
    /// Not three digits from 100 on.
    InvalidStatus,
    InvalidReason,
    InvalidLineEnd,
    /// More responses of 1xx than `interim_count_max`, or a 101 that nobody asked for.
    UnexpectedInterim,
};

/// 100, 102 and 103 may come several times before the response. A server that sends them without an end is not waited for.
pub const interim_count_max = 16;

pub const Options = struct {
    limits: fields.Limits = .{},
    /// The request was HEAD: there is no body whatever the fields say.
    is_head: bool = false,
    /// The request asked for an upgrade: 101 is a response. Otherwise it is an error.
    allows_upgrade: bool = false,
};

const State = enum(u8) { version, status, reason, line_feed, fields, done };

pub const Progress = union(enum) {
    incomplete,
    /// A response of 1xx came, of so many bytes: to be dropped, and `feed` goes on with what is behind it.
    interim: usize,
    complete,
};

/// Parses the head of one response, and those of 1xx before it.
pub const ResponseParser = struct {
    scan: fields.Scan = .{},
    reason_span: Span = .{},
    content_length: u64 = 0,
    facts: fields.Facts = .{},
    status: u16 = 0,
    version_minor: u8 = 0,
    interim_count: u8 = 0,
    state: State = .version,

    /// As `RequestParser.feed`: all bytes since the first that wasn't dropped.
    pub fn feed(parser: *ResponseParser, message: []const u8, options: *const Options, array: []Field) Error!Progress {
        const limits = &options.limits;
        if (parser.state != .fields and parser.state != .done) {
            if (!try parser.feedStatusLine(message, limits)) return .incomplete;
        }
        if (parser.state == .fields) {
            if (!try parser.scan.feed(message, limits, array, parser)) return .incomplete;
            if (parser.status < 200 and !(parser.status == 101 and options.allows_upgrade)) return parser.interim();
            try parser.facts.check(false);
            parser.state = .done;
        }
        return .complete;
    }

    pub fn headBytes(parser: *const ResponseParser) usize {
        return parser.scan.at;
    }

    /// Only when `feed` said that the head is complete.
    pub fn response(parser: *const ResponseParser, message: []const u8, options: *const Options, array: []const Field) Response {
        std.debug.assert(parser.state == .done);
        const ending = parser.framing(options);
        return .{
            .message = message,
            .status = parser.status,
            .reason = parser.reason_span.of(message),
            .version_minor = parser.version_minor,
            .framing = ending,
            .keep_alive = ending != .until_close and parser.status != 101 and
                parser.facts.keepsAlive(parser.version_minor),
            .fields = array[0..@min(parser.scan.count, array.len)],
        };
    }

    /// RFC 9112 6.3, in its order.
    fn framing(parser: *const ResponseParser, options: *const Options) fields.Framing {
        if (options.is_head or parser.status < 200 or parser.status == 204 or parser.status == 304) return .none;
        if (parser.facts.transfer_encoding) return .chunked;
        if (!parser.facts.content_length) return .until_close;
        return if (parser.content_length == 0) .none else .{ .length = parser.content_length };
    }

    fn interim(parser: *ResponseParser) Error!Progress {
        if (parser.status == 101 or parser.interim_count == interim_count_max) return error.UnexpectedInterim;
        const head_bytes = parser.headBytes();
        parser.* = .{ .interim_count = parser.interim_count + 1 };
        return .{ .interim = head_bytes };
    }

    fn feedStatusLine(parser: *ResponseParser, message: []const u8, limits: *const fields.Limits) Error!bool {
        const end = @min(message.len, limits.head_bytes_max);
        const bytes = message[0..end];
        var at: usize = parser.scan.at;
        state: switch (parser.state) {
            .version => {
                parser.state = .version;
                const wanted = "HTTP/1.";
                while (at < end and at < wanted.len) : (at += 1) {
                    if (bytes[at] != wanted[at]) return error.InvalidVersion;
                }
                if (at == end) return parser.pause(at, limits);
                if (at == wanted.len) {
                    if (bytes[at] < '0' or bytes[at] > '9') return error.InvalidVersion;
                    // A later minor version than ours is read as ours (RFC 9110 2.5).
                    parser.version_minor = @min(bytes[at] - '0', 1);
                    at += 1;
                    if (at == end) return parser.pause(at, limits);
                }
                if (bytes[at] != ' ') return error.InvalidVersion;
                at += 1;
                continue :state .status;
            },
            .status => {
                parser.state = .status;
                const start = "HTTP/1.1 ".len;
                while (at < end and at < start + 3) : (at += 1) {
                    const is_digit = bytes[at] >= '0' and bytes[at] <= '9';
                    if (!is_digit or (at == start and bytes[at] == '0')) return error.InvalidStatus;
                    parser.status = parser.status * 10 + (bytes[at] - '0');
                }
                if (at == end) return parser.pause(at, limits);
                switch (bytes[at]) {
                    ' ' => {
                        at += 1;
                        continue :state .reason;
                    },
                    // The space before an empty reason is often forgotten.
                    '\r' => {
                        at += 1;
                        continue :state .line_feed;
                    },
                    else => return error.InvalidStatus,
                }
            },
            .reason => {
                parser.state = .reason;
                at = bytes_of.indexOfOther(.field_value, bytes, at);
                if (at == end) return parser.pause(at, limits);
                if (bytes[at] != '\r') return error.InvalidReason;
                parser.reason_span = Span.between("HTTP/1.1 200 ".len, at);
                at += 1;
                continue :state .line_feed;
            },
            .line_feed => {
                parser.state = .line_feed;
                if (at == end) return parser.pause(at, limits);
                if (bytes[at] != '\n') return error.InvalidLineEnd;
                at += 1;
                continue :state .fields;
            },
            .fields, .done => {
                parser.state = .fields;
                parser.scan.at = @intCast(at);
                return true;
            },
        }
    }

    fn pause(parser: *ResponseParser, at: usize, limits: *const fields.Limits) Error!bool {
        parser.scan.at = @intCast(at);
        return if (at >= limits.head_bytes_max) error.HeadTooLong else false;
    }

    /// Called by the scan for every field line.
    pub inline fn onField(parser: *ResponseParser, bytes: []const u8, field: Field) Error!void {
        try fields.onField(parser, bytes, field);
    }
};

/// A response whose head is complete, as slices of the receive buffer.
pub const Response = struct {
    message: []const u8,
    status: u16,
    reason: []const u8,
    version_minor: u8,
    /// For `http.Body`.
    framing: fields.Framing,
    /// Whether the connection can be used again once the body is done.
    keep_alive: bool,
    fields: []const Field,

    /// The value of the first field of that name, which is written in small letters.
    pub fn header(response: *const Response, name_lower: []const u8) ?[]const u8 {
        return fields.find(response.message, response.fields, name_lower);
    }
};

test {
    _ = @import("client_test.zig");
}
