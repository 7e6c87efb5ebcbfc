//! What goes out from the loop's thread: `outgoing/socket.zig` has the sockets, `registry.zig` who is told of what they did,
//! `dns_resolver.zig` the addresses of names, and `ring_shared.zig` all of it for one ring. `client.zig` is a connection for
//! a library that speaks a protocol.

const io_of = @import("io.zig");
const http_exchange = @import("outgoing/http_exchange.zig");
const dns_resolver = @import("outgoing/dns_resolver.zig");

pub const IORegistry = @import("outgoing/registry.zig").IORegistry;
pub const RingShared = @import("outgoing/ring_shared.zig").RingSharedType(io_of.Linux);
pub const RingSharedClient = @import("outgoing/client.zig").RingSharedClientType(io_of.Linux);
pub const DnsResolver = dns_resolver.DnsResolverType(io_of.Linux);
pub const DnsConfig = dns_resolver.Config;
/// For programs that link c-ares.
pub const HttpCaresDns = @import("outgoing/cares.zig").HttpCaresDnsType(io_of.Linux);
pub const Resolver = @import("outgoing/resolver.zig").Resolver;
pub const Pipe = @import("outgoing/pipe.zig").PipeType(io_of.Linux);
pub const HttpRing = @import("outgoing/http_ring.zig").HttpRingType(io_of.Linux);
pub const HttpClient = @import("outgoing/http_client.zig").HttpClientType(io_of.Linux);
pub const HttpRequest = http_exchange.Request;
pub const HttpResponse = http_exchange.Response;
pub const HttpHeader = http_exchange.Header;
pub const HttpOptions = http_exchange.Options;
pub const TinyCache = HttpRing.TinyCache;
pub const FiberShared = @import("outgoing/fiber_shared.zig").FiberShared;
pub const RingTrait = @import("outgoing/fiber_shared.zig").RingTrait;

test {
    _ = @import("outgoing/registry.zig");
    _ = @import("outgoing/timers.zig");
    _ = @import("outgoing/system_files.zig");
    _ = @import("outgoing/fiber_shared.zig");
    _ = @import("outgoing/client_test.zig");
    _ = @import("outgoing/dns_resolver_test.zig");
    _ = @import("outgoing/url.zig");
    _ = @import("outgoing/http_client_test.zig");
    _ = @import("outgoing/pipe_test.zig");
    _ = @import("io/simulated/outgoing.zig");
}
