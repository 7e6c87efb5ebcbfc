//! What the server and its clients speak, as functions from bytes to bytes: HTTP/1.1, WebSocket, DNS, and the routes.
//!
//! Always: no I/O, no allocation, no clock and no randomness of its own; the caller gives buffers and the time. Every parser
//! goes on at any byte, tells what is wrong in the order of the bytes, and reads nothing outside of what it was given,
//! whatever that is: it is built ReleaseSafe.

pub const http = @import("protocol/http.zig");
pub const websocket = @import("protocol/websocket.zig");
pub const dns = @import("protocol/dns.zig");
pub const client = @import("protocol/client.zig");
pub const router = @import("protocol/router.zig");

test {
    _ = @import("protocol/bytes.zig");
    _ = @import("protocol/mutate.zig");
    _ = http;
    _ = websocket;
    _ = dns;
    _ = client;
    _ = router;
}
