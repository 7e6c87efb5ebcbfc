//! What a statement leaves behind on its connection.
//!
//! A connection serves one statement and then whoever comes next. What a statement leaves on it (an open transaction, a
//! setting, a lock, a temporary table) belongs to its author: the connection stays with them until they are done, and is put
//! back to what it was before anybody else has it. What happens inside functions and triggers can't be seen here
//! (`code.rs` asks the database for such); the protocols say whether a transaction is open, and MySQL's whether autocommit is on.
//!
//! What is said here too much costs a reset and nothing else, so in doubt something is left.

use super::Dialect;
use super::words::{Token, Words, is_name};

/// What stays on a connection after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    /// Nothing: the next statement may be anybody's.
    Nothing,
    /// An open transaction, or one that may be open.
    Transaction,
    /// Nothing of the transaction that was open.
    TransactionEnd,
    /// Something that only a reset of the session removes.
    Session,
}

/// Names that leave something wherever they stand, in quotes too.
///
/// Some run a statement that is put together elsewhere, and `U&"..."` is any name at all.
const NAMES_POSTGRES: [&[u8]; 7] =
    [b"advisory_lock", b"pg_temp", b"setseed", b"query_to_xml", b"ts_stat", b"ts_rewrite", b"u&\""];

/// The same where a name begins with it: `set_limit()` of pg_trgm, and not `offset_limit`.
const BEGINNING_POSTGRES: &[u8] = b"set_limit";

/// The same, for what no reset of the session removes.
const LASTING_POSTGRES: [&[u8]; 5] = [
    b"physical_replication_slot",
    b"logical_replication_slot",
    b"pg_backup_start",
    b"pg_start_backup",
    b"dblink_connect",
];

/// What sets whatever is set in it, by whatever statement; to read it leaves nothing.
const SETTINGS_POSTGRES: &[u8] = b"pg_settings";
const NAMES_MYSQL: [&[u8]; 1] = [b"get_lock"];

/// What the statement leaves, as far as its text tells.
pub(super) fn of(dialect: Dialect, sql: &str) -> Leaves {
    let mut words = Words::new(dialect, sql);
    while words.mark(b';') || words.mark(b'(') {}
    let first = of_statement(dialect, words.clone());
    if first == Some(Leaves::Session) {
        return Leaves::Session;
    }
    let names: &[&[u8]] = match dialect {
        Dialect::Postgres => &NAMES_POSTGRES,
        Dialect::MySql => &NAMES_MYSQL,
        Dialect::Sqlite => &[],
    };
    let has_name = names.iter().any(|name| contains(sql.as_bytes(), name))
        || dialect == Dialect::Postgres
            && contains(sql.as_bytes(), SETTINGS_POSTGRES)
            && contains(sql.as_bytes(), b"update")
        || dialect == Dialect::Postgres && (begins(sql.as_bytes(), BEGINNING_POSTGRES) || outlives_reset(sql));
    // @x is a variable of the session, and @@x one of the server's.
    let has_variable = dialect == Dialect::MySql && sql.as_bytes().contains(&b'@') && has_variable(words.clone());
    if has_name || has_variable {
        Leaves::Session
    } else if dialect == Dialect::Postgres && contains(sql.as_bytes(), b"set_config") {
        match of_set_config(words) {
            Leaves::Session => Leaves::Session,
            of_call => first.unwrap_or(of_call),
        }
    } else {
        first.unwrap_or(Leaves::Nothing)
    }
}

/// Whether a statement of PostgreSQL may leave what only the end of its connection removes.
pub(super) fn outlives_reset(sql: &str) -> bool {
    LASTING_POSTGRES.iter().any(|name| contains(sql.as_bytes(), name))
}

/// Whether a statement of PostgreSQL that leaves this may have changed what names mean, otherwise than by a command whose tag
/// says so.
pub(super) fn may_rename(sql: &str, leaves: Leaves) -> bool {
    match leaves {
        Leaves::Nothing | Leaves::TransactionEnd => false,
        Leaves::Transaction => contains(sql.as_bytes(), b"set_config"),
        Leaves::Session => true,
    }
}

/// `set_config(name, value, true)` ends with its transaction.
fn of_set_config(mut words: Words<'_>) -> Leaves {
    let mut leaves = Leaves::Session; // a name in quotes is no word
    while let Some(token) = words.next() {
        if token.is("SET_CONFIG") {
            if !is_local(words.clone()) {
                return Leaves::Session;
            }
            leaves = Leaves::Transaction;
        }
    }
    leaves
}

/// Whether the last argument of a call is the word TRUE, and nothing else.
fn is_local(words: Words<'_>) -> bool {
    let (mut depth, mut before, mut last) = (0_usize, Token::Other, Token::Other);
    for token in words {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') if depth <= 1 => return last.is("TRUE") && before == Token::Mark(b','),
            Token::Mark(b')') => depth -= 1,
            _ => {}
        }
        (before, last) = (last, token);
    }
    false
}

/// Whether the lower-case `name` stands in the text, in whatever case.
fn contains(text: &[u8], name: &[u8]) -> bool {
    places(text, name).next().is_some()
}

