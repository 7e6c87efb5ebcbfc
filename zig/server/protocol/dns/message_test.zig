const std = @import("std");
const message_of = @import("message.zig");
const mutate = @import("../mutate.zig");
const Question = message_of.Question;
const testing = std.testing;

const asked: Question = .{ .id = 0x1234, .name = "www.example.com", .type = .a };

/// A message of a server, by hand: as much of the wire as the tests need.
const Builder = struct {
    bytes: [1024]u8 = undefined,
    len: usize = 0,

    fn put(builder: *Builder, part: []const u8) void {
        @memcpy(builder.bytes[builder.len..][0..part.len], part);
        builder.len += part.len;
    }

    fn putInt(builder: *Builder, comptime Int: type, value: Int) void {
        var part: [@sizeOf(Int)]u8 = undefined;
        std.mem.writeInt(Int, &part, value, .big);
        builder.put(&part);
    }

    fn putName(builder: *Builder, name: []const u8) void {
        var labels = std.mem.splitScalar(u8, name, '.');
        while (labels.next()) |label| {
            builder.putInt(u8, @intCast(label.len));
            builder.put(label);
        }
        builder.putInt(u8, 0);
    }

    fn begin(question: Question, flags: u16, answer_count: u16) Builder {
        var builder: Builder = .{};
        for ([_]u16{ question.id, flags, 1, answer_count, 0, 0 }) |part| builder.putInt(u16, part);
        builder.putName(question.name);
        builder.putInt(u16, @intFromEnum(question.type));
        builder.putInt(u16, 1);
        return builder;
    }

    /// A record whose owner is what was asked for, by a pointer.
    fn record(builder: *Builder, owner: []const u8, record_type: u16, ttl_seconds: u32, data: []const u8) void {
        if (owner.len == 0) builder.putInt(u16, 0xc00c) else builder.putName(owner);
        builder.putInt(u16, record_type);
        builder.putInt(u16, 1);
        builder.putInt(u32, ttl_seconds);
        builder.putInt(u16, @intCast(data.len));
        builder.put(data);
    }

    /// The zone's, behind the answers.
    fn startOfAuthority(builder: *Builder, ttl_seconds: u32, minimum: u32) void {
        var data: [24]u8 = @splat(1);
        data[2..4].* = .{ 0, 0 };
        std.mem.writeInt(u32, data[20..24], minimum, .big);
        builder.record("example.com", 6, ttl_seconds, &data);
        builder.bytes[9] += 1;
    }

    fn read(builder: *const Builder, question: Question) message_of.AnswerError!message_of.Answer {
        return message_of.readAnswer(builder.bytes[0..builder.len], question);
    }
};

const ok = 0x8180;

test "a_query_is_as_the_rfc_draws_it" {
    var buffer: [message_of.query_bytes_max]u8 = undefined;
    const expected = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x07example\x03com\x00\x00\x01\x00\x01" ++
        "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    try testing.expectEqualStrings(expected, try message_of.writeQuery(&buffer, asked));
    try testing.expectEqualStrings(expected, try message_of.writeQuery(&buffer, .{ .id = 0x1234, .name = "www.example.com.", .type = .a }));
}

test "names_that_cannot_be_asked_for" {
    var buffer: [message_of.query_bytes_max]u8 = undefined;
    const label = "a" ** 63;
    for ([_][]const u8{ "", ".", "a..b", ".a", "a..", "a b", "a\x00", label ++ "a", label ++ "." ++ label ++ "." ++ label ++ "." ++ "a" ** 62 }) |name| {
        try testing.expectError(error.InvalidName, message_of.writeQuery(&buffer, .{ .id = 1, .name = name, .type = .a }));
    }
    const longest = label ++ "." ++ label ++ "." ++ label ++ "." ++ "a" ** 61;
    const query = try message_of.writeQuery(&buffer, .{ .id = 1, .name = longest, .type = .aaaa });
    try testing.expectEqual(message_of.query_bytes_max, query.len);
}

test "addresses_of_both_families" {
    var builder: Builder = .begin(asked, ok, 3);
    builder.record("", 1, 300, &.{ 192, 0, 2, 1 });
    builder.record("WWW.Example.COM", 1, 60, &.{ 192, 0, 2, 2 });
    builder.record("other.example.com", 1, 5, &.{ 192, 0, 2, 3 });
    const answer = try builder.read(asked);
    try testing.expectEqual(2, answer.len);
    try testing.expectEqual([4]u8{ 192, 0, 2, 2 }, answer.slice()[1].ipv4);
    try testing.expectEqual(60, answer.ttl_seconds);

    const six: Question = .{ .id = 1, .name = "a", .type = .aaaa };
    builder = .begin(six, ok, 1);
    builder.record("", 28, 9, "0123456789abcdef");
    try testing.expectEqualStrings("0123456789abcdef", &(try builder.read(six)).slice()[0].ipv6);
}

