//! Builds what of Lyger is written in Zig. `zig build --list-steps` shows the steps; cargo runs `kernels` and
//! `front` from build.rs when the features `zig-kernels` and `zig-server` are on.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const steps = .{
        .kernels = b.step("kernels", "The static library liblyger_kernels.a and its header"),
        .front = b.step("front", "The static library liblyger_server.a: the server as a front of Lyger's"),
        .server = b.step("server", "The server's programs: echo, room-battle, simulator"),
        .@"run-echo" = b.step("run-echo", "Runs the echo server: zig build run-echo -- --port 8080"),
        .@"run-pipe" = b.step("run-pipe", "PostgreSQL and Redis on fibers: zig build run-pipe -- --redis redis://127.0.0.1:6379"),
        .@"run-room-battle" = b.step("run-room-battle", "Runs the example of rooms, tasks and broadcasts: zig build run-room-battle -- --port 8080"),
        .simulate = b.step("simulate", "The server under simulated faults: -Dseed=N is one run, -Dseeds=COUNT that many from there on"),
        .@"test" = b.step("test", "The tests of kernels, protocols and server, in Debug and in ReleaseSafe"),
        .@"test-kernels" = b.step("test-kernels", "Those of the kernels"),
        .@"test-server" = b.step("test-server", "Those of the server"),
        .@"test-protocol" = b.step("test-protocol", "Those of the protocols"),
        .fuzz = b.step("fuzz", "The protocols' parsers under mutated inputs: -Dfuzz-seconds=N for each, -Dfuzz-seed=N to repeat"),
    };
    const target = b.standardTargetOptions(.{});
    const options: Options = .{
        .checked = b.option(bool, "checked", "Add a variant that traps on overflow and wrong indexes, for tests") orelse false,
        .fuzz_seconds = b.option(u32, "fuzz-seconds", "How long each parser is fuzzed; 0 only for what --fuzz guides") orelse 10,
        .fuzz_seed = b.option(u64, "fuzz-seed", "The seed of the mutations; a new one each time without it"),
        // By the name under which packages that depend on this one pass it.
        .optimize = b.option(std.builtin.OptimizeMode, "optimize", "How the server is built; safety checks stay on by default") orelse .ReleaseSafe,
        .cares = b.option(bool, "cares", "Test names by c-ares; where its header is, without this"),
        .seed = b.option(u64, "seed", "The first seed of the simulator") orelse 1,
        .seeds = b.option(u64, "seeds", "How many seeds the simulator runs") orelse 1,
    };

    buildKernels(b, steps.kernels, target, options);
    buildTests(b, steps.@"test-kernels", target);
    buildProtocol(b, steps.@"test-protocol", steps.fuzz, target, options);
    buildServer(b, steps, target, options);
    buildFront(b, steps.front, target);
    steps.@"test".dependOn(steps.@"test-kernels");
    steps.@"test".dependOn(steps.@"test-protocol");
    steps.@"test".dependOn(steps.@"test-server");
}

const Options = struct {
    checked: bool,
    fuzz_seconds: u32,
    fuzz_seed: ?u64,
    optimize: std.builtin.OptimizeMode,
    cares: ?bool,
    seed: u64,
    seeds: u64,
};

/// One implementation of all kernels: an object of its own, whose symbols end in the suffix.
const Variant = struct {
    suffix: []const u8,
    model: ?*const std.Target.Cpu.Model = null,
    optimize: std.builtin.OptimizeMode = .ReleaseFast,
};

const x86_64_variants = [_]Variant{
    .{ .suffix = "v2", .model = &std.Target.x86.cpu.x86_64_v2 },
    .{ .suffix = "v3", .model = &std.Target.x86.cpu.x86_64_v3 },
    .{ .suffix = "v4", .model = &std.Target.x86.cpu.x86_64_v4 },
};

/// Of the same features as the baseline, which has them on every target of Zig's, but with instructions of its own.
const aarch64_variants = [_]Variant{
    .{ .suffix = "neon" },
};

