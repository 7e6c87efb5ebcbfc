//! The example against a real PostgreSQL and a real Redis. `make test` brings the first one; elsewhere
//! `tests/support/with-services zig build test-server` does.

const std = @import("std");
const linux = std.os.linux;
const pipe = @import("pipe.zig");
const expectEqualStrings = std.testing.expectEqualStrings;

/// Gone with the test, however that ends.
const redis_command =
    \\program=$(command -v redis-server || command -v redis-check-rdb) || exit 1
    \\exec -a redis-server setpriv --pdeathsig KILL bash -c 'exec -a redis-server "$0" "$@"' "$program" \
    \\    --bind 127.0.0.1 --port "$0" --save '' --appendonly no --loglevel warning
;

/// A port that nobody has right now.
fn freePort() !u16 {
    const rc = linux.socket(linux.AF.INET, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, 0);
    if (linux.errno(rc) != .SUCCESS) return error.Unexpected;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var address: linux.sockaddr.in = .{ .port = 0, .addr = @bitCast([4]u8{ 127, 0, 0, 1 }) };
    var len: linux.socklen_t = @sizeOf(linux.sockaddr.in);
    if (linux.errno(linux.bind(fd, @ptrCast(&address), len)) != .SUCCESS) return error.Unexpected;
    if (linux.errno(linux.getsockname(fd, @ptrCast(&address), &len)) != .SUCCESS) return error.Unexpected;
    return std.mem.bigToNative(u16, address.port);
}

fn run(visits: []pipe.Visit) !void {
    pipe.run(std.testing.allocator, std.testing.io, visits) catch |err| switch (err) {
        error.RingDenied, error.KernelTooOld => {
            std.debug.print("skipped: runs where a process may have an io_uring of Linux 6.0 or later\n", .{});
            return error.SkipZigTest;
        },
        else => return err,
    };
}

test "PostgreSQL and Redis answer synchronous libraries on two fibers of one thread" {
    const dsn = std.testing.environ.getPosix("LYGER_TEST_POSTGRES") orelse {
        std.debug.print("skipped: LYGER_TEST_POSTGRES names no PostgreSQL, as it does in tests/support/with-services\n", .{});
        return error.SkipZigTest;
    };
    var port_text: [8]u8 = undefined;
    var url: [64]u8 = undefined;
    const port = try std.fmt.bufPrint(&port_text, "{d}", .{try freePort()});
    const io = std.testing.io;
    // The build runner listens to what this process writes.
    var redis = try std.process.spawn(io, .{
        .argv = &.{ "bash", "-c", redis_command, port },
        .stdin = .ignore,
        .stdout = .ignore,
        .stderr = .ignore,
    });
    defer redis.kill(io);
    const redis_url = try std.fmt.bufPrint(&url, "redis://localhost:{s}", .{port});

    // Redis takes a moment to start; ten seconds on a machine with much to do.
    var visits: [2]pipe.Visit = undefined;
    for (0..100) |_| {
        visits = .{ .{ .url = dsn }, .{ .url = redis_url } };
        try run(&visits);
        if (visits[1].answer) |_| break else |err| if (err != error.ConnectionRefused) return err;
        const moment: linux.timespec = .{ .sec = 0, .nsec = 100 * std.time.ns_per_ms };
        _ = linux.nanosleep(&moment, null);
    }
    try expectEqualStrings("1", try visits[0].answer);
    try expectEqualStrings("PONG", try visits[1].answer);

    // A wrong password is the server's word, and not ours.
    var wrong_buffer: [512]u8 = undefined;
    const at = std.mem.indexOfScalarPos(u8, dsn, 0, '@').?;
    const wrong = try std.fmt.bufPrint(&wrong_buffer, "{s}x{s}", .{ dsn[0..at], dsn[at..] });
    std.testing.log_level = .err;
    visits = .{ .{ .url = wrong }, .{ .url = "redis://127.0.0.1:1" } };
    try run(&visits);
    try std.testing.expectError(error.PostgresError, visits[0].answer);
    try std.testing.expectError(error.ConnectionRefused, visits[1].answer);
}
