const std = @import("std");
const router_of = @import("router.zig");
test "x" {
    var router: router_of.Router(u32, .{}) = .{};
    try router.add(.get, "/a/:b", 1);
    var scratch: [100]u8 = undefined;
    const m = try router.match(.get, "/a/c", &scratch);
    try std.testing.expectEqual(1, m.found.handler);
}
