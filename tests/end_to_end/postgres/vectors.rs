//! pgvector's types, on a server that has them.

use std::path::Path;
use std::process::Command;

use super::server::Server;
use crate::databases::{Fixture, text};
use crate::vector_columns::load_as;
use lyger::db::{Forms, Limits, Param};

fn start() -> (Server, Fixture) {
    let server = Server::with_vectors();
    server.sql("CREATE EXTENSION vector");
    let db = Fixture::new(&format!("postgres://lyger@127.0.0.1:{}/postgres", server.port), Limits::default());
    (server, db)
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "runs on x86-64, for which the package with pgvector is built")]
fn vectors_are_arrays_of_numbers_in_json_and_go_back_as_they_came() {
    let (_server, db) = start();
    db.query("CREATE TABLE pictures (id int, meaning vector(3), several vector[])", &[]);
    let insert = "INSERT INTO pictures VALUES (?, ?, ARRAY[?::vector, NULL])";
    // Bound without a cast: the server says that the placeholder is a vector.
    db.query(insert, &[Param::Int(1), text("[1,2.5,-0.125]"), text("[1e-7,3]")]);
    db.query(insert, &[Param::Int(2), text("[0,0,1]"), text("[7]")]);
    db.query(insert, &[Param::Int(3), Param::Null, text("[7]")]);
    assert_eq!(
        db.json("SELECT id, meaning, several FROM pictures ORDER BY id", &[]),
        // The elements of an array of vectors are strings, as docs/types.md has it.
        r#"[{"id":1,"meaning":[1,2.5,-0.125],"several":["[1e-07,3]",null]},"#.to_owned()
            + r#"{"id":2,"meaning":[0,0,1],"several":["[7]",null]},{"id":3,"meaning":null,"several":["[7]",null]}]"#,
    );
    let nearest = "SELECT id, meaning <-> ? AS distance FROM pictures WHERE id < 3 ORDER BY meaning <-> ? LIMIT 1";
    let asked = text("[0,0,3]");
    assert_eq!(db.json(nearest, &[asked.clone(), asked]), r#"[{"id":2,"distance":2.0}]"#);
    let error = db.error("INSERT INTO pictures VALUES (4, ?, NULL)", &[text("[1,2]")]).to_string();
    assert!(error.contains("expected 3 dimensions"), "{error}");
}

/// Elements that neither text nor binary may change: the smallest float, the largest, one that no decimal of few digits is.
const VECTORS: &str =
    "(1, '[1,-2.5,0.1]'), (-2, '[3.4028235e38,-0,1e-45]'), (7, '[0,0,0]'), (8, '[0.333333343,1e-7,-65504]')";

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "runs on x86-64, for which the package with pgvector is built")]
fn an_index_is_the_same_from_the_binary_and_the_text_of_vectors() {
    let (_server, db) = start();
    db.query("CREATE TABLE pictures (id bigint, meaning vector(3), half halfvec(3), any_length vector)", &[]);
    db.query(&format!("INSERT INTO pictures (id, meaning) VALUES {VECTORS}"), &[]);
    db.query("UPDATE pictures SET half = meaning::text::halfvec WHERE id <> -2", &[]);
    db.query("UPDATE pictures SET half = '[6e-8,-6e-5,65504]', any_length = '[1,2]' WHERE id = -2", &[]);
    let [text, binary] = [false, true].map(|vectors_packed| Forms { vectors_packed, ..Forms::default() });
    let bits = |sql: &str, forms| {
        let index = load_as(&db, sql, forms).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(index.count(), 4, "{sql}");
        [1, -2, 7, 8].map(|id| index.get(id).unwrap().iter().map(|element| element.to_bits()).collect::<Vec<_>>())
    };
    for column in ["meaning", "half", "meaning::text", "half::text", "meaning::real[]"] {
        let sql = format!("SELECT id, {column} FROM pictures");
        assert_eq!(bits(&sql, binary), bits(&sql, text), "{column}");
    }
    let vector = |values: [f32; 3]| values.map(f32::to_bits).to_vec();
    assert_eq!(bits("SELECT id, meaning FROM pictures", binary)[1], vector([f32::MAX, -0.0, 1e-45]));
    assert_eq!(bits("SELECT id, half FROM pictures", binary)[0], vector([1.0, -2.5, 0.099_975_586]));
    // A domain is what it is made of.
    db.query("CREATE DOMAIN meaning AS vector(3)", &[]);
    assert_eq!(
        bits("SELECT id, meaning::meaning FROM pictures", binary),
        bits("SELECT id, meaning FROM pictures", text)
    );

    for forms in [text, binary] {
        let refusal = |sql: &str| load_as(&db, sql, forms).expect_err(sql).to_string();
        let none = "SELECT id, any_length FROM pictures WHERE id = 7";
        assert_eq!(refusal(none), "the vector of id 7 is NULL");
        for of_type in ["vector", "halfvec"] {
            let sql = format!("SELECT id, any_length::{of_type} FROM pictures WHERE id = -2");
            assert_eq!(refusal(&sql), "the vector of id -2 has 2 elements, the index has vectors of 3");
        }
        for column in ["meaning", "half"] {
            let sql = format!("SELECT id, {column} FROM pictures WHERE id > 99");
            assert_eq!(load_as(&db, &sql, forms).unwrap().count(), 0);
        }
    }
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "runs on x86-64, for which the package with pgvector is built")]
fn both_engines_fill_the_same_index_and_the_native_one_never_asks_for_text() {
    let (server, db) = start();
    db.query("CREATE TABLE pictures (id bigint, meaning vector(3), half halfvec(3))", &[]);
    db.query(&format!("INSERT INTO pictures (id, meaning) VALUES {VECTORS}"), &[]);
    db.query("UPDATE pictures SET half = '[1,-2.5,0.1]', meaning = CASE id WHEN 7 THEN NULL ELSE meaning END", &[]);
    let cases = ["meaning FROM pictures WHERE id <> 7", "half FROM pictures", "meaning FROM pictures WHERE false"];
    let filled = |engine: &str| cases.map(|case| fill(engine, &server, &format!("SELECT id, {case}")));
    let native = filled("required");
    let told = native.each_ref().map(|(told, _)| told.as_str());
    assert_eq!(told, ["3 rows", "4 rows", "0 rows"]);
    assert_eq!(native, filled("php"));
    for (sql, message) in [
        ("SELECT id, meaning FROM pictures ORDER BY id", "the vector of id 7 is NULL"),
        ("SELECT 9, '[1,2]'::vector", "the vector of id 9 has 2 elements, the index has vectors of 3"),
        ("SELECT 9, '[1,2]'::halfvec", "the vector of id 9 has 2 elements, the index has vectors of 3"),
    ] {
        assert_eq!(["required", "php"].map(|engine| fill(engine, &server, sql).0), [message, message]);
    }
    // From now on their text is that of their first bytes, which nobody reads as a vector.
    server.sql("UPDATE pg_type SET typoutput = 'textout'::regproc WHERE typname IN ('vector', 'halfvec')");
    assert_eq!(filled("required"), native);
    let (told, _) = fill("php", &server, &format!("SELECT id, {}", cases[0]));
    assert!(told.contains("isn't a JSON array of numbers"), "{told}");
}

