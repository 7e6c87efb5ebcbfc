//! sqlx's errors, which are MySQL's, in the words of this room.

use super::connection::{Failure, Lost, ServerError};
use super::wording;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use std::borrow::Cow;

/// MySQL's errors behind which it hangs up, although their SQLSTATE doesn't say so: killed, and idle for too long.
const MYSQL_HANGS_UP: [u16; 2] = [1927, 4031];

/// MariaDB's ER_STATEMENT_TIMEOUT, MySQL's ER_QUERY_TIMEOUT and ER_QUERY_INTERRUPTED.
const MYSQL_STOPPED: [u16; 3] = [1969, 3024, 1317];

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => Self::Server(ServerError {
                message: wording::of_server(&*error),
                sqlstate: error.code().map(Cow::into_owned),
                survives: survives(&*error),
                stopped: stopped(&*error),
            }),
            // What was sent of a statement, sqlx doesn't say.
            error @ (sqlx::Error::Io(_) | sqlx::Error::Tls(_)) => {
                Self::Lost(Lost { message: wording::of(&error), sent: true })
            }
            error => Self::Strange(wording::of(&error)),
        }
    }
}

/// Whether a connection is as usable after a server's error as before.
fn survives(error: &dyn DatabaseError) -> bool {
    // Class 08 is about the connection itself.
    !error.code().is_some_and(|code| code.starts_with("08"))
        && !mysql_number(error).is_some_and(|n| MYSQL_HANGS_UP.contains(&n))
}

fn stopped(error: &dyn DatabaseError) -> bool {
    mysql_number(error).is_some_and(|number| MYSQL_STOPPED.contains(&number))
}

fn mysql_number(error: &dyn DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}
