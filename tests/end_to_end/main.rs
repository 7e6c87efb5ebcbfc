//! Promises that need real servers: databases, sockets, processes.

#[path = "../support/certificates.rs"]
mod certificates;
mod databases;
mod fleet_fibers;
mod fleet_rows;
mod fleet_sql;
mod fleet_transactions;
mod fleet_vectors;
#[path = "../support/front.rs"]
mod front;
#[cfg(feature = "zig-server")]
mod front_alike;
#[cfg(feature = "zig-server")]
mod front_alike_heads;
mod front_drain;
mod front_faults;
mod front_half_close;
mod front_http;
mod front_limits;
mod front_proxies;
mod front_signals;
mod front_smuggling;
mod front_sql;
mod front_stage;
#[cfg(unix)]
mod mysql;
#[cfg(unix)]
mod postgres;
mod proxy;
mod sql_ages;
mod sql_clients;
mod sql_faults;
mod sql_hostile;
mod sql_limits;
mod sql_network;
mod sql_params;
mod sql_portals;
mod sql_sqlite_files;
mod sql_streams;
mod sql_types_mysql;
mod sql_types_postgres;
mod sql_types_sqlite;
mod sql_wording;
mod vector_columns;
