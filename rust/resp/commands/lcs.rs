//! LCS: the longest common subsequence of two values, by the table of dynamic programming.

use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Failure, Outcome, SYNTAX};

#[derive(Default)]
struct Options {
    length: bool,
    places: bool,
    match_lengths: bool,
    match_length_min: i64,
}

/// A run that both have: where it begins in each, and how long it is.
struct Match {
    one: usize,
    two: usize,
    length: usize,
}

pub(crate) fn lcs(call: &mut Call<'_>) -> Outcome {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let keys = [call.args.at(1), call.args.at(2)];
    call.space.together(&keys, |space| {
        space.get(keys[0], call.now, &mut one);
        space.get(keys[1], call.now, &mut two);
    });
    let options = options(call)?;
    let cells = (one.len() as u64 + 1) * (two.len() as u64 + 1);
    if cells * 4 > call.core.shared.live.bulk_bytes_max.load(Relaxed) {
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(Failure::new(text));
    }
    let table = Table::fill(&one, &two);
    if options.length {
        call.reply.integer(table.at(one.len(), two.len()));
        return Ok(());
    }
    let (common, mut matches) = table.walk(&one, &two);
    if !options.places {
        call.reply.bulk(&common);
        return Ok(());
    }
    matches.retain(|found| found.length as i64 >= options.match_length_min);
    let reply = &mut call.reply;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.len());
    for found in &matches {
        reply.array(2 + usize::from(options.match_lengths));
        for start in [found.one, found.two] {
            reply.array(2);
            reply.integer(start);
            reply.integer(start + found.length - 1);
        }
        if options.match_lengths {
            reply.integer(found.length);
        }
    }
    reply.bulk(b"len");
    reply.integer(common.len());
    Ok(())
}

fn options(call: &Call<'_>) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut place = 3;
    while place < call.args.len() {
        if call.args.is(place, "idx") {
            options.places = true;
        } else if call.args.is(place, "len") {
            options.length = true;
        } else if call.args.is(place, "withmatchlen") {
            options.match_lengths = true;
        } else if call.args.is(place, "minmatchlen") && place + 1 < call.args.len() {
            place += 1;
            options.match_length_min = call.integer(place)?;
        } else {
            return Err(SYNTAX);
        }
        place += 1;
    }
    if options.length && options.places {
        return Err(Failure::new("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

/// How long the longest common subsequence of each two beginnings is.
struct Table {
    cells: Vec<u32>,
    width: usize,
}

impl Table {
    fn fill(one: &[u8], two: &[u8]) -> Self {
        let width = two.len() + 1;
        let mut cells = vec![0; width * (one.len() + 1)];
        for (row, byte) in one.iter().enumerate() {
            let (above, below) = cells[row * width..].split_at_mut(width);
            for (column, other) in two.iter().enumerate() {
                below[column + 1] =
                    if byte == other { above[column] + 1 } else { above[column + 1].max(below[column]) };
            }
        }
        Self { cells, width }
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        self.cells[row * self.width + column]
    }

    /// The subsequence, and its runs from the last to the first, as Redis lists them.
    fn walk(&self, one: &[u8], two: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let (mut row, mut column) = (one.len(), two.len());
        let (mut common, mut matches): (Vec<u8>, Vec<Match>) = (Vec::new(), Vec::new());
        while row > 0 && column > 0 {
            if one[row - 1] == two[column - 1] {
                common.push(one[row - 1]);
                (row, column) = (row - 1, column - 1);
                match matches.last_mut() {
                    Some(last) if last.one == row + 1 && last.two == column + 1 => {
                        (last.one, last.two) = (row, column);
                        last.length += 1;
                    }
                    _ => matches.push(Match { one: row, two: column, length: 1 }),
                }
            } else if self.at(row - 1, column) > self.at(row, column - 1) {
                row -= 1;
            } else {
                column -= 1;
            }
        }
        common.reverse();
        (common, matches)
    }
}
