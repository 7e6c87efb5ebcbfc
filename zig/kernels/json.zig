//! `json_encode_table`: columns to a list of objects or arrays, or to lines of objects. rust/kernels/json/mod.rs and plan.rs are its twins.
//!
//! A row is begun only when the longest text that it could become, and `slack` bytes more, fit. So nothing below
//! looks at the capacity again, and every part may store a whole register.

const std = @import("std");
const base64 = @import("json/base64.zig");
const digits = @import("json/digits.zig");
const float = @import("json/float.zig");
const numbers = @import("json/numbers.zig");
const text = @import("json/text.zig");

/// Bytes that may be written behind the cursor; LK_PADDING in the header.
pub const slack = 64;

/// Rows of which it is asked at once whether they fit, and whose numbers are written ahead.
const rows_per_group = numbers.rows_max;

/// Columns whose numbers are written ahead: the first ones, for which 10 KB of the stack suffice. Those of others are written one at a time.
const columns_ahead = 32;

/// The numbers of a group of rows by column, and behind them a column's that has none.
const Ahead = [columns_ahead + 1]numbers.Texts;

/// The numbers of LK_INT64 and the others.
pub const Kind = enum(u32) { int64, uint64, float64, float32, bool, text, ascii, json, bytes };

/// `lk_column`.
pub const Column = extern struct {
    key: [*]const u8,
    key_len: usize,
    values: *const anyopaque,
    offsets: ?[*]const u32,
    validity: ?[*]const u8,
    kind: Kind,

    /// The longest text of a cell of `n` bytes is `fixed + n * factor`. Null needs 4, which every `fixed` covers.
    fn bounds(column: *const Column) struct { fixed: usize, factor: usize } {
        return switch (column.kind) {
            .int64, .uint64 => .{ .fixed = 20, .factor = 0 },
            .float64, .float32 => .{ .fixed = 24, .factor = 0 },
            .bool => .{ .fixed = 5, .factor = 0 },
            .text => .{ .fixed = 4, .factor = 6 },
            .ascii, .json => .{ .fixed = 4, .factor = 1 },
            .bytes => .{ .fixed = 6, .factor = 2 },
        };
    }

    /// What the cells of the rows from `start` to `end` need beyond the fixed part.
    inline fn variableBytesMax(column: *const Column, start: usize, end: usize) usize {
        const offsets = column.offsets orelse return 0;
        return @as(usize, offsets[end] - offsets[start]) * column.bounds().factor;
    }

    inline fn value(column: *const Column, comptime T: type, row: usize) T {
        return @as([*]const T, @ptrCast(@alignCast(column.values)))[row];
    }

    inline fn cell(column: *const Column, row: usize) []const u8 {
        const offsets = column.offsets.?;
        return @as([*]const u8, @ptrCast(column.values))[offsets[row]..offsets[row + 1]];
    }

    inline fn isValid(column: *const Column, row: usize) bool {
        const bits = column.validity orelse return true;
        return bits[row / 8] >> @intCast(row % 8) & 1 != 0;
    }
};

/// `lk_table`.
pub const Table = extern struct {
    columns: [*]const Column,
    column_count: usize,
    rows: usize,
    open: [2]u8,
    open_len: u8,
    close: [2]u8,
    close_len: u8,
    is_list: u8,

    fn fixedBytesMax(table: *const Table) usize {
        // What closes a row and what closes the rows: two bytes in every form.
        if (table.column_count == 0) return @as(usize, table.open_len) + 2;
        var bytes: usize = 2;
        for (table.columns[0..table.column_count]) |*column| bytes += column.key_len + column.bounds().fixed;
        return bytes;
    }

    inline fn variableBytesMax(table: *const Table, start: usize, end: usize) usize {
        var bytes: usize = 0;
        for (table.columns[0..table.column_count]) |*column| bytes += column.variableBytesMax(start, end);
        return bytes;
    }

    /// The capacity with which the rows from `row` on are surely written in one call.
    fn capacityNeeded(table: *const Table, row: usize) usize {
        if (table.rows == 0) return if (table.is_list != 0) "[]".len else 0;
        if (table.rows == row) return 0;
        return table.fixedBytesMax() * (table.rows - row) + table.variableBytesMax(row, table.rows) + slack;
    }
};

/// `lk_progress`.
pub const Progress = extern struct { rows: usize, bytes: usize, needed: usize };

