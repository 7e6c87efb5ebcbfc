const std = @import("std");
const cache_of = @import("cache.zig");
const message = @import("message.zig");
const testing = std.testing;

fn answerOf(byte: u8, ttl_seconds: u32) message.Answer {
    var answer: message.Answer = .{ .len = 1, .ttl_seconds = ttl_seconds };
    answer.addresses[0] = .{ .ipv4 = .{ 192, 0, 2, byte } };
    return answer;
}

test "an_answer_holds_until_its_time_is_over" {
    var cache: cache_of.Cache(16) = .{};
    const key: cache_of.Key = .{ .name = "a.example", .type = .a };
    try testing.expectEqual(null, cache.get(key, 0));
    cache.put(key, &answerOf(1, 10), 5_000);
    try testing.expectEqual(1, cache.get(key, 14_999).?.addresses[0].ipv4[3]);
    try testing.expectEqual(1, cache.get(.{ .name = "A.Example", .type = .a }, 5_000).?.len);
    try testing.expectEqual(null, cache.get(key, 15_000));
    try testing.expectEqual(null, cache.get(.{ .name = "a.example", .type = .aaaa }, 5_000));
    cache.put(key, &answerOf(2, 10), 20_000);
    try testing.expectEqual(2, cache.get(key, 20_000).?.addresses[0].ipv4[3]);
}

test "names_without_room_are_not_kept" {
    var cache: cache_of.Cache(8) = .{};
    const long = "a" ** (message.name_bytes_max + 1);
    for ([_][]const u8{ "", long }) |name| {
        cache.put(.{ .name = name, .type = .a }, &answerOf(1, 10), 0);
        try testing.expectEqual(null, cache.get(.{ .name = name, .type = .a }, 0));
    }
    cache.put(.{ .name = long[0..message.name_bytes_max], .type = .a }, &answerOf(1, 10), 0);
    try testing.expect(cache.get(.{ .name = long[0..message.name_bytes_max], .type = .a }, 0) != null);
}

test "a_full_table_gives_up_what_is_over_soonest" {
    // One set: nine names for eight places.
    var cache: cache_of.Cache(8) = .{};
    for (0..8) |n| cache.put(.{ .name = &.{'a' + @as(u8, @intCast(n))}, .type = .a }, &answerOf(@intCast(n), if (n == 3) 5 else 100), 0);
    cache.put(.{ .name = "new", .type = .a }, &answerOf(9, 100), 1_000);
    try testing.expectEqual(null, cache.get(.{ .name = "d", .type = .a }, 1_000));
    try testing.expect(cache.get(.{ .name = "new", .type = .a }, 1_000) != null);
    for ("abcefgh") |name| try testing.expect(cache.get(.{ .name = &.{name}, .type = .a }, 1_000) != null);
}

test "random_names_are_found_with_their_own_answer_or_not_at_all" {
    var cache: cache_of.Cache(64) = .{ .seed = 99 };
    var random = std.Random.DefaultPrng.init(17);
    var hits: usize = 0;
    for (0..20_000) |now| {
        const number = random.random().uintLessThan(u8, 100);
        var name: [8]u8 = undefined;
        const key: cache_of.Key = .{ .name = try std.fmt.bufPrint(&name, "h{d}", .{number}), .type = .a };
        if (cache.get(key, now)) |answer| {
            try testing.expectEqual(number, answer.addresses[0].ipv4[3]);
            hits += 1;
        } else cache.put(key, &answerOf(number, 1), now);
    }
    try testing.expect(hits > 5_000);
}
