//! Cases by Autobahn's groups: 1 framing, 2 pings, 3 reserved bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 closing, 9 limits,
//! 10 fragmented sending.

const std = @import("std");
const frame = @import("frame.zig");
const mask_of = @import("mask.zig");
const receiver_of = @import("receiver.zig");
const mutate = @import("../mutate.zig");
const Receiver = receiver_of.Receiver;
const Options = receiver_of.Options;
const testing = std.testing;

/// What a stream said, as text: `t"..."` and `b"..."` are messages, `<`, `>` and `x` Ping, Pong and Close, `!` an error.
const Log = std.Io.Writer.Allocating;

/// Feeds pieces that end at the cuts and at the end, keeping what isn't consumed as a connection does.
fn logOf(log: *Log, stream: []const u8, cuts: []const usize, options: *const Options) !void {
    log.clearRetainingCapacity();
    var receiver: Receiver = .{};
    var message: std.ArrayList(u8) = .empty;
    defer message.deinit(mutate.allocator);
    var start: usize = 0;

    var kept: std.ArrayList(u8) = .empty;
    defer kept.deinit(mutate.allocator);
    for (0..cuts.len + 1) |n| {
        const end = if (n < cuts.len) cuts[n] else stream.len;
        try kept.appendSlice(mutate.allocator, stream[start..end]);
        start = end;
        // A place of its own, as long as the bytes are.
        const input = try mutate.allocator.dupe(u8, kept.items);
        defer mutate.allocator.free(input);
        var at: usize = 0;
        while (true) {
            const step = receiver.next(input[at..], options) catch |err| {
                return log.writer.print("!{t} {d}", .{ err, @intFromEnum(receiver_of.closeCodeOf(err)) });
            };
            at += step.consumed;
            switch (step.event) {
                .none => break,
                .data => |data| {
                    if (data.begins) message.clearRetainingCapacity();
                    try message.appendSlice(mutate.allocator, data.bytes);
                    if (data.ends) try log.writer.print("{s}\"{s}\" ", .{ if (data.opcode == .text) "t" else "b", message.items });
                },
                .ping => |payload| try log.writer.print("<{s} ", .{payload}),
                .pong => |payload| try log.writer.print(">{s} ", .{payload}),
                .close => |end_of| try log.writer.print("x{d}{s} ", .{ if (end_of.code) |code| @intFromEnum(code) else 0, end_of.reason }),
            }
        }

        kept.replaceRangeAssumeCapacity(0, at, "");
        try testing.expect(kept.items.len < 14 + frame.control_bytes_max);
    }
    if (!receiver.mayEnd() or kept.items.len > 0) try log.writer.writeAll("...");
}

const Frame = struct { []const u8, []const u8 };

/// Masked frames, each of a first byte (and what else is odd about its header) and a payload.
fn streamOf(stream: *std.ArrayList(u8), frames: []const Frame) !void {
    for (frames, 0..) |part, n| {
        const key: mask_of.Key = .{ 0x12, 0, 0x80 +% @as(u8, @truncate(n)), 0xff };
        var header: [frame.header_bytes_max]u8 = undefined;
        const first = part[0][0];
        const len = (frame.Header{ .opcode = .binary, .is_last = true, .key = key, .payload_bytes = part[1].len }).write(&header);
        header[0] = first;
        try stream.appendSlice(mutate.allocator, header[0..len]);
        const payload = try mutate.allocator.dupe(u8, part[1]);
        defer mutate.allocator.free(payload);
        _ = mask_of.apply(payload, key);
        try stream.appendSlice(mutate.allocator, payload);
    }
}

fn expectLog(expected: []const u8, stream: []const u8, options: *const Options) !void {
    var whole: Log = .init(mutate.allocator);
    defer whole.deinit();
    try logOf(&whole, stream, &.{}, options);
    try testing.expectEqualStrings(expected, whole.written());
    var cut_log: Log = .init(mutate.allocator);
    defer cut_log.deinit();
    const every = try mutate.allocator.alloc(usize, stream.len);
    defer mutate.allocator.free(every);
    for (every, 0..) |*cut, n| cut.* = n;
    for (every) |cut| {
        try logOf(&cut_log, stream, &.{cut}, options);
        try testing.expectEqualStrings(expected, cut_log.written());
    }
    try logOf(&cut_log, stream, every, options);
    try testing.expectEqualStrings(expected, cut_log.written());
}

const Case = struct { []const Frame, []const u8 };

