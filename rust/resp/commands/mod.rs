//! The commands: how one is found, checked and run. Each group has its file; `commands.tsv` describes them all.
//!
//! What a command returns as a [`Failure`] is its whole reply: anything that it had written is taken back.
//! Errors are worded as Redis 7.0 words them, because clients look for the words.

pub(crate) mod registry;

mod bits;
mod config;
mod connection;
mod counters;
mod expiry;
mod foreign;
mod info;
mod inspect;
mod keys;
mod lcs;
mod options;
mod pubsub;
mod ranges;
mod roster;
mod scan;
mod space;
mod strings;
mod tell;
pub(crate) mod transactions;

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::args::Args;
use super::core::Core;
use super::number;
use super::reply::Reply;
use super::session::Session;
use crate::cache::Full;
pub(crate) use config::change_again;
use registry::{Command, Found, Kind, REGISTRY, Run};
pub(crate) use space::Space;

/// An error's text with its code: `ERR syntax error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) Cow<'static, [u8]>);

pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }

    pub(crate) fn of(text: impl Into<Vec<u8>>) -> Self {
        Self(Cow::Owned(text.into()))
    }
}

impl From<Full> for Failure {
    fn from(_: Full) -> Self {
        OUT_OF_MEMORY
    }
}

pub(crate) const OUT_OF_MEMORY: Failure = Failure::new("OOM command not allowed when used memory > 'maxmemory'.");
pub(crate) const SYNTAX: Failure = Failure::new("ERR syntax error");
pub(crate) const NOT_INTEGER: Failure = Failure::new("ERR value is not an integer or out of range");
pub(crate) const NO_KEY: Failure = Failure::new("ERR no such key");
const NO_AUTH: Failure = Failure::new("NOAUTH Authentication required.");
const IN_TRANSACTION: Failure = Failure::new("ERR Command not allowed inside a transaction");
const LONG_TRANSACTION: Failure = Failure::new("ERR the transaction is larger than transaction-max-bytes");
const BLOCKING: Failure =
    Failure::new("ERR channels are not possible with --io blocking: nothing could wake its thread");
const LONG_REPLY: Failure = Failure::new("ERR the reply would be longer than proto-max-reply-len");
pub(crate) const TOO_LARGE: Failure = Failure::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
/// The table's bound; longer keys were never any good.
const KEY_BYTES_MAX: usize = crate::cache::KEY_BYTES_MAX;
const LONG_KEY: Failure = Failure::new("ERR key is longer than 65536 bytes");

/// Memory for messages to the one who sends them that a thread keeps for the next ones: as much as for its replies.
const PUSHES_BYTES_KEPT: usize = 16 << 10;

/// One command that runs.
pub(crate) struct Call<'a> {
    pub(crate) args: Args<'a>,
    pub(crate) reply: Reply<'a>,
    /// Where the reply begins, behind those to earlier requests; for what EXEC runs that of EXEC.
    pub(crate) reply_start: usize,
    pub(crate) space: Space<'a>,
    /// Milliseconds since 1970, the same throughout a transaction.
    pub(crate) now: u64,
    pub(crate) command: &'static Command,
    pub(crate) session: &'a mut Session,
    pub(crate) core: &'a mut Core,
}

impl<'a> Call<'a> {
    /// To be asked between the parts of a reply that the request has named one by one.
    pub(crate) fn check_reply(&self) -> Outcome {
        let most = self.core.shared.live.one_reply_bytes_max.load(Relaxed) as usize;
        if self.reply.out.len() - self.reply_start > most { Err(LONG_REPLY) } else { Ok(()) }
    }

    pub(crate) fn integer(&self, place: usize) -> Result<i64, Failure> {
        number::integer(self.args.at(place)).ok_or(NOT_INTEGER)
    }

    /// A number of 32 bits: a database's.
    pub(crate) fn int(&self, place: usize) -> Result<i32, Failure> {
        const NOT_INT: Failure =
            Failure::new("ERR value is out of range, value must between -2147483648 and 2147483647");
        i32::try_from(self.integer(place)?).map_err(|_| NOT_INT)
    }
}

