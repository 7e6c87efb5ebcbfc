//! pgvector's types, on a server that has them.

use super::server::Server;
use crate::databases::{Fixture, text};
use lyger::db::{Limits, Param};

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "runs on x86-64, for which the package with pgvector is built")]
fn vectors_are_arrays_of_numbers_in_json_and_go_back_as_they_came() {
    let server = Server::with_vectors();
    server.sql("CREATE EXTENSION vector");
    let db = Fixture::new(&format!("postgres://lyger@127.0.0.1:{}/postgres", server.port), Limits::default());
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
