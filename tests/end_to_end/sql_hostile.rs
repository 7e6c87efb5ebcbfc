//! A thousand strings that mean something to somebody on the way, there and back, on each database.

use crate::databases::{all, json_of, text};
use lyger::db::params::Value;
use lyger::db::{Error, Given, Param};
use std::collections::HashSet;

/// What ends, begins or escapes something in SQL, in the drivers' formats, in C, in JSON or on a screen.
const PIECES: [&str; 68] = [
    "'",
    "''",
    "\"",
    "\"\"",
    "`",
    "\\",
    "\\'",
    "\\\\",
    "\\0",
    "\\n",
    "\0",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\x0b",
    "\x08",
    "\x1a",
    "\x1b[2J",
    "\x7f",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "/*!",
    "/*M!",
    ";",
    "?",
    "??",
    "$1",
    "$$",
    "$x$",
    ":x",
    "::",
    ":=",
    "@x",
    "@@x",
    "?1",
    "%",
    "%s",
    "%n",
    "_",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    "E'",
    "x'",
    "N'",
    "NULL",
    "IN (?)",
    " OR 1=1",
    "UNION SELECT",
    "DROP TABLE hostile",
    "ü",
    "ß",
    "🦀",
    "\u{202e}",
    "\u{200d}",
    "\u{feff}",
    "\u{2028}",
    "\u{d7ff}\u{e000}",
    "\\ud800",
];

const CLASSICS: [&str; 16] = [
    "",
    " ",
    "'; DROP TABLE hostile; --",
    "1' OR '1'='1",
    "1\" OR \"1\"=\"1",
    "admin'--",
    "' UNION SELECT NULL, NULL--",
    "\\'; DROP TABLE hostile; #",
    "x' AND sleep(5) AND '1'='1",
    "$$; DROP TABLE hostile; $$",
    "/**/';/**/DROP/**/TABLE/**/hostile",
    "0x27204f5220313d31",
    "\u{bf}'",
    "\u{ffff}\u{10ffff}",
    "{\"a\":\"\\u0000\"}",
    "Robert'); DROP TABLE Students;--",
];

/// 1,000 of them, no two the same, always the same ones.
fn hostile() -> Vec<String> {
    let mut strings: Vec<String> = CLASSICS.iter().map(|text| (*text).to_owned()).collect();
    // A megabyte each: nothing but one character, and everything in turn.
    for piece in ["'", "\\", "🦀"] {
        strings.push(piece.repeat((1 << 20) / piece.len()));
    }
    strings.push(PIECES.iter().filter(|piece| !piece.contains('\0')).copied().collect::<String>().repeat(6_000));
    strings.extend(PIECES.iter().map(|piece| (*piece).to_owned()));
    let mut known: HashSet<String> = strings.iter().cloned().collect();
    // Knuth's MMIX generator: any would do that gives the same on every machine.
    let mut state = 4_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    while strings.len() < 1_000 {
        let made: String = (0..=random(7)).map(|_| PIECES[random(PIECES.len())]).collect();
        if known.insert(made.clone()) {
            strings.push(made);
        }
    }
    strings
}

fn named(id: usize, value: &str) -> Given {
    let id = ("id".to_owned(), Value::One(Param::Int(id as i64)));
    Given::Named(vec![("value".to_owned(), Value::One(text(value))), id])
}

#[test]
fn a_thousand_hostile_strings_come_back_unchanged_by_position_by_name_and_in_a_list() {
    let strings = hostile();
    assert_eq!(strings.iter().collect::<HashSet<_>>().len(), 1_000);
    for (name, db) in all() {
        let text_type = if name == "mysql" { "LONGTEXT CHARACTER SET utf8mb4" } else { "TEXT" };
        db.create("hostile", &format!("id INTEGER PRIMARY KEY, p {text_type}, n {text_type}, l {text_type}"));
        let mut kept = Vec::new();
        for (id, hostile) in strings.iter().enumerate() {
            let inserted =
                db.try_query("INSERT INTO hostile (id, p) VALUES (?, ?)", &[Param::Int(id as i64), text(hostile)]);
            if name == "postgres" && hostile.contains('\0') {
                // The one byte that it keeps in no text is refused, and by position.
                assert!(matches!(inserted, Err(Error::InvalidParams { position: Some(2), .. })), "{hostile:?}");
                continue;
            }
            assert_eq!(inserted.unwrap().affected, 1, "{name}: {hostile:?}");
            assert_eq!(db.given("UPDATE hostile SET n = :value WHERE id = :id", named(id, hostile)).affected, 1);
            let list = Value::List(vec![Param::Null, text(hostile)]);
            let given = Given::Positional(vec![list, Value::One(Param::Int(id as i64))]);
            assert_eq!(db.given("UPDATE hostile SET l = COALESCE(?) WHERE id = ?", given).affected, 1);
            kept.push((id, hostile));
        }
        assert!(kept.len() == 1_000 || name == "postgres" && kept.len() > 850, "{name}: {}", kept.len());
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(&db.json("SELECT id, p, n, l FROM hostile ORDER BY id", &[])).unwrap();
        assert_eq!(rows.len(), kept.len(), "{name}");
        for (row, (id, hostile)) in rows.iter().zip(&kept) {
            assert_eq!(row["id"], *id, "{name}");
            for column in ["p", "n", "l"] {
                // Not assert_eq: some of them fill screens.
                assert!(
                    row[column] == hostile.as_str(),
                    "{name}, {column}: {:?}",
                    &hostile.chars().take(99).collect::<String>()
                );
            }
        }
        // Each is found by itself, and in the company of others.
        for chunk in kept.chunks(100) {
            let list = Value::List(chunk.iter().map(|(_, hostile)| text(hostile)).collect());
            let ids = Value::List(chunk.iter().map(|(id, _)| Param::Int(*id as i64)).collect());
            let given = Given::Named(vec![("strings".to_owned(), list), ("ids".to_owned(), ids)]);
            let sql = "SELECT COUNT(*) AS n FROM hostile WHERE p IN (:strings) AND id IN (:ids)";
            assert_eq!(json_of(&db.given(sql, given)), format!(r#"[{{"n":{}}}]"#, chunk.len()), "{name}");
        }
    }
}
