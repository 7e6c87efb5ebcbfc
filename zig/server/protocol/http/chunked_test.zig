const std = @import("std");
const chunked = @import("chunked.zig");
const body_of = @import("body.zig");
const response = @import("response.zig");
const mutate = @import("../mutate.zig");
const testing = std.testing;

const Outcome = struct {
    data: [1024]u8 = @splat(0),
    data_bytes: usize = 0,
    consumed: usize = 0,
    done: bool = false,
    failed: ?body_of.Error = null,
};

/// Decodes pieces that end at the cuts and at the end.
fn outcomeOf(text: []const u8, cuts: []const usize, body_bytes_max: u64) !Outcome {
    var outcome: Outcome = .{};
    var body = try body_of.Body.init(.chunked, body_bytes_max);
    var start: usize = 0;
    for (0..cuts.len + 1) |n| {
        const end = if (n < cuts.len) cuts[n] else text.len;
        const piece = try mutate.allocator.dupe(u8, text[start..end]);
        defer mutate.allocator.free(piece);
        var at: usize = 0;
        while (at < piece.len and !outcome.done) {
            const step = body.next(piece[at..]) catch |err| {
                outcome.failed = err;
                return outcome;
            };
            @memcpy(outcome.data[outcome.data_bytes..][0..step.data.len], step.data);
            outcome.data_bytes += step.data.len;
            outcome.consumed += step.consumed;
            at += step.consumed;
            outcome.done = step.done;
            try testing.expectEqual(step.done, body.mayEnd());
        }
        start = end;
    }
    return outcome;
}

/// Of a failure only what failed is the same: in front of it there are more or fewer calls. Data in front of it is the same.
fn expectSame(whole: Outcome, cut: Outcome) !void {
    try testing.expectEqual(whole.failed, cut.failed);
    try testing.expectEqualStrings(whole.data[0..whole.data_bytes], cut.data[0..cut.data_bytes]);
    if (whole.failed != null) return;
    try testing.expectEqual(whole.consumed, cut.consumed);
    try testing.expectEqual(whole.done, cut.done);
}

fn expectSameHoweverCut(text: []const u8, body_bytes_max: u64) !Outcome {
    const whole = try outcomeOf(text, &.{}, body_bytes_max);
    for (0..text.len) |cut| try expectSame(whole, try outcomeOf(text, &.{cut}, body_bytes_max));
    var every: [1024]usize = undefined;
    for (every[0..text.len], 0..) |*cut, n| cut.* = n;
    try expectSame(whole, try outcomeOf(text, every[0..text.len], body_bytes_max));
    return whole;
}

const Vector = struct { []const u8, body_of.Error![]const u8 };

const bodies = [_]Vector{
    .{ "0\r\n\r\n", "" },
    .{ "5\r\nhello\r\n0\r\n\r\n", "hello" },
    .{ "c\r\nHellO world1\r\n000\r\n\r\n", "HellO world1" },
    .{ "1\r\na\r\n0B\r\n bcdefghijk\r\n0\r\n\r\n", "a bcdefghijk" },
    .{ "2\r\n\r\n\r\n0\r\n\r\n", "\r\n" },
    .{ "1;a\r\nx\r\n1;a=b\r\ny\r\n1;a=\"q;\\\"\\\r\";c=d;e\r\nz\r\n0;f\r\n\r\n", error.InvalidChunkExtension },
    .{ "1;a\r\nx\r\n1;a=b\r\ny\r\n1;a=\"q;\\\" \t\";c=d;e\r\nz\r\n0;f\r\n\r\n", "xyz" },
    .{ "1\r\na\r\n0\r\nTrailer: b\r\nOther:\r\n\r\n", "a" },
    .{ "\r\n", error.InvalidChunk },
    .{ "g\r\n", error.InvalidChunk },
    .{ "-1\r\n", error.InvalidChunk },
    .{ "0x1\r\n", error.InvalidChunk },
    .{ " 1\r\na\r\n", error.InvalidChunk },
    .{ "1 \r\na\r\n", error.InvalidChunk },
    .{ "1\na\r\n", error.InvalidChunk },
    .{ "1\ra\r\n", error.InvalidChunk },
    .{ "1\r\nab\r\n", error.InvalidChunk },
    .{ "1\r\na\n0\r\n\r\n", error.InvalidChunk },
    .{ "1\r\na\r0\r\n\r\n", error.InvalidChunk },
    .{ "10000000000000000\r\n", error.InvalidChunk },
    .{ "1;\r\na\r\n", error.InvalidChunkExtension },
    .{ "1;a b\r\na\r\n", error.InvalidChunkExtension },
    .{ "1;a=\r\na\r\n", error.InvalidChunkExtension },
    .{ "1;a=\"b\"c\r\na\r\n", error.InvalidChunkExtension },
    .{ "1;a=\"\n\"\r\na\r\n", error.InvalidChunkExtension },
    .{ "1;a\nx\r\n", error.InvalidChunkExtension },
    .{ "0\r\n Trailer: b\r\n\r\n", error.InvalidTrailer },
    .{ "0\r\nTrailer : b\r\n\r\n", error.InvalidTrailer },
    .{ "0\r\nTrailer: b\n\r\n", error.InvalidTrailer },
    .{ "0\r\nTrailer: b\x00\r\n\r\n", error.InvalidTrailer },
    .{ "0\r\nTrailer\r\n\r\n", error.InvalidTrailer },
    .{ "0\r\n\n", error.InvalidTrailer },
};

