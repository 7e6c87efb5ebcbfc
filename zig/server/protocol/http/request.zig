//! The head of a request (RFC 9112 3 to 6), strictly: what two servers could read in two ways is refused.
//!
//! Resumed at any byte without looking at one twice, by a state of 40 bytes that may lie in a connection's slot. It
//! copies nothing and keeps no pointer: `feed` is given all bytes of the message so far, wherever they lie by then.

const std = @import("std");
const bytes_of = @import("../bytes.zig");
const fields = @import("fields.zig");
const target_of = @import("target.zig");

const Field = fields.Field;
const Span = fields.Span;

pub const Method = enum(u8) { get, head, post, put, patch, delete, options, connect, trace, other };

pub const Options = struct {
    limits: fields.Limits = .{},
    /// What becomes of a method that no registry knows: RFC 9110 9.1 says 501. An application that has methods of its
    /// own takes them as `other`.
    unknown_methods: enum { refuse, accept } = .refuse,
    /// What becomes of codings before the last `chunked`: RFC 9112 6.1 says 501. The body's end is known all the same, so
    /// that it can be taken as it is, still encoded.
    other_codings: enum { refuse, accept } = .refuse,
    /// Who judges what target and fields say: this parser, or whoever asked for the lines alone. `request` then can't be
    /// asked, and `framing` is not known. A target may have characters beyond ASCII, in UTF-8.
    meaning: enum { here, elsewhere } = .here,
};

pub const Error = fields.Error || target_of.Error || error{
    /// No token, or nothing where the method should be.
    InvalidMethod,
    MethodNotImplemented,
    TargetTooLong,
    /// Not `HTTP/` and two digits.
    InvalidVersion,
    /// Neither 1.0 nor 1.1.
    VersionNotSupported,
    /// A CR without its LF or the other way round, before the fields.
    InvalidLineEnd,
    /// None in HTTP/1.1, more than one, or not a host.
    InvalidHost,
};

/// The status that a refused request is answered with, before its connection is closed.
pub fn statusOf(err: Error) u16 {
    return switch (err) {
        error.TargetTooLong => 414,
        error.TooManyHeaders, error.HeadTooLong => 431,
        error.MethodNotImplemented, error.TransferEncodingNotImplemented => 501,
        error.VersionNotSupported => 505,
        else => 400,
    };
}

pub const State = enum(u8) { empty_lines, empty_line_feed, method, target, version, line_feed, fields, done };

