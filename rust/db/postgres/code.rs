//! Whether the database keeps code that may leave on a session what the server doesn't tell.

use super::PgSession;
use crate::db::connection::Failure;

/// Functions in `sql` and `plpgsql` count where their text has a word that could do it (`SET` only where a statement may begin,
/// not that of `UPDATE`, and not `SET LOCAL`, but `SET local.x`, and where names lead, which statements prepared in the
/// transaction keep), those in other languages always, and those in C, which come with extensions, never. What else calls one of
/// the server's own functions that do it is found by their numbers, or by that of `pg_settings`, whose UPDATE sets. The first
/// number of an object that is not the server's own is 16384.
const MAY_LEAVE: &str = r#"
WITH own AS (
    SELECT oid FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN ('set_config', 'setseed', 'pg_advisory_lock',
        'pg_advisory_lock_shared', 'pg_try_advisory_lock', 'pg_try_advisory_lock_shared', 'query_to_xml',
        'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'ts_stat', 'ts_rewrite')),
calls AS (
    SELECT ':(funcid|opfuncid) (' || pg_catalog.string_agg(oid::text, '|') || ') |:relid '
        || 'pg_catalog.pg_settings'::regclass::oid || ' ' AS unseen FROM own)
SELECT EXISTS (
        SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE p.oid >= 16384 AND CASE
            WHEN l.lanname = 'c' THEN false
            WHEN l.lanname = 'internal' THEN p.prosrc ~
                '^(set_config_by_name|setseed|pg_(try_)?advisory_lock|query_to_xml|ts_stat|tsquery_rewrite)'
            WHEN l.lanname IN ('sql', 'plpgsql') THEN p.prosrc ~*
                '\m(reset|set_config|setseed|pg_settings|temp|temporary|pg_temp\w*|\w*advisory\w*|listen|unlisten|load|discard|prepare|deallocate|execute|hold|query_to_xml\w*|ts_stat|ts_rewrite)\M|u&"'
                OR p.prosrc ~* '(^|;|>>|\*/|--[^\n\r]*[\n\r]|\m(begin|then|else|loop)\M)\s*set\M(?!\s+local\s+(?!search_path|schema|role|session)\w)'
                OR p.proconfig::text ~ 'pg_temp' OR pg_catalog.to_jsonb(p) ->> 'prosqlbody' ~ unseen
            ELSE true END)
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND (ev_action::text ~ unseen OR ev_qual::text ~ unseen))
    OR EXISTS (SELECT FROM pg_catalog.pg_attrdef WHERE adbin::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE oid >= 16384 AND conbin::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid >= 16384 AND typdefaultbin::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgqual::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polqual::text ~ unseen OR polwithcheck::text ~ unseen)
    OR EXISTS (SELECT FROM pg_catalog.pg_operator, own WHERE pg_operator.oid >= 16384 AND oprcode = own.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_cast, own WHERE pg_cast.oid >= 16384 AND castfunc = own.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_aggregate, own WHERE aggfnoid >= 16384 AND own.oid IN (aggtransfn, aggfinalfn))
FROM calls"#;

impl PgSession {
    /// As [`crate::db::connection::Connection::may_be_left_unseen`].
    pub(super) async fn looks_for_code(&mut self) -> Result<bool, Failure> {
        let rows = self.simple(MAY_LEAVE).await??;
        Ok(rows.first().and_then(|row| row.first()).is_none_or(|answer| answer != "f"))
    }
}
