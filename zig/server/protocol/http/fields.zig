//! The field section of a message (RFC 9112 5), of requests and responses alike: lines of `name: value`, resumed at any
//! byte, and the rules of the fields that say where a message ends.
//!
//! Always: offsets count from the message's first byte, so they hold when the caller moves its buffer. What is wrong is
//! told in the order of the bytes, so that an error doesn't depend on how the bytes were cut into pieces.

const std = @import("std");
const bytes_of = @import("../bytes.zig");

/// A part of the message, by its offsets. 16 bits hold them, as no head is longer than `Limits.head_bytes_ceiling`.
pub const Span = packed struct(u32) {
    start: u16 = 0,
    len: u16 = 0,

    pub inline fn of(span: Span, message: []const u8) []const u8 {
        return message[span.start..][0..span.len];
    }

    pub inline fn between(start: usize, end: usize) Span {
        return .{ .start = @intCast(start), .len = @intCast(end - start) };
    }
};

/// One field line: its name as it was sent, its value without the spaces around it.
pub const Field = packed struct(u64) {
    name: Span = .{},
    value: Span = .{},
};

pub const Limits = struct {
    /// The start line and the fields, with all line ends. As much as nginx gives (4 buffers of 8 KB), halved; node has
    /// 16 KB as well. Beyond it is status 431.
    head_bytes_max: u16 = 16 * 1024,
    /// Apache's limit; browsers send about 20. Beyond it is status 431.
    header_count_max: u16 = 100,
    /// RFC 9112 3 asks for 8,000 at least. Beyond it is status 414.
    uri_bytes_max: u16 = 8 * 1024,
    /// Takes an LF alone for a line's end in heads, which RFC 9112 2.2 allows; no other line ends so.
    bare_line_feeds: bool = false,

    /// What the 16 bits of a `Span` hold.
    pub const head_bytes_ceiling = std.math.maxInt(u16);
    /// The array that holds the fields of any head under the standard limits.
    pub const header_count_standard = 100;
};

pub const Error = error{
    /// A byte that no field name has, a space before the colon, an empty name, or a folded line (obs-fold).
    InvalidHeaderName,
    /// A control character; also a CR without its LF, and an LF without its CR.
    InvalidHeaderValue,
    /// More fields than `header_count_max`.
    TooManyHeaders,
    /// The head didn't end within `head_bytes_max`.
    HeadTooLong,
    /// Not only digits, beyond 64 bits, or more than one of them.
    InvalidContentLength,
    /// Both Content-Length and Transfer-Encoding, or a Transfer-Encoding in HTTP/1.0: what smuggles requests.
    ConflictingFraming,
    /// A list that doesn't end in `chunked`, has it twice, or isn't a list.
    InvalidTransferEncoding,
    /// A coding other than `chunked` before it.
    TransferEncodingNotImplemented,
};

/// How long the body is said to be. `until_close` is for responses only.
pub const Framing = union(enum) {
    none,
    length: u64,
    chunked,
    until_close,
};

/// What the fields say that every message has, gathered line by line.
pub const Facts = packed struct(u16) {
    content_length: bool = false,
    transfer_encoding: bool = false,
    /// `chunked` was the last coding so far.
    chunked: bool = false,
    /// A coding other than `chunked` was named.
    other_coding: bool = false,
    close: bool = false,
    keep_alive: bool = false,
    connection_upgrade: bool = false,
    upgrade: bool = false,
    host: bool = false,
    expect_continue: bool = false,
    _: u6 = 0,

    /// Whether the connection can stay open by what was said (RFC 9112 9.3).
    pub fn keepsAlive(facts: Facts, version_minor: u8) bool {
        if (facts.close) return false;
        return version_minor >= 1 or facts.keep_alive;
    }

    /// What only the whole head tells of its framing. Without chunked at the end nobody knows where the body ends
    /// (RFC 9112 6.3), and other codings are not decoded here.
    pub fn check(facts: Facts, accepts_other_codings: bool) Error!void {
        if (!facts.transfer_encoding) return;
        if (!facts.chunked) return error.InvalidTransferEncoding;
        if (facts.other_coding and !accepts_other_codings) return error.TransferEncodingNotImplemented;
    }
};

/// Takes a field that is in every message for what it says: Connection, Content-Length, Transfer-Encoding. `parser` has
/// the facts, the length and the version.
pub inline fn onField(parser: anytype, bytes: []const u8, field: Field) Error!void {
    const name = field.name.of(bytes);
    switch (name.len) {
        10 => if (bytes_of.isNameOfLength(name, "connection")) addConnection(&parser.facts, field.value.of(bytes)),
        14 => if (bytes_of.isNameOfLength(name, "content-length")) {
            if (parser.facts.transfer_encoding) return error.ConflictingFraming;
            // RFC 9110 8.6 allows to take equal ones together; nobody who means well sends two.
            if (parser.facts.content_length) return error.InvalidContentLength;
            parser.content_length = try parseContentLength(field.value.of(bytes));
            parser.facts.content_length = true;
        },
        17 => if (bytes_of.isNameOfLength(name, "transfer-encoding")) {
            if (parser.facts.content_length or parser.version_minor == 0) return error.ConflictingFraming;
            try addTransferEncoding(&parser.facts, field.value.of(bytes));
        },
        else => {},
    }
}

