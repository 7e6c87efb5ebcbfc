//! Who is told of what the kernel did: a table of callbacks, under names that say whose turn of an entry they are. What
//! completes late for an entry's last owner has its old name, and is discarded and counted.
//!
//! ```
//! const id = try registry.register(gpu, onCqe);
//! io.poll(fd, mask, registry.userData(id, .socket_poll));
//! ```

const std = @import("std");
const assert = std.debug.assert;
const io_of = @import("../io.zig");
const Event = io_of.Event;
const UserData = io_of.UserData;

pub const IORegistry = struct {
    entries: []Entry,
    /// The free ones from the front.
    free: []u24,
    free_len: usize,
    discarded: u64 = 0,

    pub const OnCqe = *const fn (ptr: *anyopaque, event: *const Event) void;

    /// The name of one registration.
    pub const Id = struct { index: u24, generation: u32 };

    const Entry = struct {
        ptr: *anyopaque = undefined,
        on_cqe: ?OnCqe = null,
        /// Odd while it is taken, so that no name of a free entry is right.
        generation: u32 = 0,
    };

    pub fn init(allocator: std.mem.Allocator, capacity: u24) error{OutOfMemory}!IORegistry {
        const entries = try allocator.alloc(Entry, capacity);
        errdefer allocator.free(entries);
        @memset(entries, .{});
        const free = try allocator.alloc(u24, capacity);
        for (free, 0..) |*entry, i| entry.* = @intCast(capacity - 1 - i);
        return .{ .entries = entries, .free = free, .free_len = capacity };
    }

    pub fn deinit(registry: *IORegistry, allocator: std.mem.Allocator) void {
        allocator.free(registry.entries);
        allocator.free(registry.free);
        registry.* = undefined;
    }

    /// `on_cqe` runs on the loop's thread for every event under the name.
    pub fn register(registry: *IORegistry, ptr: *anyopaque, on_cqe: OnCqe) error{RegistryFull}!Id {
        if (registry.free_len == 0) return error.RegistryFull;
        registry.free_len -= 1;
        const index = registry.free[registry.free_len];
        const entry = &registry.entries[index];
        assert(entry.on_cqe == null);
        entry.ptr = ptr;
        entry.on_cqe = on_cqe;
        entry.generation +%= 1;
        assert(entry.generation & 1 == 1);
        return .{ .index = index, .generation = entry.generation };
    }

    /// Whatever still completes under the name is discarded.
    pub fn unregister(registry: *IORegistry, id: Id) void {
        const entry = &registry.entries[id.index];
        assert(entry.generation == id.generation);
        entry.on_cqe = null;
        entry.generation +%= 1;
        registry.free[registry.free_len] = id.index;
        registry.free_len += 1;
    }

    /// The name of an operation of the registration.
    pub fn userData(_: *const IORegistry, id: Id, operation: io_of.Operation) UserData {
        return .{ .index = id.index, .operation = operation, .generation = id.generation };
    }

    pub fn dispatch(registry: *IORegistry, event: *const Event) void {
        const data = event.user_data;
        assert(data.index < registry.entries.len);
        const entry = &registry.entries[data.index];
        if (entry.generation != data.generation) {
            registry.discarded += 1;
            return;
        }
        entry.on_cqe.?(entry.ptr, event);
    }

    pub fn used(registry: *const IORegistry) usize {
        return registry.entries.len - registry.free_len;
    }
};

const Counter = struct {
    sum: i32 = 0,

    fn onCqe(ptr: *anyopaque, event: *const Event) void {
        const counter: *Counter = @ptrCast(@alignCast(ptr));
        counter.sum += event.result;
    }
};

fn eventOf(data: UserData, result: i32) Event {
    return .{ .user_data = data, .result = result, .buffer = null, .more = false };
}

test "an event goes to who asked for it, and a late one to nobody" {
    var registry: IORegistry = try .init(std.testing.allocator, 2);
    defer registry.deinit(std.testing.allocator);
    var first: Counter = .{};
    var second: Counter = .{};
    const id = try registry.register(&first, Counter.onCqe);
    const data = registry.userData(id, .socket_receive);
    registry.dispatch(&eventOf(data, 1));
    registry.unregister(id);
    registry.dispatch(&eventOf(data, 10));
    // The next one has the same entry, under another name.
    const next = try registry.register(&second, Counter.onCqe);
    try std.testing.expectEqual(id.index, next.index);
    registry.dispatch(&eventOf(data, 100));
    registry.dispatch(&eventOf(registry.userData(next, .socket_send), 1000));
    try std.testing.expectEqual(@as(i32, 1), first.sum);
    try std.testing.expectEqual(@as(i32, 1000), second.sum);
    try std.testing.expectEqual(@as(u64, 2), registry.discarded);
}

test "a full registry says so" {
    var registry: IORegistry = try .init(std.testing.allocator, 1);
    defer registry.deinit(std.testing.allocator);
    var counter: Counter = .{};
    const id = try registry.register(&counter, Counter.onCqe);
    try std.testing.expectError(error.RegistryFull, registry.register(&counter, Counter.onCqe));
    registry.unregister(id);
    try std.testing.expectEqual(@as(usize, 0), registry.used());
    _ = try registry.register(&counter, Counter.onCqe);
}
