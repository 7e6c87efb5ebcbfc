//! Which connections hear of which topic. Both directions are lists through one table of subscriptions, so joining and
//! leaving cost the same however many there are. Everything is reserved at the start.

const std = @import("std");
const assert = std.debug.assert;
const pages = @import("pages.zig");
const Slab = @import("slab.zig").Slab;
const none = @import("slab.zig").none;

pub const SubscribeError = error{
    /// Longer than `name_bytes_max`.
    TopicTooLong,
    TooManyTopics,
    /// Of one connection, or of all together.
    TooManySubscriptions,
};

/// A route's pattern, or a name like "room:123456".
pub const name_bytes_max = 120;

pub const Options = struct { topics: u32, subscriptions: u32 };

/// Of one who subscribes.
pub const Limits = struct {
    /// Subscriptions that are not for it.
    reserved: usize = 0,
    /// That it may have.
    count_max: u32 = std.math.maxInt(u32),
};

pub const Subscription = struct {
    /// The connection's next one.
    next: u32,
    topic: u32,
    slot: u32,
    /// Within the topic.
    topic_next: u32,
    topic_before: u32,
};

const Topic = struct {
    /// The next one of the same bucket.
    next: u32,
    first: u32,
    /// It stays when nobody listens.
    is_kept: bool,
    name_len: u32,
    name: [name_bytes_max]u8,

    fn nameOf(topic: *const Topic) []const u8 {
        return topic.name[0..topic.name_len];
    }
};

