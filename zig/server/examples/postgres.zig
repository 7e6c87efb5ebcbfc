//! As much of PostgreSQL's protocol as it takes to log in (SCRAM-SHA-256, RFC 5802 and 7677) and to ask for one value: a
//! synchronous library over any reader and writer, that knows nothing of fibers and rings. Over a `Pipe` it runs on the loop's
//! thread.

const std = @import("std");
const HmacSha256 = std.crypto.auth.hmac.sha2.HmacSha256;
const Sha256 = std.crypto.hash.sha2.Sha256;
const base64 = std.base64.standard;

pub const Error = std.Io.Reader.Error || std.Io.Writer.Error || error{
    /// The server's own words are in the log.
    PostgresError,
    InvalidMessage,
    /// Something else than SCRAM-SHA-256.
    AuthenticationUnsupported,
    /// The server doesn't know the password either: it is somebody else.
    ServerNotAuthentic,
    NoRow,
};

pub const Login = struct { user: []const u8, password: []const u8, database: []const u8 };

/// Longer than any message of a login or of one small value.
const message_bytes_max = 4096;

/// Rounds that a server may ask for, which cost the loop's thread a microsecond each. PostgreSQL has 4,096.
const rounds_max = 100_000;

pub const Connection = struct {
    reader: *std.Io.Reader,
    writer: *std.Io.Writer,

    /// On a connection that is made. `nonce` is random.
    pub fn login(reader: *std.Io.Reader, writer: *std.Io.Writer, who: Login, nonce: [18]u8) Error!Connection {
        const connection: Connection = .{ .reader = reader, .writer = writer };
        const version = 3 << 16;
        const pairs = [_][]const u8{ "user", who.user, "database", who.database };
        var len: u32 = 4 + 4 + 1;
        for (pairs) |text| len += @intCast(text.len + 1);
        try writer.writeInt(u32, len, .big);
        try writer.writeInt(u32, version, .big);
        for (pairs) |text| try writer.print("{s}\x00", .{text});
        try writer.writeByte(0);
        try writer.flush();
        try connection.authenticate(who.password, nonce);
        while (try connection.next() != 'Z') {}
        return connection;
    }

    /// The first column of the first row, copied into `into`.
    pub fn queryValue(connection: Connection, sql: []const u8, into: []u8) Error![]const u8 {
        try connection.begin('Q', sql.len + 1);
        try connection.writer.print("{s}\x00", .{sql});
        try connection.writer.flush();
        var value: ?[]const u8 = null;
        while (true) {
            const head = try connection.nextHead();
            if (head.type != 'D' or value != null) {
                if (try connection.skip(head) == 'Z') return value orelse error.NoRow;
                continue;
            }
            const row = try connection.body(head);
            if (row.len < 6) return error.InvalidMessage;
            const column_bytes = std.mem.readInt(u32, row[2..6], .big);
            if (column_bytes > row.len - 6 or column_bytes > into.len) return error.InvalidMessage;
            @memcpy(into[0..column_bytes], row[6..][0..column_bytes]);
            value = into[0..column_bytes];
        }
    }

    pub fn terminate(connection: Connection) Error!void {
        try connection.begin('X', 0);
        try connection.writer.flush();
    }

    fn authenticate(connection: Connection, password: []const u8, nonce: [18]u8) Error!void {
        const mechanism = "SCRAM-SHA-256";
        const offered = try connection.expect('R');
        if (offered.len < 4) return error.InvalidMessage;
        switch (std.mem.readInt(u32, offered[0..4], .big)) {
            0 => return,
            10 => if (std.mem.indexOf(u8, offered[4..], mechanism ++ "\x00") == null) return error.AuthenticationUnsupported,
            else => return error.AuthenticationUnsupported,
        }
        var first_buffer: [64]u8 = undefined;
        var nonce_text: [24]u8 = undefined;
        // PostgreSQL takes the user from the start-up message.
        const first = std.fmt.bufPrint(&first_buffer, "n=,r={s}", .{base64.Encoder.encode(&nonce_text, &nonce)}) catch unreachable;
        try connection.begin('p', mechanism.len + 1 + 4 + 3 + first.len);
        try connection.writer.writeAll(mechanism ++ "\x00");
        try connection.writer.writeInt(u32, @intCast(3 + first.len), .big);
        try connection.writer.print("n,,{s}", .{first});
        try connection.writer.flush();

        var challenge_buffer: [512]u8 = undefined;
        const challenge = try connection.expectSasl(11, &challenge_buffer);
        var scram: Scram = try .init(password, first, &nonce_text, challenge);
        var proof: [64]u8 = undefined;
        const final = scram.finalMessage(&proof);
        try connection.begin('p', final.len + 3 + base64.Encoder.calcSize(32));
        var proof_text: [44]u8 = undefined;
        try connection.writer.print("{s},p={s}", .{ final, base64.Encoder.encode(&proof_text, proof[0..32]) });
        try connection.writer.flush();

        var answer_buffer: [512]u8 = undefined;
        const answer = try connection.expectSasl(12, &answer_buffer);
        if (!scram.isAuthentic(answer)) return error.ServerNotAuthentic;
        const done = try connection.expect('R');
        if (done.len != 4 or std.mem.readInt(u32, done[0..4], .big) != 0) return error.InvalidMessage;
    }

    fn expectSasl(connection: Connection, step: u32, into: []u8) Error![]const u8 {
        const bytes = try connection.expect('R');
        if (bytes.len < 4 or bytes.len - 4 > into.len) return error.InvalidMessage;
        if (std.mem.readInt(u32, bytes[0..4], .big) != step) return error.InvalidMessage;
        @memcpy(into[0 .. bytes.len - 4], bytes[4..]);
        return into[0 .. bytes.len - 4];
    }

    fn begin(connection: Connection, kind: u8, body_bytes: usize) Error!void {
        try connection.writer.writeByte(kind);
        try connection.writer.writeInt(u32, @intCast(4 + body_bytes), .big);
    }

    const Head = struct { type: u8, len: u32 };

    fn nextHead(connection: Connection) Error!Head {
        const bytes = try connection.reader.takeArray(5);
        const len = std.mem.readInt(u32, bytes[1..5], .big);
        if (len < 4 or len - 4 > message_bytes_max) return error.InvalidMessage;
        return .{ .type = bytes[0], .len = len - 4 };
    }

    /// Valid until the next read.
    fn body(connection: Connection, of: Head) Error![]const u8 {
        const bytes = try connection.reader.take(of.len);
        if (of.type != 'E') return bytes;
        var fields = std.mem.splitScalar(u8, bytes, 0);
        while (fields.next()) |field| if (field.len > 1 and field[0] == 'M') std.log.scoped(.postgres).warn("{s}", .{field[1..]});
        return error.PostgresError;
    }

    fn skip(connection: Connection, of: Head) Error!u8 {
        _ = try connection.body(of);
        return of.type;
    }

    fn next(connection: Connection) Error!u8 {
        return connection.skip(try connection.nextHead());
    }

    fn expect(connection: Connection, kind: u8) Error![]const u8 {
        const found = try connection.nextHead();
        const bytes = try connection.body(found);
        return if (found.type == kind) bytes else error.InvalidMessage;
    }
};