/// What a script of PHP tells of an index that it fills, and the index's file.
fn fill(engine: &str, server: &Server, sql: &str) -> (String, Vec<u8>) {
    const SCRIPT: &str = r#"
        require 'php/autoload.php';
        $index = Lyger\Vector\Index::of(3);
        $db = Lyger\Database\Db::connect($argv[1]);
        try {
            $rows = $index->addFrom($db, $argv[2]);
            $db->begin(); // where rows come in parts
            echo $index->addFrom($db, $argv[2]) === $rows ? "$rows rows" : 'another number of rows';
        } catch (Lyger\Exception\InvalidVector $exception) {
            echo $exception->getMessage();
        }
        $index->save($argv[3]);
    "#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    let dsn = format!("postgres://lyger@127.0.0.1:{}/postgres", server.port);
    let mut php = Command::new("php");
    php.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    php.args(["-d", "ffi.enable=1", "-r", SCRIPT, "--", &dsn, sql]).arg(&file);
    php.env("LYGER_LIBRARY", std::env::current_exe().unwrap().with_file_name("liblyger.so"));
    let output = php.env("LYGER_ENGINE", engine).output().expect("php runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{engine}: {sql}: {errors}");
    (String::from_utf8(output.stdout).unwrap(), std::fs::read(file).unwrap())
}
