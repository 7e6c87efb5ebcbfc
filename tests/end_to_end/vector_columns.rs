//! A vector index filled by a statement of each database, in every form that a vector has there.

use crate::databases::{Fixture, all, mysql, postgres, sqlite};
use lyger::db::{Forms, Statement};
use lyger::vector::{Error, Index, Limits};

/// What `lyger_vector_load` does, with the statement's chunks.
fn load(db: &Fixture, sql: &str) -> Result<Index, Error> {
    load_as(db, sql, Forms { vectors_packed: true, ..Forms::default() })
}

/// The same with a statement's values in these forms.
pub(crate) fn load_as(db: &Fixture, sql: &str, forms: Forms) -> Result<Index, Error> {
    let mut index = Index::new(3, Limits::default()).unwrap();
    let chunks = db.block_on(async {
        let statement = Statement { forms, ..Statement::new(sql, &[][..]) };
        let mut cursor = db.database.stream(&db.client, &db.dsn, statement).await?;
        let mut chunks = Vec::new();
        while let Some(table) = cursor.next().await? {
            chunks.push(table);
        }
        Ok::<_, lyger::db::Error>(chunks)
    });
    let mut before = 0;
    for table in chunks.unwrap_or_else(|error| panic!("{sql}: {error}")) {
        index.add_rows(&table, before)?;
        before += table.rows() as u64;
    }
    Ok(index)
}

fn refusal(db: &Fixture, sql: &str) -> String {
    load(db, sql).expect_err(sql).to_string()
}