fn expectCases(cases: []const Case) !void {
    for (cases) |case| {
        var stream: std.ArrayList(u8) = .empty;
        defer stream.deinit(mutate.allocator);
        try streamOf(&stream, case[0]);
        errdefer std.debug.print("{x}\n", .{stream.items});
        try expectLog(case[1], stream.items, &.{});
    }
}

const text = "\x81";
const binary = "\x82";
const first_text = "\x01";
const first_binary = "\x02";
const middle = "\x00";
const last = "\x80";
const ping = "\x89";
const pong = "\x8a";
const close = "\x88";

test "1_messages_of_every_length_of_a_header" {
    inline for (.{ 0, 1, 125, 126, 127, 128, 300 }) |len| {
        try expectCases(&.{
            .{ &.{.{ text, "*" ** len }}, "t\"" ++ "*" ** len ++ "\" " },
            .{ &.{.{ binary, "\xfe" ** len }}, "b\"" ++ "\xfe" ** len ++ "\" " },
        });
    }
    var stream: std.ArrayList(u8) = .empty;
    defer stream.deinit(mutate.allocator);
    var log: Log = .init(mutate.allocator);
    defer log.deinit();
    // 64 bits of length, in pieces as reads give them.
    try streamOf(&stream, &.{.{ text, "*" ** 70_000 }});
    try logOf(&log, stream.items, &.{ 3, 9, 4096, 8192, 65_536 }, &.{});
    try testing.expectEqualStrings("t\"" ++ "*" ** 70_000 ++ "\" ", log.written());
}

test "2_pings_and_pongs" {
    try expectCases(&.{
        .{ &.{.{ ping, "" }}, "< " },
        .{ &.{.{ ping, "\x00\xff" ** 62 ++ "x" }}, "<" ++ "\x00\xff" ** 62 ++ "x " },
        .{ &.{.{ ping, "a" ** 126 }}, "!InvalidControlFrame 1002" },
        .{ &.{ .{ pong, "un" }, .{ pong, "asked" } }, ">un >asked " },
        .{ &.{ .{ ping, "1" }, .{ ping, "2" }, .{ text, "3" }, .{ ping, "4" } }, "<1 <2 t\"3\" <4 " },
    });
}

test "3_reserved_bits" {
    try expectCases(&.{
        .{ &.{.{ "\xc1", "a" }}, "!ReservedBits 1002" },
        .{ &.{ .{ text, "a" }, .{ "\xa1", "b" }, .{ ping, "c" } }, "t\"a\" !ReservedBits 1002" },
        .{ &.{ .{ text, "a" }, .{ "\x92", "b" } }, "t\"a\" !ReservedBits 1002" },
        .{ &.{.{ "\xf9", "" }}, "!ReservedBits 1002" },
        .{ &.{.{ "\xd8", "" }}, "!ReservedBits 1002" },
    });
}

test "4_reserved_opcodes" {
    for ([_]u8{ 0x83, 0x84, 0x85, 0x86, 0x87 }) |first| {
        try expectCases(&.{.{ &.{ .{ text, "a" }, .{ &.{first}, "b" } }, "t\"a\" !ReservedOpcode 1002" }});
    }
    for ([_]u8{ 0x8b, 0x8c, 0x8d, 0x8e, 0x8f }) |first| {
        try expectCases(&.{.{ &.{ .{ text, "a" }, .{ &.{first}, "" } }, "t\"a\" !ReservedOpcode 1002" }});
    }
}

test "5_fragments_with_control_frames_between_them" {
    try expectCases(&.{
        .{ &.{ .{ "\x09", "a" }, .{ last, "b" } }, "!InvalidControlFrame 1002" },
        .{ &.{ .{ "\x0a", "a" }, .{ last, "b" } }, "!InvalidControlFrame 1002" },
        .{ &.{ .{ first_text, "a" }, .{ last, "b" } }, "t\"ab\" " },
        .{ &.{ .{ first_text, "a" }, .{ ping, "p" }, .{ last, "b" } }, "<p t\"ab\" " },
        .{ &.{ .{ first_binary, "" }, .{ middle, "" }, .{ last, "" } }, "b\"\" " },
        .{ &.{ .{ first_text, "a" }, .{ middle, "b" }, .{ pong, "" }, .{ middle, "" }, .{ ping, "q" }, .{ last, "c" }, .{ text, "d" } }, "> <q t\"abc\" t\"d\" " },
        .{ &.{.{ last, "a" }}, "!InvalidContinuation 1002" },
        .{ &.{.{ middle, "a" }}, "!InvalidContinuation 1002" },
        .{ &.{ .{ first_text, "a" }, .{ text, "b" } }, "!InvalidContinuation 1002" },
        .{ &.{ .{ first_text, "a" }, .{ first_binary, "b" } }, "!InvalidContinuation 1002" },
        .{ &.{ .{ first_text, "a" }, .{ last, "b" }, .{ last, "c" } }, "t\"ab\" !InvalidContinuation 1002" },
        .{ &.{ .{ first_text, "a" }, .{ close, "\x03\xe8" } }, "x1000 " },
        .{ &.{.{ first_text, "a" }}, "..." },
    });
}

