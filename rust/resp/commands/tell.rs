//! COMMAND and its subcommands, and every HELP: the table of commands, told to clients.

use super::registry::{Command, Found, REGISTRY};
use super::{Call, Failure, Outcome, SYNTAX};
use crate::resp::args::Args;
use crate::resp::glob;
use crate::resp::reply::Reply;

/// Containers of Redis that a client may look for are not listed: what isn't there has no entry.
pub(crate) fn all(call: &mut Call<'_>) -> Outcome {
    call.reply.array(REGISTRY.commands.len());
    REGISTRY.commands.iter().for_each(|command| entry(&mut call.reply, command));
    Ok(())
}

pub(crate) fn count(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(REGISTRY.commands.len());
    Ok(())
}

pub(crate) fn info(call: &mut Call<'_>) -> Outcome {
    if call.args.len() == 2 {
        return all(call);
    }
    call.reply.array(call.args.len() - 2);
    for name in call.args.iter().skip(2) {
        match REGISTRY.find(name) {
            Some(command) => entry(&mut call.reply, command),
            None => call.reply.null(),
        }
        call.check_reply()?;
    }
    Ok(())
}

fn words(reply: &mut Reply<'_>, words: &[&str]) {
    reply.set(words.len());
    words.iter().for_each(|word| reply.status(word));
}

fn entry(reply: &mut Reply<'_>, command: &Command) {
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(command.arity);
    words(reply, &command.flags);
    reply.integer(command.first);
    reply.integer(command.last);
    reply.integer(command.step);
    let categories: Vec<String> = command.categories.iter().map(|name| format!("@{name}")).collect();
    words(reply, &categories.iter().map(String::as_str).collect::<Vec<_>>());
    reply.array(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.access.len());
    (0..command.access.len()).for_each(|place| keys_entry(reply, command, place));
    reply.array(command.subcommands.len());
    command.subcommands.iter().for_each(|command| entry(reply, command));
}

/// Where a command's keys are: each group of keys begins at an argument, and goes so far.
fn keys_entry(reply: &mut Reply<'_>, command: &Command, place: usize) {
    let alone = command.access.len() > 1;
    // Of two groups the first has one key, and the second the rest.
    let first = command.first + place as i64;
    let last = match (alone, place, command.last) {
        (false, _, last) if last >= 0 => last - first,
        (true, 1, last) if last < 0 => last,
        (false, _, last) => last,
        _ => 0,
    };
    reply.map(3);
    reply.bulk(b"flags");
    words(reply, &command.access[place].split(' ').collect::<Vec<_>>());
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(b"index");
    reply.bulk(b"spec");
    reply.map(1);
    reply.bulk(b"index");
    reply.integer(first);
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(b"range");
    reply.bulk(b"spec");
    reply.map(3);
    reply.bulk(b"lastkey");
    reply.integer(last);
    reply.bulk(b"keystep");
    reply.integer(command.step);
    reply.bulk(b"limit");
    reply.integer(0);
}

pub(crate) fn docs(call: &mut Call<'_>) -> Outcome {
    let commands: Vec<&Command> = if call.args.len() == 2 {
        REGISTRY.commands.clone()
    } else {
        call.args.iter().skip(2).filter_map(|name| REGISTRY.find(name)).collect()
    };
    call.reply.map(commands.len());
    commands.iter().try_for_each(|command| {
        documentation(&mut call.reply, command);
        call.check_reply()
    })
}

fn documentation(reply: &mut Reply<'_>, command: &Command) {
    reply.bulk(command.name.as_bytes());
    reply.map(4 + usize::from(!command.subcommands.is_empty()));
    let texts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group),
        ("complexity", command.complexity),
    ];
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        command.subcommands.iter().for_each(|command| documentation(reply, command));
    }
}

pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    type Picks<'a> = Box<dyn Fn(&Command) -> bool + 'a>;
    let value = || call.args.at(4);
    let picks: Picks<'_> = match call.args.len() {
        2 => Box::new(|_| true),
        5 if call.args.is(2, "filterby") && call.args.is(3, "module") => Box::new(|_| false),
        5 if call.args.is(2, "filterby") && call.args.is(3, "aclcat") => {
            let wanted = value().to_ascii_lowercase();
            Box::new(move |command| command.categories.iter().any(|name| name.as_bytes() == wanted))
        }
        5 if call.args.is(2, "filterby") && call.args.is(3, "pattern") => {
            Box::new(move |command| glob::matches(value(), command.name.as_bytes(), true))
        }
        _ => return Err(SYNTAX),
    };
    let commands = REGISTRY.commands.iter().flat_map(|command| std::iter::once(command).chain(&command.subcommands));
    let names: Vec<&str> = commands
        .filter(|command| (call.args.len() > 2 || !command.name.contains('|')) && picks(command))
        .map(|command| command.name)
        .collect();
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name.as_bytes()));
    Ok(())
}

/// The keys of the request that follows from the third argument on.
fn keys_of<'a>(call: &Call<'a>) -> Result<(&'static Command, Vec<&'a [u8]>), Failure> {
    let args: Args<'a> = call.args.from(2);
    let Found::Command(command) = REGISTRY.command(args) else {
        return Err(Failure::new("ERR Invalid command specified"));
    };
    if command.first == 0 {
        return Err(Failure::new("ERR The command has no key arguments"));
    }
    if !command.takes(args.len()) {
        return Err(Failure::new("ERR Invalid number of arguments specified for command"));
    }
    Ok((command, command.key_places(args.len()).map(|place| args.at(place)).collect()))
}

pub(crate) fn getkeys(call: &mut Call<'_>) -> Outcome {
    let (_, keys) = keys_of(call)?;
    call.reply.array(keys.len());
    keys.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

pub(crate) fn getkeysandflags(call: &mut Call<'_>) -> Outcome {
    let (command, keys) = keys_of(call)?;
    call.reply.array(keys.len());
    for (place, key) in keys.iter().enumerate() {
        let access = match command.name {
            // Without GET it reads nothing.
            "set" if !call.args.iter().skip(5).any(|word| word.eq_ignore_ascii_case(b"get")) => "OW update",
            "set" => "RW access update",
            _ => command.access[place.min(command.access.len() - 1)],
        };
        call.reply.array(2);
        call.reply.bulk(key);
        words(&mut call.reply, &access.split(' ').collect::<Vec<_>>());
    }
    Ok(())
}

/// HELP of a container: its subcommands, each with what it does.
pub(crate) fn help(call: &mut Call<'_>) -> Outcome {
    let container = call.command.name.split('|').next().unwrap_or_default();
    let command = REGISTRY.find(container.as_bytes()).expect("a container of the table");
    let mut lines =
        vec![format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container.to_uppercase())];
    for subcommand in &command.subcommands {
        let name = subcommand.name.split('|').nth(1).unwrap_or_default();
        lines.push(name.to_uppercase());
        lines.push(format!("    {}.", subcommand.summary));
    }
    if container == "debug" {
        lines.push("SLEEP <seconds>".to_owned());
        lines.push("    Stops the thread of this connection for so long, 60 at most.".to_owned());
    }
    call.reply.lines(lines.iter().map(String::as_str));
    Ok(())
}
