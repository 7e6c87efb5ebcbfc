//! COMMAND tells of every command what a real Redis tells: by it clients find keys and count arguments.

use crate::servers::{Lyger, Redis};

/// All names, subcommands among them.
fn names(lyger: &Lyger) -> Vec<String> {
    let text = lyger.client().say("COMMAND LIST FILTERBY PATTERN *");
    text.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty()).map(str::to_owned).collect()
}

/// Remarks for people on what becomes of keys, of which there are none here.
fn without_notes(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = text.split("\r\n");
    while let Some(line) = lines.next() {
        if line == "notes" {
            // Its length, and the head of the map with it; the remark and its length.
            kept.truncate(kept.len() - 2);
            kept.push("*6");
            lines.nth(1);
        } else {
            kept.push(line);
        }
    }
    kept.join("\r\n")
}

#[test]
fn commands_are_described_as_redis_describes_them() {
    let (lyger, redis) = (Lyger::start(1), Redis::start());
    let names = names(&lyger);
    assert!(names.len() > 100, "{names:?}");
    for name in names.iter() {
        let ask = format!("COMMAND INFO {name}");
        let (ours, theirs) = (lyger.client().say(&ask), without_notes(&redis.client().say(&ask)));
        // Containers have fewer subcommands here, and Redis has some in no order.
        let head = |text: &str| {
            text.split("\r\n").take_while(|line| !line.contains('|')).map(str::to_owned).collect::<Vec<_>>()
        };
        let subcommand = name.contains('|');
        if subcommand {
            assert_eq!(ours, theirs, "{name}");
        } else {
            let (mut ours, mut theirs) = (head(&ours), head(&theirs));
            let container = [&mut ours, &mut theirs]
                .map(|lines| lines.len() > 1 && lines.last().is_some_and(|line| line.starts_with('$')));
            for (lines, container) in [&mut ours, &mut theirs].into_iter().zip(container) {
                // The number of subcommands, and the first one's length.
                if container {
                    lines.truncate(lines.len() - 3);
                }
            }
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

#[test]
fn arity_is_checked_for_every_command_in_the_words_of_redis() {
    let (lyger, redis) = (Lyger::start(1), Redis::start());
    for name in names(&lyger) {
        if name == "shutdown" {
            continue;
        }
        let words: Vec<&str> = name.split('|').collect();
        for more in [0, 40] {
            let args: Vec<&str> = words.iter().copied().chain(std::iter::repeat_n("x", more)).collect();
            let (ours, theirs) = (lyger.client().ask(&args), redis.client().ask(&args));
            let wrong = |reply: &[u8]| reply.starts_with(b"-ERR wrong number") || reply.starts_with(b"-ERR unknown");
            if wrong(&ours) || wrong(&theirs) {
                assert_eq!(
                    ours.escape_ascii().to_string(),
                    theirs.escape_ascii().to_string(),
                    "{name} with {more} more"
                );
            }
        }
    }
}
