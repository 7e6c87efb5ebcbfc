const std = @import("std");
const fields = @import("fields.zig");
const request_of = @import("request.zig");
const mutate = @import("../mutate.zig");

const Field = fields.Field;
const Options = request_of.Options;
const RequestParser = request_of.RequestParser;
const testing = std.testing;

/// How parsing ended, and after how many bytes: the same for every way in which the bytes can be cut.
const Outcome = union(enum) {
    incomplete,
    failed: request_of.Error,
    complete: struct { parser: RequestParser, hash: u64 },
};

/// Feeds prefixes that end at the cuts and at the end. Each lies elsewhere than the one before.
fn outcomeOf(text: []const u8, cuts: []const usize, options: *const Options) !Outcome {
    var parser: RequestParser = .{};
    var array: [100]Field = @splat(.{});
    for (0..cuts.len + 1) |n| {
        const prefix = try mutate.allocator.dupe(u8, text[0..if (n < cuts.len) cuts[n] else text.len]);
        defer mutate.allocator.free(prefix);
        const complete = parser.feed(prefix, options, &array) catch |err| return .{ .failed = err };
        if (!complete) continue;
        try checkComplete(&parser, prefix, &array);
        return .{ .complete = .{ .parser = parser, .hash = std.hash.Wyhash.hash(0, std.mem.sliceAsBytes(&array)) } };
    }
    return .incomplete;
}

/// What always holds of a complete head: it is its lines and nothing else, and `rescan` finds the same fields.
fn checkComplete(parser: *const RequestParser, message: []const u8, array: *const [100]Field) !void {
    const request = parser.request(message, array);
    var rebuilt: std.Io.Writer.Allocating = .init(mutate.allocator);
    defer rebuilt.deinit();
    const head = std.mem.trimStart(u8, message[0..parser.headBytes()], "\r\n");
    try rebuilt.writer.print("{s} {s} HTTP/1.{d}\r\n", .{ request.method_name, parser.target_span.of(message), request.version_minor });
    var at = rebuilt.written().len;
    for (0..request.fields.len) |index| {
        const name = request.headerName(index);
        const value = request.headerValue(index);
        try testing.expect(name.len > 0 and std.mem.indexOfAny(u8, name, " \t\r\n:\x00") == null);
        try testing.expect(std.mem.indexOfAny(u8, value, "\r\n\x00") == null);
        try testing.expectEqualStrings(value, std.mem.trim(u8, value, " \t"));
        const line = head[at .. std.mem.indexOfPos(u8, head, at, "\r\n").? + 2];
        try rebuilt.writer.print("{s}:{s}", .{ name, line[name.len + 1 ..] });
        try testing.expectEqualStrings(value, std.mem.trim(u8, line[name.len + 1 ..], " \t\r\n"));
        at += line.len;
    }
    try rebuilt.writer.writeAll("\r\n");
    try testing.expectEqualStrings(head, rebuilt.written());
    var again: [100]Field = @splat(.{});
    parser.rescan(message, &.{}, &again);
    try testing.expectEqualSlices(u8, std.mem.sliceAsBytes(array), std.mem.sliceAsBytes(&again));
}

fn expectSameHoweverCut(text: []const u8, options: *const Options) !Outcome {
    const whole = try outcomeOf(text, &.{}, options);
    for (0..text.len) |cut| try testing.expectEqualDeep(whole, try outcomeOf(text, &.{cut}, options));
    var every: [4096]usize = undefined;
    for (every[0..text.len], 0..) |*cut, n| cut.* = n;
    try testing.expectEqualDeep(whole, try outcomeOf(text, every[0..text.len], options));
    return whole;
}

const Vector = struct { []const u8, ?request_of.Error };

