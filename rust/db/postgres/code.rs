//! Whether the database keeps code that may leave on a session what the server doesn't tell.

use super::PgSession;
use crate::db::connection::Failure;

/// Functions in `sql` and `plpgsql` count where their text has a word that could do it, in whatever sense (`UPDATE ... SET`
/// among them), those in other languages always, and those in C, which come with extensions, never. What calls one of the
/// server's own functions that do it is found by their numbers: views, rules, column defaults, constraints, policies.
/// The first number of an object that is not the server's own is 16384.
const MAY_LEAVE: &str = r#"
WITH calls AS (
    SELECT ':(funcid|opfuncid) (' || pg_catalog.string_agg(oid::text, '|') || ') ' AS unseen FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN ('set_config', 'setseed', 'pg_advisory_lock',
        'pg_advisory_lock_shared', 'pg_try_advisory_lock', 'pg_try_advisory_lock_shared', 'query_to_xml',
        'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'ts_stat', 'ts_rewrite'))
SELECT EXISTS (
        SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') AND (l.lanname NOT IN ('sql', 'plpgsql')
            OR p.prosrc ~* '\m(set|reset|set_config|setseed|temp|temporary|pg_temp\w*|\w*advisory\w*|listen|unlisten|load|discard|prepare|deallocate|execute|hold|query_to_xml\w*|ts_stat|ts_rewrite)\M|u&"'
            OR pg_catalog.to_jsonb(p) ->> 'prosqlbody' ~ unseen))
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND ev_action::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_attrdef WHERE adbin::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND conbin::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polqual::text ~ unseen OR polwithcheck::text ~ unseen)
FROM calls"#;

impl PgSession {
    /// As [`crate::db::connection::Connection::may_be_left_unseen`].
    pub(super) async fn looks_for_code(&mut self) -> Result<bool, Failure> {
        Ok(match self.simple(MAY_LEAVE).await? {
            Ok(rows) => rows.first().and_then(|row| row.first()).is_none_or(|answer| answer != "f"),
            // Whose catalog can't be asked may have any code.
            Err(_) => true,
        })
    }
}
