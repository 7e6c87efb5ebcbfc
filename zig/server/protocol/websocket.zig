//! WebSocket (RFC 6455) over bytes in memory: the handshake, frames in both directions, messages.

pub const handshake = @import("websocket/handshake.zig");
const frame = @import("websocket/frame.zig");
const receiver = @import("websocket/receiver.zig");
const mask = @import("websocket/mask.zig");

pub const Opcode = frame.Opcode;
pub const Header = frame.Header;
pub const CloseCode = frame.CloseCode;
pub const Close = frame.Close;
pub const header_bytes_max = frame.header_bytes_max;
pub const control_bytes_max = frame.control_bytes_max;
pub const control_frame_bytes_max = frame.control_frame_bytes_max;
pub const writeControl = frame.writeControl;
pub const writeClose = frame.writeClose;

pub const Receiver = receiver.Receiver;
pub const Options = receiver.Options;
pub const Event = receiver.Event;
pub const Data = receiver.Data;
pub const Closing = receiver.Closing;
pub const Error = receiver.Error;
pub const closeCodeOf = receiver.closeCodeOf;

pub const maskInPlace = mask.apply;
pub const Utf8Validator = @import("websocket/utf8.zig").Validator;

test {
    _ = handshake;
    _ = frame;
    _ = receiver;
    _ = mask;
    _ = @import("websocket/utf8.zig");
}
