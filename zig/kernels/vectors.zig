//! Vectors: one query against many candidates. rust/kernels/vectors/lanes.rs is the same, line by line, and explains the
//! order of the additions and the results of odd inputs.

const std = @import("std");
const builtin = @import("builtin");

const lanes = 32;
const Vector = @Vector(lanes, f32);

/// What every result becomes that is not a number.
const nan_bits: u32 = 0x7fc00000;

/// `lk_vectors` of lyger_kernels.h.
pub const Batch = extern struct {
    query: *const anyopaque,
    rows: *const anyopaque,
    norms: ?[*]const f32,
    dim: usize,
    stride: usize,
    count: usize,
    query_norm: f32,
    metric: Metric,
};

pub const Metric = enum(u32) { dot, cosine, l2, norm };

/// Candidates side by side, and where each needs two sums: what was fastest of 1, 2 and 4. More rows hide more latency, but take
/// registers, and reading from several places at once is slower in memory.
const side_by_side = groups[0];
const paired = groups[1];
const groups: [2]usize = switch (builtin.cpu.arch) {
    .aarch64 => .{ 2, 1 },
    else => .{ 1, 1 },
};

pub fn scoreF32(batch: *const Batch, scores: [*]f32) callconv(.c) void {
    score(f32, batch, scores);
}

pub fn scoreF16(batch: *const Batch, scores: [*]f32) callconv(.c) void {
    score(f16, batch, scores);
}

pub fn scoreBf16(batch: *const Batch, scores: [*]f32) callconv(.c) void {
    score(Bf16, batch, scores);
}

/// The upper half of an f32.
const Bf16 = enum(u16) { _ };

/// Whether the CPU widens an f16. Where it doesn't, LLVM would call a library for each.
const has_f16 = switch (builtin.cpu.arch) {
    .x86_64 => builtin.cpu.has(.x86, .f16c),
    .aarch64 => true,
    else => false,
};

inline fn score(comptime E: type, batch: *const Batch, scores: [*]f32) void {
    switch (batch.metric) {
        .dot => all(E, .dot, false, side_by_side, batch, scores),
        .l2 => all(E, .l2, false, side_by_side, batch, scores),
        .norm => all(E, .norm, false, side_by_side, batch, scores),
        .cosine => if (batch.norms == null)
            all(E, .cosine, true, paired, batch, scores)
        else
            all(E, .cosine, false, side_by_side, batch, scores),
    }
}

fn all(
    comptime E: type,
    comptime metric: Metric,
    comptime squares: bool,
    comptime rows: usize,
    batch: *const Batch,
    scores: [*]f32,
) void {
    var row: usize = 0;
    const ahead = distance(E, batch);
    // A copy: of the caller's batch LLVM has to believe that storing a score may change it, and reads all of it again for each candidate.
    // In cache that was a seventh of the time of a dot, a tenth of a cosine's.
    const own = batch.*;
    while (row + rows <= own.count) : (row += rows) group(E, metric, squares, rows, &own, row, ahead, scores);
    while (row < own.count) : (row += 1) group(E, metric, squares, 1, &own, row, ahead, scores);
}

/// How many bytes before it is needed a candidate's element is asked for; 0 where what lies there isn't wanted. lanes.rs says why.
pub inline fn distance(comptime E: type, batch: *const Batch) usize {
    const gap = (batch.stride - batch.dim) *| @sizeOf(E);
    return if (batch.count > 1 and gap < 64) 4096 else 0;
}

/// Asks for what lies `ahead` bytes behind. Only where it has been measured.
pub inline fn ask(from: anytype, ahead: usize) void {
    if (builtin.cpu.arch == .x86_64) @prefetch(@as(*const u8, @ptrFromInt(@intFromPtr(from) +% ahead)), .{});
}

