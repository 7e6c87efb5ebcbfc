//! The table of commands: `commands.tsv` with the function of each. A test holds it to a real Redis's own table.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Call, Outcome};
use crate::resp::args::Args;

pub(crate) type Run = fn(&mut Call<'_>) -> Outcome;

/// What a command is, as far as the server itself asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads or writes keys, or neither.
    Plain,
    /// Runs at once also after MULTI.
    Unqueued,
    /// Refused after MULTI.
    Alone,
}

#[derive(Debug)]
pub(crate) struct Command {
    /// `get`, `client|list`.
    pub(crate) name: &'static str,
    pub(crate) arity: i64,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) step: i64,
    pub(crate) categories: Vec<&'static str>,
    pub(crate) tips: Vec<&'static str>,
    /// What becomes of the keys: of the first, and of the others where that differs.
    pub(crate) access: Vec<&'static str>,
    pub(crate) since: &'static str,
    pub(crate) group: &'static str,
    pub(crate) complexity: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) subcommands: Vec<&'static Command>,
    pub(crate) run: Option<Run>,
    pub(crate) kind: Kind,
    /// Its time is taken always: two looks at the clock are much beside a command that takes no longer, so those that are fast, and
    /// SET, are timed only when `slowlog-log-slower-than` asks for times they could have.
    pub(crate) timed: bool,
    pub(crate) no_auth: bool,
    /// May be sent by who listens to channels in RESP2.
    pub(crate) beside_channels: bool,
    /// Looks at the whole table, and not with its locks held; or sleeps.
    pub(crate) roams: bool,
    /// Needs all of the table's locks.
    pub(crate) all_keys: bool,
    /// Its place in [`Registry::all`].
    pub(crate) index: usize,
}

impl Command {
    fn parse(index: usize, line: &'static str, subcommands: Vec<&'static Self>) -> Self {
        let mut columns = line.split('\t');
        let mut column = || columns.next().expect("eleven columns");
        let words = |text: &'static str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>();
        let number = |text: &str| text.parse().expect("a number");
        let name = column();
        let arity = number(column());
        let flags = words(column());
        let keys: Vec<i64> = column().split(' ').map(number).collect();
        let categories = words(column());
        let tips = words(column());
        let access = column().split(';').filter(|access| !access.is_empty()).collect();
        Self {
            name,
            arity,
            first: keys[0],
            last: keys[1],
            step: keys[2],
            categories,
            tips,
            access,
            since: column(),
            group: column(),
            complexity: column(),
            summary: column(),
            subcommands,
            run: super::function(name),
            kind: match name {
                "multi" | "exec" | "discard" | "watch" | "quit" | "reset" => Kind::Unqueued,
                _ if flags.contains(&"no_multi") => Kind::Alone,
                _ => Kind::Plain,
            },
            timed: !flags.contains(&"fast") && name != "set",
            no_auth: flags.contains(&"no_auth"),
            beside_channels: matches!(
                name,
                "subscribe" | "unsubscribe" | "psubscribe" | "punsubscribe" | "ping" | "quit" | "reset"
            ),
            roams: matches!(name, "keys" | "scan" | "randomkey" | "info" | "memory|usage" | "memory|stats" | "debug"),
            all_keys: matches!(name, "flushall" | "flushdb" | "dbsize"),
            flags,
            index,
        }
    }

    pub(crate) fn takes(&self, arguments: usize) -> bool {
        let arguments = arguments as i64;
        if self.arity < 0 { arguments >= -self.arity } else { arguments == self.arity }
    }

    /// Where the keys stand among a call's arguments.
    pub(crate) fn key_places(&self, arguments: usize) -> impl Iterator<Item = usize> + use<> {
        let last = if self.last < 0 { arguments as i64 + self.last } else { self.last };
        let first = if self.first == 0 { 1..1 } else { self.first..last.min(arguments as i64 - 1) + 1 };
        first.step_by(self.step.max(1) as usize).map(|place| place as usize)
    }
}