pub fn encodeTable(
    table: *const Table,
    first_row: usize,
    out: [*]u8,
    capacity: usize,
    progress: *Progress,
) callconv(.c) void {
    if (table.rows == 0) {
        if (table.is_list == 0) {
            progress.* = .{ .rows = 0, .bytes = 0, .needed = 0 };
            return;
        }
        if (capacity < 2) {
            progress.* = .{ .rows = 0, .bytes = 0, .needed = table.capacityNeeded(0) };
            return;
        }
        out[0..2].* = "[]".*;
        progress.* = .{ .rows = 0, .bytes = 2, .needed = 0 };
        return;
    }
    const fixed_bytes_max = table.fixedBytesMax();
    var at = out;
    var row = first_row;
    var ahead: Ahead = undefined;
    if (numbers.pays) ahead[columns_ahead] = .none;
    while (row < table.rows) {
        const first = row;
        const end = fitting(table, row, fixed_bytes_max, capacity - (at - out));
        if (end == row) break;
        if (numbers.pays) writeAhead(table, first, end, &ahead);
        while (row < end) : (row += 1) at = encodeRow(table, row, &ahead, row - first, at);
    }
    if (table.is_list != 0 and row > first_row) {
        if (first_row == 0) out[0] = '[';
        if (row == table.rows) at = put(at, "]");
    }
    progress.* = .{ .rows = row - first_row, .bytes = at - out, .needed = table.capacityNeeded(row) };
}

/// The row up to which rows surely fit a capacity: a whole group of them where it does, else one or none. Were each row
/// asked by itself, a tenth of the time would go to that.
inline fn fitting(table: *const Table, row: usize, fixed_bytes_max: usize, capacity: usize) usize {
    const group = @min(rows_per_group, table.rows - row);
    if (fixed_bytes_max * group + table.variableBytesMax(row, row + group) + slack <= capacity) return row + group;
    if (fixed_bytes_max + table.variableBytesMax(row, row + 1) + slack <= capacity) return row + 1;
    return row;
}

/// Writes the numbers of a group's rows.
inline fn writeAhead(table: *const Table, first: usize, end: usize, ahead: *Ahead) void {
    const count = @min(table.column_count, columns_ahead);
    for (table.columns[0..count], ahead[0..count]) |*column, *texts| switch (column.kind) {
        inline .int64, .uint64, .float64 => |kind| {
            const Value = switch (kind) {
                .int64 => i64,
                .uint64 => u64,
                else => f64,
            };
            const values: [*]const Value = @ptrCast(@alignCast(column.values));
            texts.fill(Value, values + first, end - first);
        },
        else => {},
    };
}

/// A row, which is the one at `place` of its group.
inline fn encodeRow(table: *const Table, row: usize, ahead: *const Ahead, place: usize, start: [*]u8) [*]u8 {
    var at = start;
    if (table.column_count == 0) {
        at[0..2].* = table.open;
        at += table.open_len;
    }
    var texts: [*]const numbers.Texts = ahead;
    for (table.columns[0..table.column_count]) |*column| {
        text.copy(column.key, column.key_len, at);
        at += column.key_len;
        at = if (column.isValid(row)) encodeValue(column, row, &texts[0], place, at) else put(at, "null");
        if (numbers.pays) texts += @intFromBool(texts != ahead[columns_ahead..]);
    }
    at[0..2].* = table.close;
    return at + table.close_len;
}

inline fn encodeValue(column: *const Column, row: usize, texts: *const numbers.Texts, place: usize, at: [*]u8) [*]u8 {
    if (numbers.pays) switch (column.kind) {
        .int64, .uint64, .float64 => if (texts.write(place, at)) |end| return end,
        else => {},
    };
    switch (column.kind) {
        .int64 => return digits.writeSigned(at, column.value(i64, row)),
        .uint64 => return digits.write(at, column.value(u64, row)),
        .float64 => return float.write(f64, at, column.value(f64, row)),
        .float32 => return float.write(f32, at, column.value(f32, row)),
        .bool => {
            // One store of eight bytes; the length says how many count.
            const is_true = column.value(u8, row) != 0;
            at[0..8].* = if (is_true) "true    ".* else "false   ".*;
            return at + if (is_true) @as(usize, 4) else 5;
        },
        .text => {
            at[0] = '"';
            return put(text.escape(column.cell(row), at + 1), "\"");
        },
        .ascii => {
            const cell = column.cell(row);
            at[0] = '"';
            text.copy(cell.ptr, cell.len, at + 1);
            return put(at + 1 + cell.len, "\"");
        },
        .json => {
            const cell = column.cell(row);
            text.copy(cell.ptr, cell.len, at);
            return at + cell.len;
        },
        .bytes => {
            at[0] = '"';
            return put(base64.encode(column.cell(row), at + 1), "\"");
        },
    }
}