test "bodies_are_decoded_or_refused_the_same_however_they_are_cut" {
    for (bodies) |vector| {
        errdefer std.debug.print("{f}\n", .{std.ascii.hexEscape(vector[0], .lower)});
        const outcome = try expectSameHoweverCut(vector[0], 100);
        if (vector[1]) |data| {
            try testing.expectEqual(null, outcome.failed);
            try testing.expect(outcome.done);
            try testing.expectEqual(vector[0].len, outcome.consumed);
            try testing.expectEqualStrings(data, outcome.data[0..outcome.data_bytes]);
            // What follows belongs to the next request.
            var buffer: [200]u8 = undefined;
            const longer = try std.fmt.bufPrint(&buffer, "{s}GET /", .{vector[0]});
            try testing.expectEqual(vector[0].len, (try expectSameHoweverCut(longer, 100)).consumed);
            for (0..vector[0].len) |len| try testing.expect(!(try outcomeOf(vector[0][0..len], &.{}, 100)).done);
        } else |err| try testing.expectEqual(err, outcome.failed.?);
    }
}

test "the_limit_of_a_body_counts_what_is_announced" {
    const text = "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
    try testing.expect((try expectSameHoweverCut(text, 10)).done);
    try testing.expectEqual(error.BodyTooLong, (try expectSameHoweverCut(text, 9)).failed.?);
    // Not one byte of its data is here.
    try testing.expectEqual(error.BodyTooLong, (try expectSameHoweverCut("ffffffffffffffff\r\n", 9)).failed.?);
}

fn passAll(decoder: *chunked.Decoder, text: []const u8) chunked.Error!void {
    var at: usize = 0;
    while (at < text.len) at += (try decoder.next(text[at..])).consumed;
}

test "extensions_and_trailers_are_bounded" {
    var decoder: chunked.Decoder = .{};
    _ = try decoder.next("1;");
    for (0..chunked.extension_bytes_max) |_| _ = try decoder.next("a");
    try testing.expectError(error.ChunkExtensionTooLong, decoder.next("a"));

    // Those of many chunks count together.
    decoder = .{};
    const chunk = "1;" ++ "a" ** 62 ++ "\r\nx\r\n";
    const too_long = for (0..chunked.extension_bytes_max / 60) |_| {
        passAll(&decoder, chunk) catch |err| break err;
    } else error.Endless;
    try testing.expectEqual(error.ChunkExtensionTooLong, too_long);

    decoder = .{};
    _ = try decoder.next("0\r\n");
    const failed = for (0..chunked.trailer_bytes_max) |_| {
        _ = decoder.next("a: b\r\n") catch |err| break err;
    } else error.Endless;
    try testing.expectEqual(error.TrailerTooLong, failed);
}

fn check(text: []const u8, cuts: [2]usize) !bool {
    const whole = try outcomeOf(text, &.{}, 64);
    try expectSame(whole, try outcomeOf(text, &cuts, 64));
    return whole.done;
}

pub const target: mutate.Target = .{
    .name = "chunked bodies",
    .originals = &.{ bodies[0][0], bodies[1][0], bodies[3][0], bodies[6][0], bodies[7][0] },
    .words = &.{ "\r\n", "0\r\n", "5\r\nhello\r\n", ";a=b", "ffffffff\r\n", "\n", "\"" },
    .check = check,
};

test "mutated_bodies_end_the_same_however_they_are_cut" {
    try target.run(5, 20_000);
}

test "what_the_writer_sends_in_chunks_is_what_the_decoder_reads" {
    var random = std.Random.DefaultPrng.init(6);
    var data: [700]u8 = undefined;
    random.random().bytes(&data);
    for (0..300) |_| {
        var text: std.Io.Writer.Allocating = .init(mutate.allocator);
        defer text.deinit();
        var at: usize = 0;
        while (at < data.len) {
            const len = @min(1 + random.random().uintLessThan(usize, 300), data.len - at);
            var head: [response.chunk_head_bytes_max]u8 = undefined;
            try text.writer.writeAll(response.chunkHead(&head, len));
            try text.writer.writeAll(data[at..][0..len]);
            try text.writer.writeAll(response.chunk_end);
            at += len;
        }
        try text.writer.writeAll(response.last_chunk);
        const outcome = try outcomeOf(text.written(), &.{random.random().uintLessThan(usize, text.written().len)}, data.len);
        try testing.expect(outcome.done);
        try testing.expectEqualSlices(u8, &data, outcome.data[0..outcome.data_bytes]);
    }
}

test "a_lenient_decoder_takes_what_hyper_does_and_no_more" {
    const Case = struct { []const u8, ?chunked.Error };
    for ([_]Case{
        .{ "3 \t;\x00 \"\r\nabc\r\n0 \r\n\r\n", null },
        .{ "0000000000000000000000000003\r\nabc\r\n0\r\n\r\n", null },
        .{ "fffffffffffffff\r\n", null },
        .{ "1000000000000000\r\n", error.InvalidChunk },
        .{ "3 4\r\n", error.InvalidChunk },
        .{ " 3\r\n", error.InvalidChunk },
        .{ "3;a\nb\r\n", error.InvalidChunkExtension },
        .{ "0\r\nA: b\n", error.InvalidTrailer },
        .{ "0\r\nA: bcd\r\n", error.TrailerTooLong },
    }) |case| {
        const text, const expected = case;
        var decoder: chunked.Decoder = .{ .lenient = true, .trailer_bytes_max = 7 };
        const failed: ?chunked.Error = if (passAll(&decoder, text)) null else |err| err;
        try testing.expectEqual(expected, failed);
    }
    var decoder: chunked.Decoder = .{ .lenient = true };
    try passAll(&decoder, "1;" ++ "a" ** (chunked.extension_bytes_max - 1) ++ "\r\nx\r\n");
    decoder = .{ .lenient = true };
    try testing.expectError(error.InvalidChunkExtension, passAll(&decoder, "1;" ++ "a" ** chunked.extension_bytes_max));
}
