//! Promises that need real servers: databases, sockets, processes.

mod databases;
mod sql_faults;
mod sql_limits;
mod sql_params;
mod sql_types_mysql;
mod sql_types_postgres;
mod sql_types_sqlite;