inline fn put(at: [*]u8, comptime bytes: []const u8) [*]u8 {
    at[0..bytes.len].* = bytes[0..bytes.len].*;
    return at + bytes.len;
}

/// A list of objects.
fn testTable(columns: []const Column, rows: usize) Table {
    return .{
        .columns = columns.ptr,
        .column_count = columns.len,
        .rows = rows,
        .open = ",{".*,
        .open_len = 2,
        .close = "} ".*,
        .close_len = 1,
        .is_list = 1,
    };
}

fn testColumn(comptime key: []const u8, kind: Kind, values: *const anyopaque, offsets: ?[*]const u32) Column {
    const padded = key ++ ("\x00" ** slack);
    return .{ .key = padded.ptr, .key_len = key.len, .values = values, .offsets = offsets, .validity = null, .kind = kind };
}

test "rows become objects, and stop where the capacity may not suffice" {
    const ids = [_]i64{ 1, -20, 300 };
    const names = "a\"bc\n" ++ ("\x00" ** slack);
    const name_offsets = [_]u32{ 0, 2, 2, 5 };
    const bits = [_]u8{0b101};
    var columns = [_]Column{
        testColumn(",{\"id\":", .int64, &ids, null),
        testColumn(",\"name\":", .text, names, &name_offsets),
    };
    columns[1].validity = &bits;
    const table = testTable(&columns, 3);

    var out: [512]u8 = undefined;
    var progress: Progress = undefined;
    encodeTable(&table, 0, &out, out.len, &progress);
    const expected = "[{\"id\":1,\"name\":\"a\\\"\"},{\"id\":-20,\"name\":null},{\"id\":300,\"name\":\"bc\\n\"}]";
    try std.testing.expectEqualStrings(expected, out[0..progress.bytes]);
    try std.testing.expectEqual(Progress{ .rows = 3, .bytes = expected.len, .needed = 0 }, progress);

    encodeTable(&table, 0, &out, 10, &progress);
    try std.testing.expectEqual(0, progress.rows);
    var pieces: [512]u8 = undefined;
    var used: usize = 0;
    var row: usize = 0;
    while (row < 3) {
        // Room for exactly one row at a time.
        const capacity = table.fixedBytesMax() + table.variableBytesMax(row, row + 1) + slack;
        encodeTable(&table, row, &out, capacity, &progress);
        try std.testing.expectEqual(1, progress.rows);
        @memcpy(pieces[used..][0..progress.bytes], out[0..progress.bytes]);
        used += progress.bytes;
        row += progress.rows;
    }
    try std.testing.expectEqualStrings(expected, pieces[0..used]);
}

test "no rows are an empty array, and no columns empty objects" {
    var out: [128]u8 = undefined;
    var progress: Progress = undefined;
    encodeTable(&testTable(&.{}, 0), 0, &out, out.len, &progress);
    try std.testing.expectEqualStrings("[]", out[0..progress.bytes]);
    encodeTable(&testTable(&.{}, 2), 0, &out, out.len, &progress);
    try std.testing.expectEqualStrings("[{},{}]", out[0..progress.bytes]);
}

test "lines end with a line feed each, and arrays have no names" {
    var out: [128]u8 = undefined;
    var progress: Progress = undefined;
    const ids = [_]i64{ 1, -20 };
    var columns = [_]Column{testColumn("{\"id\":", .int64, &ids, null)};
    var table = testTable(&columns, 2);
    table.close = "}\n".*;
    table.close_len = 2;
    table.is_list = 0;
    encodeTable(&table, 0, &out, out.len, &progress);
    try std.testing.expectEqualStrings("{\"id\":1}\n{\"id\":-20}\n", out[0..progress.bytes]);
    table.rows = 0;
    encodeTable(&table, 0, &out, 0, &progress);
    try std.testing.expectEqual(Progress{ .rows = 0, .bytes = 0, .needed = 0 }, progress);

    columns[0] = testColumn(",[", .int64, &ids, null);
    table = testTable(&columns, 2);
    table.close = "] ".*;
    encodeTable(&table, 0, &out, out.len, &progress);
    try std.testing.expectEqualStrings("[[1],[-20]]", out[0..progress.bytes]);
}
