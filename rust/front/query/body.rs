//! The body of an answer of rows: from what the database sends, chunk by chunk, to what the client takes, slice by slice.
//!
//! What always holds: the next chunk is asked for when all rows of the one before are encoded and taken, so of one answer
//! some chunks are in memory at most; except for rows by key, which are held and counted.

use std::future::Future;
use std::rc::Rc;

use super::super::exchange::Query;
use super::Front;
use super::desk::Leaving;
use super::slices::{Failure, Outlet};
use super::sql::Rows;
use crate::db::{self, Given, Statement};
use crate::json::body::{Encoder, SLICE_BYTES};
use crate::json::escapes::Escapes;
use crate::json::keyed::Index;
use crate::json::shape::{Options, Shape};
use crate::runtime::turn;

/// Runs the statement and puts its rows into the outlet, in their shape. Where the request's statements have left a
/// transaction, or settings, it runs there, and then they end.
pub(super) async fn write(front: Rc<Front>, query: Query, leaving: Leaving, outlet: Outlet) -> Result<(), Failure> {
    let Query { dsn, sql, params, options, .. } = query;
    let given = db::params::decode(&params)?;
    let client = leaving.client();
    // In a box, as all that few answers do: this future is made, moved and held for each.
    let (sql, given, total) = match options.shape {
        Shape::Paged(page) => {
            let dialect = front.database.dialect(&dsn)?;
            let count = db::page::count(dialect, &sql);
            let counted = Rows::of(&front, client, &dsn, statement(&options, &count, given.clone()));
            let total = Box::pin(total(counted)).await?;
            let (sql, given) = db::page::select(dialect, &sql, given, page);
            (sql, given, total)
        }
        _ => (sql, given, 0),
    };
    let rows = Rows::of(&front, client, &dsn, statement(&options, &sql, given)).await?;
    match &options.shape {
        Shape::Keyed(name) => {
            let result_bytes_max = front.config.db_result_bytes_max;
            Box::pin(keyed(rows, name, options.escapes, result_bytes_max, &outlet)).await
        }
        _ => streamed(rows, &options, total, &outlet).await,
    }
}

/// How many rows there are on all pages.
async fn total(counted: impl Future<Output = Result<Rows, Failure>>) -> Result<u64, Failure> {
    let mut counted = counted.await?;
    let total = counted.next().await?.map_or(Ok(0), |table| db::page::total(&table))?;
    counted.next().await?; // to its end, or its connection would be closed
    Ok(total)
}

fn statement<'a>(options: &Options, sql: &'a str, given: Given) -> Statement<'a> {
    let &Options { timeout_ms, retries, forms, .. } = options;
    Statement { timeout_ms, retries, forms, ..Statement::new(sql, given) }
}

async fn streamed(mut rows: Rows, options: &Options, total: u64, outlet: &Outlet) -> Result<(), Failure> {
    let mut encoder = Encoder::new(&options.shape, options.escapes);
    let mut out = Vec::new();
    // A single row is mostly the only one: then its statement ends, and its connection is not closed for a rest.
    while let Some(table) = rows.next().await?
        && !encoder.is_full()
    {
        let mut pass = encoder.pass(&table);
        loop {
            // Not sooner: what ends the body goes with its last rows.
            if out.len() >= SLICE_BYTES {
                outlet.emit(std::mem::take(&mut out)).await;
            }
            if !encoder.append(&mut pass, &mut out) {
                break;
            }
        }
    }
    encoder.finish(total, &mut out)?;
    outlet.leave(out);
    Ok(())
}

async fn keyed(
    mut rows: Rows,
    name: &str,
    escapes: Escapes,
    result_bytes_max: u64,
    outlet: &Outlet,
) -> Result<(), Failure> {
    let (mut tables, mut bytes) = (Vec::new(), 0);
    let mut index = Index::new(name);
    while let Some(table) = rows.next().await? {
        bytes += table.byte_len();
        let mut row = 0;
        loop {
            row = index.add(tables.len(), &table, row)?;
            if (bytes + index.byte_len()) as u64 > result_bytes_max {
                return Err(db::Error::ResultTooLarge { result_bytes_max }.into());
            }
            if row == table.rows() {
                break;
            }
            turn::next().await;
        }
        tables.push(table);
    }
    drop(rows); // and with it the connection: the rest is the client's time
    let mut objects = index.objects(&tables, escapes)?;
    let mut out = Vec::new();
    while objects.append(&mut out) {
        outlet.emit(std::mem::take(&mut out)).await;
    }
    outlet.leave(out);
    Ok(())
}