/// The client's side of RFC 5802.
const Scram = struct {
    salted: [32]u8 = undefined,
    nonce: []const u8,
    auth_buffer: [1024]u8 = undefined,
    auth_len: usize = 0,
    without_proof: [256]u8 = undefined,

    fn init(password: []const u8, first: []const u8, nonce: []const u8, challenge: []const u8) Error!Scram {
        var scram: Scram = .{ .nonce = "" };
        var salt: ?[]const u8 = null;
        var rounds: u32 = 0;
        var parts = std.mem.splitScalar(u8, challenge, ',');
        while (parts.next()) |part| {
            if (std.mem.startsWith(u8, part, "r=")) scram.nonce = part[2..];
            if (std.mem.startsWith(u8, part, "s=")) salt = part[2..];
            if (std.mem.startsWith(u8, part, "i=")) rounds = std.fmt.parseInt(u32, part[2..], 10) catch return error.InvalidMessage;
        }
        // The server's nonce begins with ours: no answer to somebody else's login.
        if (!std.mem.startsWith(u8, scram.nonce, nonce) or scram.nonce.len > 200) return error.InvalidMessage;
        if (rounds == 0 or rounds > rounds_max) return error.InvalidMessage;
        var salt_bytes: [128]u8 = undefined;
        const text = salt orelse return error.InvalidMessage;
        const salt_len = base64.Decoder.calcSizeForSlice(text) catch return error.InvalidMessage;
        if (salt_len > salt_bytes.len) return error.InvalidMessage;
        base64.Decoder.decode(salt_bytes[0..salt_len], text) catch return error.InvalidMessage;
        std.crypto.pwhash.pbkdf2(&scram.salted, password, salt_bytes[0..salt_len], rounds, HmacSha256) catch return error.InvalidMessage;
        const auth = std.fmt.bufPrint(&scram.auth_buffer, "{s},{s},c=biws,r={s}", .{ first, challenge, scram.nonce }) catch return error.InvalidMessage;
        scram.auth_len = auth.len;
        return scram;
    }

    /// Without its proof, whose 32 bytes are written to `proof`.
    fn finalMessage(scram: *Scram, proof: *[64]u8) []const u8 {
        var client_key: [32]u8 = undefined;
        HmacSha256.create(&client_key, "Client Key", &scram.salted);
        var stored_key: [32]u8 = undefined;
        Sha256.hash(&client_key, &stored_key, .{});
        var signature: [32]u8 = undefined;
        HmacSha256.create(&signature, scram.auth_buffer[0..scram.auth_len], &stored_key);
        for (proof[0..32], client_key, signature) |*byte, key, sign| byte.* = key ^ sign;
        return std.fmt.bufPrint(&scram.without_proof, "c=biws,r={s}", .{scram.nonce}) catch unreachable;
    }

    fn isAuthentic(scram: *const Scram, answer: []const u8) bool {
        if (!std.mem.startsWith(u8, answer, "v=")) return false;
        var server_key: [32]u8 = undefined;
        HmacSha256.create(&server_key, "Server Key", &scram.salted);
        var signature: [32]u8 = undefined;
        HmacSha256.create(&signature, scram.auth_buffer[0..scram.auth_len], &server_key);
        var text: [44]u8 = undefined;
        return std.mem.eql(u8, answer[2..], base64.Encoder.encode(&text, &signature));
    }
};

test "SCRAM as RFC 7677 has it" {
    const nonce = "rOprNGfwEbeRWgbNEkqO";
    const challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    var scram: Scram = try .init("pencil", "n=user,r=" ++ nonce, nonce, challenge);
    var proof: [64]u8 = undefined;
    try std.testing.expectEqualStrings("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", scram.finalMessage(&proof));
    var text: [44]u8 = undefined;
    try std.testing.expectEqualStrings("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", base64.Encoder.encode(&text, proof[0..32]));
    try std.testing.expect(scram.isAuthentic("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    try std.testing.expect(!scram.isAuthentic("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
    try std.testing.expectError(error.InvalidMessage, Scram.init("pencil", "", "other", challenge));
}
