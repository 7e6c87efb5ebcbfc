const std = @import("std");
const client = @import("client.zig");
const http = @import("http.zig");
const mutate = @import("mutate.zig");

const ResponseParser = client.ResponseParser;
const Options = client.Options;
const testing = std.testing;

const Outcome = union(enum) {
    incomplete,
    failed: client.Error,
    /// The state, and at which byte of the whole text the head ended.
    complete: struct { parser: ResponseParser, end: usize, interim_count: usize },
};

/// Feeds prefixes that end at the cuts and at the end, and drops interim responses as a client does.
fn outcomeOf(text: []const u8, cuts: []const usize, options: *const Options) !Outcome {
    var parser: ResponseParser = .{};
    var array: [100]http.Field = undefined;
    var dropped: usize = 0;
    var interim_count: usize = 0;
    for (0..cuts.len + 1) |n| {
        const end = @max(if (n < cuts.len) cuts[n] else text.len, dropped);
        while (true) {
            const prefix = try mutate.allocator.dupe(u8, text[dropped..end]);
            defer mutate.allocator.free(prefix);
            const progress = parser.feed(prefix, options, &array) catch |err| return .{ .failed = err };
            switch (progress) {
                .incomplete => break,
                .interim => |head_bytes| {
                    dropped += head_bytes;
                    interim_count += 1;
                },
                .complete => {
                    const response = parser.response(prefix, options, &array);
                    for (response.fields) |field| {
                        try testing.expect(std.mem.indexOfAny(u8, field.value.of(prefix), "\r\n\x00") == null);
                    }
                    return .{ .complete = .{ .parser = parser, .end = dropped + parser.headBytes(), .interim_count = interim_count } };
                },
            }
        }
    }
    return .incomplete;
}

fn expectSameHoweverCut(text: []const u8, options: *const Options) !Outcome {
    const whole = try outcomeOf(text, &.{}, options);
    for (0..text.len) |cut| try testing.expectEqualDeep(whole, try outcomeOf(text, &.{cut}, options));
    var every: [4096]usize = undefined;
    for (every[0..text.len], 0..) |*cut, n| cut.* = n;
    try testing.expectEqualDeep(whole, try outcomeOf(text, every[0..text.len], options));
    return whole;
}

