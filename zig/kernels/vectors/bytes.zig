//! Vectors of i8, and of bits. Their sums are exact in every order, so none is stated: LLVM widens, multiplies and adds pairs in whatever
//! way the CPU is good at. rust/kernels/vectors/integers.rs and bits.rs are the twins.

const builtin = @import("builtin");

const vectors = @import("../vectors.zig");
const Batch = vectors.Batch;
const Metric = vectors.Metric;

/// Elements whose sum surely fits an i32: a squared difference is 255^2 at most.
const chunk = 1 << 15;

/// i8 that are multiplied side by side.
const lanes = 64;

pub fn scoreI8(batch: *const Batch, scores: [*]f32) callconv(.c) void {
    switch (batch.metric) {
        inline else => |metric| all(metric, batch, scores),
    }
}

fn all(comptime metric: Metric, batch: *const Batch, scores: [*]f32) void {
    const query: [*]const i8 = @ptrCast(batch.query);
    const rows: [*]const i8 = @ptrCast(batch.rows);
    const query_squares = if (metric == .cosine) sums(.norm, query, query, batch.dim)[0] else 0;
    for (0..batch.count) |row| {
        const sum, const squares = sums(metric, query, rows + row * batch.stride, batch.dim);
        scores[row] = switch (metric) {
            .dot => @floatFromInt(sum),
            .cosine => cosine(sum, query_squares, squares),
            .l2, .norm => @floatCast(@sqrt(@as(f64, @floatFromInt(sum)))),
        };
    }
}

/// What the metric sums, and for cosines the candidate's squares.
inline fn sums(comptime metric: Metric, query: [*]const i8, candidate: [*]const i8, dim: usize) [2]i64 {
    var sum: i64 = 0;
    var squares: i64 = 0;
    var from: usize = 0;
    while (from < dim) : (from += chunk) {
        const to = @min(from + chunk, dim);
        const whole = to - (to - from) % lanes;
        var lane_sums: Pairs = @splat(0);
        var lane_squares: Pairs = @splat(0);
        var at = from;
        while (at < whole) : (at += lanes) {
            const q: Wide = @as(@Vector(lanes, i8), query[at..][0..lanes].*);
            const c: Wide = @as(@Vector(lanes, i8), candidate[at..][0..lanes].*);
            lane_sums += switch (metric) {
                .dot, .cosine => pairs(q, c),
                .l2 => pairs(q - c, q - c),
                .norm => pairs(c, c),
            };
            if (metric == .cosine) lane_squares += pairs(c, c);
        }
        sum += @reduce(.Add, lane_sums);
        if (metric == .cosine) squares += @reduce(.Add, lane_squares);
        while (at < to) : (at += 1) {
            const q: i32 = query[at];
            const c: i32 = candidate[at];
            sum += term(metric, q, c);
            if (metric == .cosine) squares += c * c;
        }
    }
    return .{ sum, squares };
}

const Wide = @Vector(lanes, i16);
const Pairs = @Vector(lanes / 2, i32);

/// The products, each added to its neighbour: one instruction in x86.
inline fn pairs(a: Wide, b: Wide) Pairs {
    const products = @as(@Vector(lanes, i32), a) * @as(@Vector(lanes, i32), b);
    const lane = comptime std.simd.iota(i32, lanes / 2);
    const even = comptime lane * @as(@Vector(lanes / 2, i32), @splat(2));
    const odd = comptime even + @as(@Vector(lanes / 2, i32), @splat(1));
    return @shuffle(i32, products, undefined, even) + @shuffle(i32, products, undefined, odd);
}

inline fn term(comptime metric: Metric, q: anytype, c: @TypeOf(q)) @TypeOf(q) {
    return switch (metric) {
        .dot, .cosine => q * c,
        .l2 => (q - c) * (q - c),
        .norm => c * c,
    };
}

/// A zero vector makes it 0. Never beyond 1: the root is within an f64's rounding of the true one, far less than one of an f32.
inline fn cosine(dot: i64, query_squares: i64, squares: i64) f32 {
    if (query_squares == 0 or squares == 0) return 0;
    const q: f64 = @floatFromInt(query_squares);
    const c: f64 = @floatFromInt(squares);
    return @floatCast(@as(f64, @floatFromInt(dot)) / @sqrt(q * c));
}

/// Asks ahead for rows as the kernels of floats do: of 1,024 bytes in memory they took 9 tenths of the time.
pub fn hamming(batch: *const Batch, distances: [*]u32) callconv(.c) void {
    const query: [*]const u8 = @ptrCast(batch.query);
    const rows: [*]const u8 = @ptrCast(batch.rows);
    const ahead = vectors.distance(u8, batch);
    for (0..batch.count) |row| {
        const candidate = rows + row * batch.stride;
        var line: usize = 0;
        while (line < batch.dim) : (line += 64) vectors.ask(candidate, ahead + line);
        distances[row] = differing(query, candidate, batch.dim);
    }
}

/// Words of a register.
const register_words = if (builtin.cpu.arch != .x86_64)
    2
else if (builtin.cpu.has(.x86, .avx512bw))
    8
else if (builtin.cpu.has(.x86, .avx2))
    4
else
    2;
const Register = @Vector(register_words, u64);
const register_bytes = 8 * register_words;

