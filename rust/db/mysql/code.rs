//! Whether the database keeps code that may leave on a session what the server doesn't tell.

use super::MySqlSession;
use crate::db::connection::Failure;

/// What a server that tracks its sessions doesn't tell, where it stands as a word in the text of a function or a trigger: locks,
/// the next transaction's kind, variables that get their value otherwise than by SET, the end of the tracking itself. What a
/// procedure does that they call isn't looked into. A digit may stand before a word: `/*!50000CALL p()*/`.
const UNTOLD: &str = "@|(^|[^a-z_$])(get_lock|transaction|session_track[a-z_]*|call)([^a-z0-9_$]|$)";

/// Without tracking any code may leave something.
const ANYTHING: &str = "";

/// Modes in which a statement's words aren't those that the engine reads: anything may stand in its text.
const OTHER_WORDS: &str = "ORACLE|NO_BACKSLASH_ESCAPES|ANSI_QUOTES";

/// Whether there is such code among what the user may see, and so whatever it may see but not read. Packages of MariaDB have
/// variables of their own. Views count where they are looked through at once, which takes milliseconds for those of other
/// schemas, and only for locks: they can't have variables. A view that can't be read counts as none, because users without
/// SHOW VIEW are ordinary, and views that lock are not.
fn may_leave(pattern: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA <> 'sys' \
             AND ROUTINE_TYPE <> 'PROCEDURE' AND (ROUTINE_TYPE <> 'FUNCTION' OR ROUTINE_DEFINITION IS NULL \
             OR ROUTINE_DEFINITION REGEXP '{pattern}')) \
         OR EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA <> 'sys' \
             AND (ACTION_STATEMENT IS NULL OR ACTION_STATEMENT REGEXP '{pattern}')) \
         OR EXISTS (SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() \
             AND VIEW_DEFINITION REGEXP 'get_lock') \
         OR CONCAT_WS(',', @@GLOBAL.sql_mode, @@SESSION.sql_mode) REGEXP '{OTHER_WORDS}'"
    )
}

impl MySqlSession {
    /// As [`crate::db::connection::Connection::may_be_left_unseen`].
    pub(super) async fn looks_for_code(&mut self) -> Result<bool, Failure> {
        let pattern = if self.is_tracked { UNTOLD } else { ANYTHING };
        let rows = self.simple(&may_leave(pattern)).await??;
        Ok(rows.first().and_then(|row| row.first()).is_none_or(|answer| answer.as_deref() != Some("0")))
    }
}
