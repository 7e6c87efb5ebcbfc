const std = @import("std");
const body_of = @import("body.zig");
const Body = body_of.Body;
const testing = std.testing;

test "a_length_ends_the_body_and_nothing_behind_it_is_touched" {
    var body = try Body.init(.{ .length = 5 }, 5);
    var step = try body.next("hel");
    try testing.expect(!step.done and step.consumed == 3);
    step = try body.next("");
    try testing.expect(!step.done and step.consumed == 0);
    try testing.expect(!body.mayEnd());
    step = try body.next("loGET /");
    try testing.expect(step.done and step.consumed == 2 and body.mayEnd());
    try testing.expectEqualStrings("lo", step.data);
    step = try body.next("GET /");
    try testing.expect(step.done and step.consumed == 0);
}

test "no_body_is_done_before_it_begins" {
    var body = try Body.init(.none, 0);
    const step = try body.next("GET /");
    try testing.expect(step.done and step.consumed == 0 and step.data.len == 0);
}

test "a_length_beyond_the_limit_is_refused_before_the_body" {
    try testing.expectError(error.BodyTooLong, Body.init(.{ .length = 6 }, 5));
    try testing.expectError(error.BodyTooLong, Body.init(.{ .length = std.math.maxInt(u64) }, 5));
    try testing.expectEqual(413, body_of.statusOf(error.BodyTooLong));
}

test "a_body_until_close_may_end_anywhere_within_the_limit" {
    var body = try Body.init(.until_close, 5);
    const step = try body.next("hello");
    try testing.expect(!step.done and body.mayEnd());
    try testing.expectEqualStrings("hello", step.data);
    try testing.expectError(error.BodyTooLong, body.next("x"));
}

test "chunks_are_compacted_to_the_front_of_their_buffer" {
    const text = "1;a=b\r\nx\r\n4\r\nyzab\r\n0\r\nT: v\r\n\r\n";
    for (0..text.len + 1) |cut| {
        var body = try Body.init(.chunked, 5);
        var buffer: [text.len + 3]u8 = undefined;
        @memcpy(&buffer, text ++ "GET");
        var data: [5]u8 = undefined;
        const first = try body.compact(buffer[0..cut]);
        @memcpy(data[0..first.data_bytes], buffer[0..first.data_bytes]);
        var done = first;
        if (!first.done) {
            done = try body.compact(buffer[cut..]);
            @memcpy(data[first.data_bytes..], buffer[cut..][0..done.data_bytes]);
            try testing.expectEqual(text.len - cut, done.consumed);
        }
        try testing.expect(done.done);
        try testing.expectEqualStrings("xyzab", &data);
    }
}
