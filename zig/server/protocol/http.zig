//! HTTP/1.1 (RFC 9110, RFC 9112) over bytes in memory: heads of requests, bodies, heads of responses.

const fields = @import("http/fields.zig");
const request = @import("http/request.zig");
const body = @import("http/body.zig");

pub const Field = fields.Field;
pub const Span = fields.Span;
pub const Limits = fields.Limits;
pub const Framing = fields.Framing;

pub const Method = request.Method;
pub const Options = request.Options;
pub const Request = request.Request;
pub const RequestParser = request.RequestParser;
pub const RequestError = request.Error;
pub const requestStatusOf = request.statusOf;

pub const target = @import("http/target.zig");

pub const Body = body.Body;
pub const BodyError = body.Error;
pub const bodyStatusOf = body.statusOf;

pub const response = @import("http/response.zig");
pub const date = @import("http/date.zig");
/// Whether a comma-separated field has an option, whatever its case.
pub const listHas = fields.listHas;

test {
    _ = fields;
    _ = request;
    _ = target;
    _ = body;
    _ = response;
    _ = date;
    _ = @import("http/chunked.zig");
}