fn buildKernels(b: *std.Build, step: *std.Build.Step, target: std.Build.ResolvedTarget, options: Options) void {
    const library = b.addLibrary(.{
        .linkage = .static,
        .name = "lyger_kernels",
        .root_module = b.createModule(moduleOptions(target, .ReleaseFast)),
    });
    // Rust's standard library brings both.
    library.bundle_compiler_rt = false;
    library.bundle_ubsan_rt = false;

    addVariant(b, library, target, .{ .suffix = "baseline" });
    if (options.checked) addVariant(b, library, target, .{ .suffix = "checked", .optimize = .ReleaseSafe });
    const variants: []const Variant = switch (target.result.cpu.arch) {
        .x86_64 => &x86_64_variants,
        .aarch64 => &aarch64_variants,
        else => &.{},
    };
    for (variants) |variant| addVariant(b, library, target, variant);

    step.dependOn(&b.addInstallArtifact(library, .{}).step);
    step.dependOn(&b.addInstallHeaderFile(b.path("zig/kernels/lyger_kernels.h"), "lyger_kernels.h").step);
}

fn addVariant(b: *std.Build, library: *std.Build.Step.Compile, base: std.Build.ResolvedTarget, variant: Variant) void {
    var query = base.query;
    // The baseline is what the target guarantees, whatever this machine has.
    query.cpu_model = if (variant.model) |model| .{ .explicit = model } else .baseline;
    if (base.result.cpu.arch == .x86_64) {
        // Registers of 512 bits are what v4 is for.
        query.cpu_features_sub.addFeature(@intFromEnum(std.Target.x86.Feature.prefer_256_bit));
    }
    const object = b.addObject(.{
        .name = b.fmt("lyger_kernels_{s}", .{variant.suffix}),
        .root_module = kernelModule(b, b.resolveTargetQuery(query), variant.optimize, variant.suffix),
    });
    object.bundle_compiler_rt = false;
    object.bundle_ubsan_rt = false;
    library.root_module.addObject(object);
}

fn buildTests(b: *std.Build, step: *std.Build.Step, target: std.Build.ResolvedTarget) void {
    for ([_]std.builtin.OptimizeMode{ .Debug, .ReleaseSafe }) |optimize| {
        const tests = b.addTest(.{
            .name = b.fmt("kernels-{s}", .{@tagName(optimize)}),
            .root_module = kernelModule(b, target, optimize, "test"),
        });
        step.dependOn(&b.addRunArtifact(tests).step);
    }
}

fn buildProtocol(
    b: *std.Build,
    tests: *std.Build.Step,
    fuzz: *std.Build.Step,
    target: std.Build.ResolvedTarget,
    options: Options,
) void {
    for ([_]std.builtin.OptimizeMode{ .Debug, .ReleaseSafe }) |optimize| {
        const unit = b.addTest(.{
            .name = b.fmt("protocol-{s}", .{@tagName(optimize)}),
            .root_module = b.createModule(.{ .root_source_file = b.path("zig/server/protocol.zig"), .target = target, .optimize = optimize }),
        });
        tests.dependOn(&b.addRunArtifact(unit).step);
    }

    const config = b.addOptions();
    config.addOption(u32, "seconds", options.fuzz_seconds);
    config.addOption(?u64, "seed", options.fuzz_seed);
    const fuzzer = b.addTest(.{
        .name = "protocol-fuzz",
        // Not the units of the files that it imports.
        .filters = &.{"fuzz.test."},
        .root_module = b.createModule(.{
            .root_source_file = b.path("zig/server/protocol/fuzz.zig"),
            .target = target,
            .optimize = .ReleaseSafe,
        }),
    });
    fuzzer.root_module.addOptions("config", config);
    if (options.fuzz_seconds == 0) {
        // The build runner guides it: --fuzz.
        fuzz.dependOn(&b.addRunArtifact(fuzzer).step);
        return;
    }
    // As a program of its own, whose lines a person sees as they come.
    const run = std.Build.Step.Run.create(b, "protocol-fuzz");
    run.addArtifactArg(fuzzer);
    run.stdio = .inherit;
    fuzz.dependOn(&run.step);
}