/// The same, where no name goes on there.
fn begins(text: &[u8], name: &[u8]) -> bool {
    places(text, name).any(|at| at == 0 || !is_name(text[at - 1]))
}

fn places<'a>(text: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let (first, upper) = (name[0], name[0].to_ascii_uppercase());
    memchr::memchr2_iter(first, upper, text)
        .filter(move |&at| text.get(at..at + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)))
}

fn has_variable(mut words: Words<'_>) -> bool {
    while let Some(token) = words.next() {
        if token == Token::Mark(b'@') {
            if !words.mark(b'@') {
                return true;
            }
            words.next();
        }
    }
    false
}

/// What the first words say; `None` when they say nothing, and the rest of the text has the word.
fn of_statement(dialect: Dialect, mut words: Words<'_>) -> Option<Leaves> {
    use Dialect::{MySql, Postgres, Sqlite};
    let first = words.word()?.to_ascii_uppercase();
    match (first.as_str(), dialect) {
        // What these run can't be seen here, and may be anything.
        ("CALL" | "DO" | "EXECUTE", Postgres | MySql) => Some(Leaves::Session),
        ("IF" | "CASE" | "LOOP" | "FOR" | "WHILE" | "REPEAT", MySql) => Some(Leaves::Session),
        ("BEGIN", MySql) if words.eat(&["NOT"]) => Some(Leaves::Session),
        (_, MySql) if is_labelled_block(words.clone()) => Some(Leaves::Session),
        ("BEGIN" | "SAVEPOINT", _) => Some(Leaves::Transaction),
        ("START", _) if words.eat(&["TRANSACTION"]) => Some(Leaves::Transaction),
        ("COMMIT", Postgres) if words.eat(&["PREPARED"]) => None,
        ("COMMIT" | "END" | "ROLLBACK" | "ABORT", _) => Some(of_end(words)),
        ("RELEASE", _) => Some(Leaves::Transaction),
        // XA has states of its own, which ROLLBACK doesn't end.
        ("XA", MySql) => Some(Leaves::Session),
        ("SET", Postgres) => {
            // They end with their transaction, and do nothing without one.
            let is_transactions = words.eat(&["LOCAL", "CONSTRAINTS", "TRANSACTION"]);
            Some(if is_transactions { Leaves::Transaction } else { Leaves::Session })
        }
        ("SET", MySql) => of_mysql_set(words),
        ("RESET" | "DISCARD" | "LISTEN" | "UNLISTEN" | "LOAD", Postgres) => Some(Leaves::Session),
        ("DECLARE", Postgres) => {
            Some(if words.any(|token| token.is("HOLD")) { Leaves::Session } else { Leaves::Transaction })
        }
        ("SELECT" | "WITH", Postgres) if selects_into_temporary(words.clone()) => Some(Leaves::Session),
        // What is explained may be carried out.
        ("EXPLAIN", _) if words.clone().any(|token| is_temporary(token) || token.is("PRAGMA")) => Some(Leaves::Session),
        ("PREPARE", Postgres) if words.eat(&["TRANSACTION"]) => Some(Leaves::TransactionEnd),
        ("PREPARE" | "DEALLOCATE" | "LOCK" | "UNLOCK", Postgres | MySql) => Some(Leaves::Session),
        // A session in the database that is dropped is in none then.
        ("DROP", MySql) if words.eat(&["PREPARE", "DATABASE", "SCHEMA"]) => Some(Leaves::Session),
        ("USE" | "BACKUP" | "HANDLER", MySql) => Some(Leaves::Session),
        ("FLUSH", MySql) if words.any(|token| token.is("READ") || token.is("EXPORT")) => Some(Leaves::Session),
        ("CREATE", _) if creates_temporary(dialect, words.clone()) => Some(Leaves::Session),
        ("ATTACH" | "DETACH", Sqlite) => Some(Leaves::Session),
        ("PRAGMA", Sqlite) => of_pragma(words),
        _ => None,
    }
}

/// Whether a label is behind us: `done: LOOP`. A placeholder with a name stands in no such place.
fn is_labelled_block(mut words: Words<'_>) -> bool {
    words.mark(b':') && words.eat(&["BEGIN", "LOOP", "WHILE", "REPEAT", "FOR"])
}

/// `COMMIT`, `ROLLBACK` and their like: `TO` a savepoint and `AND CHAIN` leave a transaction open, `AND NO CHAIN` doesn't.
fn of_end(mut words: Words<'_>) -> Leaves {
    words.eat(&["WORK", "TRANSACTION"]);
    let goes_on = words.eat(&["TO"]) || (words.eat(&["AND"]) && words.eat(&["CHAIN"]));
    if goes_on { Leaves::Transaction } else { Leaves::TransactionEnd }
}

fn is_temporary(token: Token<'_>) -> bool {
    token.is("TEMP") || token.is("TEMPORARY")
}