/// The commands by their places and by their names.
pub(crate) struct Registry {
    /// Those without a container, in the table's order.
    pub(crate) commands: Vec<&'static Command>,
    /// Those and all subcommands.
    pub(crate) all: Vec<&'static Command>,
    by_name: HashMap<&'static [u8], &'static Command, foldhash::fast::RandomState>,
}

/// Longer than any name, with the container in front.
const NAME_BYTES_MAX: usize = 32;

impl Registry {
    fn parse(text: &'static str) -> Self {
        let mut registry = Self { commands: Vec::new(), all: Vec::new(), by_name: HashMap::default() };
        let lines: Vec<&'static str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let name = |line: &'static str| line.split('\t').next().unwrap_or_default();
        for line in lines.iter().filter(|line| !name(line).contains('|')) {
            let within =
                |other: &&&'static str| name(other).split_once('|').is_some_and(|(outer, _)| outer == name(line));
            let subcommands = lines.iter().filter(within).map(|line| registry.add(line, Vec::new())).collect();
            let command = registry.add(line, subcommands);
            registry.commands.push(command);
        }
        registry
    }

    fn add(&mut self, line: &'static str, subcommands: Vec<&'static Command>) -> &'static Command {
        // Once for the process: the table lives as long as it does.
        let command: &'static Command = Box::leak(Box::new(Command::parse(self.all.len(), line, subcommands)));
        self.all.push(command);
        self.by_name.insert(command.name.as_bytes(), command);
        command
    }

    /// The command of a name in whatever case; a subcommand's is `container|name`.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static Command> {
        let mut lower = [0; NAME_BYTES_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).copied()
    }

    /// The command that a request names: of a container the subcommand, where there is one of that name.
    #[inline]
    pub(crate) fn command(&self, args: Args<'_>) -> Found {
        let Some(command) = self.find(args.at(0)).filter(|command| !command.name.contains('|')) else {
            return Found::Unknown;
        };
        if command.subcommands.is_empty() || args.len() < 2 {
            return Found::Command(command);
        }
        let wanted = args.at(1);
        let name = |command: &Command| command.name.split('|').nth(1).unwrap_or_default().as_bytes();
        match command.subcommands.iter().find(|command| name(command).eq_ignore_ascii_case(wanted)) {
            Some(subcommand) => Found::Command(subcommand),
            None => Found::UnknownSubcommand(command),
        }
    }
}

pub(crate) enum Found {
    Command(&'static Command),
    Unknown,
    UnknownSubcommand(&'static Command),
}

pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::parse(include_str!("../commands.tsv")));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_function_and_containers_have_none() {
        assert_eq!(REGISTRY.all.len(), include_str!("../commands.tsv").lines().count() - 3);
        for command in &REGISTRY.all {
            let container = !command.subcommands.is_empty() && command.name != "command";
            assert_eq!(command.run.is_some(), !container, "{}", command.name);
            assert!(!command.summary.is_empty(), "{}", command.name);
        }
    }

    #[test]
    fn keys_are_found_where_the_table_says() {
        let places = |name: &str, arguments: usize| -> Vec<usize> {
            REGISTRY.find(name.as_bytes()).unwrap().key_places(arguments).collect()
        };
        assert_eq!(places("get", 2), [1]);
        assert_eq!(places("mset", 5), [1, 3]);
        assert_eq!(places("del", 4), [1, 2, 3]);
        assert_eq!(places("bitop", 5), [2, 3, 4]);
        assert_eq!(places("rename", 3), [1, 2]);
        assert_eq!(places("ping", 2), [0; 0]);
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(REGISTRY.find(b"GeT").unwrap().name, "get");
        assert!(REGISTRY.find(b"gett").is_none());
        assert!(REGISTRY.find(&[b'a'; 100]).is_none());
    }
}