/// Where in a field line the scan stands.
pub const State = enum(u8) { line_start, name, before_value, value, line_feed, last_line_feed, done };

/// The scan over field lines. 16 bytes and no pointers: it may lie in a connection's slot while a head is incomplete.
pub const Scan = struct {
    /// The next byte to look at.
    at: u16 = 0,
    /// Where the name of this line begins.
    name_start: u16 = 0,
    name_len: u16 = 0,
    value_start: u16 = 0,
    count: u16 = 0,
    state: State = .line_start,

    /// Goes on over `message`, all bytes since its first. True when the section has ended: `at` is then behind it.
    /// Every line is given to `sink.onField(name, value)`, and written to `fields` where there is room for it.
    pub inline fn feed(scan: *Scan, message: []const u8, limits: *const Limits, fields: []Field, sink: anytype) !bool {
        const end = @min(message.len, limits.head_bytes_max);
        const bytes = message[0..end];
        // In registers: what is written through `scan` and `fields` could be the same memory for all that the compiler knows.
        var now = scan.*;
        var at: usize = now.at;
        state: switch (now.state) {
            .line_start => {
                if (at == end) return scan.pause(now, .line_start, at, limits);
                now.name_start = @intCast(at);
                if (bytes[at] == '\r') {
                    at += 1;
                    continue :state .last_line_feed;
                }
                if (bytes[at] == '\n' and limits.bare_line_feeds) continue :state .last_line_feed;
                continue :state .name;
            },
            .name => {
                at = bytes_of.indexOfOther(.token, bytes, at);
                if (at == end) return scan.pause(now, .name, at, limits);
                if (bytes[at] != ':' or at == now.name_start) return error.InvalidHeaderName;
                now.name_len = @intCast(at - now.name_start);
                at += 1;
                continue :state .before_value;
            },
            .before_value => {
                while (at < end and isSpace(bytes[at])) at += 1;
                if (at == end) return scan.pause(now, .before_value, at, limits);
                now.value_start = @intCast(at);
                continue :state .value;
            },
            .value => {
                at = bytes_of.indexOfOther(.field_value, bytes, at);
                if (at == end) return scan.pause(now, .value, at, limits);
                if (bytes[at] == '\r') at += 1 else if (bytes[at] != '\n' or !limits.bare_line_feeds) return error.InvalidHeaderValue;
                continue :state .line_feed;
            },
            .line_feed => {
                if (at == end) return scan.pause(now, .line_feed, at, limits);
                if (bytes[at] != '\n') return error.InvalidHeaderValue;
                // Not before its end: a line that is none is refused as such, and not counted.
                if (now.count >= limits.header_count_max) return error.TooManyHeaders;
                var value_end = if (bytes[at - 1] == '\r') at - 1 else at;
                while (value_end > now.value_start and isSpace(bytes[value_end - 1])) value_end -= 1;
                const field: Field = .{
                    .name = .{ .start = now.name_start, .len = now.name_len },
                    .value = Span.between(now.value_start, value_end),
                };
                try sink.onField(bytes, field);
                if (now.count < fields.len) fields[now.count] = field;
                now.count += 1;
                at += 1;
                continue :state .line_start;
            },
            .last_line_feed => {
                if (at == end) return scan.pause(now, .last_line_feed, at, limits);
                if (bytes[at] != '\n') return error.InvalidHeaderName;
                at += 1;
                continue :state .done;
            },
            .done => {
                scan.* = now;
                scan.at = @intCast(at);
                scan.state = .done;
                return true;
            },
        }
    }

    inline fn pause(scan: *Scan, now: Scan, state: State, at: usize, limits: *const Limits) Error!bool {
        scan.* = now;
        scan.at = @intCast(at);
        scan.state = state;
        return if (at >= limits.head_bytes_max) error.HeadTooLong else false;
    }
};

inline fn isSpace(byte: u8) bool {
    return byte == ' ' or byte == '\t';
}

/// A Content-Length: digits and nothing else (RFC 9110 8.6), in 64 bits.
pub fn parseContentLength(value: []const u8) Error!u64 {
    if (value.len == 0) return error.InvalidContentLength;
    var length: u64 = 0;
    for (value) |byte| {
        if (byte < '0' or byte > '9') return error.InvalidContentLength;
        length = std.math.mul(u64, length, 10) catch return error.InvalidContentLength;
        length = std.math.add(u64, length, byte - '0') catch return error.InvalidContentLength;
    }
    return length;
}

