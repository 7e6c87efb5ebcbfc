//! SQL: DSNs, connections, bound parameters, typed columns and the store of results.
