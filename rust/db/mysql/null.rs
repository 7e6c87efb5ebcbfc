//! The type of a bound NULL, which sqlx has no name for.
//!
//! With the type of some other value a NULL is refused where that type can't be (MariaDB has no cast from an integer to
//! `UUID`), or decides what `COALESCE(?, price)` is. The protocol has a type of its own for it, as the literal `NULL`
//! has, and PDO sends that one. sqlx gives it to nobody who builds arguments, but every server tells it of the column of
//! `SELECT NULL`.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlConnection, MySqlTypeInfo};
use sqlx::{Column, Encode, Executor, SqlSafeStr, Statement, Type};
use std::sync::OnceLock;

/// What servers say is the same for all of them, so one is asked once.
static TYPE: OnceLock<MySqlTypeInfo> = OnceLock::new();

/// A NULL as an argument.
#[derive(Clone)]
pub(super) struct Null(MySqlTypeInfo);

impl Null {
    /// Asks the server for the type, unless one was asked before.
    pub(super) async fn learn(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        if let Some(known) = TYPE.get() {
            return Ok(Self(known.clone()));
        }
        let statement = connection.prepare("SELECT NULL".into_sql_str()).await?;
        let told = statement.columns().first().map(|column| column.type_info().clone());
        Ok(Self(TYPE.get_or_init(|| told.unwrap_or_else(<str as Type<MySql>>::type_info)).clone()))
    }
}

impl Type<MySql> for Null {
    fn type_info() -> MySqlTypeInfo {
        <str as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Null {
    fn produces(&self) -> Option<MySqlTypeInfo> {
        Some(self.0.clone())
    }

    fn encode_by_ref(&self, _: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}