/// One line of Transfer-Encoding (RFC 9112 6.1) after those in `facts`. Lines add up to one list.
pub fn addTransferEncoding(facts: *Facts, value: []const u8) Error!void {
    facts.transfer_encoding = true;
    var codings = std.mem.splitScalar(u8, value, ',');
    while (codings.next()) |untrimmed| {
        const coding = bytes_of.trim(untrimmed);
        // Whatever comes after `chunked` was sent, its end can't be found, and twice is once too often.
        if (facts.chunked) return error.InvalidTransferEncoding;
        const name = bytes_of.trim(coding[0 .. std.mem.indexOfScalar(u8, coding, ';') orelse coding.len]);
        if (name.len == 0 or !bytes_of.isAll(.token, name)) return error.InvalidTransferEncoding;
        if (bytes_of.isName(name, "chunked")) {
            if (coding.len != name.len) return error.InvalidTransferEncoding;
            facts.chunked = true;
        } else {
            facts.other_coding = true;
        }
    }
}

/// One line of Connection. Options that aren't known name fields that are meant for one hop, which we don't forward.
pub fn addConnection(facts: *Facts, value: []const u8) void {
    var options = std.mem.splitScalar(u8, value, ',');
    while (options.next()) |untrimmed| {
        const option = bytes_of.trim(untrimmed);
        switch (option.len) {
            5 => facts.close = facts.close or bytes_of.isNameOfLength(option, "close"),
            7 => facts.connection_upgrade = facts.connection_upgrade or bytes_of.isNameOfLength(option, "upgrade"),
            10 => facts.keep_alive = facts.keep_alive or bytes_of.isNameOfLength(option, "keep-alive"),
            else => {},
        }
    }
}

/// Whether a comma-separated list has the option, whatever its case.
pub fn listHas(list: []const u8, comptime lower: []const u8) bool {
    var options = std.mem.splitScalar(u8, list, ',');
    while (options.next()) |option| {
        if (bytes_of.isName(bytes_of.trim(option), lower)) return true;
    }
    return false;
}

/// The value of the first field of that name, which is written in small letters.
pub fn find(message: []const u8, array: []const Field, name_lower: []const u8) ?[]const u8 {
    for (array) |field| {
        if (field.name.len != name_lower.len) continue;
        if (std.ascii.eqlIgnoreCase(field.name.of(message), name_lower)) return field.value.of(message);
    }
    return null;
}

test "content_length_is_digits_in_64_bits" {
    try std.testing.expectEqual(0, try parseContentLength("0"));
    try std.testing.expectEqual(42, try parseContentLength("0042"));
    try std.testing.expectEqual(std.math.maxInt(u64), try parseContentLength("18446744073709551615"));
    for ([_][]const u8{ "", "-1", "+1", "1 2", "1,1", "0x1", "18446744073709551616", "99999999999999999999", "1.0" }) |value| {
        try std.testing.expectError(error.InvalidContentLength, parseContentLength(value));
    }
}

test "chunked_is_the_last_coding_and_stands_once" {
    const good = [_][]const u8{ "chunked", "Chunked", "gzip, chunked", "gzip;q=1 ,\tCHUNKED" };
    for (good) |value| {
        var facts: Facts = .{};
        try addTransferEncoding(&facts, value);
        try std.testing.expect(facts.chunked);
        try std.testing.expectEqual(value.len > 7, facts.other_coding);
    }
    const bad = [_][]const u8{ "", ",", "chunked,", "chunked, chunked", "chunked;a=b", "chunked, gzip", "chu nked", "\"chunked\"" };
    for (bad) |value| {
        var facts: Facts = .{};
        try std.testing.expectError(error.InvalidTransferEncoding, addTransferEncoding(&facts, value));
    }
    var facts: Facts = .{};
    try addTransferEncoding(&facts, "chunked");
    try std.testing.expectError(error.InvalidTransferEncoding, addTransferEncoding(&facts, "chunked"));
}

test "connection_is_a_list_without_case" {
    var facts: Facts = .{};
    addConnection(&facts, "x, ,Keep-ALIVE ,upgradE");
    try std.testing.expect(facts.keep_alive and facts.connection_upgrade and !facts.close);
    try std.testing.expect(facts.keepsAlive(0));
    addConnection(&facts, "close");
    try std.testing.expect(!facts.keepsAlive(1));
    const silent: Facts = .{};
    try std.testing.expect(silent.keepsAlive(1) and !silent.keepsAlive(0));
    var trap: Facts = .{};
    addConnection(&trap, "keep\ralive, closed");
    try std.testing.expectEqual(Facts{}, trap);
}
