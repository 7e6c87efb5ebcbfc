//! Statements that aren't run, because of what they would leave behind.
//!
//! A connection serves one statement and then whoever comes next. What a statement leaves on it (an open transaction, a
//! setting, a lock, a temporary table) is lost for its author and meets a stranger, without a word: a wrong
//! schema, a wrong time zone, a lock that nobody can release. So it is refused, as PgBouncer's and ProxySQL's manuals
//! advise against it under pooling. What happens inside procedures, functions and dynamic SQL can't be seen here.
//!
//! `php/src/Database/Fallback/Refusal.php` holds the same rules; `tests/support/statements.tsv` holds both to them.

use super::words::{Token, Words};
use super::{Dialect, Error};

/// What becomes of a refused statement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// It opens a transaction, or sets up the next one.
    Transaction,
    /// `what` outlives the statement; `instead` is what to write.
    Lasting { what: String, instead: &'static str },
}

const SETTING_POSTGRES: &str = "put settings into the DSN (?options=-c%20name=value) or give them to the role \
                                (ALTER ROLE ... SET)";
const SETTING_MYSQL: &str = "set it for the server (SET GLOBAL) or for one statement (MariaDB: SET STATEMENT ... FOR, \
                             MySQL: /*+ SET_VAR() */)";
const LOCK: &str = "lock a row within one statement, or keep the lock in a table";
const PREPARE: &str = "the engine prepares statements by itself: bind parameters";
const TEMPORARY: &str = "use a table that stays, or WITH";

/// Refuses what would reach beyond its own statement.
pub(super) fn refuse(dialect: Dialect, sql: &str) -> Result<(), Error> {
    let (message, sqlstate) = match refusal(dialect, sql) {
        None => return Ok(()),
        Some(Refusal::Transaction) => (
            "a transaction needs one connection for all its statements, and each query here may run on another"
                .to_owned(),
            "25000",
        ),
        Some(Refusal::Lasting { what, instead }) => (
            format!("{what} stays with the connection, which the next query may not get and others will: {instead}"),
            "0A000",
        ),
    };
    Err(Error::Query { message, sqlstate: Some(sqlstate.to_owned()) })
}

fn refusal(dialect: Dialect, sql: &str) -> Option<Refusal> {
    let mut words = Words::new(dialect, sql);
    while words.mark(b';') || words.mark(b'(') {}
    let refusal = of_statement(dialect, words.clone());
    // SQLite has no such functions, and its statements are too quick to be read for nothing.
    if refusal.is_some() || dialect == Dialect::Sqlite {
        return refusal;
    }
    while let Some(token) = words.next() {
        if let Token::Word(name) = token
            && let Some(refusal) = of_function(dialect, name, &words)
        {
            return Some(refusal);
        }
    }
    None
}

fn lasting(what: &str, instead: &'static str) -> Option<Refusal> {
    Some(Refusal::Lasting { what: what.to_owned(), instead })
}

/// What the first words say.
fn of_statement(dialect: Dialect, mut words: Words<'_>) -> Option<Refusal> {
    use Dialect::{MySql, Postgres, Sqlite};
    let first = words.word()?.to_ascii_uppercase();
    match (first.as_str(), dialect) {
        ("BEGIN" | "SAVEPOINT" | "XA", _) => Some(Refusal::Transaction),
        ("START", _) => words.eat(&["TRANSACTION"]).then_some(Refusal::Transaction),
        ("COMMIT" | "ROLLBACK", MySql) => chains(words).then_some(Refusal::Transaction),
        ("SET", Postgres) => {
            // Without a transaction they do nothing, and only a warning says so.
            let needs_transaction = words.eat(&["LOCAL", "CONSTRAINTS", "TRANSACTION"]);
            if needs_transaction { Some(Refusal::Transaction) } else { lasting("SET", SETTING_POSTGRES) }
        }
        ("SET", MySql) => of_mysql_set(words),
        ("RESET", Postgres) => lasting("RESET", SETTING_POSTGRES),
        ("DISCARD", Postgres) => lasting("DISCARD", "there is nothing to discard, because nothing is kept"),
        ("LISTEN", Postgres) => lasting("LISTEN", "nobody would hear the notifications here"),
        ("LOAD", Postgres) => lasting("LOAD", "let the server load it (session_preload_libraries)"),
        ("DECLARE", Postgres) if words.any(|token| token.is("HOLD")) => {
            lasting("A cursor WITH HOLD", "read the rows at once, or in pages with WHERE and LIMIT")
        }
        ("SELECT" | "WITH", Postgres) if selects_into_temporary(words.clone()) => {
            lasting("A temporary table", TEMPORARY)
        }
        ("PREPARE" | "DEALLOCATE", Postgres | MySql) => lasting(&first, PREPARE),
        ("DROP", MySql) if words.eat(&["PREPARE"]) => lasting("DROP PREPARE", PREPARE),
        ("USE", MySql) => lasting("USE", "name the database in the DSN, or before the table (database.table)"),
        ("LOCK" | "UNLOCK", Postgres | MySql) => lasting(&first, LOCK),
        ("FLUSH", MySql) if words.any(|token| token.is("READ") || token.is("EXPORT")) => {
            lasting("FLUSH with a lock", LOCK)
        }
        ("BACKUP", MySql) => lasting("BACKUP", "use the server's own client"),
        ("HANDLER", MySql) => lasting("HANDLER", "use SELECT"),
        ("CREATE", _) if creates_temporary(dialect, words.clone()) => lasting("A temporary table", TEMPORARY),
        ("ATTACH" | "DETACH", Sqlite) => lasting(&first, "open the other file with a DSN of its own"),
        ("PRAGMA", Sqlite) => of_pragma(words),
        _ => None,
    }
}