test "6_text_is_checked_over_fragments_and_fails_at_once" {
    const word = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    try expectCases(&.{
        .{ &.{.{ text, word }}, "t\"" ++ word ++ "\" " },
        .{ &.{ .{ first_text, word[0..3] }, .{ ping, "\xff" }, .{ middle, word[3..4] }, .{ middle, "" }, .{ last, word[4..] } }, "<\xff t\"" ++ word ++ "\" " },
        .{ &.{.{ text, word ++ "\xed\xa0\x80" }}, "!InvalidUtf8 1007" },
        .{ &.{.{ text, word ++ "\xce" }}, "!InvalidUtf8 1007" },
        .{ &.{ .{ first_text, "\xce" }, .{ last, "" } }, "!InvalidUtf8 1007" },
        .{ &.{ .{ first_text, "\xf4" }, .{ middle, "\x90" }, .{ middle, "never read" } }, "!InvalidUtf8 1007" },
        .{ &.{.{ text, "\xc0\xaf" }}, "!InvalidUtf8 1007" },
        .{ &.{.{ text, "\xf8\x88\x80\x80\x80" }}, "!InvalidUtf8 1007" },
        .{ &.{.{ binary, "\xc0\xaf" }}, "b\"\xc0\xaf\" " },
        // The state of one text isn't that of the next.
        .{ &.{ .{ first_binary, "\xce" }, .{ last, "\xff" }, .{ text, "\xce\xba" } }, "b\"\xce\xff\" t\"\xce\xba\" " },
    });
    // The rest of the frame has not come, and never will.
    var log: Log = .init(mutate.allocator);
    defer log.deinit();
    try logOf(&log, "\x81\x8a\x00\x00\x00\x00\xce\xba\xff", &.{}, &.{});
    try testing.expectEqualStrings("!InvalidUtf8 1007", log.written());
}

test "7_closing" {
    try expectCases(&.{
        .{ &.{.{ close, "" }}, "x0 " },
        .{ &.{.{ close, "\x03\xe8" ++ "bye" }}, "x1000bye " },
        .{ &.{.{ close, "\x0b\xb8" }}, "x3000 " },
        .{ &.{ .{ close, "\x03\xe8" }, .{ ping, "late" }, .{ text, "later" }, .{ "\xff", "" } }, "x1000 " },
        .{ &.{.{ close, "\x03" }}, "!InvalidCloseCode 1002" },
        .{ &.{.{ close, "\x03\xec" }}, "!InvalidCloseCode 1002" },
        .{ &.{.{ close, "\xff\xff" }}, "!InvalidCloseCode 1002" },
        .{ &.{.{ close, "\x03\xe8\xce\xba\xe1\xbd" }}, "!InvalidCloseReason 1007" },
        .{ &.{.{ close, "\x03\xe8" ++ "r" ** 123 }}, "x1000" ++ "r" ** 123 ++ " " },
        .{ &.{.{ close, "\x03\xe8" ++ "r" ** 124 }}, "!InvalidControlFrame 1002" },
    });
}