/// What becomes of a request before it runs.
enum Checked {
    Run(&'static Command),
    Queue(&'static Command),
    Refuse(Failure, Option<&'static Command>),
    /// The line of an HTTP request: a page in this machine's browser tries to have commands run. Nothing more is read.
    HangUp,
}

/// Runs a request and writes its reply to the end of `out`.
pub(crate) fn execute(args: Args<'_>, out: &mut Vec<u8>, space: Space<'_>, session: &mut Session, core: &mut Core) {
    let start = out.len();
    match check(args, session, core) {
        Checked::Run(command) => {
            let protocol = session.protocol;
            let reply = Reply { out: &mut *out, protocol };
            let now = core.now_ms;
            run(Call { args, reply, reply_start: start, space, now, command, session, core });
        }
        Checked::Queue(command) => {
            let bytes_max = core.shared.live.transaction_bytes_max.load(Relaxed) as usize;
            if session.transaction.as_mut().expect("checked").queue(command, args, bytes_max) {
                out.extend_from_slice(b"+QUEUED\r\n");
            } else {
                refuse(&LONG_TRANSACTION, Some(command), out, session, core);
            }
            session.refresh();
        }
        Checked::Refuse(failure, command) => refuse(&failure, command, out, session, core),
        Checked::HangUp => session.closing = true,
    }
    session.after_reply(out, start);
    if !core.pushes.is_empty() {
        // Before the reply, as in Redis 7.0, which has those of a transaction amid EXEC's reply, where no client can tell them from
        // it. They come behind that one, as in Redis 7.2.
        let place = if args.is(0, "exec") { out.len() } else { start };
        out.splice(place..place, core.pushes.drain(..));
        core.pushes.shrink_to(PUSHES_BYTES_KEPT);
    }
}

fn refuse(
    failure: &Failure,
    command: Option<&'static Command>,
    out: &mut Vec<u8>,
    session: &mut Session,
    core: &mut Core,
) {
    if let Some(transaction) = &mut session.transaction {
        transaction.fail();
    }
    if let Some(command) = command {
        core.tally.by_command[command.index].rejected.add(1);
        // An EXEC that can't even run ends the transaction, as in Redis.
        if command.name == "exec" {
            session.end_transaction();
            let why = failure.0.strip_prefix(b"ERR ").unwrap_or(&failure.0);
            let text = [b"EXECABORT Transaction discarded because of: ", why].concat();
            core.tally.note_error(&text);
            return Reply { out, protocol: session.protocol }.error(&text);
        }
    }
    core.tally.note_error(&failure.0);
    Reply { out, protocol: session.protocol }.error(&failure.0);
}

#[inline]
fn check(args: Args<'_>, session: &mut Session, core: &Core) -> Checked {
    let command = match REGISTRY.command(args) {
        Found::Command(command) => command,
        Found::Unknown if args.is(0, "post") || args.is(0, "host:") => return Checked::HangUp,
        Found::Unknown => return Checked::Refuse(unknown(args), None),
        Found::UnknownSubcommand(command) => return Checked::Refuse(unknown_subcommand(command, args), None),
    };
    session.card.last_command.set(command);
    if !command.takes(args.len()) || command.run.is_none() {
        return Checked::Refuse(wrong_arity(command), Some(command));
    }
    if session.is_plain() {
        return Checked::Run(command);
    }
    if !session.logged_in && !command.no_auth && core.shared.live.has_password() {
        return Checked::Refuse(NO_AUTH, Some(command));
    }
    if core.shared.foreign && !foreign::serves(command) {
        return Checked::Refuse(foreign::refusal(command), Some(command));
    }
    if session.listens_in_resp2() && !command.beside_channels {
        let name = command.name;
        let text = format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        );
        return Checked::Refuse(Failure::of(text), Some(command));
    }
    if session.blocking && matches!(command.name, "subscribe" | "psubscribe") {
        return Checked::Refuse(BLOCKING, Some(command));
    }
    if session.transaction.is_some() {
        match command.kind {
            Kind::Alone => return Checked::Refuse(IN_TRANSACTION, Some(command)),
            Kind::Plain => return Checked::Queue(command),
            Kind::Unqueued => {}
        }
    }
    Checked::Run(command)
}

/// Runs a command that was checked.
#[inline]
pub(crate) fn run(mut call: Call<'_>) {
    let (command, start) = (call.command, call.reply.out.len());
    // A key that the table can't have is refused for all commands alike; most requests are too short to hold one.
    let outcome = match command.first {
        1.. if long_key(&call) => Err(LONG_KEY),
        _ => {
            let timed = command.timed || call.core.times_all;
            let began = timed.then(Instant::now);
            let outcome = (command.run.expect("checked"))(&mut call);
            let took_us = began.map_or(0, |began| began.elapsed().as_micros() as u64);
            let of = &call.core.tally.by_command[command.index];
            of.calls.add(1);
            if timed {
                of.took_us.add(took_us);
                // What follows in the same pipeline must not take keys for alive that have expired meanwhile.
                if took_us >= 1000 {
                    call.core.refresh_time();
                }
                call.core.note_time(call.args, took_us, call.session);
            }
            outcome
        }
    };
    if let Err(failure) = outcome {
        call.reply.out.truncate(start);
        call.core.tally.by_command[command.index].failed.add(1);
        call.core.tally.note_error(&failure.0);
        call.reply.error(&failure.0);
    }
}

#[inline]
fn long_key(call: &Call<'_>) -> bool {
    let places = || call.command.key_places(call.args.len());
    places().any(|place| call.args.at(place).len() > KEY_BYTES_MAX)
}

/// As C prints a string: up to a NUL, and not more than so many bytes.
fn printed(text: &[u8], bytes_max: usize) -> &[u8] {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    &text[..text.len().min(bytes_max)]
}

fn unknown(args: Args<'_>) -> Failure {
    let mut text = [b"ERR unknown command '", printed(args.at(0), 128), b"', with args beginning with: "].concat();
    let mut shown = 0;
    for arg in args.iter().skip(1) {
        if shown >= 128 {
            break;
        }
        let arg = printed(arg, 128 - shown);
        text.extend([b"'", arg, b"' "].concat());
        shown += arg.len() + 3;
    }
    Failure::of(text)
}

fn unknown_subcommand(command: &Command, args: Args<'_>) -> Failure {
    let upper = printed(args.at(0), usize::MAX).to_ascii_uppercase();
    debug_assert_eq!(upper, command.name.to_uppercase().as_bytes());
    Failure::of([b"ERR unknown subcommand '", printed(args.at(1), 128), b"'. Try ", &upper, b" HELP."].concat())
}

/// A subcommand that there is, in a form that there isn't.
pub(crate) fn wrong_call(call: &Call<'_>) -> Failure {
    let upper = printed(call.args.at(0), usize::MAX).to_ascii_uppercase();
    let text: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";
    Failure::of([text, printed(call.args.at(1), 128), b"'. Try ", &upper, b" HELP."].concat())
}

pub(crate) fn wrong_arity(command: &Command) -> Failure {
    Failure::of(format!("ERR wrong number of arguments for '{}' command", command.name))
}

/// Which function a command of the table is.
fn function(name: &str) -> Option<Run> {
    Some(match name {
        "get" => strings::get,
        "set" => strings::set,
        "getset" => strings::getset,
        "getdel" => strings::getdel,
        "getex" => strings::getex,
        "mget" => strings::mget,
        "mset" => strings::mset,
        "msetnx" => strings::msetnx,
        "setnx" => strings::setnx,
        "setex" | "psetex" => strings::setex,
        "append" => ranges::append,
        "strlen" => ranges::strlen,
        "getrange" | "substr" => ranges::getrange,
        "setrange" => ranges::setrange,
        "incr" => |call| counters::add(call, Some(1)),
        "decr" => |call| counters::add(call, Some(-1)),
        "incrby" => |call| counters::add(call, None),
        "decrby" => counters::subtract,
        "incrbyfloat" => counters::add_float,
        "lcs" => lcs::lcs,
        "setbit" => bits::setbit,
        "getbit" => bits::getbit,
        "bitcount" => bits::bitcount,
        "bitpos" => bits::bitpos,
        "bitop" => bits::bitop,
        "del" | "unlink" => keys::delete,
        "exists" | "touch" => keys::exists,
        "expire" | "pexpire" | "expireat" | "pexpireat" => expiry::expire,
        "ttl" | "pttl" | "expiretime" | "pexpiretime" => expiry::ttl,
        "persist" => expiry::persist,
        "type" => keys::kind,
        "rename" | "renamenx" => keys::rename,
        "copy" => keys::copy,
        "keys" => scan::keys,
        "scan" => scan::scan,
        "randomkey" => scan::randomkey,
        "dbsize" => scan::dbsize,
        "flushall" | "flushdb" => scan::flush,
        "object|encoding" => inspect::encoding,
        "object|freq" => inspect::freq,
        "object|idletime" => inspect::idletime,
        "object|refcount" => inspect::refcount,
        "memory|usage" => inspect::memory_usage,
        "memory|stats" => inspect::memory_stats,
        "memory|doctor" => inspect::memory_doctor,
        "debug" => inspect::debug,
        "save" => inspect::save,
        "bgsave" => inspect::bgsave,
        "lastsave" => inspect::lastsave,
        "shutdown" => inspect::shutdown,
        "slowlog|get" => inspect::slowlog_get,
        "slowlog|len" => inspect::slowlog_len,
        "slowlog|reset" => inspect::slowlog_reset,
        "function|flush" => inspect::function_flush,
        "function|list" => inspect::function_list,
        "info" => info::info,
        "command" => tell::all,
        "command|count" => tell::count,
        "command|docs" => tell::docs,
        "command|getkeys" => tell::getkeys,
        "command|getkeysandflags" => tell::getkeysandflags,
        "command|info" => tell::info,
        "command|list" => tell::list,
        "config|get" => config::get,
        "config|set" => config::set,
        "config|resetstat" => config::resetstat,
        "time" => connection::time,
        "ping" => connection::ping,
        "echo" => connection::echo,
        "auth" => connection::auth,
        "hello" => connection::hello,
        "select" => connection::select,
        "quit" => connection::quit,
        "reset" => connection::reset,
        "client|getname" => roster::getname,
        "client|setname" => roster::setname,
        "client|id" => roster::id,
        "client|info" => roster::info,
        "client|list" => roster::list,
        "client|kill" => roster::kill,
        "client|reply" => roster::reply,
        "client|no-evict" => roster::no_evict,
        "client|getredir" => roster::getredir,
        "multi" => transactions::multi,
        "exec" => transactions::exec,
        "discard" => transactions::discard,
        "watch" => transactions::watch,
        "unwatch" => transactions::unwatch,
        "subscribe" | "psubscribe" => pubsub::subscribe,
        "unsubscribe" | "punsubscribe" => pubsub::unsubscribe,
        "publish" => pubsub::publish,
        "pubsub|channels" => pubsub::channels,
        "pubsub|numsub" => pubsub::numsub,
        "pubsub|numpat" => pubsub::numpat,
        name if name.ends_with("|help") => tell::help,
        _ => return None,
    })
}
