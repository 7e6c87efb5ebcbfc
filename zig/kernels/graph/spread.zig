//! `spread_activation`: what is active passes some of it on along its edges, step by step.
//! rust/kernels/graph/spread.rs is the same, line by line, and says what is promised of a job.

const std = @import("std");
const builtin = @import("builtin");

/// Nodes in a register, which are gone through in a row. Lanes are independent of each other, so this changes no bit.
const width = if (builtin.cpu.arch == .x86_64)
    (if (builtin.cpu.has(.x86, .avx512f)) 16 else if (builtin.cpu.has(.x86, .avx)) 8 else 4)
else
    4;
const Floats = @Vector(width, f32);

const nan: f32 = @bitCast(@as(u32, 0x7fc00000));

/// `lk_spread_job` of lyger_kernels.h.
pub const Job = extern struct {
    offsets: [*]const u32,
    targets: [*]const u32,
    weights: [*]const f32,
    nodes: usize,
    activations: [*]f32,
    scratch: [*]u32,
    steps: u32,
    refractory_steps: u32,
    retention: f32,
    transmission: f32,
    threshold: f32,
    divides: u8,
    levels: u8,
};

pub fn run(job: *const Job) callconv(.c) void {
    const nodes = job.nodes;
    var now: [*]f32 = job.activations;
    var next: [*]f32 = @ptrCast(job.scratch);
    const waits = job.scratch + nodes;
    const rests = job.refractory_steps > 0;
    if (rests) @memset(waits[0..nodes], 0);
    for (0..job.steps) |_| {
        keep(now[0..nodes], next[0..nodes], job.retention);
        if (rests) fire(true, job, now, next, waits) else fire(false, job, now, next, waits);
        if (job.levels != 0) level(next[0..nodes]);
        std.mem.swap([*]f32, &now, &next);
    }
    // An odd number of steps ends in the scratch.
    canonicalize(now[0..nodes], job.activations[0..nodes]);
}

fn keep(now: []const f32, next: []f32, retention: f32) void {
    var node: usize = 0;
    while (now.len - node >= width) : (node += width) {
        const activations: Floats = now[node..][0..width].*;
        next[node..][0..width].* = activations * @as(Floats, @splat(retention));
    }
    while (node < now.len) : (node += 1) next[node] = now[node] * retention;
}

fn fire(comptime rests: bool, given: *const Job, now: [*]const f32, next: [*]f32, waits: [*]u32) void {
    // A copy, which no store to `next` can change.
    const job = given.*;
    for (0..job.nodes) |node| {
        if (rests and waits[node] > 0) {
            waits[node] -= 1;
            continue;
        }
        const activation = now[node];
        // False for NaN.
        if (activation > job.threshold) {
            if (rests) waits[node] = job.refractory_steps;
            const first = job.offsets[node];
            const end = job.offsets[node + 1];
            var sent = activation * job.transmission;
            if (job.divides != 0) sent /= @floatFromInt(end - first);
            var edge: usize = first;
            while (end - edge >= 4) : (edge += 4) {
                inline for (0..4) |n| next[job.targets[edge + n]] += sent * job.weights[edge + n];
            }
            while (edge < end) : (edge += 1) next[job.targets[edge]] += sent * job.weights[edge];
        }
    }
}

/// Divides by the largest of the absolute values when that is above 1 and finite.
fn level(activations: []f32) void {
    var peaks: Floats = @splat(1);
    var node: usize = 0;
    while (activations.len - node >= width) : (node += width) {
        const values = @abs(@as(Floats, activations[node..][0..width].*));
        peaks = @select(f32, values > peaks, values, peaks);
    }
    // No lane is NaN, and the maximum of numbers is the same in whatever order.
    var peak = @reduce(.Max, peaks);
    while (node < activations.len) : (node += 1) {
        const value = @abs(activations[node]);
        if (value > peak) peak = value;
    }
    if (!(peak > 1 and peak < std.math.inf(f32))) return;
    node = 0;
    while (activations.len - node >= width) : (node += width) {
        const values: Floats = activations[node..][0..width].*;
        activations[node..][0..width].* = values / @as(Floats, @splat(peak));
    }
    while (node < activations.len) : (node += 1) activations[node] /= peak;
}

/// The two may be the same.
fn canonicalize(from: []const f32, to: []f32) void {
    var node: usize = 0;
    while (to.len - node >= width) : (node += width) {
        const values: Floats = from[node..][0..width].*;
        to[node..][0..width].* = @select(f32, values != values, @as(Floats, @splat(nan)), values);
    }
    while (node < to.len) : (node += 1) to[node] = if (from[node] != from[node]) nan else from[node];
}

test "activation goes along the edges of its own node" {
    // 0 -> 1, 1 -> {0, 2}, 2 has none.
    const offsets = [_]u32{ 0, 1, 3, 3 };
    const targets = [_]u32{ 1, 0, 2 };
    const weights = [_]f32{ 0.5, 1, 0.25 };
    var activations = [_]f32{ 1, 0, 0 };
    var scratch: [6]u32 = @splat(0xffffffff);
    var job: Job = .{
        .offsets = &offsets,
        .targets = &targets,
        .weights = &weights,
        .nodes = 3,
        .activations = &activations,
        .scratch = &scratch,
        .steps = 2,
        .refractory_steps = 1,
        .retention = 0.5,
        .transmission = 1,
        .threshold = 0.1,
        .divides = 0,
        .levels = 0,
    };
    run(&job);
    // After one step 0.5, 0.5, 0; then node 0 still waits, and 1 fires.
    try std.testing.expectEqual([_]f32{ 0.75, 0.25, 0.125 }, activations);
    job.levels = 1;
    job.steps = 1;
    activations = .{ 8, 0, 0 };
    run(&job);
    try std.testing.expectEqual([_]f32{ 1, 1, 0 }, activations);
}
