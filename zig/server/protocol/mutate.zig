//! Hostile bytes from honest ones, for tests and for `zig build fuzz`: a seed gives the same ones each time.

const std = @import("std");

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