// `AND CHAIN` begins the next transaction; `AND NO CHAIN` is the default.
fn chains(mut words: Words<'_>) -> bool {
    words.eat(&["WORK"]);
    words.eat(&["AND"]) && words.eat(&["CHAIN"])
}

/// `SET` of MySQL is a list, and each item of it may be something else.
fn of_mysql_set(mut words: Words<'_>) -> Option<Refusal> {
    if words.eat(&["STATEMENT"]) {
        // SET STATEMENT a = 1 FOR <the statement that it holds for>
        words.find(|token| token.is("FOR"));
        return of_statement(Dialect::MySql, words);
    }
    if words.eat(&["PASSWORD"]) || words.clone().eat(&["DEFAULT"]) {
        return None;
    }
    // A keyword also holds for the items behind it that have none.
    let mut global = false;
    loop {
        if words.mark(b'@') {
            // @x is a variable of the user, which reads as it was left: documented, and not refused.
            let of_server = words.mark(b'@') && !words.eat(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]);
            if of_server {
                return of_setting(words);
            }
        } else if words.eat(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]) {
            global = true;
        } else if !global || words.clone().eat(&["SESSION", "LOCAL"]) {
            return of_setting(words);
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

/// A setting of MySQL's session.
fn of_setting(mut words: Words<'_>) -> Option<Refusal> {
    if words.eat(&["SESSION", "LOCAL"]) {
        words.mark(b'.');
    }
    if words.eat(&["TRANSACTION", "AUTOCOMMIT", "TRANSACTION_ISOLATION", "TX_ISOLATION"]) {
        return Some(Refusal::Transaction);
    }
    lasting("SET", SETTING_MYSQL)
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
fn of_pragma(mut words: Words<'_>) -> Option<Refusal> {
    let mut name = words.word()?;
    if words.mark(b'.') {
        name = words.word()?;
    }
    let sets = words.mark(b'=') || words.mark(b'(');
    // WAL stays with the file, and DELETE undoes it; the other modes are the connection's.
    let of_file = name.eq_ignore_ascii_case("journal_mode") && words.eat(&["WAL", "DELETE"]);
    if !sets || of_file || PRAGMAS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return None;
    }
    lasting("PRAGMA with a value", "only what the file keeps can be set (user_version, journal_mode = WAL, ...)")
}

/// Functions that leave something behind, wherever they are called.
fn of_function(dialect: Dialect, name: &str, words: &Words<'_>) -> Option<Refusal> {
    let name = match (dialect, name.len()) {
        (Dialect::MySql, 8) if name.eq_ignore_ascii_case("GET_LOCK") => "GET_LOCK()",
        (Dialect::Postgres, 10) if name.eq_ignore_ascii_case("SET_CONFIG") => "set_config()",
        (Dialect::Postgres, 16..=27) if ADVISORY.iter().any(|lock| name.eq_ignore_ascii_case(lock)) => {
            "An advisory lock of the session"
        }
        _ => return None,
    };
    if !words.clone().mark(b'(') {
        return None;
    }
    match name {
        // Its third argument makes the setting end with the statement's own transaction.
        "set_config()" if is_local(words.clone()) => None,
        "set_config()" => lasting(name, SETTING_POSTGRES),
        _ => lasting(name, LOCK),
    }
}

const ADVISORY: [&str; 4] =
    ["PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK_SHARED"];

// Whether the last argument of a call is the word TRUE.
fn is_local(words: Words<'_>) -> bool {
    let (mut depth, mut last) = (0_usize, Token::Other);
    for token in words {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') if depth <= 1 => return last.is("TRUE"),
            Token::Mark(b')') => depth -= 1,
            _ => {}
        }
        last = token;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements with their fate: dialects, `run` or what stays, the statement.
    const STATEMENTS: &str = include_str!("../../tests/support/statements.tsv");

    #[test]
    fn what_would_reach_beyond_its_statement_is_known() {
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
                let found = match refusal(dialect, sql) {
                    None => "run".to_owned(),
                    Some(Refusal::Transaction) => "transaction".to_owned(),
                    Some(Refusal::Lasting { what, .. }) => what,
                };
                assert_eq!(found, expected, "{name}: {sql}");
            }
        }
    }
}
