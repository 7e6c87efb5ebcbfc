//! Routes: from a method and a path to a handler, with `:params` and a wildcard at the end.
//!
//! A tree of segments in arrays of fixed size, filled at the start and never changed afterwards. A match allocates nothing
//! and visits each node at most once. What is registered decides alone, not in which order: of two routes that fit a path, at
//! the first segment in which they differ, text beats a param, and a param beats a wildcard; a route without the
//! method doesn't fit.
//!
//! Paths are split at their slashes first and percent-decoded after that: `%2F` is a byte of a segment and never separates two.
//! Case and a slash at the end matter. Nothing is resolved: `..` is a segment as any other, which whoever opens files has to
//! know.

const std = @import("std");
const bytes_of = @import("bytes.zig");
const http = @import("http.zig");

/// What a route may be registered for: a method, or every one.
pub const Method = enum(u4) { get, head, post, put, patch, delete, options, connect, trace, any };

const method_count = std.enums.values(Method).len;

pub const Capacity = struct {
    /// Routes of an application. Each is an index of 16 bits in the nodes.
    routes_max: u16 = 1024,
    /// Segments that differ. Most routes share their first ones.
    nodes_max: u16 = 4096,
};

/// Params of one route, the wildcard among them: what a match can return without an allocation.
pub const params_max = 16;

/// As deep as a path is looked at: one with more segments matches wildcards only as far as this. It bounds the recursion.
pub const segments_max = 64;

pub const Param = struct { name: []const u8, value: []const u8 };

pub const Params = struct {
    items: [params_max]Param = undefined,
    len: usize = 0,

    pub fn get(params: *const Params, name: []const u8) ?[]const u8 {
        for (params.slice()) |param| {
            if (std.mem.eql(u8, param.name, name)) return param.value;
        }
        return null;
    }

    pub fn slice(params: *const Params) []const Param {
        return params.items[0..params.len];
    }
};

/// The methods that a path has routes for, as the Allow field lists them.
pub const Allow = struct {
    methods: std.EnumSet(Method) = .initEmpty(),

    pub const text_bytes_max = 64;

    /// `GET, HEAD, OPTIONS`. HEAD goes with GET, and OPTIONS is answered for every path that has a route.
    pub fn text(allow: Allow, buffer: *[text_bytes_max]u8) []const u8 {
        var at: usize = 0;
        var methods = allow.methods;
        if (methods.contains(.get)) methods.insert(.head);
        methods.insert(.options);
        for (std.enums.values(Method)) |method| {
            if (method == .any or !methods.contains(method)) continue;
            if (at != 0) {
                buffer[at..][0..2].* = ", ".*;
                at += 2;
            }
            const name = @tagName(method);
            at += std.ascii.upperString(buffer[at..], name).len;
        }
        return buffer[0..at];
    }
};

pub const RegisterError = error{
    /// It doesn't begin with a slash, or has an empty segment before its end, an escape, or a byte that no path has.
    InvalidPattern,
    /// A param or a wildcard without a name, or the same name twice.
    InvalidParam,
    /// Something behind a wildcard.
    WildcardNotLast,
    /// The same method and pattern, but for the names of params: both would fit the same paths.
    RouteConflict,
    /// A param of another name at the same place of another route: it would have two names.
    ParamNameConflict,
    TooManyParams,
    TooManySegments,
    TooManyRoutes,
};

pub const MatchError = error{
    /// An escape that isn't `%` and two hexadecimal digits, or one of a NUL: status 400.
    InvalidEscape,
};

