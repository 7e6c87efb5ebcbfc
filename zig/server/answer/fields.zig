//! The fields that are added to an answer: by middleware and handlers while they run, kept for as long as a request waits, and
//! brought by who answers it. Names and values are looked at when the answer's head is written (`protocol/http/response.zig`): one
//! that could end its line makes it a 500.

const std = @import("std");
const response = @import("../protocol/http.zig").response;

pub const Field = struct { name: []const u8, value: []const u8 };

/// As many as a request may have, and as much as a large set of cookies takes.
pub const count_max = 100;
pub const bytes_max = 16 * 1024;

pub const Error = error{TooManyFields};

/// Those of the request at hand, as copies: middleware may set some long before the answer.
pub const Fields = struct {
    entries: [count_max]struct { name: u16, name_len: u16, value: u16, value_len: u16 } = undefined,
    len: u16 = 0,
    bytes: [bytes_max]u8 = undefined,
    bytes_len: u16 = 0,

    pub fn clear(fields: *Fields) void {
        fields.len = 0;
        fields.bytes_len = 0;
    }

    pub fn add(fields: *Fields, name: []const u8, value: []const u8) Error!void {
        if (fields.len == count_max or name.len + value.len > bytes_max - fields.bytes_len) return error.TooManyFields;
        const start = fields.bytes_len;
        @memcpy(fields.bytes[start..][0..name.len], name);
        @memcpy(fields.bytes[start + name.len ..][0..value.len], value);
        fields.bytes_len += @intCast(name.len + value.len);
        fields.entries[fields.len] = .{
            .name = start,
            .name_len = @intCast(name.len),
            .value = @intCast(start + name.len),
            .value_len = @intCast(value.len),
        };
        fields.len += 1;
    }

    /// Those that are there now.
    pub const Mark = struct { len: u16, bytes_len: u16 };

    pub fn mark(fields: *const Fields) Mark {
        return .{ .len = fields.len, .bytes_len = fields.bytes_len };
    }

    /// Without those that were added since.
    pub fn backTo(fields: *Fields, earlier: Mark) void {
        std.debug.assert(earlier.len <= fields.len and earlier.bytes_len <= fields.bytes_len);
        fields.len = earlier.len;
        fields.bytes_len = earlier.bytes_len;
    }

    pub fn at(fields: *const Fields, index: usize) Field {
        const entry = fields.entries[index];
        return .{ .name = fields.bytes[entry.name..][0..entry.name_len], .value = fields.bytes[entry.value..][0..entry.value_len] };
    }

    pub fn write(fields: *const Fields, writer: *response.Writer) void {
        for (0..fields.len) |index| {
            const field = fields.at(index);
            writer.field(field.name, field.value);
        }
    }

    /// What they take in a head.
    pub fn writtenBytes(fields: *const Fields) usize {
        return fields.bytes_len + fields.len * ": \r\n".len;
    }

    /// What `pack` fills.
    pub fn packedBytes(fields: *const Fields) usize {
        return fields.bytes_len + fields.len * prefix_bytes;
    }

    pub fn pack(fields: *const Fields, into: []u8) void {
        var end: usize = 0;
        for (0..fields.len) |index| end += packOne(into[end..], fields.at(index));
        std.debug.assert(end == into.len);
    }

    /// Those that somebody packed, behind the ones that are there.
    pub fn addPacked(fields: *Fields, bytes: []const u8) Error!void {
        var rest = bytes;
        while (rest.len > 0) {
            const name_len = std.mem.readInt(u16, rest[0..2], .little);
            const value_len = std.mem.readInt(u16, rest[2..4], .little);
            const name = rest[prefix_bytes..][0..name_len];
            try fields.add(name, rest[prefix_bytes + name_len ..][0..value_len]);
            rest = rest[prefix_bytes + name_len + value_len ..];
        }
    }
};

/// A field as bytes: the lengths of its name and its value, of 16 bits each, and both.
const prefix_bytes = 4;

pub fn packedBytesOf(field: Field) Error!usize {
    if (field.name.len + field.value.len > bytes_max) return error.TooManyFields;
    return prefix_bytes + field.name.len + field.value.len;
}

/// Its length is known to be within bounds. Says how many bytes it took.
pub fn packOne(into: []u8, field: Field) usize {
    const len = packedBytesOf(field) catch unreachable;
    std.mem.writeInt(u16, into[0..2], @intCast(field.name.len), .little);
    std.mem.writeInt(u16, into[2..4], @intCast(field.value.len), .little);
    @memcpy(into[prefix_bytes..][0..field.name.len], field.name);
    @memcpy(into[prefix_bytes + field.name.len .. len], field.value);
    return len;
}

test "fields that are packed come back behind those that are there, and no more than there is room for" {
    var fields: Fields = .{};
    try fields.add("A", "1");
    try fields.add("Empty", "");
    try fields.add("C", "x" ** 300);
    var buffer: [400]u8 = undefined;
    const bytes = buffer[0..fields.packedBytes()];
    fields.pack(bytes);
    var others: Fields = .{};
    try others.add("First", "0");
    try others.addPacked(bytes);
    try std.testing.expectEqual(@as(u16, 4), others.len);
    const expected = [_]Field{ .{ .name = "First", .value = "0" }, .{ .name = "A", .value = "1" }, .{ .name = "Empty", .value = "" } };
    for (expected, 0..) |field, i| {
        try std.testing.expectEqualStrings(field.name, others.at(i).name);
        try std.testing.expectEqualStrings(field.value, others.at(i).value);
    }
    try std.testing.expectEqual(@as(usize, 300), others.at(3).value.len);
    for (0..count_max - 4) |_| try others.add("a", "b");
    try std.testing.expectError(error.TooManyFields, others.addPacked(bytes));
    try std.testing.expectError(error.TooManyFields, packedBytesOf(.{ .name = "a", .value = &@as([bytes_max]u8, @splat('x')) }));
}
