//! The life of a connection between the kernel's events and the core: what it holds back, when it reads and sends, and how
//! it ends.

const std = @import("std");
const assert = std.debug.assert;
const answer = @import("answer.zig");
const application_of = @import("application.zig");
const broadcast = @import("broadcast.zig");
const io_of = @import("io.zig");
const pages = @import("pages.zig");
const slot_of = @import("slot.zig");
const web_socket = @import("web_socket.zig");
const Core = @import("core.zig").Core;
const DeferredNode = @import("deferred.zig").DeferredNode;
const Event = io_of.Event;
const StackSlot = slot_of.StackSlot;
const UserData = io_of.UserData;

/// Buffers that a busy connection keeps before it isn't read from any more. Those that were on their way come on top.
const held_buffers_max = 4;

/// Starved connections that are looked for in one turn.
const starved_per_turn_max = 1024;

pub fn Connections(comptime Server: type) type {
    return struct {
        /// By buffer: what of it is not worked off, and the next one of its connection.
        held: []Held,
        /// Descriptors that were accepted, and not closed yet.
        descriptors_open: u32 = 0,
        /// Connections whose receive ended because there was no buffer.
        starved: u32 = 0,
        starved_at: u32 = 0,
        thread: std.Thread.Id = 0,

        const Self = @This();
        const Held = struct { next: u16, start: u16, end: u16 };

        pub fn init(buffer_count: u16) error{OutOfMemory}!Self {
            return .{ .held = try pages.reserve(Held, buffer_count) };
        }

        pub fn deinit(self: *Self) void {
            pages.release(Held, self.held);
            self.* = undefined;
        }

        /// The calling thread becomes the loop's.
        pub fn own(self: *Self) void {
            self.thread = std.Thread.getCurrentId();
        }

        pub fn isOnThread(self: *const Self) bool {
            return self.thread == std.Thread.getCurrentId();
        }

        pub fn onAccept(self: *Self, server: *Server, descriptor: io_of.Descriptor) void {
            const core = &server.core;
            self.descriptors_open += 1;
            const index = core.slots.acquire() orelse {
                core.stats.accept_refused += 1;
                server.io.close(descriptor, .{ .index = 0, .operation = .close, .generation = 0 });
                return;
            };
            core.stats.accepted += 1;
            const slot = &core.slots.slots[index];
            slot.line1.fd = descriptor;
            slot.line2.last_active_ms = core.now_ms;
            slot.line2.read_deadline_ms = core.now_ms + core.config.idle_timeout_ms;
            if (core.application) |application| application.onOpen(application.context, slot);
            receive(server, slot);
        }

        pub fn onReceive(self: *Self, server: *Server, event: *const Event) void {
            const data = event.user_data;
            const slot = server.core.slots.get(data.index, data.generation) orelse {
                if (event.buffer) |id| server.io.returnBuffer(id);
                return;
            };
            const flags = &slot.line1.flags;
            assert(flags.receiving);
            flags.receiving = event.more;
            if (slot.line1.state == .closing) {
                if (event.buffer) |id| server.io.returnBuffer(id);
                return;
            }
            if (!event.more) flags.receive_cancelled = false;
            if (event.failure()) |err| {
                assert(event.buffer == null);
                switch (err) {
                    .NOBUFS => {
                        flags.starved = true;
                        self.starved += 1;
                    },
                    // We ended it ourselves, or it will begin anew.
                    .CANCELED, .INTR, .AGAIN => {},
                    else => return self.close(server, slot),
                }
                return self.settle(server, slot);
            }
            if (event.result == 0) {
                if (event.buffer) |id| server.io.returnBuffer(id);
                flags.receiving = false;
                flags.peer_finished = true;
                if (server.core.application != null) application_of.halfClose(&server.core, slot);
                return self.settle(server, slot);
            }
            const len: u16 = @intCast(event.result);
            const id = event.buffer.?;
            // The usual case: nothing waits, and all of it is worked off at once.
            if (slot.line1.held_count == 0 and !slot.isPaused()) {
                const bytes = server.io.buffer(id)[0..len];
                const consumed = server.core.consume(slot, bytes);
                if (consumed == len) server.io.returnBuffer(id) else self.hold(slot, id, @intCast(consumed), len);
            } else if (slot.line1.state == .lingering or slot.line1.state == .ending) {
                server.io.returnBuffer(id);
            } else self.hold(slot, id, 0, len);
            self.settle(server, slot);
        }

        pub fn onSend(self: *Self, server: *Server, event: *const Event) void {
            const data = event.user_data;
            const core = &server.core;
            // A slot stays as long as a send of its connection is under way.
            const slot = core.slots.get(data.index, data.generation).?;
            const line1 = &slot.line1;
            assert(line1.flags.sending);
            line1.flags.sending = false;
            if (line1.state == .closing) return release(server, slot);
            if (event.failure()) |err| switch (err) {
                .INTR, .AGAIN => {},
                else => return self.close(server, slot),
            };
            var sent: usize = @intCast(@max(event.result, 0));
            const of_output = @min(sent, line1.output.len - line1.write_offset);
            line1.write_offset += @intCast(of_output);
            sent -= of_output;
            if (line1.flags.owned or line1.flags.sharing) {
                const rest = &slot.line4.write_iovs[1];
                rest.* = .{ .base = rest.base + sent, .len = rest.len - sent };
            } else assert(sent == 0);
            if (line1.write_offset == line1.output.len) {
                core.buffers.release(&line1.output);
                line1.write_offset = 0;
                const is_whole = slot.line4.write_iovs[1].len == 0;
                if (line1.flags.owned and is_whole) {
                    answer.releaseBody(core, slot);
                    core.finishAnswer(slot);
                }
                if (line1.flags.sharing and is_whole) broadcast.endSharing(core, slot);
            }
            self.settle(server, slot);
        }

        /// A client that acknowledges takes what it is sent, whether its send can go on already or not. One that has taken nothing for
        /// all its time is closed.
        pub fn onUnacknowledged(self: *Self, server: *Server, event: *const Event) void {
            const core = &server.core;
            const slot = core.slots.get(event.user_data.index, event.user_data.generation) orelse return;
            if (!slot.line1.flags.sending or slot.line1.state == .closing) return;
            // Linux before 6.7 can't say: there the sends alone tell of progress.
            const is_known = event.failure() == null;
            // More than the last time is progress as well: the kernel had room for more of this send, or that look was at the one before.
            if (is_known and event.result != slot.line2.unacknowledged) {
                slot.line2.unacknowledged = @intCast(event.result);
                slot.line2.write_deadline_ms = core.now_ms + core.config.write_timeout_ms;
            } else if (core.now_ms >= slot.line2.write_deadline_ms) {
                core.stats.timed_out += 1;
                self.close(server, slot);
            }
        }

        pub fn onShutdown(self: *Self, server: *Server, event: *const Event) void {
            const data = event.user_data;
            // A slot stays as long as a shutdown of its connection is under way, and a failed one finds the connection gone.
            const slot = server.core.slots.get(data.index, data.generation).?;
            assert(slot.line1.flags.shutting);
            slot.line1.flags.shutting = false;
            if (slot.line1.flags.close_wanted) self.close(server, slot);
        }

        /// Does whatever can be done now: works off what is held, sends, reads on, or ends the connection.
        pub fn settle(self: *Self, server: *Server, slot: *StackSlot) void {
            const line1 = &slot.line1;
            if (line1.state == .web_socket and !line1.flags.sending) broadcast.takeWaiting(&server.core, slot);
            while (true) {
                if (line1.state == .answered and !line1.flags.sending) writeAnswer(server, slot);
                self.workOff(server, slot);
                if (line1.state == .answering and !line1.flags.sending and !line1.flags.owned) {
                    // A body in pieces: the next one when the last one is sent.
                    if (line1.output.isEmpty()) answer.nextPiece(&server.core, slot);
                    // Its end: what was held is looked at again, and leaves together with it.
                    if (line1.state == .head and line1.held_count > 0 and !Core.outputIsFull(slot)) continue;
                }
                break;
            }
            // An application says itself that half a body is no request.
            const is_half = line1.flags.peer_finished and line1.held_count == 0 and line1.state == .body;
            if (is_half and server.core.application != null and !line1.flags.sending) server.core.refuse(slot, 400);
            if (line1.state == .broken) return self.close(server, slot);
            const has_output = !line1.output.isEmpty() or line1.flags.owned or line1.flags.sharing;
            if (!line1.flags.sending and has_output) send(server, slot);
            if (!line1.flags.sending) {
                if (line1.state == .ending) return self.linger(server, slot);
                // Half a request will never be whole.
                const is_finished = line1.flags.peer_finished and line1.held_count == 0;
                const is_waiting = !slot.isPaused() or line1.state == .lingering;
                if (is_finished and is_waiting) return self.close(server, slot);
            }
            self.adjustReceive(server, slot);
        }

        /// Works off the held buffers, in their order, as far as the connection goes.
        fn workOff(self: *Self, server: *Server, slot: *StackSlot) void {
            const line1 = &slot.line1;
            while (line1.held_count > 0) {
                const id = line1.held_first;
                const entry = &self.held[id];
                const is_discarded = line1.state == .ending or line1.state == .lingering;
                if (!is_discarded) {
                    if (slot.isPaused() or Core.outputIsFull(slot)) return;
                    const bytes = server.io.buffer(id)[entry.start..entry.end];
                    entry.start += @intCast(server.core.consume(slot, bytes));
                    if (entry.start < entry.end) continue;
                }
                line1.held_first = entry.next;
                line1.held_count -= 1;
                server.io.returnBuffer(id);
            }
            line1.held_last = slot_of.held_none;
        }

        fn hold(self: *Self, slot: *StackSlot, id: u16, start: u16, end: u16) void {
            const line1 = &slot.line1;
            self.held[id] = .{ .next = slot_of.held_none, .start = start, .end = end };
            if (line1.held_count == 0) line1.held_first = id else self.held[line1.held_last].next = id;
            line1.held_last = id;
            line1.held_count += 1;
        }

        /// Reads on when there is nothing left to work off, and stops when too much waits.
        fn adjustReceive(_: *Self, server: *Server, slot: *StackSlot) void {
            const line1 = &slot.line1;
            const flags = &line1.flags;
            if (flags.receiving) {
                if (line1.held_count < held_buffers_max or flags.receive_cancelled) return;
                server.io.cancel(userData(server, slot, .receive), userData(server, slot, .cancel));
                flags.receive_cancelled = true;
            } else if (line1.held_count == 0 and !flags.peer_finished and !flags.starved) receive(server, slot);
        }

        fn receive(server: *Server, slot: *StackSlot) void {
            assert(!slot.line1.flags.receiving);
            slot.line1.flags.receiving = true;
            server.io.receive(slot.line1.fd, userData(server, slot, .receive));
        }

        fn send(server: *Server, slot: *StackSlot) void {
            const line1 = &slot.line1;
            assert(!line1.flags.sending);
            line1.flags.sending = true;
            line1.send_round = server.core.broadcasts.round;
            slot.line2.write_deadline_ms = server.core.now_ms + server.core.config.write_timeout_ms;
            slot.line2.unacknowledged = slot_of.unacknowledged_unknown;
            const data = userData(server, slot, .send);
            const bytes = line1.output.bytes()[line1.write_offset..];
            if (!line1.flags.owned and !line1.flags.sharing) return server.io.send(line1.fd, bytes, data);
            const pieces = &slot.line4.write_iovs;
            if (bytes.len == 0) return server.io.send(line1.fd, pieces[1].base[0..pieces[1].len], data);
            pieces[0] = .{ .base = bytes.ptr, .len = bytes.len };
            slot.line4.message.iov = pieces;
            slot.line4.message.iovlen = pieces.len;
            server.io.sendVector(line1.fd, &slot.line4.message, data);
        }

        /// All is sent and no more will be. A close right now would reset the connection if the client has sent more than
        /// we read, and the reset destroy the answer on its way (RFC 9112 9.6).
        fn linger(self: *Self, server: *Server, slot: *StackSlot) void {
            if (slot.line1.flags.peer_finished) return self.close(server, slot);
            slot.line1.state = .lingering;
            slot.line1.flags.shutting = true;
            slot.line2.read_deadline_ms = server.core.now_ms + server.core.config.linger_timeout_ms;
            server.io.shutdown(slot.line1.fd, userData(server, slot, .shutdown));
            self.adjustReceive(server, slot);
        }

        pub fn close(self: *Self, server: *Server, slot: *StackSlot) void {
            const line1 = &slot.line1;
            if (line1.state == .closing) return;
            if (line1.flags.shutting) {
                line1.flags.close_wanted = true;
                return;
            }
            if (line1.state == .deferred) server.core.deferred -= 1;
            if (server.core.application) |application| application.onClose(application.context, slot);
            if (line1.flags.starved) self.starved -= 1;
            broadcast.leave(&server.core, slot);
            server.io.close(line1.fd, userData(server, slot, .close));
            while (line1.held_count > 0) {
                const id = line1.held_first;
                line1.held_first = self.held[id].next;
                line1.held_count -= 1;
                server.io.returnBuffer(id);
            }
            if (line1.state == .answered and server.core.application == null) slot.line5.ws.answer.free(server.core.allocator);
            line1.state = .closing;
            // The kernel may still read what is being sent; the rest is ours at once.
            if (!line1.flags.sending) return release(server, slot);
            server.core.buffers.release(&slot.line2.input);
            server.core.buffers.release(&slot.line4.body);
        }

        fn release(server: *Server, slot: *StackSlot) void {
            server.core.releaseAll(slot);
            server.core.slots.release(server.core.slots.indexOf(slot));
        }

        /// The server stops: a WebSocket is told.
        pub fn goAway(self: *Self, server: *Server, slot: *StackSlot) void {
            if (slot.line1.state != .web_socket or slot.line1.flags.sending) return;
            web_socket.end(&server.core, slot, .going_away, "");
            self.settle(server, slot);
        }

        /// Sends what was broadcast since the last turn, all of it to one connection at once, and answers that came later.
        pub fn flush(self: *Self, server: *Server) void {
            const core = &server.core;
            while (core.broadcasts.takeChanged()) |index| {
                const slot = &core.slots.slots[index];
                // Another connection's by now, or none's: then there is nothing to do for it.
                if (slot.line1.gen_id == 0) continue;
                switch (slot.line1.state) {
                    .web_socket, .broken, .answered => self.settle(server, slot),
                    else => {},
                }
            }
        }

        /// Nothing of a request is there, and nothing of an answer.
        pub fn isIdle(_: *const Self, slot: *const StackSlot) bool {
            return slot.line1.state == .head and slot.line1.held_count == 0 and slot.line1.output.isEmpty() and
                slot.line2.input.isEmpty();
        }

        /// Ends what takes too long.
        pub fn checkTimes(self: *Self, server: *Server, slot: *StackSlot) void {
            const core = &server.core;
            const line1 = &slot.line1;
            if (line1.state == .closing) return;
            if (line1.flags.sending) {
                // Most sends are done in the turn that they were asked for.
                const is_new = core.now_ms + core.config.write_timeout_ms == slot.line2.write_deadline_ms;
                return if (!is_new) server.io.lookAtUnacknowledged(line1.fd, userData(server, slot, .unacknowledged));
            }
            if (core.now_ms < slot.line2.read_deadline_ms) return;
            switch (line1.state) {
                .head, .body => {
                    // What is held isn't the client's fault: it is looked at first.
                    if (line1.held_count > 0) return;
                    core.stats.timed_out += 1;
                    const has_begun = !slot.line2.input.isEmpty() and slot.line3.parser.hasBegun();
                    if (line1.state == .head and !has_begun) return self.close(server, slot);
                    core.refuse(slot, 408);
                },
                .web_socket => {
                    if (line1.held_count > 0) return;
                    switch (web_socket.overdue(core, slot)) {
                        .asked => {},
                        .ended => core.stats.timed_out += 1,
                        .gone => {
                            core.stats.timed_out += 1;
                            return self.close(server, slot);
                        },
                    }
                },
                .deferred => {
                    core.stats.timed_out += 1;
                    core.refuse(slot, 504);
                },
                .lingering => return self.close(server, slot),
                .answered, .answering, .ending, .broken, .closing => return,
            }
            self.settle(server, slot);
        }

        /// Reads on from those whom the kernel had no buffer for, now that there are some.
        pub fn feedStarved(self: *Self, server: *Server) void {
            const slots = &server.core.slots;
            for (0..@min(slots.live_len, starved_per_turn_max)) |_| {
                if (self.starved == 0 or server.io.buffers_free == 0) return;
                if (self.starved_at >= slots.live_len) self.starved_at = 0;
                const slot = &slots.slots[slots.live[self.starved_at]];
                self.starved_at += 1;
                if (!slot.line1.flags.starved or slot.line1.state == .closing) continue;
                slot.line1.flags.starved = false;
                self.starved -= 1;
                self.adjustReceive(server, slot);
            }
        }

        /// Takes a deferred answer, if its connection still waits for it. It is sent by `flush`: a handler may be what calls, and the
        /// connection's next request must not take its place.
        pub fn answerDeferred(_: *Self, server: *Server, node: DeferredNode) void {
            var seen = node;
            for (server.hooks_deferred[0..server.hooks_deferred_len]) |hook| hook(server, &seen);
            const core = &server.core;
            const id: slot_of.ConnId = @bitCast(seen.conn_id);
            const slot = core.slots.get(id.index, id.gen_id);
            if (slot == null or slot.?.line1.state != .deferred or slot.?.line2.conn_id != seen.conn_id) {
                core.stats.deferred_discarded += 1;
                seen.free(core.allocator);
                return;
            }
            core.deferred -= 1;
            slot.?.line1.state = .answered;
            slot.?.line5.ws = .{ .answer = seen };
            core.broadcasts.noteChanged(id.index);
        }

        /// Writes the deferred answer. Only when nothing is being sent: the output might move.
        fn writeAnswer(server: *Server, slot: *StackSlot) void {
            assert(!slot.line1.flags.sending);
            const core = &server.core;
            if (core.application != null) return application_of.goOn(core, slot);
            const node = slot.line5.ws.answer;
            slot.line5.ws = .{ .none = {} };
            slot.line1.state = .ending;
            if (core.stopping) slot.line1.flags.keep_alive = false;
            answer.later(core, slot, node);
            if (slot.line1.state == .ending) core.finishAnswer(slot);
        }

        inline fn userData(server: *const Server, slot: *const StackSlot, operation: io_of.Operation) UserData {
            return .{
                .index = @intCast(server.core.slots.indexOf(slot)),
                .operation = operation,
                .generation = slot.line1.gen_id,
            };
        }
    };
}