test "what_is_not_there_is_so_for_as_long_as_the_zone_says" {
    const cases = [_]struct { record: u32, minimum: u32, seconds: u32 }{
        .{ .record = 30, .minimum = 3600, .seconds = 30 },
        .{ .record = 3600, .minimum = 20, .seconds = 20 },
        .{ .record = 3600, .minimum = 86400, .seconds = message_of.negative_ttl_seconds_max },
        .{ .record = 0, .minimum = 20, .seconds = message_of.ttl_seconds_min },
    };
    for ([_]u16{ 0x8183, ok }) |flags| {
        for (cases) |case| {
            var builder: Builder = .begin(asked, flags, 1);
            builder.record("", 5, 500, "\x01b\x00");
            builder.startOfAuthority(case.record, case.minimum);
            const answer = try builder.read(asked);
            try testing.expectEqual(flags == 0x8183, answer.no_such_name);
            try testing.expectEqual(0, answer.len);
            try testing.expectEqual(case.seconds, answer.ttl_seconds);
            // The name may stand for another one by then.
            builder = .begin(asked, flags, 1);
            builder.record("", 5, 10, "\x01b\x00");
            builder.startOfAuthority(30, 3600);
            if (flags == ok) try testing.expectEqual(10, (try builder.read(asked)).ttl_seconds);
        }
        // Nobody says how long, or what was said is cut off.
        var silent: Builder = .begin(asked, flags, 0);
        try testing.expectEqual(message_of.ttl_seconds_min, (try silent.read(asked)).ttl_seconds);
        silent.startOfAuthority(30, 30);
        silent.len -= 1;
        try testing.expectEqual(message_of.ttl_seconds_min, (try silent.read(asked)).ttl_seconds);
    }
    // Addresses hold as long as they say, whatever stands behind them.
    var builder: Builder = .begin(asked, ok, 1);
    builder.record("", 1, 300, &.{ 192, 0, 2, 1 });
    builder.startOfAuthority(5, 5);
    try testing.expectEqual(300, (try builder.read(asked)).ttl_seconds);
}

test "cnames_are_followed_in_whatever_order_they_come" {
    for ([_][3]usize{ .{ 0, 1, 2 }, .{ 2, 1, 0 }, .{ 1, 2, 0 } }) |order| {
        var builder: Builder = .begin(asked, ok, 3);
        for (order) |which| switch (which) {
            0 => builder.record("", 5, 30, "\x01b\x00"),
            1 => builder.record("b", 5, 20, "\x01c\xc0\x10"),
            else => builder.record("c.example.com", 1, 40, &.{ 192, 0, 2, 9 }),
        };
        const answer = try builder.read(asked);
        try testing.expectEqual([4]u8{ 192, 0, 2, 9 }, answer.slice()[0].ipv4);
        try testing.expectEqual(20, answer.ttl_seconds);
    }
}

test "cnames_in_a_ring_and_without_an_end_are_left" {
    var ring: Builder = .begin(asked, ok, 2);
    ring.record("", 5, 30, "\x01b\x00");
    ring.record("b", 5, 30, "\xc0\x0c");
    try testing.expectError(error.CnameChain, ring.read(asked));
    var long: Builder = .begin(asked, ok, 11);
    long.record("", 5, 30, "\x01a\x00");
    for (0..9) |n| long.record(&.{'a' + @as(u8, @intCast(n))}, 5, 30, &.{ 1, 'b' + @as(u8, @intCast(n)), 0 });
    long.record("j", 1, 30, &.{ 192, 0, 2, 9 });
    try testing.expectError(error.CnameChain, long.read(asked));
    // One that ends nowhere has no address.
    var open: Builder = .begin(asked, ok, 1);
    open.record("", 5, 30, "\x01b\x00");
    try testing.expectEqual(0, (try open.read(asked)).len);
}

test "times_are_bounded" {
    const Case = struct { u32, u32 };
    for ([_]Case{ .{ 0, 1 }, .{ 1, 1 }, .{ 3600, 3600 }, .{ 3601, 3600 }, .{ 0x7fff_ffff, 3600 }, .{ 0xffff_ffff, 1 } }) |case| {
        var builder: Builder = .begin(asked, ok, 1);
        builder.record("", 1, case[0], &.{ 1, 2, 3, 4 });
        try testing.expectEqual(case[1], (try builder.read(asked)).ttl_seconds);
    }
}

test "more_addresses_than_are_kept" {
    var builder: Builder = .begin(asked, ok, 20);
    for (0..20) |n| builder.record("", 1, 30, &.{ 192, 0, 2, @intCast(n) });
    try testing.expectEqual(message_of.addresses_max, (try builder.read(asked)).len);
}

