//! `/etc/resolv.conf` and `/etc/hosts`, from their bytes. Lines that make no sense are skipped, as libc does; everything is
//! bounded by arrays, and by the bytes that the caller has read.

const std = @import("std");
const Address = @import("message.zig").Address;

/// As many as libc asks (MAXNS).
pub const servers_max = 3;
/// As many as libc of old knew (MAXDNSRCH).
pub const search_max = 6;

pub const Resolv = struct {
    servers: [servers_max]Address = undefined,
    server_count: usize = 0,
    /// Slices of the file.
    search: [search_max][]const u8 = undefined,
    search_count: usize = 0,
    /// resolv.conf(5) has the defaults and the bounds.
    ndots: u8 = 1,
    timeout_seconds: u8 = 5,
    attempts: u8 = 2,

    pub fn serverSlice(resolv: *const Resolv) []const Address {
        return resolv.servers[0..resolv.server_count];
    }

    pub fn searchSlice(resolv: *const Resolv) []const []const u8 {
        return resolv.search[0..resolv.search_count];
    }
};

/// Without a server in it the local one is asked, as libc does.
pub fn parseResolv(file: []const u8) Resolv {
    var resolv: Resolv = .{};
    var lines = std.mem.splitScalar(u8, file, '\n');
    while (lines.next()) |line| {
        if (line.len > 0 and (line[0] == '#' or line[0] == ';')) continue;
        var words = std.mem.tokenizeAny(u8, line, " \t\r");
        const keyword = words.next() orelse continue;
        if (std.mem.eql(u8, keyword, "nameserver")) {
            const address = parseAddress(words.next() orelse continue) orelse continue;
            if (resolv.server_count == servers_max) continue;
            resolv.servers[resolv.server_count] = address;
            resolv.server_count += 1;
        } else if (std.mem.eql(u8, keyword, "search") or std.mem.eql(u8, keyword, "domain")) {
            // The last line counts.
            resolv.search_count = 0;
            while (words.next()) |domain| {
                if (resolv.search_count == search_max) break;
                resolv.search[resolv.search_count] = domain;
                resolv.search_count += 1;
            }
        } else if (std.mem.eql(u8, keyword, "options")) {
            while (words.next()) |option| {
                readOption(option, "ndots:", 0, 15, &resolv.ndots);
                readOption(option, "timeout:", 1, 30, &resolv.timeout_seconds);
                readOption(option, "attempts:", 1, 5, &resolv.attempts);
            }
        }
    }
    if (resolv.server_count == 0) {
        resolv.servers[0] = .{ .ipv4 = .{ 127, 0, 0, 1 } };
        resolv.server_count = 1;
    }
    return resolv;
}

fn readOption(option: []const u8, comptime name: []const u8, least: u8, most: u8, to: *u8) void {
    if (!std.mem.startsWith(u8, option, name)) return;
    const number = std.fmt.parseInt(u32, option[name.len..], 10) catch return;
    to.* = @intCast(std.math.clamp(number, least, most));
}

pub const Family = enum { ipv4, ipv6 };

/// The addresses of a name in a hosts file, written to `out`: as many as it has room for.
pub fn lookupHosts(file: []const u8, name: []const u8, family: Family, out: []Address) []Address {
    const undotted = if (std.mem.endsWith(u8, name, ".")) name[0 .. name.len - 1] else name;
    var count: usize = 0;
    var lines = std.mem.splitScalar(u8, file, '\n');
    while (lines.next()) |line| {
        if (count == out.len) break;
        const shown = line[0 .. std.mem.indexOfScalar(u8, line, '#') orelse line.len];
        var words = std.mem.tokenizeAny(u8, shown, " \t\r");
        const address = parseAddress(words.next() orelse continue) orelse continue;
        if (address == .ipv4 and family != .ipv4) continue;
        if (address == .ipv6 and family != .ipv6) continue;
        while (words.next()) |alias| {
            if (!std.ascii.eqlIgnoreCase(alias, undotted)) continue;
            out[count] = address;
            count += 1;
            break;
        }
    }
    return out[0..count];
}

/// An address as people write it. A zone (`%eth0`) is refused: nothing here could honour it.
pub fn parseAddress(text: []const u8) ?Address {
    if (parseIpv4(text)) |bytes| return .{ .ipv4 = bytes };
    if (parseIpv6(text)) |bytes| return .{ .ipv6 = bytes };
    return null;
}

fn parseIpv4(text: []const u8) ?[4]u8 {
    var bytes: [4]u8 = undefined;
    var parts = std.mem.splitScalar(u8, text, '.');
    for (&bytes) |*byte| {
        const part = parts.next() orelse return null;
        if (part.len == 0 or part.len > 3) return null;
        // "010" is 8 to some and 10 to others.
        if (part.len > 1 and part[0] == '0') return null;
        var number: u16 = 0;
        for (part) |digit| {
            if (digit < '0' or digit > '9') return null;
            number = number * 10 + (digit - '0');
        }
        byte.* = std.math.cast(u8, number) orelse return null;
    }
    return if (parts.next() == null) bytes else null;
}

/// RFC 4291 2.2: groups, one `::`, and the last 32 bits as IPv4 where wanted.
fn parseIpv6(text: []const u8) ?[16]u8 {
    var groups: [8]u16 = @splat(0);
    const gap = std.mem.indexOf(u8, text, "::");
    const head = text[0 .. gap orelse text.len];
    const head_count = parseGroups(head, &groups, if (gap == null) .whole else .head) orelse return null;
    if (gap) |at| {
        var tail: [8]u16 = @splat(0);
        const tail_count = parseGroups(text[at + 2 ..], &tail, .tail) orelse return null;
        // `::` stands for one group at least.
        if (head_count + tail_count > 7) return null;
        @memcpy(groups[8 - tail_count ..], tail[0..tail_count]);
    } else if (head_count != 8) return null;
    var bytes: [16]u8 = undefined;
    for (groups, 0..) |group, n| std.mem.writeInt(u16, bytes[2 * n ..][0..2], group, .big);
    return bytes;
}

/// Which part of an address it is: what is beside `::` may be empty, and IPv4 stands at the end of the whole.
const Part = enum { whole, head, tail };

fn parseGroups(text: []const u8, groups: *[8]u16, place: Part) ?usize {
    if (text.len == 0) return if (place == .whole) null else 0;
    var count: usize = 0;
    var parts = std.mem.splitScalar(u8, text, ':');
    while (parts.next()) |part| {
        if (place != .head and parts.peek() == null and std.mem.indexOfScalar(u8, part, '.') != null) {
            const bytes = parseIpv4(part) orelse return null;
            if (count > 6) return null;
            groups[count] = std.mem.readInt(u16, bytes[0..2], .big);
            groups[count + 1] = std.mem.readInt(u16, bytes[2..4], .big);
            return count + 2;
        }
        if (count == 8 or part.len == 0 or part.len > 4) return null;
        for (part) |digit| if (!std.ascii.isHex(digit)) return null;
        groups[count] = std.fmt.parseInt(u16, part, 16) catch return null;
        count += 1;
    }
    return count;
}

test {
    _ = @import("files_test.zig");
}