/// ```
/// var router: Router(Handler, .{}) = .{};
/// try router.add(.get, "/users/:id", showUser);
/// var params: Params = .{};
/// switch (try router.match(request.method, request.target.path, &scratch, &params)) {
///     .found => |handler| handler(params.get("id").?),
///     .not_allowed => |allow| ...,
///     .not_found => ...,
/// }
/// ```
pub fn Router(comptime Handler: type, comptime capacity: Capacity) type {
    return struct {
        const Self = @This();

        nodes: [capacity.nodes_max]Node = undefined,
        /// The root is always there.
        node_count: u16 = 0,
        handlers: [capacity.routes_max]Handler = undefined,
        route_count: u16 = 0,

        pub const Match = union(enum) {
            found: Handler,
            /// The path has routes, but none for the method: 405, or the answer to OPTIONS.
            not_allowed: Allow,
            not_found,
        };

        /// Registers a route at the start. `pattern` is kept as it is: it has to outlive the router.
        pub fn add(router: *Self, method: Method, pattern: []const u8, handler: Handler) RegisterError!void {
            try checkPattern(pattern);
            if (router.route_count == capacity.routes_max) return error.TooManyRoutes;
            if (router.node_count == 0) {
                router.nodes[0] = .{ .kind = .text, .text = "" };
                router.node_count = 1;
            }
            var at: u16 = 0;
            var segments = std.mem.splitScalar(u8, pattern[1..], '/');
            while (segments.next()) |segment| at = try router.child(at, segment);
            const slot = &router.nodes[at].routes[@intFromEnum(method)];
            if (slot.* != none) return error.RouteConflict;
            router.handlers[router.route_count] = handler;
            slot.* = router.route_count;
            router.route_count += 1;
        }

        /// Finds the route of a path, which is as in a `Request`: its escapes are decoded into `scratch`, which has room for
        /// the path. Params are slices of either; they are put where they stay, because half a kilobyte is not to be copied for
        /// each request.
        pub fn match(router: *const Self, method: http.Method, path: []const u8, scratch: []u8, params: *Params) MatchError!Match {
            params.len = 0;
            if (router.node_count == 0 or path.len == 0 or path[0] != '/') return .not_found;
            if (router.textRoute(method, path)) |route| return .{ .found = router.handlers[route] };
            var split: Split = .{};
            try split.fill(path[1..], scratch);
            var search: Search = .{ .router = router, .split = &split, .method = method, .params = params };
            const route = search.from(0, 0) orelse {
                return if (search.allow.methods.count() == 0) .not_found else .{ .not_allowed = search.allow };
            };
            params.len = search.depth;
            return .{ .found = router.handlers[route] };
        }

        /// The route whose pattern is the path itself, which goes before all others: found without taking the path apart.
        fn textRoute(router: *const Self, method: http.Method, path: []const u8) ?u16 {
            var at: u16 = 0;
            var start: usize = 1;
            // Of a deeper path the last segment is all that is left of it.
            for (0..segments_max - 1) |_| {
                var end = start;
                while (end < path.len and path[end] != '/') end += 1;
                // No pattern has an escape, so a segment with one is no text here.
                at = router.nodes[at].first_text;
                while (at != none and !std.mem.eql(u8, router.nodes[at].text, path[start..end])) at = router.nodes[at].next;
                if (at == none) return null;
                if (end == path.len) return router.nodes[at].routeOf(method);
                start = end + 1;
            }
            return null;
        }

        const none = std.math.maxInt(u16);

        const Node = struct {
            kind: enum { text, param, wildcard },
            /// The segment, or the name of the param.
            text: []const u8,
            first_text: u16 = none,
            /// The next sibling that is text.
            next: u16 = none,
            param: u16 = none,
            wildcard: u16 = none,
            routes: [method_count]u16 = @splat(none),

            /// Its route for the method: its own, GET's for HEAD, or that of every method.
            fn routeOf(node: *const Node, method: http.Method) ?u16 {
                const own: Method = switch (method) {
                    .other => .any,
                    inline else => |known| @field(Method, @tagName(known)),
                };
                if (node.routes[@intFromEnum(own)] != none) return node.routes[@intFromEnum(own)];
                if (own == .head and node.routes[@intFromEnum(Method.get)] != none) return node.routes[@intFromEnum(Method.get)];
                const every = node.routes[@intFromEnum(Method.any)];
                return if (every == none) null else every;
            }
        };

        fn child(router: *Self, parent: u16, segment: []const u8) RegisterError!u16 {
            const node = &router.nodes[parent];
            const link: *u16 = switch (kindOf(segment)) {
                ':' => &node.param,
                '*' => &node.wildcard,
                else => {
                    var at = node.first_text;
                    while (at != none) : (at = router.nodes[at].next) {
                        if (std.mem.eql(u8, router.nodes[at].text, segment)) return at;
                    }
                    const made = try router.make(.{ .kind = .text, .text = segment, .next = node.first_text });
                    node.first_text = made;
                    return made;
                },
            };
            if (link.* != none) {
                if (!std.mem.eql(u8, router.nodes[link.*].text, segment[1..])) return error.ParamNameConflict;
                return link.*;
            }
            const made = try router.make(.{ .kind = if (segment[0] == ':') .param else .wildcard, .text = segment[1..] });
            link.* = made;
            return made;
        }

        fn make(router: *Self, node: Node) RegisterError!u16 {
            if (router.node_count == capacity.nodes_max) return error.TooManyRoutes;
            router.nodes[router.node_count] = node;
            router.node_count += 1;
            return router.node_count - 1;
        }

        const Search = struct {
            router: *const Self,
            split: *const Split,
            method: http.Method,
            params: *Params,
            /// Params on the way from the root to where the search stands.
            depth: usize = 0,
            allow: Allow = .{},

            /// The route at or below a node, for the segments from `index` on.
            fn from(search: *Search, at: u16, index: usize) ?u16 {
                const node = &search.router.nodes[at];
                if (index == search.split.len) return search.routeOf(node);
                const segment = search.split.segments[index];
                const is_rest = index == search.split.len - 1 and search.split.truncated;
                if (!is_rest) {
                    var text = node.first_text;
                    while (text != none) : (text = search.router.nodes[text].next) {
                        if (!std.mem.eql(u8, search.router.nodes[text].text, segment)) continue;
                        if (search.from(text, index + 1)) |route| return route;
                        break;
                    }
                    // A param is never empty: `/users/` is not a user.
                    if (node.param != none and segment.len != 0) {
                        search.push(search.router.nodes[node.param].text, segment);
                        if (search.from(node.param, index + 1)) |route| return route;
                        search.depth -= 1;
                    }
                }
                if (node.wildcard != none) {
                    search.push(search.router.nodes[node.wildcard].text, search.split.rest(index));
                    if (search.routeOf(&search.router.nodes[node.wildcard])) |route| return route;
                    search.depth -= 1;
                }
                return null;
            }

            fn push(search: *Search, name: []const u8, value: []const u8) void {
                search.params.items[search.depth] = .{ .name = name, .value = value };
                search.depth += 1;
            }

            /// The node's route for the method, or a note of those it has.
            fn routeOf(search: *Search, node: *const Node) ?u16 {
                if (node.routeOf(search.method)) |route| return route;
                for (std.enums.values(Method)) |method| {
                    if (node.routes[@intFromEnum(method)] != none) search.allow.methods.insert(method);
                }
                return null;
            }
        };
    };
}