test "9_the_limit_of_a_message_counts_its_fragments_before_they_come" {
    var stream: std.ArrayList(u8) = .empty;
    defer stream.deinit(mutate.allocator);
    try streamOf(&stream, &.{ .{ first_text, "12345" }, .{ ping, "not counted" }, .{ last, "67890" }, .{ text, "again ten!" } });
    try expectLog("<not counted t\"1234567890\" t\"again ten!\" ", stream.items, &.{ .message_bytes_max = 10 });
    try expectLog("<not counted !MessageTooBig 1009", stream.items, &.{ .message_bytes_max = 9 });
    try expectLog("!MessageTooBig 1009", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", &.{});
    // Lengths that together are more than 64 bits hold.
    const huge = "\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    try expectLog("...", "\x02" ++ huge, &.{ .sender = .server, .message_bytes_max = std.math.maxInt(u64) });
}

test "a_server_s_frames_are_read_unmasked" {
    try expectLog("t\"Hello\" <p ", "\x81\x05Hello\x89\x01p", &.{ .sender = .server });
    try expectLog("!InvalidMask 1002", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &.{ .sender = .server });
    // RFC 6455 5.7.
    try expectLog("t\"Hello\" ", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &.{});
    try expectLog("!InvalidMask 1002", "\x81\x05Hello", &.{});
    try expectLog("t\"zero\" ", "\x81\x84\x00\x00\x00\x00zero", &.{});
}

test "the_closing_handshake_sends_one_close_and_waits_for_one" {
    const Closing = receiver_of.Closing;
    const ours = Closing.open.afterSent();
    try testing.expect(ours == .sent and !ours.maySend() and ours.afterReceived() == .done);
    const theirs = Closing.open.afterReceived();
    try testing.expect(theirs == .received and theirs.maySend() and theirs.afterSent() == .done);
    try testing.expect(!Closing.done.maySend() and Closing.done.afterSent() == .done and Closing.done.afterReceived() == .done);
}

test "10_random_messages_in_random_fragments_arrive_as_they_were_sent" {
    var mutator: mutate.Mutator = .init(13, &.{});
    var stream: std.ArrayList(u8) = .empty;
    defer stream.deinit(mutate.allocator);
    var log: Log = .init(mutate.allocator);
    defer log.deinit();
    var expected: Log = .init(mutate.allocator);
    defer expected.deinit();
    for (0..300) |_| {
        stream.clearRetainingCapacity();
        expected.clearRetainingCapacity();
        for (0..1 + mutator.below(4)) |_| {
            var payload: [400]u8 = undefined;
            const len = mutator.below(payload.len);
            const is_text = mutator.below(2) == 0;
            for (payload[0..len]) |*byte| byte.* = if (is_text) 'a' else mutator.prng.random().int(u8);
            var at: usize = 0;
            var is_first = true;
            while (true) {
                const part = @min(mutator.below(200), len - at);
                const is_last = at + part == len;
                const opcode: u8 = if (!is_first) 0 else if (is_text) 1 else 2;
                try streamOf(&stream, &.{.{ &.{opcode | @as(u8, if (is_last) 0x80 else 0)}, payload[at..][0..part] }});
                at += part;
                is_first = false;
                if (is_last) break;
                if (mutator.below(3) == 0) {
                    try streamOf(&stream, &.{.{ ping, "p" }});
                    try expected.writer.writeAll("<p ");
                }
            }
            try expected.writer.print("{s}\"{s}\" ", .{ if (is_text) "t" else "b", payload[0..len] });
        }
        var cuts: [6]usize = undefined;
        for (&cuts) |*cut| cut.* = mutator.below(stream.items.len + 1);
        std.mem.sort(usize, &cuts, {}, std.sort.asc(usize));
        try logOf(&log, stream.items, &cuts, &.{});
        try testing.expectEqualStrings(expected.written(), log.written());
    }
}

fn check(stream: []const u8, cuts: [2]usize) !bool {
    var whole: Log = .init(mutate.allocator);
    defer whole.deinit();
    try logOf(&whole, stream, &.{}, &.{});
    var cut_log: Log = .init(mutate.allocator);
    defer cut_log.deinit();
    try logOf(&cut_log, stream, &cuts, &.{});
    try testing.expectEqualStrings(whole.written(), cut_log.written());
    return std.mem.indexOfScalar(u8, whole.written(), '!') == null;
}

pub const target: mutate.Target = .{
    .name = "WebSocket streams",
    // Under a mask of zeros, or each flipped bit of a mask would be one of every fourth byte.
    .originals = &.{
        "\x01\x82\x00\x00\x00\x00a\xc3" ++ "\x89\x81\x00\x00\x00\x00p" ++ "\x80\x81\x00\x00\x00\x00\xa4" ++ "\x88\x82\x00\x00\x00\x00\x03\xe8",
        "\x82\xfe\x00\x82\x00\x00\x00\x00" ++ "b" ** 130 ++ "\x8a\x80\x00\x00\x00\x00" ++ "\x81\x81\x01\x02\x03\x04b",
        "\x81\x80\x00\x00\x00\x00" ++ "\x02\x81\x00\x00\x00\x00d" ++ "\x00\x81\x00\x00\x00\x00e",
    },
    .words = &.{ "\x89\x80\x00\x00\x00\x00", "\x80\x81\x01\x01\x01\x01a", "\x88\x82\x00\x00\x00\x00\x03\xe8", "\xff", "\x01\x80\x00\x00\x00\x00" },
    .check = check,
};

test "mutated_streams_end_the_same_however_they_are_cut" {
    try target.run(14, 10_000);
}