/// Parses one head. For the next request of the connection start with a new one (`.{}`).
///
/// ```
/// var parser: RequestParser = .{};
/// var array: [Limits.header_count_standard]Field = undefined;
/// const complete = parser.feed(received, &options, &array) catch |err| return refuse(statusOf(err));
/// if (!complete) return; // again, when there is more, from the message's first byte
/// const request = parser.request(received, &array);
/// ```
pub const RequestParser = struct {
    scan: fields.Scan = .{},
    method_span: Span = .{},
    target_span: Span = .{},
    host_span: Span = .{},
    content_length: u64 = 0,
    facts: fields.Facts = .{},
    method: Method = .other,
    version_minor: u8 = 0,
    state: State = .empty_lines,
    target_is_ascii: bool = true,

    /// Goes on over `message`, which holds all bytes since the message's first, and maybe more behind its head. True when
    /// the head is complete. Fields are written to `array` where it has room: one that was not kept between two calls
    /// is filled by `rescan` afterwards.
    pub fn feed(parser: *RequestParser, message: []const u8, options: *const Options, array: []Field) Error!bool {
        const limits = &options.limits;
        if (parser.state != .fields and parser.state != .done) {
            if (!try parser.feedRequestLine(message, options)) return false;
        }
        if (parser.state == .fields) {
            switch (options.meaning) {
                .here => {
                    if (!try parser.scan.feed(message, limits, array, parser)) return false;
                    try parser.check(options);
                },
                .elsewhere => if (!try parser.scan.feed(message, limits, array, Nothing{})) return false,
            }
            parser.state = .done;
        }
        return true;
    }

    /// Bytes of the head, the empty line at its end included. The body begins here.
    pub fn headBytes(parser: *const RequestParser) usize {
        return parser.scan.at;
    }

    /// What was asked for, as slices of `message` and `array`. Only when `feed` said that the head is complete.
    pub fn request(parser: *const RequestParser, message: []const u8, array: []const Field) Request {
        std.debug.assert(parser.state == .done);
        const method = parser.method_span.of(message);
        const text = parser.target_span.of(message);
        // Others were parsed without an error when their last byte came.
        const target = if (parser.hasOriginForm(text)) target_of.origin(text) else parser.targetParts(text) catch unreachable;
        return .{
            .message = message,
            .method = parser.method,
            .method_name = method,
            .target = target,
            .host = target.authority orelse parser.host_span.of(message),
            .version_minor = parser.version_minor,
            .framing = parser.framing(),
            .keep_alive = parser.facts.keepsAlive(parser.version_minor),
            .upgrade = parser.facts.upgrade and parser.facts.connection_upgrade and parser.version_minor >= 1,
            .expect_continue = parser.facts.expect_continue and parser.version_minor >= 1,
            .fields = array[0..@min(parser.scan.count, array.len)],
        };
    }

    /// Fills an array with the fields of a complete head.
    pub fn rescan(parser: *const RequestParser, message: []const u8, limits: *const fields.Limits, array: []Field) void {
        std.debug.assert(parser.state == .done);
        const version_end = @as(usize, parser.target_span.start) + parser.target_span.len + " HTTP/1.1".len;
        const line_end: usize = if (message[version_end] == '\r') "\r\n".len else "\n".len;
        var scan: fields.Scan = .{ .at = @intCast(version_end + line_end) };
        const complete = scan.feed(message, limits, array, Nothing{}) catch unreachable;
        std.debug.assert(complete and scan.count == parser.scan.count);
    }

    /// Whether a byte has come that isn't an empty line's: those before a request are nothing.
    pub fn hasBegun(parser: *const RequestParser) bool {
        return parser.state != .empty_lines and parser.state != .empty_line_feed;
    }

    /// How long the request line is already, while its end hasn't come.
    pub fn openLineBytes(parser: *const RequestParser) usize {
        return switch (parser.state) {
            .method, .target, .version, .line_feed => parser.scan.at -| parser.method_span.start,
            .empty_lines, .empty_line_feed, .fields, .done => 0,
        };
    }

    fn framing(parser: *const RequestParser) fields.Framing {
        if (parser.facts.transfer_encoding) return .chunked;
        if (parser.facts.content_length and parser.content_length > 0) return .{ .length = parser.content_length };
        return .none;
    }

    fn feedRequestLine(parser: *RequestParser, message: []const u8, options: *const Options) Error!bool {
        const limits = &options.limits;
        const end = @min(message.len, limits.head_bytes_max);
        const bytes = message[0..end];
        var at: usize = parser.scan.at;
        state: switch (parser.state) {
            // RFC 9112 2.2: empty lines before a request are to be ignored.
            .empty_lines => {
                parser.state = .empty_lines;
                if (at == end) return parser.pause(at, limits);
                if (bytes[at] == '\r') {
                    at += 1;
                    continue :state .empty_line_feed;
                }
                if (bytes[at] == '\n' and limits.bare_line_feeds) continue :state .empty_line_feed;
                parser.method_span = Span.between(at, at);
                continue :state .method;
            },
            .empty_line_feed => {
                parser.state = .empty_line_feed;
                if (at == end) return parser.pause(at, limits);
                if (bytes[at] != '\n') return error.InvalidLineEnd;
                at += 1;
                continue :state .empty_lines;
            },
            .method => {
                parser.state = .method;
                if (at == parser.method_span.start and end - at >= 4 and isWord(u32, bytes[at..], "GET ")) {
                    parser.method_span.len = 3;
                    parser.method = .get;
                    at += 4;
                    parser.target_span = Span.between(at, at);
                    continue :state .target;
                }
                at = bytes_of.indexOfOther(.token, bytes, at);
                if (at == end) return parser.pause(at, limits);
                if (bytes[at] != ' ' or at == parser.method_span.start) return error.InvalidMethod;
                parser.method_span = Span.between(parser.method_span.start, at);
                parser.method = try methodOf(parser.method_span.of(bytes), options);
                at += 1;
                parser.target_span = Span.between(at, at);
                continue :state .target;
            },
            .target => {
                parser.state = .target;
                const start = parser.target_span.start;
                const target_end = @min(end, start + @as(usize, limits.uri_bytes_max) + 1);
                at = bytes_of.indexOfOther(.target, bytes[0..target_end], at);
                if (options.meaning == .elsewhere and at < target_end and bytes[at] >= 0x80) {
                    parser.target_is_ascii = false;
                    at = bytes_of.indexOfOther(.target_bytes, bytes[0..target_end], at);
                }
                if (at - start > limits.uri_bytes_max) return error.TargetTooLong;
                if (at == end) return parser.pause(at, limits);
                if (bytes[at] != ' ' or at == start) return error.InvalidTarget;
                parser.target_span = Span.between(start, at);
                const text = bytes[start..at];
                if (!parser.target_is_ascii and !std.unicode.utf8ValidateSlice(text)) return error.InvalidTarget;
                if (options.meaning == .here and !parser.hasOriginForm(text)) _ = try parser.targetParts(text);
                at += 1;
                continue :state .version;
            },
            .version => {
                parser.state = .version;
                const start = parser.target_span.start + parser.target_span.len + 1;
                const wanted = "HTTP/1.1\r\n";
                if (end - start >= wanted.len and isWord(u80, bytes[start..], wanted)) {
                    parser.version_minor = 1;
                    at = start + wanted.len;
                    continue :state .fields;
                }
                while (at < end) : (at += 1) {
                    const byte = bytes[at];
                    switch (at - start) {
                        0...4 => |place| if (byte != wanted[place]) return error.InvalidVersion,
                        5, 7 => |place| {
                            if (byte < '0' or byte > '9') return error.InvalidVersion;
                            // Status 505 is for what is a version, which its last digit says. Who knows 400 alone doesn't wait for it, nor does hyper.
                            if (place == 5 and byte != '1' and options.meaning == .elsewhere) return error.VersionNotSupported;
                        },
                        6 => if (byte != '.') return error.InvalidVersion,
                        else => {
                            parser.version_minor = bytes[start + 7] - '0';
                            if (byte == '\r') at += 1 else if (byte != '\n' or !limits.bare_line_feeds) return error.InvalidLineEnd;
                            continue :state .line_feed;
                        },
                    }
                    // The last digit tells without what follows.
                    if (at - start == 7 and (bytes[start + 5] != '1' or byte > '1')) return error.VersionNotSupported;
                }
                return parser.pause(at, limits);
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

    inline fn pause(parser: *RequestParser, at: usize, limits: *const fields.Limits) Error!bool {
        parser.scan.at = @intCast(at);
        return if (at >= limits.head_bytes_max) error.HeadTooLong else false;
    }

    /// The form of nearly all: every text of visible bytes behind its slash is one.
    inline fn hasOriginForm(parser: *const RequestParser, text: []const u8) bool {
        return text.len > 0 and text[0] == '/' and parser.method != .connect;
    }

    fn targetParts(parser: *const RequestParser, text: []const u8) target_of.Error!target_of.Target {
        return target_of.parse(text, switch (parser.method) {
            .connect => .authority,
            // RFC 9112 3.2.4 knows it for OPTIONS; UPnP's M-SEARCH has no other.
            .options, .other => .with_asterisk,
            else => .without_asterisk,
        });
    }

    /// Called by the scan for every field line.
    pub inline fn onField(parser: *RequestParser, bytes: []const u8, field: Field) Error!void {
        const name = field.name.of(bytes);
        switch (name.len) {
            4 => if (bytes_of.isNameOfLength(name, "host")) {
                if (parser.facts.host or !target_of.isHost(field.value.of(bytes))) return error.InvalidHost;
                parser.facts.host = true;
                parser.host_span = field.value;
            },
            6 => if (bytes_of.isNameOfLength(name, "expect")) {
                // Other expectations may be ignored (RFC 9110 10.1.1).
                if (bytes_of.isName(field.value.of(bytes), "100-continue")) parser.facts.expect_continue = true;
            },
            7 => if (bytes_of.isNameOfLength(name, "upgrade")) {
                parser.facts.upgrade = true;
            },
            10, 14, 17 => try fields.onField(parser, bytes, field),
            else => {},
        }
    }

    /// What only the whole head tells.
    fn check(parser: *const RequestParser, options: *const Options) Error!void {
        if (!parser.facts.host and parser.version_minor >= 1) return error.InvalidHost;
        try parser.facts.check(options.other_codings == .accept);
    }
};

/// Sees nothing in a field.
const Nothing = struct {
    pub fn onField(_: @This(), _: []const u8, _: Field) fields.Error!void {}
};

/// A request whose head is complete, as slices of the receive buffer.
pub const Request = struct {
    message: []const u8,
    method: Method,
    method_name: []const u8,
    target: target_of.Target,
    /// Of the target if that names one, of the Host field otherwise; empty where HTTP/1.0 sent none.
    host: []const u8,
    version_minor: u8,
    framing: fields.Framing,
    /// What the client asked for. The answer may close nevertheless.
    keep_alive: bool,
    /// `Upgrade` with `Connection: upgrade`, in HTTP/1.1. `websocket/handshake.zig` says whether it is one.
    upgrade: bool,
    /// A client that waits for `100 Continue` before it sends the body.
    expect_continue: bool,
    fields: []const Field,

    /// The value of the first field of that name, which is written in small letters.
    pub fn header(request: *const Request, name_lower: []const u8) ?[]const u8 {
        return fields.find(request.message, request.fields, name_lower);
    }

    pub fn headerName(request: *const Request, index: usize) []const u8 {
        return request.fields[index].name.of(request.message);
    }

    pub fn headerValue(request: *const Request, index: usize) []const u8 {
        return request.fields[index].value.of(request.message);
    }
};

/// IANA's registry of methods, and those of UPnP, caches and Icecast that servers know as well.
const registered = std.StaticStringMap(Method).initComptime(.{
    .{ "GET", .get },          .{ "HEAD", .head },               .{ "POST", .post },              .{ "PUT", .put },
    .{ "PATCH", .patch },      .{ "DELETE", .delete },           .{ "OPTIONS", .options },        .{ "CONNECT", .connect },
    .{ "TRACE", .trace },      .{ "ACL", .other },               .{ "BASELINE-CONTROL", .other }, .{ "BIND", .other },
    .{ "CHECKIN", .other },    .{ "CHECKOUT", .other },          .{ "COPY", .other },             .{ "LABEL", .other },
    .{ "LINK", .other },       .{ "LOCK", .other },              .{ "MERGE", .other },            .{ "MKACTIVITY", .other },
    .{ "MKCALENDAR", .other }, .{ "MKCOL", .other },             .{ "MKREDIRECTREF", .other },    .{ "MKWORKSPACE", .other },
    .{ "MOVE", .other },       .{ "ORDERPATCH", .other },        .{ "PROPFIND", .other },         .{ "PROPPATCH", .other },
    .{ "QUERY", .other },      .{ "REBIND", .other },            .{ "REPORT", .other },           .{ "SEARCH", .other },
    .{ "UNBIND", .other },     .{ "UNCHECKOUT", .other },        .{ "UNLINK", .other },           .{ "UNLOCK", .other },
    .{ "UPDATE", .other },     .{ "UPDATEREDIRECTREF", .other }, .{ "VERSION-CONTROL", .other },  .{ "M-SEARCH", .other },
    .{ "NOTIFY", .other },     .{ "SUBSCRIBE", .other },         .{ "UNSUBSCRIBE", .other },      .{ "SOURCE", .other },
    .{ "PURGE", .other },
});

/// Whether the bytes begin with the word, by one comparison.
inline fn isWord(comptime Word: type, bytes: []const u8, comptime word: []const u8) bool {
    const ours: Word = comptime @bitCast(word[0..word.len].*);
    const theirs: Word = @bitCast(bytes[0..word.len].*);
    return ours == theirs;
}

fn methodOf(name: []const u8, options: *const Options) Error!Method {
    return registered.get(name) orelse switch (options.unknown_methods) {
        .refuse => error.MethodNotImplemented,
        .accept => .other,
    };
}

test {
    _ = @import("request_test.zig");
}
