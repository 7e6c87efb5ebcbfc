const std = @import("std");
const router_of = @import("router.zig");
const http = @import("http.zig");
const mutate = @import("mutate.zig");
const testing = std.testing;

const Router = router_of.Router(u32, .{ .routes_max = 64, .nodes_max = 128 });

fn routerOf(routes: []const struct { router_of.Method, []const u8 }) !Router {
    var router: Router = .{};
    for (routes, 0..) |route, n| try router.add(route[0], route[1], @intCast(n));
    return router;
}

/// The handler and the params as `name=value&`, or what was said instead.
fn textOf(router: *const Router, method: http.Method, path: []const u8, buffer: []u8) ![]const u8 {
    var scratch: [256]u8 = undefined;
    var writer: std.Io.Writer = .fixed(buffer);
    var params: router_of.Params = .{};
    switch (router.match(method, path, scratch[0..path.len], &params) catch |err| {
        try writer.print("{t}", .{err});
        return writer.buffered();
    }) {
        .found => |handler| {
            try writer.print("{d}", .{handler});
            for (params.slice()) |param| try writer.print(" {s}={s}", .{ param.name, param.value });
        },
        .not_allowed => |allow| {
            var allowed: [router_of.Allow.text_bytes_max]u8 = undefined;
            try writer.print("405 {s}", .{allow.text(&allowed)});
        },
        .not_found => try writer.writeAll("404"),
    }
    return writer.buffered();
}

test "text_beats_a_param_and_a_param_beats_a_wildcard" {
    const router = try routerOf(&.{
        .{ .get, "/" },
        .{ .get, "/users" },
        .{ .get, "/users/me" },
        .{ .get, "/users/:id" },
        .{ .post, "/users/:id" },
        .{ .get, "/users/:id/posts/:post" },
        .{ .get, "/users/*rest" },
        .{ .get, "/users/me/posts" },
        .{ .any, "/any/*path" },
        .{ .get, "/dir/" },
    });
    const Case = struct { http.Method, []const u8, []const u8 };
    for ([_]Case{
        .{ .get, "/", "0" },
        .{ .get, "/users", "1" },
        .{ .get, "/users/me", "2" },
        .{ .get, "/users/7", "3 id=7" },
        .{ .get, "/users/mee", "3 id=mee" },
        .{ .get, "/users/7/posts/8", "5 id=7 post=8" },
        .{ .get, "/users/me/posts", "7" },
        // Text that leads nowhere gives way.
        .{ .get, "/users/me/posts/8", "5 id=me post=8" },
        .{ .get, "/users/me/other/8", "6 rest=me/other/8" },
        .{ .get, "/users/", "6 rest=" },
        .{ .get, "/users//", "6 rest=/" },
        .{ .get, "/users/7/", "6 rest=7/" },
        // And text without the method gives way to a param that has it.
        .{ .post, "/users/me", "4 id=me" },
        .{ .head, "/users/me", "2" },
        .{ .delete, "/any/a/b", "8 path=a/b" },
        .{ .other, "/any/", "8 path=" },
        .{ .get, "/dir/", "9" },
        .{ .get, "/dir", "404" },
        .{ .get, "/any", "404" },
        .{ .get, "/Users", "404" },
        .{ .get, "", "404" },
        .{ .get, "users", "404" },
        .{ .get, "//", "404" },
        .{ .put, "/users/7", "405 GET, HEAD, POST, OPTIONS" },
        .{ .options, "/users", "405 GET, HEAD, OPTIONS" },
        .{ .other, "/users", "405 GET, HEAD, OPTIONS" },
        .{ .post, "/nowhere", "404" },
    }) |case| {
        var buffer: [300]u8 = undefined;
        errdefer std.debug.print("{t} {s}\n", .{ case[0], case[1] });
        try testing.expectEqualStrings(case[2], try textOf(&router, case[0], case[1], &buffer));
    }
}

test "a_route_of_its_own_beats_get_for_head_and_that_of_every_method" {
    const router = try routerOf(&.{ .{ .any, "/a" }, .{ .get, "/a" }, .{ .head, "/a" }, .{ .options, "/a" } });
    var buffer: [100]u8 = undefined;
    try testing.expectEqualStrings("2", try textOf(&router, .head, "/a", &buffer));
    try testing.expectEqualStrings("1", try textOf(&router, .get, "/a", &buffer));
    try testing.expectEqualStrings("3", try textOf(&router, .options, "/a", &buffer));
    try testing.expectEqualStrings("0", try textOf(&router, .other, "/a", &buffer));
}

