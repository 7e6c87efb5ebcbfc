//! Hostile bytes from honest ones, for tests and for `zig build fuzz`: a seed gives the same ones each time.

const std = @import("std");

/// For copies of inputs, each of exactly their length. The one of `std.testing` writes down who allocated: a tenth as many
/// inputs a second.
pub const allocator = std.heap.smp_allocator;

pub const Mutator = struct {
    prng: std.Random.DefaultPrng,
    /// Pieces of the grammar, which single bytes seldom hit upon.
    words: []const []const u8 = &.{},

    pub fn init(seed: u64, words: []const []const u8) Mutator {
        return .{ .prng = .init(seed), .words = words };
    }

    pub fn below(mutator: *Mutator, limit: usize) usize {
        return mutator.prng.random().uintLessThan(usize, limit);
    }

    /// Two places within so many bytes, in order.
    pub fn twoCuts(mutator: *Mutator, len: usize) [2]usize {
        const one = mutator.below(len + 1);
        const other = mutator.below(len + 1);
        return .{ @min(one, other), @max(one, other) };
    }

    /// Writes a mutated copy of `original` into `buffer`, cut to what fits.
    pub fn mutate(mutator: *Mutator, original: []const u8, buffer: []u8) []u8 {
        var len = @min(original.len, buffer.len);
        @memcpy(buffer[0..len], original[0..len]);
        const change_count = mutator.below(4);
        for (0..change_count) |_| len = mutator.change(buffer, len);
        return buffer[0..len];
    }

    fn change(mutator: *Mutator, buffer: []u8, len: usize) usize {
        const random = mutator.prng.random();
        const at = mutator.below(len + 1);
        switch (mutator.below(7)) {
            0 => if (at < len) {
                buffer[at] = random.int(u8);
            },
            1 => if (at < len) {
                buffer[at] ^= @as(u8, 1) << random.int(u3);
            },
            2 => return at,
            3 => if (at < len) {
                const gone = @min(1 + mutator.below(8), len - at);
                std.mem.copyForwards(u8, buffer[at .. len - gone], buffer[at + gone .. len]);
                return len - gone;
            },
            4 => return insert(buffer, len, at, &.{random.int(u8)}),
            5 => if (mutator.words.len > 0) {
                return insert(buffer, len, at, mutator.words[mutator.below(mutator.words.len)]);
            },
            else => if (at < len) {
                // A piece of itself, twice.
                var piece: [16]u8 = undefined;
                const piece_bytes = @min(1 + mutator.below(16), len - at);
                @memcpy(piece[0..piece_bytes], buffer[at..][0..piece_bytes]);
                return insert(buffer, len, mutator.below(len + 1), piece[0..piece_bytes]);
            },
        }
        return len;
    }

    fn insert(buffer: []u8, len: usize, at: usize, piece: []const u8) usize {
        if (len + piece.len > buffer.len) return len;
        std.mem.copyBackwards(u8, buffer[at + piece.len .. len + piece.len], buffer[at..len]);
        @memcpy(buffer[at..][0..piece.len], piece);
        return len + piece.len;
    }
};

/// A parser under hostile bytes: in the tests for some thousand inputs, in `zig build fuzz` for as long as one likes.
pub const Target = struct {
    name: []const u8,
    /// What is mutated.
    originals: []const []const u8,
    words: []const []const u8,
    /// Fails where something doesn't hold that always does, as that the input ends the same whole and cut in three pieces.
    /// Tells whether the input was taken.
    check: *const fn (input: []const u8, cuts: [2]usize) anyerror!bool,

    pub const input_bytes_max = 1024;

    /// One input, made of the mutator's next numbers.
    pub fn once(target: *const Target, mutator: *Mutator) !bool {
        var buffer: [input_bytes_max]u8 = undefined;
        const input = mutator.mutate(target.originals[mutator.below(target.originals.len)], &buffer);
        return target.check(input, mutator.twoCuts(input.len));
    }

    /// So many inputs. Some must have been taken and some refused: otherwise half of the parser wasn't reached.
    pub fn run(target: *const Target, seed: u64, count: usize) !void {
        var mutator: Mutator = .init(seed, target.words);
        var taken: usize = 0;
        for (0..count) |round| {
            errdefer std.debug.print("{s}: input {d} of seed {d}\n", .{ target.name, round, seed });
            taken += @intFromBool(try target.once(&mutator));
        }
        try std.testing.expect(taken > count / 40 and count - taken > count / 40);
    }
};

test "a_seed_gives_the_same_bytes_and_not_those_of_another" {
    var buffers: [3][64]u8 = undefined;
    var differing: usize = 0;
    var one: Mutator = .init(1, &.{"word"});
    var same: Mutator = .init(1, &.{"word"});
    var other: Mutator = .init(2, &.{"word"});
    for (0..200) |_| {
        const first = one.mutate("an honest message", &buffers[0]);
        try std.testing.expectEqualSlices(u8, first, same.mutate("an honest message", &buffers[1]));
        if (!std.mem.eql(u8, first, other.mutate("an honest message", &buffers[2]))) differing += 1;
    }
    try std.testing.expect(differing > 100);
}
