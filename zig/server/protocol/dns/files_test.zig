const std = @import("std");
const files = @import("files.zig");
const Address = @import("message.zig").Address;
const mutate = @import("../mutate.zig");
const testing = std.testing;

test "resolv_conf_as_libc_reads_it" {
    const resolv = files.parseResolv(
        \\# a comment
        \\; another
        \\domain old.example
        \\search a.example b.example
        \\nameserver 192.0.2.1
        \\nameserver nonsense
        \\nameserver 2001:db8::1
        \\nameserver fe80::1%eth0
        \\nameserver 192.0.2.3
        \\nameserver 192.0.2.4
        \\options ndots:3 timeout:99 attempts:0 rotate
        \\nonsense
    );
    try testing.expectEqual(3, resolv.server_count);
    try testing.expectEqual([4]u8{ 192, 0, 2, 3 }, resolv.servers[2].ipv4);
    try testing.expectEqual(2, resolv.search_count);
    try testing.expectEqualStrings("b.example", resolv.searchSlice()[1]);
    try testing.expectEqual(3, resolv.ndots);
    try testing.expectEqual(30, resolv.timeout_seconds);
    try testing.expectEqual(1, resolv.attempts);
}

test "without_a_server_the_local_one_is_asked" {
    for ([_][]const u8{ "", "\n\n", "nameserver", "nameserver \nsearch\noptions timeout:x" }) |file| {
        const resolv = files.parseResolv(file);
        try testing.expectEqual(1, resolv.serverSlice().len);
        try testing.expectEqual([4]u8{ 127, 0, 0, 1 }, resolv.servers[0].ipv4);
        try testing.expectEqual(5, resolv.timeout_seconds);
    }
}

test "hosts_are_found_by_every_name_without_case" {
    const file = "127.0.0.1\tlocalhost loop # not-this\r\n::1 localhost\n#192.0.2.9 db\n192.0.2.1 db DB.example\n192.0.2.2   db\nx y db\n";
    var out: [2]Address = undefined;
    try testing.expectEqual([4]u8{ 127, 0, 0, 1 }, files.lookupHosts(file, "LOOP", .ipv4, &out)[0].ipv4);
    try testing.expectEqual(1, files.lookupHosts(file, "localhost", .ipv6, &out).len);
    try testing.expectEqual(1, files.lookupHosts(file, "db.example.", .ipv4, &out).len);
    const both = files.lookupHosts(file, "db", .ipv4, &out);
    try testing.expectEqual(2, both.len);
    try testing.expectEqual([4]u8{ 192, 0, 2, 2 }, both[1].ipv4);
    try testing.expectEqual(1, files.lookupHosts(file, "db", .ipv4, out[0..1]).len);
    for ([_][]const u8{ "not-this", "d", "db.", "" }, [_]usize{ 0, 0, 2, 0 }) |name, count| {
        try testing.expectEqual(count, files.lookupHosts(file, name, .ipv4, &out).len);
    }
}

test "addresses_as_people_write_them" {
    const Good = struct { []const u8, [16]u8 };
    for ([_]Good{
        .{ "::", @splat(0) },
        .{ "::1", .{0} ** 15 ++ .{1} },
        .{ "1::", .{ 0, 1 } ++ .{0} ** 14 },
        .{ "2001:DB8::a:b", .{ 0x20, 1, 0xd, 0xb8 } ++ .{0} ** 8 ++ .{ 0, 0xa, 0, 0xb } },
        .{ "1:2:3:4:5:6:7:8", .{ 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8 } },
        .{ "::ffff:192.0.2.1", .{0} ** 10 ++ .{ 0xff, 0xff, 192, 0, 2, 1 } },
        .{ "1:2:3:4:5:6:1.2.3.4", .{ 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 2, 3, 4 } },
    }) |case| try testing.expectEqual(case[1], files.parseAddress(case[0]).?.ipv6);
    try testing.expectEqual([4]u8{ 255, 0, 9, 10 }, files.parseAddress("255.0.9.10").?.ipv4);
    for ([_][]const u8{
        "",        ".",       "1.2.3", "1.2.3.4.5",         "256.1.1.1",         "01.2.3.4",              "1.2.3.",    "-1.2.3.4", "1.2.3.4 ", ":",       ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1::2::3", "12345::", "g::",   "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "::1%lo",   "+1::",     "::1.2.3",
    }) |text| {
        errdefer std.debug.print("{s}\n", .{text});
        try testing.expectEqual(null, files.parseAddress(text));
    }
}

fn check(file: []const u8, _: [2]usize) !bool {
    const resolv = files.parseResolv(file);
    try testing.expect(resolv.server_count >= 1 and resolv.server_count <= files.servers_max and resolv.ndots <= 15);
    var out: [2]Address = undefined;
    return files.lookupHosts(file, "a", .ipv6, &out).len > 0;
}

pub const target: mutate.Target = .{
    .name = "resolv.conf and hosts",
    .originals = &.{"nameserver 1.2.3.4\nsearch a b\noptions ndots:2\n1::2 a b\n"},
    .words = &.{ "nameserver ::1\n", "search a b c d e f g h\n", "options ndots:9999999999\n", "#", "\x00", "::" },
    .check = check,
};

test "mutated_files_stay_within_their_arrays" {
    try target.run(16, 20_000);
}