test "escapes_are_decoded_after_the_path_was_split" {
    const router = try routerOf(&.{ .{ .get, "/caf\xc3\xa9" }, .{ .get, "/p/:a/:b" }, .{ .get, "/w/*rest" }, .{ .get, "/a+b" } });
    const Case = struct { []const u8, []const u8 };
    for ([_]Case{
        .{ "/caf%C3%A9", "0" },
        .{ "/c%61f%c3%a9", "0" },
        .{ "/p/x%2Fy/z", "1 a=x/y b=z" },
        .{ "/p/%20/+", "1 a=  b=+" },
        .{ "/p/%25/%2525", "1 a=% b=%25" },
        .{ "/p%2Fx/z", "404" },
        .{ "/w/a%2Fb/c%20d/", "2 rest=a/b/c d/" },
        .{ "/w/", "2 rest=" },
        .{ "/w/../%2e%2e", "2 rest=../.." },
        .{ "/a%2bb", "3" },
        .{ "/a%20b", "404" },
        .{ "/p/%/z", "InvalidEscape" },
        .{ "/p/%4/z", "InvalidEscape" },
        .{ "/p/%4", "InvalidEscape" },
        .{ "/p/%zz/z", "InvalidEscape" },
        .{ "/p/%00/z", "InvalidEscape" },
        .{ "/nowhere/%", "InvalidEscape" },
    }) |case| {
        var buffer: [100]u8 = undefined;
        errdefer std.debug.print("{s}\n", .{case[0]});
        try testing.expectEqualStrings(case[1], try textOf(&router, .get, case[0], &buffer));
    }
}

test "what_is_no_route_is_told_at_registration" {
    const Case = struct { []const u8, router_of.RegisterError };
    for ([_]Case{
        .{ "", error.InvalidPattern },
        .{ "a", error.InvalidPattern },
        .{ "/a//b", error.InvalidPattern },
        .{ "/a%20b", error.InvalidPattern },
        .{ "/a?b", error.InvalidPattern },
        .{ "/a b", error.InvalidPattern },
        .{ "/a\n", error.InvalidPattern },
        .{ "/:", error.InvalidParam },
        .{ "/*", error.InvalidParam },
        .{ "/:a/:a", error.InvalidParam },
        .{ "/:a/*a", error.InvalidParam },
        .{ "/*a/b", error.WildcardNotLast },
        .{ "/*a/", error.WildcardNotLast },
        .{ "/taken", error.RouteConflict },
        .{ "/users/:id", error.RouteConflict },
        .{ "/users/:name", error.ParamNameConflict },
        .{ "/users/:name/posts", error.ParamNameConflict },
        .{ "/files/*other", error.ParamNameConflict },
        .{ "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q", error.TooManyParams },
        .{ "/a" ** router_of.segments_max, error.TooManySegments },
    }) |case| {
        var router = try routerOf(&.{ .{ .get, "/taken" }, .{ .get, "/users/:id" }, .{ .get, "/files/*path" } });
        errdefer std.debug.print("{s}\n", .{case[0]});
        try testing.expectError(case[1], router.add(.get, case[0], 9));
        // Another method at the same place is no conflict.
        if (case[1] == error.RouteConflict) try router.add(.post, case[0], 9);
    }
}

test "an_array_that_is_full_is_told_and_the_routes_before_it_hold" {
    var router: router_of.Router(u32, .{ .routes_max = 2, .nodes_max = 8 }) = .{};
    try router.add(.get, "/a", 0);
    try router.add(.post, "/a", 1);
    try testing.expectError(error.TooManyRoutes, router.add(.put, "/a", 2));
    var small: router_of.Router(u32, .{ .routes_max = 8, .nodes_max = 3 }) = .{};
    try small.add(.get, "/a/b", 0);
    try testing.expectError(error.TooManyRoutes, small.add(.get, "/c", 1));
    var params: router_of.Params = .{};
    try testing.expectEqual(0, (try small.match(.get, "/a/b", "", &params)).found);
}

test "a_path_with_more_segments_than_are_looked_at_matches_wildcards_only" {
    const router = try routerOf(&.{ .{ .get, "/deep/*rest" }, .{ .get, "/x/:a" } });
    const deep = "/deep" ++ "/a" ** 300;
    var scratch: [deep.len]u8 = undefined;
    var params: router_of.Params = .{};
    try testing.expect(try router.match(.get, deep, &scratch, &params) == .found);
    try testing.expectEqualStrings(deep["/deep/".len..], params.get("rest").?);
    try testing.expectEqual(.not_found, try router.match(.get, "/x" ++ "/a" ** 300, &scratch, &params));
    try testing.expectEqual(0, params.slice().len);
    // As many segments as are looked at: each of them counts.
    const whole = "/deep" ++ "/%61" ** (router_of.segments_max - 1);
    var room: [whole.len]u8 = undefined;
    try testing.expect(try router.match(.get, whole, &room, &params) == .found);
    try testing.expectEqualStrings("a" ++ "/a" ** (router_of.segments_max - 2), params.items[0].value);
}

