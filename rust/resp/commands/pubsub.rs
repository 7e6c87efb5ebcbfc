//! SUBSCRIBE, PUBLISH and what tells about channels.

use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Failure, Outcome};
use crate::resp::glob;
use crate::resp::hub::Topic;
use crate::resp::reply::Reply;
use crate::resp::session::Replies;

fn topic(call: &Call<'_>) -> Topic {
    if call.command.name.starts_with('p') { Topic::Pattern } else { Topic::Channel }
}

const MANY_NAMES: Failure =
    Failure::new("ERR the names that this client listens to are more than subscription-max-bytes");

/// SUBSCRIBE and PSUBSCRIBE: a reply for each name.
pub(crate) fn subscribe(call: &mut Call<'_>) -> Outcome {
    let topic = topic(call);
    // Before any of them is joined: an error is the whole reply.
    let bytes = call.session.names_bytes_with(topic, call.args.iter().skip(1));
    if bytes as u64 > call.core.shared.live.subscription_bytes_max.load(Relaxed) {
        return Err(MANY_NAMES);
    }
    for name in call.args.iter().skip(1) {
        call.core.join(call.session, topic, name);
        confirm(call, topic, true, Some(name));
    }
    Ok(())
}

/// UNSUBSCRIBE and PUNSUBSCRIBE: of the names given, or of all.
pub(crate) fn unsubscribe(call: &mut Call<'_>) -> Outcome {
    let topic = topic(call);
    if call.args.len() > 1 {
        for name in call.args.iter().skip(1) {
            call.core.leave(call.session, topic, name);
            confirm(call, topic, false, Some(name));
        }
        return Ok(());
    }
    let names = call.session.names(topic).iter().cloned().collect::<Vec<_>>();
    for name in &names {
        call.core.leave(call.session, topic, name);
        confirm(call, topic, false, Some(name));
    }
    if names.is_empty() {
        confirm(call, topic, false, None);
    }
    Ok(())
}

/// Who wants no replies gets this all the same, as messages.
fn confirm(call: &mut Call<'_>, topic: Topic, joined: bool, name: Option<&[u8]>) {
    let word = match (topic, joined) {
        (Topic::Channel, true) => "subscribe",
        (Topic::Channel, false) => "unsubscribe",
        (Topic::Pattern, true) => "psubscribe",
        (Topic::Pattern, false) => "punsubscribe",
    };
    let count = call.session.names(Topic::Channel).len() + call.session.names(Topic::Pattern).len();
    let out = if call.session.replies == Replies::On { &mut *call.reply.out } else { &mut call.core.pushes };
    let mut reply = Reply { out, protocol: call.reply.protocol };
    reply.push(3);
    reply.bulk(word.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count);
}

pub(crate) fn publish(call: &mut Call<'_>) -> Outcome {
    let (channel, message) = (call.args.at(1), call.args.at(2));
    let receivers = call.core.publish(call.session, channel, message);
    call.reply.integer(receivers);
    Ok(())
}

pub(crate) fn channels(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 3 {
        return Err(super::wrong_call(call));
    }
    let mut channels = call.core.shared.hub.channels();
    if let Some(pattern) = call.args.get(2) {
        channels.retain(|channel| glob::matches(pattern, channel, false));
    }
    call.reply.array(channels.len());
    channels.iter().for_each(|channel| call.reply.bulk(channel));
    Ok(())
}

pub(crate) fn numsub(call: &mut Call<'_>) -> Outcome {
    let names = call.args.from(2);
    call.reply.array(names.len() * 2);
    for name in names.iter() {
        call.reply.bulk(name);
        call.reply.integer(call.core.shared.hub.listeners(name));
    }
    Ok(())
}

pub(crate) fn numpat(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(call.core.shared.hub.patterns());
    Ok(())
}
