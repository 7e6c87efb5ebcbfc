//! Answers of DNS until their time is over: a table of fixed size, in which a new name takes the place of one that is over,
//! or else of the one that is over soonest among a few.

const std = @import("std");
const message = @import("message.zig");

/// Places that a name may have. One look goes over all of them.
const ways = 8;

pub const Key = struct {
    name: []const u8,
    type: message.Type,
};

/// `capacity` names at most, a power of two from 8 on.
pub fn Cache(comptime capacity: usize) type {
    comptime std.debug.assert(std.math.isPowerOfTwo(capacity) and capacity >= ways);
    return struct {
        const Self = @This();

        entries: [capacity]Entry = @splat(.{}),
        /// Against names chosen to land in the same places. A random number, drawn at the start.
        seed: u64 = 0,

        const Entry = struct {
            name: [message.name_bytes_max]u8 = undefined,
            name_len: u8 = 0,
            type: message.Type = .a,
            expires_ms: u64 = 0,
            answer: message.Answer = .{},

            fn is(entry: *const Entry, key: Key) bool {
                return entry.name_len == key.name.len and entry.type == key.type and
                    std.ascii.eqlIgnoreCase(entry.name[0..entry.name_len], key.name);
            }
        };

        /// The answer, which holds until the next `put`, or null where there is none or its time is over.
        pub fn get(cache: *const Self, key: Key, now_ms: u64) ?*const message.Answer {
            if (key.name.len == 0 or key.name.len > message.name_bytes_max) return null;
            for (cache.entries[cache.setOf(key)..][0..ways]) |*entry| {
                if (entry.is(key)) return if (now_ms < entry.expires_ms) &entry.answer else null;
            }
            return null;
        }

        /// Keeps an answer for as long as it says.
        pub fn put(cache: *Self, key: Key, answer: *const message.Answer, now_ms: u64) void {
            if (key.name.len == 0 or key.name.len > message.name_bytes_max) return;
            const set = cache.entries[cache.setOf(key)..][0..ways];
            var place = &set[0];
            for (set) |*entry| {
                if (entry.is(key)) {
                    place = entry;
                    break;
                }
                if (entry.expires_ms < place.expires_ms) place = entry;
            }
            @memcpy(place.name[0..key.name.len], key.name);
            place.name_len = @intCast(key.name.len);
            place.type = key.type;
            place.expires_ms = now_ms +| @as(u64, answer.ttl_seconds) * std.time.ms_per_s;
            place.answer = answer.*;
        }

        fn setOf(cache: *const Self, key: Key) usize {
            var lower: [message.name_bytes_max]u8 = undefined;
            const name = std.ascii.lowerString(&lower, key.name);
            const hash = std.hash.Wyhash.hash(cache.seed +% @intFromEnum(key.type), name);
            return @as(usize, @intCast(hash % (capacity / ways))) * ways;
        }
    };
}

test {
    _ = @import("cache_test.zig");
}