fn buildServer(b: *std.Build, steps: anytype, target: std.Build.ResolvedTarget, options: Options) void {
    const server = b.addModule("sws", serverModule(b, target, options.optimize));
    const echo = b.addExecutable(.{ .name = "echo", .root_module = b.createModule(.{
        .root_source_file = b.path("zig/server/echo.zig"),
        .target = target,
        .optimize = options.optimize,
        .imports = &.{.{ .name = "sws", .module = server }},
    }) });
    const run_echo = b.addRunArtifact(echo);
    if (b.args) |args| run_echo.addArgs(args);
    steps.@"run-echo".dependOn(&run_echo.step);
    steps.server.dependOn(&b.addInstallArtifact(echo, .{}).step);

    const pipe = b.addExecutable(.{ .name = "pipe", .root_module = exampleModule(b, "zig/server/examples/pipe.zig", target, options.optimize) });
    const run_pipe = b.addRunArtifact(pipe);
    if (b.args) |args| run_pipe.addArgs(args);
    steps.@"run-pipe".dependOn(&run_pipe.step);
    steps.server.dependOn(&b.addInstallArtifact(pipe, .{}).step);
    const pipe_tests = b.addTest(.{ .name = "pipe", .root_module = exampleModule(b, "zig/server/examples/pipe.zig", target, .Debug) });
    const run_pipe_tests = b.addRunArtifact(pipe_tests);
    // Where the servers are is a part of what was tested.
    if (b.graph.environ_map.get("LYGER_TEST_POSTGRES")) |dsn| run_pipe_tests.setEnvironmentVariable("LYGER_TEST_POSTGRES", dsn);
    steps.@"test-server".dependOn(&run_pipe_tests.step);
    steps.@"test-server".dependOn(caresTests(b, target, options.cares));
    const room_battle = b.addExecutable(.{ .name = "room-battle", .root_module = exampleModule(b, "zig/server/examples/room_battle.zig", target, options.optimize) });
    const run_room_battle = b.addRunArtifact(room_battle);
    if (b.args) |args| run_room_battle.addArgs(args);
    steps.@"run-room-battle".dependOn(&run_room_battle.step);
    steps.server.dependOn(&b.addInstallArtifact(room_battle, .{}).step);
    const room_battle_tests = b.addTest(.{ .name = "room-battle", .root_module = exampleModule(b, "zig/server/examples/room_battle.zig", target, .Debug) });
    steps.@"test-server".dependOn(&b.addRunArtifact(room_battle_tests).step);

    var simulator_options = serverModule(b, target, options.optimize);
    simulator_options.root_source_file = b.path("zig/server/simulator.zig");
    // Of Zig's two compilers for Debug the one that takes longer makes the faster program, and a million runs are long.
    const simulator = b.addExecutable(.{ .name = "simulator", .use_llvm = true, .root_module = b.createModule(simulator_options) });
    const run_simulator = b.addRunArtifact(simulator);
    run_simulator.addArgs(&.{ b.fmt("{d}", .{options.seed}), b.fmt("{d}", .{options.seeds}) });
    // Runs again although nothing changed: a person asked for it.
    run_simulator.has_side_effects = true;
    steps.simulate.dependOn(&run_simulator.step);
    steps.server.dependOn(&b.addInstallArtifact(simulator, .{}).step);

    for ([_]std.builtin.OptimizeMode{ .Debug, .ReleaseSafe }) |optimize| {
        const tests = b.addTest(.{
            .name = b.fmt("server-{s}", .{@tagName(optimize)}),
            .root_module = b.createModule(serverModule(b, target, optimize)),
        });
        steps.@"test-server".dependOn(&b.addRunArtifact(tests).step);
    }
}