const heads = [_]Vector{
    // Request lines.
    .{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", null },
    .{ "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", null },
    .{ "GET /a?b#c HTTP/1.0\r\n\r\n", null },
    .{ "PROPFIND /a HTTP/1.1\r\nHost:\r\n\r\n", null },
    .{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", null },
    .{ "CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n", null },
    .{ "GET http://a.b/c HTTP/1.1\r\nHost: x\r\n\r\n", null },
    .{ "get / HTTP/1.1\r\nHost: a\r\n\r\n", error.MethodNotImplemented },
    .{ "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", error.MethodNotImplemented },
    .{ " GET / HTTP/1.1\r\nHost: a\r\n\r\n", error.InvalidMethod },
    .{ "GE\tT / HTTP/1.1\r\n\r\n", error.InvalidMethod },
    .{ "\x16\x03\x01\x02\x00", error.InvalidMethod },
    .{ "\rGET / HTTP/1.1\r\n\r\n", error.InvalidLineEnd },
    .{ "\nGET / HTTP/1.1\r\n\r\n", error.InvalidMethod },
    .{ "GET\r\n\r\n", error.InvalidMethod },
    .{ "GET  / HTTP/1.1\r\n\r\n", error.InvalidTarget },
    .{ "GET /\r\n\r\n", error.InvalidTarget },
    .{ "GET /a\x00b HTTP/1.1\r\n\r\n", error.InvalidTarget },
    .{ "GET /\xc3\xa4 HTTP/1.1\r\n\r\n", error.InvalidTarget },
    .{ "GET * HTTP/1.1\r\nHost: a\r\n\r\n", error.InvalidTarget },
    .{ "GET a HTTP/1.1\r\nHost: a\r\n\r\n", error.InvalidTarget },
    .{ "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", error.InvalidTarget },
    .{ "GET /  HTTP/1.1\r\n\r\n", error.InvalidVersion },
    .{ "GET / http/1.1\r\n\r\n", error.InvalidVersion },
    .{ "GET / HTTP/11\r\n\r\n", error.InvalidVersion },
    .{ "GET / HTTP/1.x\r\n\r\n", error.InvalidVersion },
    .{ "GET / \r\n\r\n", error.InvalidVersion },
    .{ "GET / RTSP/1.0\r\n\r\n", error.InvalidVersion },
    .{ "GET / HTTP/2.0\r\n\r\n", error.VersionNotSupported },
    .{ "GET / HTTP/1.2\r\n\r\n", error.VersionNotSupported },
    .{ "GET / HTTP/0.9\r\n\r\n", error.VersionNotSupported },
    .{ "GET / HTTP/1.1\nHost: a\r\n\r\n", error.InvalidLineEnd },
    .{ "GET / HTTP/1.1\rHost: a\r\n\r\n", error.InvalidLineEnd },
    .{ "GET / HTTP/1.10\r\nHost: a\r\n\r\n", error.InvalidLineEnd },
    .{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", error.InvalidLineEnd },
    // Fields.
    .{ "GET / HTTP/1.1\r\nhOST:\ta \t\r\nEmpty:\r\nX: \xff \"b:c\"\r\n\r\n", null },
    .{ "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: a\r\nHost: a\r\n\r\n", null },
    .{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\n: a\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\nHost\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\nX[]: a\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\n\xc3\xa4: a\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\nHost: a\r\n\n", error.InvalidHeaderName },
    .{ "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", error.InvalidHeaderValue },
    .{ "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", error.InvalidHeaderValue },
    .{ "GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", error.InvalidHeaderValue },
    .{ "GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n", error.InvalidHeaderValue },
    .{ "GET / HTTP/1.1\r\nX: a\x0bb\r\n\r\n", error.InvalidHeaderValue },
    // Hosts.
    .{ "GET / HTTP/1.1\r\n\r\n", error.InvalidHost },
    .{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", error.InvalidHost },
    .{ "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", error.InvalidHost },
    .{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", error.InvalidHost },
    .{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", error.InvalidHost },
    .{ "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", error.InvalidHost },
    // Framing.
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", null },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tChunked\r\n\r\n", null },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", error.InvalidContentLength },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", error.InvalidContentLength },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", error.InvalidContentLength },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", error.InvalidContentLength },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", error.InvalidContentLength },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", error.InvalidContentLength },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", error.ConflictingFraming },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", error.ConflictingFraming },
    .{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", error.ConflictingFraming },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", error.InvalidTransferEncoding },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", error.InvalidTransferEncoding },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", error.InvalidTransferEncoding },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", error.InvalidTransferEncoding },
    .{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", error.TransferEncodingNotImplemented },
};

test "heads_are_taken_or_refused_the_same_however_they_are_cut" {
    for (heads) |vector| {
        const outcome = try expectSameHoweverCut(vector[0], &.{});
        errdefer std.debug.print("{f}\n", .{std.ascii.hexEscape(vector[0], .lower)});
        if (vector[1]) |err| {
            try testing.expectEqualDeep(Outcome{ .failed = err }, outcome);
        } else {
            try testing.expectEqual(vector[0].len, outcome.complete.parser.headBytes());
            // No part of it is a whole head.
            for (0..vector[0].len) |len| try testing.expectEqual(.incomplete, std.meta.activeTag(try outcomeOf(vector[0][0..len], &.{}, &.{})));
        }
    }
}

fn parsed(text: []const u8, array: []Field) !request_of.Request {
    var parser: RequestParser = .{};
    try testing.expect(try parser.feed(text, &.{}, array));
    return parser.request(text, array);
}

test "a_request_says_what_was_asked_for" {
    var array: [100]Field = undefined;
    const request = try parsed("POST http://h:8/a/b?c HTTP/1.1\r\nHost: other\r\nA: 1\r\na:2 \r\nContent-Length: 3\r\n" ++
        "Expect: 100-Continue\r\nConnection: x, Upgrade\r\nUpgrade: websocket\r\n\r\nabc", &array);
    try testing.expectEqual(.post, request.method);
    try testing.expectEqualStrings("POST", request.method_name);
    try testing.expectEqualStrings("/a/b", request.target.path);
    try testing.expectEqualStrings("c", request.target.query.?);
    try testing.expectEqualStrings("h:8", request.host);
    try testing.expectEqual(fields.Framing{ .length = 3 }, request.framing);
    try testing.expect(request.keep_alive and request.upgrade and request.expect_continue);
    try testing.expectEqual(7, request.fields.len);
    try testing.expectEqualStrings("1", request.header("a").?);
    try testing.expectEqualStrings("2", request.headerValue(2));
    try testing.expectEqual(null, request.header("b"));
}

test "connections_stay_open_by_version_and_option" {
    const Case = struct { []const u8, []const u8, bool };
    for ([_]Case{
        .{ "1.1", "", true },
        .{ "1.1", "Connection: close\r\n", false },
        .{ "1.1", "Connection: keep-alive, CLOSE\r\n", false },
        .{ "1.1", "Connection: keep-alive\r\nConnection: close\r\n", false },
        .{ "1.0", "", false },
        .{ "1.0", "Connection: Keep-Alive\r\n", true },
        .{ "1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false },
    }) |case| {
        var buffer: [200]u8 = undefined;
        var array: [100]Field = undefined;
        const text = try std.fmt.bufPrint(&buffer, "GET / HTTP/{s}\r\nHost: a\r\n{s}\r\n", .{ case[0], case[1] });
        const request = try parsed(text, &array);
        try testing.expectEqual(case[2], request.keep_alive);
        // HTTP/1.0 has no upgrades.
        try testing.expect(!request.upgrade);
    }
}

test "each_limit_holds_to_the_byte_however_the_head_is_cut" {
    const head = "GET /123456 HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
    const Case = struct { fields.Limits, ?request_of.Error };
    for ([_]Case{
        .{ .{ .head_bytes_max = head.len }, null },
        .{ .{ .head_bytes_max = head.len - 1 }, error.HeadTooLong },
        .{ .{ .head_bytes_max = 5 }, error.HeadTooLong },
        .{ .{ .uri_bytes_max = 7 }, null },
        .{ .{ .uri_bytes_max = 6 }, error.TargetTooLong },
        .{ .{ .header_count_max = 2 }, null },
        .{ .{ .header_count_max = 1 }, error.TooManyHeaders },
    }) |case| {
        const outcome = try expectSameHoweverCut(head, &.{ .limits = case[0] });
        if (case[1]) |err| try testing.expectEqualDeep(Outcome{ .failed = err }, outcome) else try testing.expect(outcome == .complete);
    }
}

test "an_application_may_take_methods_and_codings_that_are_not_known" {
    const head = "BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    const outcome = try outcomeOf(head, &.{}, &.{ .unknown_methods = .accept, .other_codings = .accept });
    try testing.expectEqual(.other, outcome.complete.parser.method);
}

test "an_array_without_room_loses_fields_but_no_facts" {
    var array: [1]Field = undefined;
    const request = try parsed("GET / HTTP/1.1\r\nA: b\r\nHost: c\r\nConnection: close\r\n\r\n", &array);
    try testing.expectEqual(1, request.fields.len);
    try testing.expectEqualStrings("c", request.host);
    try testing.expect(!request.keep_alive);
}

fn check(text: []const u8, cuts: [2]usize) !bool {
    const whole = try outcomeOf(text, &.{}, &.{});
    try testing.expectEqualDeep(whole, try outcomeOf(text, &cuts, &.{}));
    return whole == .complete;
}

pub const target: mutate.Target = .{
    .name = "heads of requests",
    .originals = firsts(&heads),
    .words = &.{ "\r\n", "\r", "\n", ": ", "Host: a\r\n", "Content-Length: 1\r\n", "chunked", " HTTP/1.1\r\n", "\x00", "HTTP/1.0" },
    .check = check,
};

fn firsts(comptime vectors: []const Vector) []const []const u8 {
    comptime {
        var texts: [vectors.len][]const u8 = undefined;
        for (&texts, vectors) |*text, vector| text.* = vector[0];
        const done = texts;
        return &done;
    }
}

test "mutated_heads_end_the_same_however_they_are_cut" {
    try target.run(4, 20_000);
}

test "lines_alone_are_found_however_they_end_and_are_cut" {
    const options: Options = .{ .limits = .{ .bare_line_feeds = true }, .unknown_methods = .accept, .meaning = .elsewhere };
    const good = [_][]const u8{
        "GET /a\xc3\xbcb\xe2\x82\xac HTTP/1.1\nTransfer-Encoding: x\nContent-Length: y\n\n",
        "\n\r\nany a HTTP/1.0\r\nHost: a b\nHost:  c \r\nX:\n\r\n",
    };
    for (good) |text| {
        for (0..text.len) |cut| {
            var parser: RequestParser = .{};
            var array: [100]Field = @splat(.{});
            try testing.expect(!try parser.feed(text[0..cut], &options, &array));
            try testing.expect(try parser.feed(text, &options, &array));
            try testing.expectEqual(text.len, parser.headBytes());
            var again: [100]Field = @splat(.{});
            parser.rescan(text, &options.limits, &again);
            try testing.expectEqual(@as(usize, if (text[0] == 'G') 2 else 3), parser.scan.count);
            try testing.expectEqualSlices(u8, std.mem.sliceAsBytes(&array), std.mem.sliceAsBytes(&again));
            try testing.expectEqualStrings(if (text[0] == 'G') "y" else "c", again[1].value.of(text));
        }
    }
    for ([_][]const u8{ "GET  / HTTP/1.1\n\n", "GET / HTTP/1.1\nX: a\rb\n\n", "GET / HTTP/1.1\r\r\n", "\rGET / HTTP/1.1\n\n", "GET / HTTP/1.1\n a: b\n\n" }) |text| {
        var parser: RequestParser = .{};
        var array: [100]Field = undefined;
        if (parser.feed(text, &options, &array)) |_| return error.Taken else |_| {}
    }
    for ([_][]const u8{ "GET / HTTP/2", "GET / HTTP/0.9", "GET / HTTP/1.2", "GET / HTTP/x" }) |text| {
        var parser: RequestParser = .{};
        var array: [100]Field = undefined;
        if (parser.feed(text, &options, &array)) |_| return error.Taken else |_| {}
    }
    // What is no UTF-8 is refused at the target's end, wherever it was cut.
    for ([_][]const u8{ "GET /a\xff ", "GET /\xc3 ", "GET /\xc3a/b/c ", "GET /\xed\xa0\x80 ", "GET \xff/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa " }) |text| {
        for (0..text.len) |cut| {
            var parser: RequestParser = .{};
            var array: [100]Field = undefined;
            try testing.expect(!try parser.feed(text[0..cut], &options, &array));
            try testing.expectError(error.InvalidTarget, parser.feed(text, &options, &array));
        }
    }
}

test "a_line_that_is_none_is_refused_as_such_where_one_more_would_be_too_many" {
    const limits: fields.Limits = .{ .header_count_max = 2 };
    const head = "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n";
    const Case = struct { []const u8, ?request_of.Error };
    for ([_]Case{
        .{ "D: e\r\n", error.TooManyHeaders },
        .{ "D e\r\n", error.InvalidHeaderName },
        .{ "D : e\r\n", error.InvalidHeaderName },
        .{ " e\r\n", error.InvalidHeaderName },
        .{ "D: \x01", error.InvalidHeaderValue },
        .{ "D: e\r", null },
    }) |case| {
        var buffer: [100]u8 = undefined;
        const outcome = try expectSameHoweverCut(try std.fmt.bufPrint(&buffer, head ++ "{s}", .{case[0]}), &.{ .limits = limits });
        if (case[1]) |err| try testing.expectEqualDeep(Outcome{ .failed = err }, outcome) else try testing.expect(outcome == .incomplete);
    }
}

test "an_open_request_line_is_measured_and_empty_lines_begin_nothing" {
    const options: Options = .{};
    var parser: RequestParser = .{};
    var array: [1]Field = undefined;
    try testing.expect(!try parser.feed("\r\n\r", &options, &array));
    try testing.expect(!parser.hasBegun());
    try testing.expect(!try parser.feed("\r\n\r\nGET /abc", &options, &array));
    try testing.expect(parser.hasBegun());
    try testing.expectEqual(@as(usize, 8), parser.openLineBytes());
    try testing.expect(!try parser.feed("\r\n\r\nGET /abc HTTP/1.1\r\nX", &options, &array));
    try testing.expectEqual(@as(usize, 0), parser.openLineBytes());
}