/// Scores `rows` candidates from `first` on.
inline fn group(
    comptime E: type,
    comptime metric: Metric,
    comptime with_squares: bool,
    comptime rows: usize,
    batch: *const Batch,
    first: usize,
    ahead: usize,
    scores: [*]f32,
) void {
    @setEvalBranchQuota(10_000);
    const query: [*]const E = @ptrCast(@alignCast(batch.query));
    const all_rows: [*]const E = @ptrCast(@alignCast(batch.rows));
    const candidates = all_rows + first * batch.stride;
    const tail = batch.dim % lanes;
    const whole = batch.dim - tail;
    var sums: [rows]Vector = @splat(@splat(0));
    var squares: [rows]Vector = @splat(@splat(0));
    var at: usize = 0;
    while (at < whole) : (at += lanes) {
        const q = if (metric == .norm) undefined else load(E, query + at);
        inline for (0..rows) |row| {
            const from = candidates + row * batch.stride + at;
            inline for (0..@sizeOf([lanes]E) / 64) |line| ask(from, ahead + 64 * line);
            const candidate = load(E, from);
            add(metric, with_squares, &sums[row], &squares[row], q, candidate);
        }
    }
    if (tail > 0) {
        const q = if (metric == .norm) undefined else last(E, query, batch.dim, tail);
        inline for (0..rows) |row| {
            const candidate = last(E, candidates + row * batch.stride, batch.dim, tail);
            add(metric, with_squares, &sums[row], &squares[row], q, candidate);
        }
    }
    inline for (0..rows) |row| {
        const sum = join(sums[row]);
        const result = switch (metric) {
            .dot => sum,
            .cosine => cosine(sum, batch.query_norm, if (with_squares) @sqrt(join(squares[row])) else batch.norms.?[first + row]),
            .l2, .norm => @sqrt(sum),
        };
        scores[first + row] = canonical(result, inRegister(nan_bits));
    }
}

/// One NaN for all, `inRegister(nan_bits)`. Asked of the bits: LLVM takes `if (isNan(x)) nan else x` for x where that is a square root.
///
/// The constant stays in a register. LLVM would load it under a mask that is nearly always zero (`vmovss nan(%rip), %xmm0 {%k1}`); and as long as
/// nothing else has touched its page, a CPU may take 200 ns to find that nothing is wanted of it: seven times a candidate of 768 floats.
inline fn canonical(value: f32, nan: u32) f32 {
    const bits: u32 = @bitCast(value);
    return @bitCast(if (bits & 0x7fffffff > 0x7f800000) nan else bits);
}

/// The same number, whose value LLVM doesn't know.
inline fn inRegister(number: u32) u32 {
    return asm (""
        : [same] "=r" (-> u32),
        : [number] "0" (number),
    );
}

inline fn load(comptime E: type, from: [*]const E) Vector {
    if (E == f32 or (E == f16 and has_f16)) {
        const block: @Vector(lanes, E) = from[0..lanes].*;
        return block;
    }
    const block: @Vector(lanes, u16) = @bitCast(@as(*align(2) const [2 * lanes]u8, @ptrCast(from)).*);
    return if (E == Bf16) @bitCast(@as(Words, block) << @splat(16)) else widen(block);
}

const Words = @Vector(lanes, u32);

/// The f16 of these bits; a NaN may become another one.
inline fn widen(bits: @Vector(lanes, u16)) Vector {
    const shifted = @as(Words, bits & @as(@Vector(lanes, u16), @splat(0x7fff))) << @splat(13);
    const exponent = shifted & @as(Words, @splat(0x0f800000));
    const normal = shifted + @as(Words, @splat(112 << 23));
    const infinite = shifted | @as(Words, @splat(0x7f800000));
    // A subnormal's digits below those of 2^-14, which is taken away again.
    const digits: Vector = @bitCast(shifted | @as(Words, @splat(113 << 23)));
    const subnormal: Words = @bitCast(digits - @as(Vector, @bitCast(@as(Words, @splat(113 << 23)))));
    const finite = @select(u32, exponent == @as(Words, @splat(0)), subnormal, normal);
    const magnitude = @select(u32, exponent == @as(Words, @splat(0x0f800000)), infinite, finite);
    return @bitCast(magnitude | @as(Words, bits & @as(@Vector(lanes, u16), @splat(0x8000))) << @splat(16));
}

/// The last `tail` of `dim` elements in the last lanes, behind zeros.
inline fn last(comptime E: type, from: [*]const E, dim: usize, tail: usize) Vector {
    const counted = lanes - tail;
    if (dim >= lanes) {
        const block = load(E, from + (dim - lanes));
        const lane = std.simd.iota(u32, lanes);
        const is_tail = lane >= @as(@Vector(lanes, u32), @splat(@intCast(counted)));
        return @select(f32, is_tail, block, @as(Vector, @splat(0)));
    }
    var block: [lanes]E = @splat(if (E == Bf16) @enumFromInt(0) else 0);
    for (0..tail) |element| block[counted + element] = from[element];
    return load(E, &block);
}

inline fn add(
    comptime metric: Metric,
    comptime with_squares: bool,
    sums: *Vector,
    squares: *Vector,
    query: Vector,
    candidate: Vector,
) void {
    sums.* += switch (metric) {
        .dot, .cosine => query * candidate,
        .l2 => (query - candidate) * (query - candidate),
        .norm => candidate * candidate,
    };
    if (with_squares) squares.* += candidate * candidate;
}