/// Lives inside a Rust library, as the kernels do. Parses what strangers send, so its checks stay on.
fn buildFront(b: *std.Build, step: *std.Build.Step, target: std.Build.ResolvedTarget) void {
    var options = moduleOptions(target, .ReleaseSafe);
    options.root_source_file = b.path("zig/server/front.zig");
    // Where a check has failed a debugger can tell; cargo strips what it releases.
    options.strip = false;
    options.unwind_tables = .sync;
    const library = b.addLibrary(.{ .linkage = .static, .name = "lyger_server", .root_module = b.createModule(options) });
    library.bundle_compiler_rt = false;
    library.bundle_ubsan_rt = false;
    step.dependOn(&b.addInstallArtifact(library, .{}).step);
}

/// With the system's c-ares, which programs link that use `HttpCaresDns`, and nothing else here. The system has it for
/// its own CPU: tests for another one go without.
fn caresTests(b: *std.Build, target: std.Build.ResolvedTarget, wanted: ?bool) *std.Build.Step {
    const is_there = for ([_][]const u8{ "/usr/include/ares.h", "/usr/local/include/ares.h" }) |path| {
        if (std.Io.Dir.accessAbsolute(b.graph.io, path, .{})) |_| break true else |_| {}
    } else false;
    if (!(wanted orelse (is_there and target.query.isNativeTriple()))) {
        const step = b.allocator.create(std.Build.Step) catch @panic("OOM");
        step.* = .init(.{ .id = .custom, .name = "names by c-ares", .owner = b, .makeFn = sayWithoutCares });
        return step;
    }
    var options = serverModule(b, target, .Debug);
    options.root_source_file = b.path("zig/server/cares_test.zig");
    options.link_libc = true;
    const module = b.createModule(options);
    module.linkSystemLibrary("cares", .{});
    module.addImport("sws", module);
    const tests = b.addTest(.{ .name = "cares", .filters = &.{"cares_test.test."}, .root_module = module });
    return &b.addRunArtifact(tests).step;
}

fn sayWithoutCares(_: *std.Build.Step, _: std.Build.Step.MakeOptions) anyerror!void {
    std.debug.print("skipped: names by c-ares, which libc-ares-dev of this CPU is needed for\n", .{});
}

/// An example, which has the server as a library.
fn exampleModule(b: *std.Build, path: []const u8, target: std.Build.ResolvedTarget, optimize: std.builtin.OptimizeMode) *std.Build.Module {
    return b.createModule(.{
        .root_source_file = b.path(path),
        .target = target,
        .optimize = optimize,
        .imports = &.{.{ .name = "sws", .module = b.createModule(serverModule(b, target, optimize)) }},
    });
}

fn serverModule(b: *std.Build, target: std.Build.ResolvedTarget, optimize: std.builtin.OptimizeMode) std.Build.Module.CreateOptions {
    return .{ .root_source_file = b.path("zig/server/root.zig"), .target = target, .optimize = optimize };
}

fn kernelModule(
    b: *std.Build,
    target: std.Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
    suffix: []const u8,
) *std.Build.Module {
    var options = moduleOptions(target, optimize);
    options.root_source_file = b.path("zig/kernels/root.zig");
    if (std.mem.eql(u8, suffix, "test")) {
        options.strip = false;
        options.stack_check = null;
        options.stack_protector = null;
    }
    const module = b.createModule(options);
    const config = b.addOptions();
    config.addOption([]const u8, "suffix", suffix);
    module.addOptions("config", config);
    return module;
}

/// Code that lives inside a Rust library: position-independent, without a runtime of its own.
fn moduleOptions(target: std.Build.ResolvedTarget, optimize: std.builtin.OptimizeMode) std.Build.Module.CreateOptions {
    return .{
        .target = target,
        .optimize = optimize,
        .pic = true,
        .strip = true,
        .single_threaded = true,
        .link_libc = false,
        .stack_check = false,
        .stack_protector = false,
        .unwind_tables = .none,
    };
}