/// The vectors of ids 1 and -2.
fn assert_loads(db: &Fixture, sql: &str) {
    let index = load(db, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(index.count(), 2, "{sql}");
    assert_eq!(index.get(1).unwrap(), [1.0, -2.5, 0.1], "{sql}");
    assert_eq!(index.get(-2).unwrap(), [3e10, 0.0, 1e-45], "{sql}");
}

const ONE: &str = "[1, -2.5, 0.1]";
const TWO: &str = "[3e10,0,1.401298464324817e-45]";
const ONE_BYTES: &str = "0000803f000020c0cdcccc3d";
const TWO_BYTES: &str = "7684df500000000001000000";

#[test]
fn text_and_json_of_every_database_are_vectors() {
    for (_, db) in all() {
        for column in ["text", "json"] {
            let table = format!("vectors_{column}");
            db.create(&table, &format!("id bigint, v {column}"));
            db.query(&format!("INSERT INTO {table} VALUES (1, '{ONE}'), (-2, '{TWO}')"), &[]);
            assert_loads(&db, &format!("SELECT id, v FROM {table}"));
        }
    }
}

#[test]
fn bytes_of_every_database_are_vectors() {
    for (name, db) in all() {
        let (column, one, two) = match name {
            "postgres" => ("bytea", format!("'\\x{ONE_BYTES}'"), format!("'\\x{TWO_BYTES}'")),
            _ => ("blob", format!("x'{ONE_BYTES}'"), format!("x'{TWO_BYTES}'")),
        };
        db.create("vectors_bytes", &format!("id bigint, v {column}"));
        db.query(&format!("INSERT INTO vectors_bytes VALUES (1, {one}), (-2, {two})"), &[]);
        assert_loads(&db, "SELECT id, v FROM vectors_bytes");
    }
}

#[test]
fn arrays_of_postgres_are_vectors() {
    let db = postgres();
    for column in ["real[]", "double precision[]", "numeric[]"] {
        let sql = format!(
            "SELECT 1, '{{1,-2.5,0.1}}'::{column} UNION ALL SELECT -2, '{{3e10,0,1.401298464324817e-45}}'::{column}"
        );
        match column {
            "numeric[]" => assert!(refusal(&db, &sql).contains("isn't a JSON array of numbers")),
            _ => assert_loads(&db, &sql),
        }
    }
    db.query("DROP DOMAIN IF EXISTS embedding", &[]);
    db.query("CREATE DOMAIN embedding AS real[]", &[]);
    assert_loads(&db, "SELECT 1, '{1,-2.5,0.1}'::embedding UNION ALL SELECT -2, '{3e10,0,1e-45}'::embedding");
    let jsonb = format!("SELECT 1::int, '{ONE}'::jsonb UNION ALL SELECT -2::smallint, '{TWO}'::jsonb");
    assert_loads(&db, &jsonb);
    assert!(
        refusal(&db, "SELECT 7, '{1,NaN,2}'::real[]").starts_with("the vector of id 7 isn't a JSON array of numbers")
    );
    assert!(refusal(&db, "SELECT 7, '{{1,2,3}}'::real[]").contains("a number is missing at byte 1"));
}

#[test]
fn a_type_named_vector_is_read_by_its_text() {
    // pgvector's own type, as far as the engine looks at it: a type of the installation whose text is a JSON array.
    let db = postgres();
    db.query("DROP DOMAIN IF EXISTS vector", &[]);
    db.query("CREATE DOMAIN vector AS text CHECK (VALUE LIKE '[%]')", &[]);
    let sql = "SELECT 1, '[1,-2.5,0.1]'::vector UNION ALL SELECT -2, '[3e+10,0,1e-45]'::vector";
    assert_loads(&db, sql);
    db.query("DROP DOMAIN vector", &[]);
}

#[test]
fn one_column_of_sqlite_holds_vectors_of_both_forms() {
    let db = sqlite();
    assert_loads(&db, &format!("SELECT 1, '{ONE}' UNION ALL SELECT -2, x'{TWO_BYTES}'"));
    assert_eq!(
        refusal(&db, "SELECT 1, '[1,2,3]' UNION ALL SELECT 5, 7"),
        "the vector of id 5 is neither bytes nor text"
    );
    let message = refusal(&db, "SELECT 1, '[1,2,3]' UNION ALL SELECT 'x', '[1,2,3]'");
    assert_eq!(message, "row 2 of the statement: its id isn't an integer");
}

#[test]
fn an_id_of_mysql_may_be_unsigned() {
    let db = mysql();
    let index = load(&db, "SELECT CAST(9223372036854775807 AS UNSIGNED), '[1,2,3]'").unwrap();
    assert_eq!(index.get(i64::MAX).unwrap(), [1.0, 2.0, 3.0]);
    let message = refusal(&db, "SELECT CAST(9223372036854775808 AS UNSIGNED), '[1,2,3]'");
    assert_eq!(message, "row 1 of the statement: its id 9223372036854775808 is above 9223372036854775807");
}

#[test]
fn what_is_no_vector_is_told_by_its_id() {
    for (_, db) in all() {
        let refused =
            |id: &str, vector: &str| refusal(&db, &format!("SELECT 1, '[1,2,3]' UNION ALL SELECT {id}, {vector}"));
        assert_eq!(refused("6", "'[1,2]'"), "the vector of id 6 has 2 elements, the index has vectors of 3");
        assert_eq!(refused("6", "'[1,2,3,4]'"), "the vector of id 6 has 4 elements, the index has vectors of 3");
        assert_eq!(refused("6", "NULL"), "the vector of id 6 is NULL");
        assert_eq!(refused("NULL", "'[1,2,3]'"), "row 2 of the statement: its id is NULL");
        assert_eq!(
            refused("6", "'[1,2,1e39]'"),
            "the vector of id 6 has inf at element 2: only finite numbers can be compared"
        );
        assert!(refused("6", "''").starts_with("the vector of id 6 isn't a JSON array of numbers: `[` is missing"));
        assert_eq!(
            refusal(&db, "SELECT 1"),
            "an index is filled by a statement of two columns, the id and the vector; this one has 1"
        );
        assert!(
            refusal(&db, "SELECT 'a', '[1,2,3]'").contains("its id isn't an integer") || {
                refusal(&db, "SELECT 'a', '[1,2,3]'").contains("not integers, which ids are")
            }
        );
        assert_eq!(load(&db, "SELECT 1, '[1,2,3]' WHERE 1 = 0").unwrap().count(), 0);
    }
}

#[test]
fn vectors_of_several_chunks_are_all_there() {
    let rows = 30_000;
    for (name, db) in all() {
        let sql = match name {
            "postgres" => format!("SELECT n, ARRAY[n, n / 2.0, 0.5]::real[] FROM generate_series(1, {rows}) n"),
            "mysql" => format!("SELECT seq, CONCAT('[', seq, ',', seq / 2, ',0.5]') FROM seq_1_to_{rows}"),
            _ => format!(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT {rows}) \
                 SELECT n, '[' || n || ',' || (n / 2.0) || ',0.5]' FROM n"
            ),
        };
        let index = load(&db, &sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(index.count(), rows, "{name}");
        for id in [1_u16, 2, 255, 15_001, 29_999, 30_000] {
            assert_eq!(index.get(id.into()).unwrap(), [f32::from(id), f32::from(id) / 2.0, 0.5], "{name}");
        }
    }
}