/// `SET` of MySQL is a list, and each item of it may be something else.
fn of_mysql_set(mut words: Words<'_>) -> Option<Leaves> {
    if words.eat(&["STATEMENT"]) {
        // SET STATEMENT a = 1 FOR <the statement that it holds for>
        words.find(|token| token.is("FOR"));
        return of_statement(Dialect::MySql, words);
    }
    if words.eat(&["PASSWORD"]) || words.clone().eat(&["DEFAULT"]) {
        return None;
    }
    if words.clone().eat(&["TRANSACTION"]) {
        return Some(Leaves::Transaction); // of the next one alone
    }
    loop {
        // A keyword holds for its own item: what follows it without one is the session's.
        let is_variable = words.mark(b'@');
        if is_variable && !words.mark(b'@') || !words.eat(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]) {
            return Some(Leaves::Session);
        }
        // To the comma that no parenthesis holds.
        let mut depth = 0_usize;
        loop {
            match words.next()? {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                Token::Mark(b',') if depth == 0 => break,
                _ => {}
            }
        }
    }
}

/// `CREATE [OR REPLACE] [LOCAL | GLOBAL] TEMP ...`, or a name in the schema of temporary tables.
fn creates_temporary(dialect: Dialect, mut words: Words<'_>) -> bool {
    if words.eat(&["OR"]) {
        words.eat(&["REPLACE"]);
    }
    words.eat(&["LOCAL", "GLOBAL"]);
    if words.eat(&["TEMP", "TEMPORARY"]) {
        return true;
    }
    let schema = match dialect {
        Dialect::Postgres => "PG_TEMP",
        Dialect::Sqlite => "TEMP",
        Dialect::MySql => return false,
    };
    // The name stands before the columns.
    while let Some(word) = words.word() {
        if word.eq_ignore_ascii_case(schema) && words.mark(b'.') {
            return true;
        }
    }
    false
}

/// `SELECT ... INTO [LOCAL | GLOBAL] TEMP [TABLE] name`.
fn selects_into_temporary(mut words: Words<'_>) -> bool {
    let mut before = Token::Other;
    while let Some(token) = words.next() {
        if token.is("INTO") && !before.is("INSERT") && !before.is("MERGE") {
            let mut into = words.clone();
            into.eat(&["LOCAL", "GLOBAL"]);
            // A table may be called `temp`: then no name follows.
            if into.eat(&["TEMP", "TEMPORARY"])
                && matches!(into.next(), Some(Token::Word(name)) if !name.eq_ignore_ascii_case("FROM"))
            {
                return true;
            }
        }
        before = token;
    }
    false
}

/// PRAGMAs that take an argument and leave the connection as it is: they read, or change the file.
const PRAGMAS: [&str; 16] = [
    "TABLE_INFO",
    "TABLE_XINFO",
    "TABLE_LIST",
    "INDEX_LIST",
    "INDEX_INFO",
    "INDEX_XINFO",
    "FOREIGN_KEY_LIST",
    "FOREIGN_KEY_CHECK",
    "INTEGRITY_CHECK",
    "QUICK_CHECK",
    "OPTIMIZE",
    "WAL_CHECKPOINT",
    "INCREMENTAL_VACUUM",
    "USER_VERSION",
    "APPLICATION_ID",
    "AUTO_VACUUM",
];

/// `PRAGMA [schema.]name`, `PRAGMA name = value`, `PRAGMA name(value)`.
fn of_pragma(mut words: Words<'_>) -> Option<Leaves> {
    let name = match words.word() {
        Some(schema) if words.mark(b'.') => words.word().filter(|_| !schema.is_empty()),
        name => name,
    };
    // A name in quotes is none here: it may be any.
    let Some(name) = name else { return Some(Leaves::Session) };
    let sets = words.mark(b'=') || words.mark(b'(');
    // WAL stays with the file, and DELETE undoes it; the other modes are the connection's.
    let of_file = name.eq_ignore_ascii_case("journal_mode") && words.eat(&["WAL", "DELETE"]);
    if !sets || of_file || PRAGMAS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return None;
    }
    Some(Leaves::Session)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements with what they leave: dialects, `nothing`, `transaction`, `end` or `session`, the statement.
    const STATEMENTS: &str = include_str!("../../tests/support/leaves.tsv");

    #[test]
    fn what_a_statement_leaves_is_known() {
        let mut wrong = Vec::new();
        for line in STATEMENTS.lines().filter(|line| !line.starts_with('#')) {
            let [dialects, expected, sql] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let bytes = [("{VT}", "\x0b"), ("{CR}", "\r"), ("{LF}", "\n"), ("{SOH}", "\x01"), ("{BOM}", "\u{feff}")];
            let sql = &bytes.iter().fold(sql.to_owned(), |sql, (name, byte)| sql.replace(name, byte));
            for (name, dialect) in
                [("postgres", Dialect::Postgres), ("mysql", Dialect::MySql), ("sqlite", Dialect::Sqlite)]
            {
                if dialects != "all" && !dialects.split(',').any(|wanted| wanted == name) {
                    continue;
                }
                let found = match of(dialect, sql) {
                    Leaves::Nothing => "nothing",
                    Leaves::Transaction => "transaction",
                    Leaves::TransactionEnd => "end",
                    Leaves::Session => "session",
                };
                if found != expected {
                    wrong.push(format!("{name}: {sql}: {found} instead of {expected}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
