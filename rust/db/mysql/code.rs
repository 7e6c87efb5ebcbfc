//! Whether the database keeps code that may leave on a session what the server doesn't tell.

use super::MySqlSession;
use crate::db::connection::Failure;

/// What a server that tracks its sessions doesn't tell, wherever it stands in the text of a function or a trigger: locks, the
/// next transaction's kind, variables that get their value otherwise than by SET, the end of the tracking itself. What a
/// procedure does that they call isn't looked into.
const UNTOLD: &str = "@|get_lock|transaction|session_track|call";

/// Without tracking any code may leave something.
const ANYTHING: &str = "";

/// Whether there is such code among what the user may see. Views count where they are looked through at once, which takes
/// milliseconds for those of other schemas, and only for locks: they can't have variables.
fn may_leave(pattern: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA <> 'sys' \
             AND ROUTINE_TYPE <> 'PROCEDURE' AND ROUTINE_DEFINITION REGEXP '{pattern}') \
         OR EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA <> 'sys' \
             AND ACTION_STATEMENT REGEXP '{pattern}') \
         OR EXISTS (SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() \
             AND VIEW_DEFINITION REGEXP 'get_lock')"
    )
}

impl MySqlSession {
    /// As [`crate::db::connection::Connection::may_be_left_unseen`].
    pub(super) async fn looks_for_code(&mut self) -> Result<bool, Failure> {
        let pattern = if self.is_tracked { UNTOLD } else { ANYTHING };
        Ok(match self.simple(&may_leave(pattern)).await? {
            Ok(rows) => rows.first().and_then(|row| row.first()).is_none_or(|answer| answer.as_deref() != Some("0")),
            // Whose catalog can't be asked may have any code.
            Err(_) => true,
        })
    }
}
