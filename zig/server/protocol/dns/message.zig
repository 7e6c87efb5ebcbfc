//! DNS messages (RFC 1035 4, RFC 3596): a question for addresses out, its answer in.
//!
//! An answer is believed only where it repeats the question that was asked, under its id. Pointers of compressed names are
//! followed backwards only and a bounded number of times; a chain of CNAMEs as well.

const std = @import("std");

/// RFC 1035 2.3.4: a name on the wire, with the lengths of its labels.
pub const name_bytes_max = 255;
pub const label_bytes_max = 63;
/// Header, name, type, class, and an OPT record.
pub const query_bytes_max = 12 + name_bytes_max + 4 + opt_bytes;
/// What we say we can take over UDP: what DNS Flag Day 2020 found not to be fragmented.
pub const udp_bytes_max = 1232;
/// Addresses that are kept of an answer; a client tries a few.
pub const addresses_max = 16;
/// Names in a row that stand for each other. Resolvers stop between 8 and 16.
const cname_count_max = 8;
/// Pointers in one name. Each goes backwards, so that they end anyway; names that honest servers send have one.
const pointer_count_max = 16;

/// Bounds for what a server says about how long an answer holds: not at all would be asked for each connection, and a week
/// would outlive every move.
pub const ttl_seconds_min = 1;
pub const ttl_seconds_max = 3600;

/// Longer than this nobody is told that a name has no address because it had none before, whatever its zone says (RFC 2308
/// 5 has up to three hours, for servers): who connects to a name waits for a machine that is just being started.
pub const negative_ttl_seconds_max = 60;

const opt_bytes = 11;
/// Of an SOA record: two names of the root, and five numbers.
const soa_bytes_min = 2 + 5 * 4;

pub const Type = enum(u16) { a = 1, cname = 5, soa = 6, aaaa = 28, opt = 41, _ };
const class_in = 1;

pub const Address = union(enum) {
    ipv4: [4]u8,
    ipv6: [16]u8,

    pub fn eql(a: Address, b: Address) bool {
        return std.meta.eql(a, b);
    }
};

pub const NameError = error{
    /// Empty, too long, an empty label, or one that is too long.
    InvalidName,
};

pub const Question = struct {
    id: u16,
    /// As it is written, with or without the dot at its end.
    name: []const u8,
    type: Type,
};

