//! A socket's address as the kernel wants it.

const std = @import("std");
const linux = std.os.linux;
const dns = @import("../protocol/dns.zig");

pub const SocketAddress = extern union {
    any: linux.sockaddr,
    in: linux.sockaddr.in,
    in6: linux.sockaddr.in6,

    pub fn init(address: std.Io.net.IpAddress) SocketAddress {
        return switch (address) {
            .ip4 => |ip| .{ .in = .{ .port = std.mem.nativeToBig(u16, ip.port), .addr = @bitCast(ip.bytes) } },
            .ip6 => |ip| .{ .in6 = .{
                .port = std.mem.nativeToBig(u16, ip.port),
                .flowinfo = ip.flow,
                .addr = ip.bytes,
                .scope_id = ip.interface.index,
            } },
        };
    }

    /// What a name stands for, and a port.
    pub fn of(address: dns.Address, to_port: u16) SocketAddress {
        const big = std.mem.nativeToBig(u16, to_port);
        return switch (address) {
            .ipv4 => |bytes| .{ .in = .{ .port = big, .addr = @bitCast(bytes) } },
            .ipv6 => |bytes| .{ .in6 = .{ .port = big, .flowinfo = 0, .addr = bytes, .scope_id = 0 } },
        };
    }

    pub fn len(address: *const SocketAddress) linux.socklen_t {
        return if (address.any.family == linux.AF.INET) @sizeOf(linux.sockaddr.in) else @sizeOf(linux.sockaddr.in6);
    }

    pub fn port(address: *const SocketAddress) u16 {
        // At the same place in both.
        return std.mem.bigToNative(u16, address.in.port);
    }
};

test "both families keep their address and port" {
    const four: SocketAddress = .of(.{ .ipv4 = .{ 192, 0, 2, 1 } }, 53);
    try std.testing.expectEqual(@as(u16, 53), four.port());
    try std.testing.expectEqual([4]u8{ 192, 0, 2, 1 }, @as([4]u8, @bitCast(four.in.addr)));
    try std.testing.expectEqual(@as(linux.socklen_t, 16), four.len());
    const six: SocketAddress = .of(.{ .ipv6 = .{0} ** 15 ++ .{1} }, 6379);
    try std.testing.expectEqual(@as(u16, 6379), six.port());
    try std.testing.expectEqual(@as(u8, 1), six.in6.addr[15]);
    try std.testing.expectEqual(@as(linux.socklen_t, 28), six.len());
}