/// A path in its segments, decoded.
const Split = struct {
    segments: [segments_max][]const u8 = undefined,
    /// Where each segment begins in `decoded`, with the slashes in between.
    starts: [segments_max]usize = undefined,
    decoded: []const u8 = "",
    len: usize = 0,
    /// There were more: the last segment has all of them.
    truncated: bool = false,

    fn fill(split: *Split, path: []const u8, scratch: []u8) MatchError!void {
        const is_plain = bytes_of.isAll(.plain, path);
        var written: usize = 0;
        var at: usize = 0;
        while (true) {
            const is_last = split.len == segments_max - 1;
            const end = if (is_last) path.len else std.mem.indexOfScalarPos(u8, path, at, '/') orelse path.len;
            const raw = path[at..end];
            split.starts[split.len] = if (is_plain) at else written;
            if (is_plain) {
                split.segments[split.len] = raw;
            } else {
                const decoded = try decode(raw, scratch[written..]);
                split.segments[split.len] = decoded;
                written += decoded.len;
                if (end < path.len) {
                    scratch[written] = '/';
                    written += 1;
                }
            }
            split.truncated = is_last and std.mem.indexOfScalar(u8, raw, '/') != null;
            split.len += 1;
            if (end == path.len) break;
            at = end + 1;
        }
        split.decoded = if (is_plain) path else scratch[0..written];
    }

    /// Everything from a segment on.
    fn rest(split: *const Split, index: usize) []const u8 {
        return split.decoded[split.starts[index]..];
    }
};

/// Decodes `%41` and the like into `out`, which has room for as much as comes in. A plus is a plus: it means a space in
/// forms only.
pub fn decode(text: []const u8, out: []u8) MatchError![]const u8 {
    var from: usize = 0;
    var to: usize = 0;
    while (from < text.len) : (to += 1) {
        if (text[from] != '%') {
            out[to] = text[from];
            from += 1;
            continue;
        }
        if (text.len - from < 3) return error.InvalidEscape;
        const high = std.fmt.charToDigit(text[from + 1], 16) catch return error.InvalidEscape;
        const low = std.fmt.charToDigit(text[from + 2], 16) catch return error.InvalidEscape;
        // A NUL ends names of files for the system and for nobody else.
        if (high == 0 and low == 0) return error.InvalidEscape;
        out[to] = high << 4 | low;
        from += 3;
    }
    return out[0..to];
}

/// `:` or `*` where the segment is one of them, 0 for text.
fn kindOf(segment: []const u8) u8 {
    if (segment.len == 0) return 0;
    return switch (segment[0]) {
        ':', '*' => segment[0],
        else => 0,
    };
}

fn checkPattern(pattern: []const u8) RegisterError!void {
    if (pattern.len == 0 or pattern[0] != '/') return error.InvalidPattern;
    var names: [params_max][]const u8 = undefined;
    var name_count: usize = 0;
    var segment_count: usize = 0;
    var segments = std.mem.splitScalar(u8, pattern[1..], '/');
    while (segments.next()) |segment| {
        segment_count += 1;
        if (segment_count >= segments_max) return error.TooManySegments;
        if (segment.len == 0 and segments.peek() != null) return error.InvalidPattern;
        if (!bytes_of.isAll(.field_value, segment) or std.mem.indexOfAny(u8, segment, "%?#\t ") != null) return error.InvalidPattern;
        const kind = kindOf(segment);
        if (kind == 0) continue;
        if (segment.len == 1) return error.InvalidParam;
        if (name_count == params_max) return error.TooManyParams;
        for (names[0..name_count]) |name| {
            if (std.mem.eql(u8, name, segment[1..])) return error.InvalidParam;
        }
        names[name_count] = segment[1..];
        name_count += 1;
        if (kind == '*' and segments.peek() != null) return error.WildcardNotLast;
    }
}

test {
    _ = @import("router_test.zig");
}