/// The query of a stub resolver: recursion wanted, one question, EDNS for answers beyond 512 bytes.
pub fn writeQuery(buffer: *[query_bytes_max]u8, question: Question) NameError![]const u8 {
    buffer[0..12].* = .{ 0, 0, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
    std.mem.writeInt(u16, buffer[0..2], question.id, .big);
    var at: usize = 12 + try writeName(buffer[12..][0..name_bytes_max], question.name);
    std.mem.writeInt(u16, buffer[at..][0..2], @intFromEnum(question.type), .big);
    std.mem.writeInt(u16, buffer[at + 2 ..][0..2], class_in, .big);
    at += 4;
    buffer[at..][0..opt_bytes].* = .{ 0, 0, @intFromEnum(Type.opt), udp_bytes_max >> 8, udp_bytes_max & 0xff, 0, 0, 0, 0, 0, 0 };
    return buffer[0 .. at + opt_bytes];
}

/// The name in labels. Its bytes, the zero at its end included.
fn writeName(buffer: *[name_bytes_max]u8, name: []const u8) NameError!usize {
    const undotted = if (std.mem.endsWith(u8, name, ".")) name[0 .. name.len - 1] else name;
    if (undotted.len == 0 or undotted.len > name_bytes_max - 2) return error.InvalidName;
    var at: usize = 0;
    var labels = std.mem.splitScalar(u8, undotted, '.');
    while (labels.next()) |label| {
        if (label.len == 0 or label.len > label_bytes_max) return error.InvalidName;
        for (label) |byte| if (byte <= ' ' or byte == 0x7f) return error.InvalidName;
        buffer[at] = @intCast(label.len);
        @memcpy(buffer[at + 1 ..][0..label.len], label);
        at += 1 + label.len;
    }
    buffer[at] = 0;
    return at + 1;
}

pub const AnswerError = error{
    /// Not what was asked: another id, another question, a query. To be dropped, and waited on: it may be forged.
    NotTheAnswer,
    /// The TC bit: to be asked again over TCP.
    Truncated,
    /// Cut off, or with names that don't end.
    Malformed,
    /// SERVFAIL: another server may know.
    ServerFailure,
    /// REFUSED, NOTIMP, FORMERR and the others.
    Refused,
    /// CNAMEs in a ring, or too many.
    CnameChain,
};

pub const Answer = struct {
    addresses: [addresses_max]Address = undefined,
    len: usize = 0,
    /// NXDOMAIN: the name has nothing of any type.
    no_such_name: bool = false,
    /// The shortest of all records that were used, within the bounds. Without addresses what the zone says of what it hasn't.
    ttl_seconds: u32 = ttl_seconds_min,

    /// None where the name is there but has no address of the type.
    pub fn slice(answer: *const Answer) []const Address {
        return answer.addresses[0..answer.len];
    }
};

pub fn readAnswer(message: []const u8, question: Question) AnswerError!Answer {
    if (message.len < 12) return error.NotTheAnswer;
    const flags = int(u16, message, 2);
    const is_response = flags & 0x8000 != 0;
    const is_query_opcode = flags & 0x7800 == 0;
    if (int(u16, message, 0) != question.id or !is_response or !is_query_opcode) return error.NotTheAnswer;
    // Servers that refuse the query's form may leave the question out.
    const rcode = flags & 15;
    const question_count = int(u16, message, 4);
    if (question_count == 0 and rcode != 0) return rcodeError(rcode);
    if (question_count != 1) return error.NotTheAnswer;
    var asked: Name = .{};
    asked.set(question.name) catch return error.NotTheAnswer;
    var reader: Reader = .{ .message = message, .at = 12 };
    const repeated = reader.name() catch return error.NotTheAnswer;
    if (!repeated.eql(&asked)) return error.NotTheAnswer;
    if ((reader.u16_() catch return error.NotTheAnswer) != @intFromEnum(question.type)) return error.NotTheAnswer;
    if ((reader.u16_() catch return error.NotTheAnswer) != class_in) return error.NotTheAnswer;
    const counts: Counts = .{ .answers = int(u16, message, 6), .authorities = int(u16, message, 8) };
    if (rcode == 3) return .{ .no_such_name = true, .ttl_seconds = negativeTtl(reader, counts) };
    if (rcode != 0) return rcodeError(rcode);
    if (flags & 0x0200 != 0) return error.Truncated;
    return readRecords(reader, counts, asked, question.type);
}

const Counts = struct { answers: u16, authorities: u16 };

fn rcodeError(rcode: u16) AnswerError {
    return switch (rcode) {
        2 => error.ServerFailure,
        else => error.Refused,
    };
}

/// Follows CNAMEs from the name that was asked for, in whatever order the records come, and gathers the last one's addresses.
fn readRecords(start: Reader, counts: Counts, asked: Name, wanted: Type) AnswerError!Answer {
    var answer: Answer = .{ .ttl_seconds = ttl_seconds_max };
    var current = asked;
    for (0..cname_count_max + 1) |_| {
        var reader = start;
        var next: ?Name = null;
        for (0..counts.answers) |_| {
            const record = try reader.record();
            if (record.class != class_in or !record.name.eql(&current)) continue;
            if (record.type == wanted) {
                const address: Address = switch (wanted) {
                    .a => .{ .ipv4 = (try sized(4, record.data)).* },
                    .aaaa => .{ .ipv6 = (try sized(16, record.data)).* },
                    else => return error.Malformed,
                };
                answer.ttl_seconds = @min(answer.ttl_seconds, record.ttl_seconds);
                if (answer.len < addresses_max) {
                    answer.addresses[answer.len] = address;
                    answer.len += 1;
                }
            } else if (record.type == .cname and next == null) {
                var inner: Reader = .{ .message = reader.message, .at = record.data_at };
                next = try inner.name();
                if (inner.at != record.data_at + record.data.len) return error.Malformed;
                answer.ttl_seconds = @min(answer.ttl_seconds, record.ttl_seconds);
            }
        }
        if (answer.len > 0 or next == null) {
            if (answer.len == 0) answer.ttl_seconds = @min(answer.ttl_seconds, negativeTtl(start, counts));
            answer.ttl_seconds = @max(answer.ttl_seconds, ttl_seconds_min);
            return answer;
        }
        current = next.?;
    }
    return error.CnameChain;
}

/// RFC 2308 5: the SOA record beside it says how long there is nothing, by its own time and by its last number. Without one
/// nobody should remember it: only so long that not each connection asks, as some servers never send one.
fn negativeTtl(start: Reader, counts: Counts) u32 {
    var reader = start;
    const said = soaSeconds(&reader, counts) catch null;
    return std.math.clamp(said orelse ttl_seconds_min, ttl_seconds_min, negative_ttl_seconds_max);
}

fn soaSeconds(reader: *Reader, counts: Counts) AnswerError!?u32 {
    for (0..counts.answers) |_| _ = try reader.record();
    for (0..counts.authorities) |_| {
        const record = try reader.record();
        if (record.type != .soa or record.class != class_in) continue;
        if (record.data.len < soa_bytes_min) return error.Malformed;
        return @min(record.ttl_seconds, std.mem.readInt(u32, record.data[record.data.len - 4 ..][0..4], .big));
    }
    return null;
}

fn sized(comptime len: usize, data: []const u8) AnswerError!*const [len]u8 {
    if (data.len != len) return error.Malformed;
    return data[0..len];
}

/// A name in labels, without compression.
const Name = struct {
    bytes: [name_bytes_max]u8 = undefined,
    len: usize = 0,

    fn set(name: *Name, text: []const u8) NameError!void {
        name.len = try writeName(&name.bytes, text);
    }

    /// Without case, as RFC 4343 says.
    fn eql(a: *const Name, b: *const Name) bool {
        return std.ascii.eqlIgnoreCase(a.bytes[0..a.len], b.bytes[0..b.len]);
    }
};

const Record = struct {
    name: Name,
    type: Type,
    class: u16,
    ttl_seconds: u32,
    data: []const u8,
    data_at: usize,
};

const Reader = struct {
    message: []const u8,
    at: usize,

    fn take(reader: *Reader, len: usize) AnswerError![]const u8 {
        if (reader.message.len - reader.at < len) return error.Malformed;
        defer reader.at += len;
        return reader.message[reader.at..][0..len];
    }

    fn u16_(reader: *Reader) AnswerError!u16 {
        return std.mem.readInt(u16, (try reader.take(2))[0..2], .big);
    }

    fn record(reader: *Reader) AnswerError!Record {
        const owner = try reader.name();
        const fixed = try reader.take(10);
        const ttl = std.mem.readInt(u32, fixed[4..8], .big);
        const data_at = reader.at + 0;
        const data = try reader.take(std.mem.readInt(u16, fixed[8..10], .big));
        return .{
            .name = owner,
            .type = @enumFromInt(std.mem.readInt(u16, fixed[0..2], .big)),
            .class = std.mem.readInt(u16, fixed[2..4], .big),
            // RFC 2181 8: with the highest bit it means zero.
            .ttl_seconds = if (ttl & 0x8000_0000 != 0) 0 else ttl,
            .data = data,
            .data_at = data_at,
        };
    }

    /// A name, its pointers followed. The reader stands behind it then, whatever it pointed to.
    fn name(reader: *Reader) AnswerError!Name {
        var found: Name = .{};
        var at = reader.at;
        var after: ?usize = null;
        var pointers: usize = 0;
        var lowest = at;
        while (true) {
            if (at >= reader.message.len) return error.Malformed;
            const len = reader.message[at];
            switch (len >> 6) {
                0 => {
                    const label = 1 + @as(usize, len);
                    if (reader.message.len - at < label or found.len + label > name_bytes_max) return error.Malformed;
                    @memcpy(found.bytes[found.len..][0..label], reader.message[at..][0..label]);
                    found.len += label;
                    at += label;
                    if (len != 0) continue;
                    reader.at = after orelse at;
                    return found;
                },
                3 => {
                    if (reader.message.len - at < 2) return error.Malformed;
                    const target = std.mem.readInt(u16, reader.message[at..][0..2], .big) & 0x3fff;
                    pointers += 1;
                    // Backwards only: what it has passed can't come again.
                    if (pointers > pointer_count_max or target >= lowest) return error.Malformed;
                    if (after == null) after = at + 2;
                    lowest = target;
                    at = target;
                },
                else => return error.Malformed,
            }
        }
    }
};

fn int(comptime Int: type, message: []const u8, at: usize) Int {
    return std.mem.readInt(Int, message[at..][0..@sizeOf(Int)], .big);
}

test {
    _ = @import("message_test.zig");
}