const heads = [_]struct { []const u8, ?client.Error }{
    .{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", null },
    .{ "HTTP/1.0 200 OK\r\n\r\n", null },
    .{ "HTTP/1.9 200 OK\r\n\r\n", null },
    .{ "HTTP/1.1 999 \r\n\r\n", null },
    .{ "HTTP/1.1 404\r\n\r\n", null },
    .{ "HTTP/1.1 200 na\xc3\xafve\tyes\r\nA:\r\n\r\n", null },
    .{ "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\n\r\n", null },
    .{ "HTTP/2.0 200 OK\r\n\r\n", error.InvalidVersion },
    .{ "HTTP/1.x 200 OK\r\n\r\n", error.InvalidVersion },
    .{ "HTTP/1.11 200 OK\r\n\r\n", error.InvalidVersion },
    .{ "http/1.1 200 OK\r\n\r\n", error.InvalidVersion },
    .{ "ICY 200 OK\r\n\r\n", error.InvalidVersion },
    .{ "\r\nHTTP/1.1 200 OK\r\n\r\n", error.InvalidVersion },
    .{ "HTTP/1.1  200 OK\r\n\r\n", error.InvalidStatus },
    .{ "HTTP/1.1 20 OK\r\n\r\n", error.InvalidStatus },
    .{ "HTTP/1.1 2000 OK\r\n\r\n", error.InvalidStatus },
    .{ "HTTP/1.1 099 OK\r\n\r\n", error.InvalidStatus },
    .{ "HTTP/1.1 -20 OK\r\n\r\n", error.InvalidStatus },
    .{ "HTTP/1.1 200 O\x00K\r\n\r\n", error.InvalidReason },
    .{ "HTTP/1.1 200 OK\n\r\n", error.InvalidReason },
    .{ "HTTP/1.1 200 OK\rA: b\r\n\r\n", error.InvalidLineEnd },
    .{ "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", error.InvalidHeaderName },
    .{ "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", error.InvalidHeaderName },
    .{ "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", error.InvalidHeaderValue },
    .{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", error.InvalidContentLength },
    .{ "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n", error.InvalidContentLength },
    .{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", error.ConflictingFraming },
    .{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", error.ConflictingFraming },
    .{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", error.InvalidTransferEncoding },
    .{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", error.TransferEncodingNotImplemented },
    .{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", error.UnexpectedInterim },
};

test "heads_are_taken_or_refused_the_same_however_they_are_cut" {
    for (heads) |head| {
        errdefer std.debug.print("{f}\n", .{std.ascii.hexEscape(head[0], .lower)});
        const outcome = try expectSameHoweverCut(head[0], &.{});
        if (head[1]) |err| {
            try testing.expectEqualDeep(Outcome{ .failed = err }, outcome);
        } else {
            try testing.expectEqual(head[0].len, outcome.complete.end);
        }
    }
}

test "bodies_are_framed_in_the_order_of_the_rfc" {
    const Case = struct { []const u8, Options, http.Framing, bool };
    for ([_]Case{
        .{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .{}, .{ .length = 5 }, true },
        .{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .{ .is_head = true }, .none, true },
        .{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .{}, .chunked, true },
        .{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .{ .is_head = true }, .none, true },
        .{ "HTTP/1.1 200 OK\r\n\r\n", .{}, .until_close, false },
        .{ "HTTP/1.1 200 OK\r\n\r\n", .{ .is_head = true }, .none, true },
        .{ "HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n", .{}, .none, true },
        .{ "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", .{}, .none, true },
        .{ "HTTP/1.1 304 \r\nTransfer-Encoding: chunked\r\n\r\n", .{}, .none, true },
        .{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .{}, .none, false },
        .{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", .{}, .{ .length = 1 }, false },
        .{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", .{}, .{ .length = 1 }, true },
        .{ "HTTP/1.1 101 \r\nUpgrade: websocket\r\n\r\n", .{ .allows_upgrade = true }, .none, false },
    }) |case| {
        var parser: ResponseParser = .{};
        var array: [100]http.Field = undefined;
        try testing.expectEqual(.complete, try parser.feed(case[0], &case[1], &array));
        const response = parser.response(case[0], &case[1], &array);
        try testing.expectEqual(case[2], response.framing);
        try testing.expectEqual(case[3], response.keep_alive);
    }
}

test "a_response_says_what_it_is" {
    var parser: ResponseParser = .{};
    var array: [100]http.Field = undefined;
    const text = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain \r\nX: 1\r\n\r\nbody";
    try testing.expectEqual(.complete, try parser.feed(text, &.{}, &array));
    const response = parser.response(text, &.{}, &array);
    try testing.expectEqual(404, response.status);
    try testing.expectEqualStrings("Not Found", response.reason);
    try testing.expectEqualStrings("text/plain", response.header("content-type").?);
    try testing.expectEqual(2, response.fields.len);
    try testing.expectEqualStrings("body", text[parser.headBytes()..]);
}

test "a_server_that_sends_interim_responses_without_an_end_is_left" {
    const interim = "HTTP/1.1 102 \r\n\r\n";
    const last = "HTTP/1.1 200 OK\r\n\r\n";
    try testing.expectEqual(client.interim_count_max, (try outcomeOf(interim ** client.interim_count_max ++ last, &.{}, &.{})).complete.interim_count);
    const outcome = try outcomeOf(interim ** (client.interim_count_max + 1) ++ last, &.{}, &.{});
    try testing.expectEqual(error.UnexpectedInterim, outcome.failed);
}

test "a_head_that_does_not_end_is_left_at_the_limit" {
    const head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    try testing.expect(try expectSameHoweverCut(head, &.{ .limits = .{ .head_bytes_max = head.len } }) == .complete);
    for ([_]u16{ 3, 10, 14, head.len - 1 }) |limit| {
        const outcome = try expectSameHoweverCut(head, &.{ .limits = .{ .head_bytes_max = limit } });
        try testing.expectEqual(error.HeadTooLong, outcome.failed);
    }
}

fn check(text: []const u8, cuts: [2]usize) !bool {
    const whole = try outcomeOf(text, &.{}, &.{});
    try testing.expectEqualDeep(whole, try outcomeOf(text, &cuts, &.{}));
    return whole == .complete;
}

pub const target: mutate.Target = .{
    .name = "heads of responses",
    .originals = &.{ heads[0][0], heads[1][0], heads[5][0], heads[6][0], heads[20][0], heads[26][0], heads[29][0] },
    .words = &.{ "\r\n", "\r", "\n", ": ", "HTTP/1.1 100 \r\n\r\n", "Content-Length: 1\r\n", "chunked", "\x00" },
    .check = check,
};

test "mutated_heads_end_the_same_however_they_are_cut" {
    try target.run(9, 20_000);
}