test "allow_names_every_method_within_its_buffer" {
    var allow: router_of.Allow = .{ .methods = .initFull() };
    var buffer: [router_of.Allow.text_bytes_max]u8 = undefined;
    try testing.expectEqualStrings("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT, TRACE", allow.text(&buffer));
}

/// The rules by words: of all routes that fit, the one that is first at the first segment in which they differ.
fn oracle(routes: []const []const u8, path: []const u8) ?usize {
    var best: ?usize = null;
    for (routes, 0..) |route, n| {
        if (!fits(route, path)) continue;
        if (best == null or beats(route, routes[best.?])) best = n;
    }
    return best;
}

fn fits(route: []const u8, path: []const u8) bool {
    var wanted = std.mem.splitScalar(u8, route[1..], '/');
    var given = std.mem.splitScalar(u8, path[1..], '/');
    while (wanted.next()) |segment| {
        const part = given.next() orelse return false;
        if (segment.len > 0 and segment[0] == '*') return true;
        if (segment.len > 0 and segment[0] == ':') {
            if (part.len == 0) return false;
        } else if (!std.mem.eql(u8, segment, part)) return false;
    }
    return given.next() == null;
}

fn beats(a: []const u8, b: []const u8) bool {
    var ours = std.mem.splitScalar(u8, a[1..], '/');
    var theirs = std.mem.splitScalar(u8, b[1..], '/');
    while (ours.next()) |mine| {
        const other = theirs.next() orelse return false;
        if (rank(mine) != rank(other)) return rank(mine) < rank(other);
    }
    return false;
}

fn rank(segment: []const u8) u8 {
    if (segment.len == 0) return 0;
    return switch (segment[0]) {
        ':' => 1,
        '*' => 2,
        else => 0,
    };
}

test "random_routes_match_as_the_rules_say_in_every_order_of_registration" {
    var mutator: mutate.Mutator = .init(11, &.{});
    const segments = [_][]const u8{ "a", "b", ":p", ":p", "*w", "" };
    const parts = [_][]const u8{ "a", "b", "c", "" };
    var hits: usize = 0;
    for (0..2_000) |_| {
        var texts: [12][32]u8 = undefined;
        var routes: [12][]const u8 = undefined;
        var count: usize = 0;
        var router: Router = .{};
        for (&texts) |*text| {
            var len: usize = 0;
            for (0..1 + mutator.below(3)) |depth| {
                const segment = segments[mutator.below(segments.len)];
                len += (try std.fmt.bufPrint(text[len..], "/{s}", .{segment})).len;
                // A name is used once in a route.
                if (segment.len == 2 and segment[0] == ':') {
                    text[len] = '0' + @as(u8, @intCast(depth));
                    len += 1;
                }
                if (segment.len == 0 or segment[0] == '*') break;
            }
            router.add(.get, text[0..len], @intCast(count)) catch continue;
            routes[count] = text[0..len];
            count += 1;
        }
        for (0..30) |_| {
            var path: [32]u8 = undefined;
            var len: usize = 0;
            for (0..1 + mutator.below(3)) |_| len += (try std.fmt.bufPrint(path[len..], "/{s}", .{parts[mutator.below(parts.len)]})).len;
            var scratch: [32]u8 = undefined;
            const expected = oracle(routes[0..count], path[0..len]);
            var params: router_of.Params = .{};
            switch (try router.match(.get, path[0..len], &scratch, &params)) {
                .found => |handler| {
                    try testing.expectEqual(expected.?, handler);
                    hits += 1;
                },
                else => try testing.expectEqual(null, expected),
            }
        }
    }
    try testing.expect(hits > 10_000);
}

fn check(path: []const u8, _: [2]usize) !bool {
    const router = try routerOf(&.{ .{ .get, "/a/:b/c" }, .{ .get, "/a/*rest" }, .{ .post, "/:x/:y/:z" } });
    const scratch = try mutate.allocator.alloc(u8, path.len);
    defer mutate.allocator.free(scratch);
    var params: router_of.Params = .{};
    const match = router.match(.get, path, scratch, &params) catch return false;
    if (match != .found) return false;
    // Params are parts of the path, in its order.
    var params_bytes: usize = 0;
    for (params.slice()) |param| params_bytes += param.value.len;
    try testing.expect(params_bytes < path.len);
    return true;
}

pub const target: mutate.Target = .{
    .name = "paths",
    .originals = &.{ "/a/b/c", "/a/%41/%42/", "/a/" ++ "/x" ** 80 },
    .words = &.{ "%2F", "%", "%4", "%00", "/", "//", "/a/" },
    .check = check,
};

test "mutated_paths_stay_within_their_bounds" {
    try target.run(12, 50_000);
}
