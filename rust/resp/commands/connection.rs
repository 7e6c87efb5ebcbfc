//! PING, AUTH, HELLO and what else is about the connection itself.

use super::{Call, Failure, Outcome, SYNTAX, wrong_arity};
use crate::resp::number;
use crate::resp::reply::Protocol;

const WRONG_PASSWORD: Failure = Failure::new("WRONGPASS invalid username-password pair or user is disabled.");
const NO_PASSWORD: Failure = Failure::new(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);
/// What HELLO and INFO give as the version: the one whose behaviour this is, since clients choose by it what they send.
pub(crate) const REDIS_VERSION: &str = "7.0.15";

pub(crate) fn ping(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 2 {
        return Err(wrong_arity(call.command));
    }
    let message = call.args.get(1);
    // Among messages of channels RESP2 can't tell a reply by anything but its form.
    if call.session.listens_in_resp2() {
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(message.unwrap_or_default());
    } else {
        match message {
            Some(message) => call.reply.bulk(message),
            None => call.reply.status("PONG"),
        }
    }
    Ok(())
}

pub(crate) fn echo(call: &mut Call<'_>) -> Outcome {
    call.reply.bulk(call.args.at(1));
    Ok(())
}

pub(crate) fn time(call: &mut Call<'_>) -> Outcome {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    call.reply.array(2);
    call.reply.shown(now.as_secs());
    call.reply.shown(now.subsec_micros());
    Ok(())
}

/// There is one database. A transaction checks it when it runs, as Redis does.
pub(crate) fn select(call: &mut Call<'_>) -> Outcome {
    match call.int(1)? {
        0 => call.reply.ok(),
        _ => return Err(Failure::new("ERR DB index is out of range")),
    }
    Ok(())
}

pub(crate) fn quit(call: &mut Call<'_>) -> Outcome {
    call.session.closing = true;
    call.reply.ok();
    Ok(())
}

pub(crate) fn reset(call: &mut Call<'_>) -> Outcome {
    call.core.leave_all(call.session);
    let stranger = call.core.shared.live.has_password();
    call.session.reset(!stranger);
    call.reply.protocol = Protocol::Resp2;
    call.reply.status("RESET");
    Ok(())
}

fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Outcome {
    let live = &call.core.shared.live;
    // Without a password anybody is let in, as with Redis's `nopass`.
    if user != b"default" || live.has_password() && !live.admits(password) {
        return Err(WRONG_PASSWORD);
    }
    call.session.logged_in = true;
    call.session.refresh();
    Ok(())
}

pub(crate) fn auth(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        2 if !call.core.shared.live.has_password() => return Err(NO_PASSWORD),
        2 => log_in(call, b"default", call.args.at(1))?,
        3 => log_in(call, call.args.at(1), call.args.at(2))?,
        _ => return Err(SYNTAX),
    }
    call.reply.ok();
    Ok(())
}

pub(crate) fn hello(call: &mut Call<'_>) -> Outcome {
    let protocol = match call.args.get(1).map(number::integer) {
        None => call.session.protocol,
        Some(Some(2)) => Protocol::Resp2,
        Some(Some(3)) => Protocol::Resp3,
        Some(None) => return Err(Failure::new("ERR Protocol version is not an integer or out of range")),
        Some(_) => return Err(Failure::new("NOPROTO unsupported protocol version")),
    };
    let mut place = 2;
    while place < call.args.len() {
        if call.args.is(place, "auth") && place + 2 < call.args.len() {
            log_in(call, call.args.at(place + 1), call.args.at(place + 2))?;
            place += 3;
        } else if call.args.is(place, "setname") && place + 1 < call.args.len() {
            super::roster::check_name(call.args.at(place + 1))?;
            call.session.card.set_name(call.args.at(place + 1));
            place += 2;
        } else {
            let word = super::printed(call.args.at(place), usize::MAX);
            return Err(Failure::of([b"ERR Syntax error in HELLO option '", word, b"'"].concat()));
        }
    }
    if !call.session.logged_in && call.core.shared.live.has_password() {
        return Err(Failure::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    call.session.set_protocol(protocol);
    let reply = &mut call.reply;
    reply.protocol = protocol;
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(protocol.number());
    reply.bulk(b"id");
    reply.integer(call.session.card.id);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}