test "what_was_not_asked_is_not_believed" {
    var builder: Builder = .begin(asked, ok, 1);
    builder.record("", 1, 30, &.{ 1, 2, 3, 4 });
    for ([_]Question{
        .{ .id = 0x1235, .name = asked.name, .type = .a },
        .{ .id = asked.id, .name = "ww.example.com", .type = .a },
        .{ .id = asked.id, .name = asked.name, .type = .aaaa },
    }) |other| try testing.expectError(error.NotTheAnswer, builder.read(other));
    // A query, another opcode, two questions, none.
    for ([_]struct { usize, u8 }{ .{ 2, 0x01 }, .{ 2, 0x89 }, .{ 5, 2 }, .{ 5, 0 } }) |change| {
        var changed = builder;
        changed.bytes[change[0]] = change[1];
        try testing.expectError(error.NotTheAnswer, changed.read(asked));
    }
    var class = builder;
    class.bytes[12 + 17 + 3] = 3;
    try testing.expectError(error.NotTheAnswer, class.read(asked));
}

test "refusals_are_errors" {
    const Case = struct { u16, message_of.AnswerError };
    for ([_]Case{
        .{ 0x8182, error.ServerFailure },
        .{ 0x8185, error.Refused },
        .{ 0x8181, error.Refused },
        .{ 0x8380, error.Truncated },
    }) |case| {
        const builder: Builder = .begin(asked, case[0], 0);
        try testing.expectError(case[1], builder.read(asked));
    }
    // FORMERR without the question.
    try testing.expectError(error.Refused, message_of.readAnswer("\x12\x34\x81\x81\x00\x00\x00\x00\x00\x00\x00\x00", asked));
}

test "malformed_records" {
    const Case = struct { []const u8 };
    for ([_]Case{
        // Cut off in the name, in the fixed part, in the data.
        .{"\xc0"},
        .{"\xc0\x0c\x00\x01\x00\x01"},
        .{"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x01\x02\x03"},
        // An address of five bytes.
        .{"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x05\x01\x02\x03\x04\x05"},
        // Pointers to themselves, to a name that comes later, behind the end, and reserved labels.
        .{"\xc0\x2d\x00\x10\x00\x01\x00\x00\x00\x1e\x00\x01\x00"},
        .{"\xc0\x21\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x01\x02\x03\x04"},
        .{"\xc0\xff\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x01\x02\x03\x04"},
        .{"\x40\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x01\x02\x03\x04"},
        .{"\x80\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x01\x02\x03\x04"},
        // A CNAME that is longer than its record says.
        .{"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x1e\x00\x02\x01b\x00"},
    }) |case| {
        var builder: Builder = .begin(asked, ok, 1);
        builder.put(case[0]);
        try testing.expectError(error.Malformed, builder.read(asked));
    }
}

test "pointers_are_bounded_by_their_number_and_their_direction" {
    // Names of one label and a pointer to the one before: the 17th is one too many.
    for ([_]usize{ 15, 16 }) |count| {
        var builder: Builder = .begin(asked, ok, @intCast(count + 2));
        var before: u16 = 12;
        for (0..count + 1) |n| {
            const at: u16 = @intCast(builder.len);
            builder.put(&.{ 1, 'a' + @as(u8, @intCast(n)) });
            builder.putInt(u16, 0xc000 | before);
            builder.put("\x00\x10\x00\x01\x00\x00\x00\x1e\x00\x00");
            before = at;
        }
        builder.record("", 1, 30, &.{ 1, 2, 3, 4 });
        if (count == 15) try testing.expectEqual(1, (try builder.read(asked)).len) else try testing.expectError(error.Malformed, builder.read(asked));
    }
}

const chain = "\x12\x34\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01" ++
    "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x1e\x00\x03\x01b\x00" ++
    "\x01b\x00\x00\x05\x00\x01\x00\x00\x00\x14\x00\x04\x01c\xc0\x10" ++
    "\xc0\x3d\x00\x01\x00\x01\x00\x00\x00\x28\x00\x04\xc0\x00\x02\x09";

fn check(input: []const u8, _: [2]usize) !bool {
    const answer = message_of.readAnswer(input, asked) catch return false;
    try testing.expect(answer.ttl_seconds >= message_of.ttl_seconds_min and answer.ttl_seconds <= message_of.ttl_seconds_max);
    try testing.expect(answer.slice().len <= message_of.addresses_max);
    return true;
}

pub const target: mutate.Target = .{
    .name = "answers of DNS",
    .originals = &.{chain},
    .words = &.{ "\xc0\x0c", "\xc0\x10", "\x3f", "\x00\x01\x00\x01" },
    .check = check,
};

test "every_prefix_and_every_mutation_is_an_answer_or_an_error" {
    try testing.expectEqual(20, (try message_of.readAnswer(chain, asked)).ttl_seconds);
    for (0..chain.len) |len| {
        const prefix = try testing.allocator.dupe(u8, chain[0..len]);
        defer testing.allocator.free(prefix);
        try testing.expect(!try check(prefix, .{ 0, 0 }));
    }
    try target.run(15, 50_000);
}