inline fn join(sums: Vector) f32 {
    const sixteen = half(16, sums);
    const eight = half(8, sixteen);
    const four = half(4, eight);
    const two = half(2, four);
    return two[0] + two[1];
}

/// The first `count` lanes plus the others.
inline fn half(comptime count: usize, sums: @Vector(2 * count, f32)) @Vector(count, f32) {
    const lane = comptime std.simd.iota(i32, count);
    const others = comptime lane + @as(@Vector(count, i32), @splat(count));
    return @shuffle(f32, sums, undefined, lane) + @shuffle(f32, sums, undefined, others);
}

/// A norm of 0 makes it 0, unless something isn't a number. Never -0, which a quotient too small for an f32 would be.
inline fn cosine(dot: f32, query_norm: f32, norm: f32) f32 {
    if ((query_norm == 0 or norm == 0) and !std.math.isNan(dot)) return 0;
    const quotient = dot / (query_norm * norm);
    // Written so that NaN stays.
    if (quotient > 1) return 1;
    if (quotient < -1) return -1;
    return quotient + 0.0;
}

/// Divides a vector by its norm, unless that is 0.
pub fn normalize(vector: [*]f32, dim: usize) callconv(.c) void {
    const batch: Batch = .{
        .query = vector,
        .rows = vector,
        .norms = null,
        .dim = dim,
        .stride = dim,
        .count = 1,
        .query_norm = 0,
        .metric = .norm,
    };
    var norm: [1]f32 = undefined;
    group(f32, .norm, false, 1, &batch, 0, 0, &norm);
    if (norm[0] == 0) return;
    const divisor = norm[0];
    const nan = inRegister(nan_bits);
    const nans: @Vector(lanes, u32) = @splat(nan);
    const divisors: Vector = @splat(divisor);
    // Blocks by hand: of the loop over elements LLVM makes no vectors, and it took five times as long.
    var at: usize = 0;
    while (dim - at >= lanes) : (at += lanes) {
        const quotients = load(f32, vector + at) / divisors;
        const bits: @Vector(lanes, u32) = @bitCast(quotients);
        const kept = @select(u32, quotients == quotients, bits, nans);
        vector[at..][0..lanes].* = @as(Vector, @bitCast(kept));
    }
    for (vector[at..dim]) |*element| element.* = canonical(element.* / divisor, nan);
}

test "each f16 widens to its number" {
    for (0..1 << 16) |bits| {
        const number: f16 = @bitCast(@as(u16, @intCast(bits)));
        const widened = widen(@splat(@intCast(bits)))[7];
        if (std.math.isNan(number)) {
            try std.testing.expect(std.math.isNan(widened));
        } else {
            try std.testing.expectEqual(@as(u32, @bitCast(@as(f32, number))), @as(u32, @bitCast(widened)));
        }
    }
}

test "scores are those of the definition" {
    var query: [100]f32 = undefined;
    var rows: [7 * 103]f32 = undefined;
    for (&query, 0..) |*element, at| element.* = @floatFromInt(@as(i32, @intCast(at % 13)) - 6);
    for (&rows, 0..) |*element, at| element.* = @floatFromInt(@as(i32, @intCast(at % 17)) - 8);
    for ([_]usize{ 0, 1, 31, 32, 33, 64, 100 }) |dim| {
        var batch: Batch = .{
            .query = &query,
            .rows = &rows,
            .norms = null,
            .dim = dim,
            .stride = 103,
            .count = 7,
            .query_norm = 0,
            .metric = .dot,
        };
        // Integers this small are exact in every order.
        var scores: [7]f32 = undefined;
        scoreF32(&batch, &scores);
        for (scores, 0..) |found, row| {
            var sum: f32 = 0;
            for (query[0..dim], rows[row * 103 ..][0..dim]) |q, c| sum += q * c;
            try std.testing.expectEqual(sum, found);
        }
        batch.metric = .l2;
        scoreF32(&batch, &scores);
        for (scores, 0..) |found, row| {
            var sum: f32 = 0;
            for (query[0..dim], rows[row * 103 ..][0..dim]) |q, c| sum += (q - c) * (q - c);
            try std.testing.expectEqual(@sqrt(sum), found);
        }
    }
}

test "a zero vector stays zero, and others get the norm 1" {
    var zero: [40]f32 = @splat(0);
    normalize(&zero, zero.len);
    try std.testing.expectEqual(@as([40]f32, @splat(0)), zero);
    var four: [4]f32 = .{ 2, 2, -2, 2 };
    normalize(&four, four.len);
    try std.testing.expectEqual([4]f32{ 0.5, 0.5, -0.5, 0.5 }, four);
}