pub const Topics = struct {
    topics: Slab(Topic),
    subscriptions: Slab(Subscription),
    buckets: []u32,
    kept: u32 = 0,
    seed: u64 = 0,

    pub fn init(options: Options) error{OutOfMemory}!Topics {
        var topics: Slab(Topic) = try .init(options.topics);
        errdefer topics.deinit();
        var subscriptions: Slab(Subscription) = try .init(options.subscriptions);
        errdefer subscriptions.deinit();
        const buckets = try pages.reserve(u32, std.math.ceilPowerOfTwoAssert(u32, @max(options.topics, 1)));
        @memset(buckets, none);
        return .{ .topics = topics, .subscriptions = subscriptions, .buckets = buckets };
    }

    pub fn deinit(self: *Topics) void {
        self.topics.deinit();
        self.subscriptions.deinit();
        pages.release(u32, self.buckets);
        self.* = undefined;
    }

    /// Names come from clients, who must not know which of them fall into one bucket.
    pub fn reseed(self: *Topics, seed: u64) void {
        var all: u32 = none;
        for (self.buckets) |*bucket| while (bucket.* != none) {
            const topic = &self.topics.items[bucket.*];
            const next = topic.next;
            topic.next = all;
            all = bucket.*;
            bucket.* = next;
        };
        self.seed = seed;
        while (all != none) {
            const index = all;
            const topic = &self.topics.items[index];
            all = topic.next;
            const bucket = self.bucketOf(topic.nameOf());
            topic.next = bucket.*;
            bucket.* = index;
        }
    }

    /// Has a place for the topic from here on, whatever others there are.
    pub fn keep(self: *Topics, name: []const u8) error{ TopicTooLong, TooManyTopics }!void {
        if (name.len > name_bytes_max) return error.TopicTooLong;
        const topic = &self.topics.items[self.find(name) orelse try self.add(name)];
        if (topic.is_kept) return;
        topic.is_kept = true;
        self.kept += 1;
    }

    /// Adds a subscription to a connection's list, whose first is `list`. One that is there already stays as it is.
    pub fn subscribe(self: *Topics, list: *u32, slot: u32, name: []const u8, limits: Limits) SubscribeError!void {
        if (name.len > name_bytes_max) return error.TopicTooLong;
        var count: u32 = 0;
        var at = list.*;
        while (at != none) : (at = self.subscriptions.items[at].next) {
            if (std.mem.eql(u8, self.topics.items[self.subscriptions.items[at].topic].nameOf(), name)) return;
            count += 1;
        }
        if (count >= limits.count_max or self.subscriptions.unused() <= limits.reserved) return error.TooManySubscriptions;
        const topic_index = self.find(name) orelse try self.add(name);
        const index = self.subscriptions.acquire().?;
        const topic = &self.topics.items[topic_index];
        self.subscriptions.items[index] = .{
            .next = list.*,
            .topic = topic_index,
            .slot = slot,
            .topic_next = topic.first,
            .topic_before = none,
        };
        if (topic.first != none) self.subscriptions.items[topic.first].topic_before = index;
        topic.first = index;
        list.* = index;
    }

    /// Nothing where there is no such subscription.
    pub fn unsubscribe(self: *Topics, list: *u32, name: []const u8) void {
        var link = list;
        while (link.* != none) {
            const index = link.*;
            const subscription = &self.subscriptions.items[index];
            if (std.mem.eql(u8, self.topics.items[subscription.topic].nameOf(), name)) {
                link.* = subscription.next;
                return self.remove(index);
            }
            link = &subscription.next;
        }
    }

    pub fn unsubscribeAll(self: *Topics, list: *u32) void {
        while (list.* != none) {
            const index = list.*;
            list.* = self.subscriptions.items[index].next;
            self.remove(index);
        }
    }

    /// The first subscription of a topic, the others are behind it by `topic_next`; `none` where nobody listens.
    pub fn firstOf(self: *const Topics, name: []const u8) u32 {
        return self.topics.items[self.find(name) orelse return none].first;
    }

    fn remove(self: *Topics, index: u32) void {
        const items = self.subscriptions.items;
        const subscription = &items[index];
        const topic = &self.topics.items[subscription.topic];
        if (subscription.topic_next != none) items[subscription.topic_next].topic_before = subscription.topic_before;
        if (subscription.topic_before != none) {
            items[subscription.topic_before].topic_next = subscription.topic_next;
        } else {
            assert(topic.first == index);
            topic.first = subscription.topic_next;
        }
        // A topic is there as long as somebody listens.
        if (topic.first == none and !topic.is_kept) self.drop(subscription.topic);
        self.subscriptions.release(index);
    }

    fn bucketOf(self: *const Topics, name: []const u8) *u32 {
        return &self.buckets[@as(usize, @truncate(std.hash.Wyhash.hash(self.seed, name))) & (self.buckets.len - 1)];
    }

    fn find(self: *const Topics, name: []const u8) ?u32 {
        var index = self.bucketOf(name).*;
        while (index != none) : (index = self.topics.items[index].next) {
            if (std.mem.eql(u8, self.topics.items[index].nameOf(), name)) return index;
        }
        return null;
    }

    fn add(self: *Topics, name: []const u8) error{TooManyTopics}!u32 {
        const index = self.topics.acquire() orelse return error.TooManyTopics;
        const bucket = self.bucketOf(name);
        const topic = &self.topics.items[index];
        topic.next = bucket.*;
        topic.first = none;
        topic.is_kept = false;
        topic.name_len = @intCast(name.len);
        @memcpy(topic.name[0..name.len], name);
        bucket.* = index;
        return index;
    }

    fn drop(self: *Topics, index: u32) void {
        var link = self.bucketOf(self.topics.items[index].nameOf());
        while (link.* != index) link = &self.topics.items[link.*].next;
        link.* = self.topics.items[index].next;
        self.topics.release(index);
    }
};