/// Of four registers one is counted, by the carry-save adders of Muła, Kurz and Lemire ("Faster Population Counts Using AVX2
/// Instructions", 2018).
inline fn differing(query: [*]const u8, candidate: [*]const u8, dim: usize) u32 {
    var at: usize = 0;
    var counts: Register = @splat(0);
    // A group alone is counted as quickly by itself.
    if (dim >= 2 * 4 * register_bytes) {
        var ones: Register = @splat(0);
        var twos: Register = @splat(0);
        var fours: Register = @splat(0);
        while (at + 4 * register_bytes <= dim) : (at += 4 * register_bytes) {
            var bits: [4]Register = undefined;
            inline for (&bits, 0..) |*register, n| {
                register.* = differingWords(register_words, query + at + n * register_bytes, candidate + at + n * register_bytes);
            }
            const more = addBits(&ones, bits[0], bits[1]);
            const still_more = addBits(&ones, bits[2], bits[3]);
            fours += @popCount(addBits(&twos, more, still_more));
        }
        counts = @popCount(ones) + (@as(Register, @popCount(twos)) << @splat(1)) + (fours << @splat(2));
    }
    while (at + register_bytes <= dim) : (at += register_bytes) {
        counts += @popCount(differingWords(register_words, query + at, candidate + at));
    }
    var count: u32 = @intCast(@reduce(.Add, counts));
    if (register_words > 4 and at + 32 <= dim) {
        count += @intCast(@reduce(.Add, @as(@Vector(4, u64), @popCount(differingWords(4, query + at, candidate + at)))));
        at += 32;
    }
    while (at + 8 <= dim) : (at += 8) count += @popCount(differingWords(1, query + at, candidate + at)[0]);
    while (at < dim) : (at += 1) count += @popCount(query[at] ^ candidate[at]);
    return count;
}

/// Adds two bits to those of `sum` in each place, and returns the carry.
inline fn addBits(sum: *Register, a: Register, b: Register) Register {
    // LLVM would make two instructions of what one truth table says.
    const carry = if (register_words == 8 and builtin.zig_backend == .stage2_llvm) asm ("vpternlogq $0xe8, %[b], %[a], %[carry]"
        : [carry] "=v" (-> Register),
        : [sum] "0" (sum.*),
          [a] "v" (a),
          [b] "v" (b),
    ) else (a & b) | (sum.* & (a | b));
    sum.* = sum.* ^ a ^ b;
    return carry;
}

/// Which bits differ in the next words.
inline fn differingWords(comptime count: usize, query: [*]const u8, candidate: [*]const u8) @Vector(count, u64) {
    const q: @Vector(count, u64) = @bitCast(query[0 .. 8 * count].*);
    const c: @Vector(count, u64) = @bitCast(candidate[0 .. 8 * count].*);
    return q ^ c;
}

const std = @import("std");

/// Rows of 131 elements, 133 apart.
fn batchOf(query: *const anyopaque, rows: *const anyopaque, dim: usize, metric: Metric) Batch {
    return .{
        .query = query,
        .rows = rows,
        .norms = null,
        .dim = dim,
        .stride = 133,
        .count = 3,
        .query_norm = 0,
        .metric = metric,
    };
}

test "scores of i8 are those of the definition" {
    var query: [131]i8 = undefined;
    var rows: [3 * 133]i8 = undefined;
    for (&query, 0..) |*element, at| element.* = @truncate(@as(i64, @intCast(at * 37)));
    for (&rows, 0..) |*element, at| element.* = @truncate(@as(i64, @intCast(at * 59 + 128)));
    for ([_]usize{ 0, 1, 63, 64, 65, 128, 131 }) |dim| {
        inline for (.{ Metric.dot, Metric.l2, Metric.norm }) |metric| {
            var scores: [3]f32 = undefined;
            scoreI8(&batchOf(&query, &rows, dim, metric), &scores);
            for (scores, 0..) |found, row| {
                var sum: i64 = 0;
                for (query[0..dim], rows[row * 133 ..][0..dim]) |q, c| sum += term(metric, @as(i32, q), @as(i32, c));
                const exact: f64 = @floatFromInt(sum);
                try std.testing.expectEqual(@as(f32, @floatCast(if (metric == .dot) exact else @sqrt(exact))), found);
            }
        }
    }
}

test "the most negative of many elements don't overflow" {
    const len = 3 * chunk + 7;
    const query: [len]i8 = @splat(-128);
    const candidate: [len]i8 = @splat(127);
    var batch = batchOf(&query, &candidate, len, .l2);
    batch.stride = len;
    batch.count = 1;
    var score: [1]f32 = undefined;
    scoreI8(&batch, &score);
    try std.testing.expectEqual(@as(f32, @floatCast(@sqrt(@as(f64, 255 * 255 * len)))), score[0]);
}

test "each bit counts once, alone and among others" {
    const zeros: [529]u8 = @splat(0);
    for ([_]usize{ 1, 7, 8, 9, 63, 64, 65, 131, 300, 529 }) |dim| {
        var rows: [3 * 529]u8 = @splat(0);
        var batch = batchOf(&zeros, &rows, dim, .dot);
        batch.stride = 529;
        var distances: [3]u32 = undefined;
        for (0..dim * 8) |bit| {
            rows[529 + bit / 8] = @as(u8, 1) << @intCast(bit % 8);
            hamming(&batch, &distances);
            try std.testing.expectEqual([3]u32{ 0, 1, 0 }, distances);
            rows[529 + bit / 8] = 0;
        }
        for (0..dim * 8) |bit| {
            rows[529 + bit / 8] |= @as(u8, 1) << @intCast(bit % 8);
            hamming(&batch, &distances);
            try std.testing.expectEqual([3]u32{ 0, @intCast(bit + 1), 0 }, distances);
        }
    }
}