test "topics have exactly those who joined and did not leave" {
    const slots_max = 20;
    const names = [_][]const u8{ "a", "room:1", "room:2", "/ws/:id", "x" ** name_bytes_max };
    var topics: Topics = try .init(.{ .topics = names.len, .subscriptions = 60 });
    defer topics.deinit();
    var lists: [slots_max]u32 = @splat(none);
    var expected: [slots_max][names.len]bool = @splat(@splat(false));
    var prng: std.Random.DefaultPrng = .init(1);
    const random = prng.random();
    var refused: usize = 0;
    for (0..20_000) |_| {
        const slot = random.uintLessThan(u32, slots_max);
        const topic = random.uintLessThan(usize, names.len);
        switch (random.uintLessThan(u8, 10)) {
            0...5 => {
                if (topics.subscribe(&lists[slot], slot, names[topic], .{})) {
                    expected[slot][topic] = true;
                } else |err| {
                    try std.testing.expectEqual(error.TooManySubscriptions, err);
                    refused += 1;
                }
            },
            6...8 => {
                topics.unsubscribe(&lists[slot], names[topic]);
                expected[slot][topic] = false;
            },
            else => {
                topics.unsubscribeAll(&lists[slot]);
                expected[slot] = @splat(false);
            },
        }
        var sum: u32 = 0;
        var topics_used: u32 = 0;
        for (names, 0..) |name, i| {
            var found: [slots_max]bool = @splat(false);
            var index = topics.firstOf(name);
            if (index != none) topics_used += 1;
            while (index != none) : (index = topics.subscriptions.items[index].topic_next) {
                const who = topics.subscriptions.items[index].slot;
                try std.testing.expect(!found[who]);
                found[who] = true;
                sum += 1;
            }
            for (found, expected) |is_found, of_slot| try std.testing.expectEqual(of_slot[i], is_found);
        }
        try std.testing.expectEqual(topics.subscriptions.used, sum);
        try std.testing.expectEqual(topics.topics.used, topics_used);
    }
    try std.testing.expect(refused > 0);
}

test "a topic beyond the table is refused, and its place is free again when the last one leaves" {
    var topics: Topics = try .init(.{ .topics = 2, .subscriptions = 10 });
    defer topics.deinit();
    var list: u32 = none;
    try topics.subscribe(&list, 0, "a", .{});
    try topics.subscribe(&list, 0, "b", .{});
    try std.testing.expectError(error.TooManyTopics, topics.subscribe(&list, 0, "c", .{}));
    topics.unsubscribe(&list, "a");
    try topics.subscribe(&list, 0, "c", .{});
    try std.testing.expectError(error.TopicTooLong, topics.subscribe(&list, 0, "n" ** (name_bytes_max + 1), .{}));
    // The rest is reserved.
    try std.testing.expectError(error.TooManySubscriptions, topics.subscribe(&list, 0, "d", .{ .reserved = 8 }));
    // What it has already it may ask for again.
    try topics.subscribe(&list, 0, "c", .{ .count_max = 2 });
    try std.testing.expectError(error.TooManySubscriptions, topics.subscribe(&list, 0, "d", .{ .count_max = 2 }));
    topics.unsubscribeAll(&list);
    try std.testing.expectEqual(@as(u32, 0), topics.topics.used + topics.subscriptions.used);
}

test "a kept topic has its place whether anybody listens or not, and every topic is found by another seed" {
    var topics: Topics = try .init(.{ .topics = 4, .subscriptions = 10 });
    defer topics.deinit();
    try topics.keep("/ws/:id");
    try topics.keep("/ws/:id");
    try std.testing.expectEqual(@as(u32, 1), topics.kept);
    var list: u32 = none;
    for ([_][]const u8{ "a", "b", "c" }) |name| try topics.subscribe(&list, 7, name, .{});
    for (0..10) |seed| {
        topics.reseed(seed);
        for ([_][]const u8{ "a", "b", "c" }) |name| try std.testing.expect(topics.firstOf(name) != none);
        try std.testing.expectEqual(@as(u32, none), topics.firstOf("/ws/:id"));
        try topics.subscribe(&list, 7, "/ws/:id", .{});
        topics.unsubscribe(&list, "/ws/:id");
    }
    try std.testing.expectError(error.TooManyTopics, topics.keep("/other"));
    topics.unsubscribeAll(&list);
    try std.testing.expectEqual(@as(u32, 1), topics.topics.used);
    try std.testing.expectError(error.TopicTooLong, topics.keep("n" ** (name_bytes_max + 1)));
}
