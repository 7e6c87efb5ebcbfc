//! Vectors in a statement's rows: the first column has the id, the second the vector.
//!
//! | the second column | is read as |
//! |---|---|
//! | bytes (bytea, blob) | floats of 4 bytes each, little-endian |
//! | `vector`, `halfvec` of pgvector | the same: [`Forms::vectors_packed`](crate::db::Forms) asks for their binary form |
//! | text, JSON, an array of PostgreSQL | a JSON array of numbers |

use super::index::unpack_floats;
use super::{Error, Index, Of, text};
use crate::db::Table;
use crate::db::table::{Cell, Column, Data};

/// A cell that may be a vector.
enum Vector<'a> {
    Packed(&'a [u8]),
    Text(&'a [u8]),
}

impl Index {
    /// Adds a chunk of rows, as [`Index::add`] does. `before` is how many rows came before, for messages.
    ///
    /// # Errors
    /// When a row has no id or no vector of this index's, or the index would be too large.
    pub fn add_rows(&mut self, table: &Table, before: u64) -> Result<(), Error> {
        let [id_column, vector_column] = table.columns() else {
            let reason = format!(
                "an index is filled by a statement of two columns, the id and the vector; this one has {}",
                table.columns().len()
            );
            return Err(Error::Columns { reason });
        };
        let mut ids = Vec::new();
        let mut floats = Vec::new();
        let elements = table.rows().saturating_mul(self.dimension());
        let memory = |_| Error::Memory { bytes: (elements as u64).saturating_mul(4) };
        ids.try_reserve_exact(table.rows()).map_err(memory)?;
        floats.try_reserve_exact(elements).map_err(memory)?;
        for row in 0..table.rows() {
            let id = id_of(id_column, row)
                .map_err(|reason| Error::Row { row: before.saturating_add(row as u64).saturating_add(1), reason })?;
            let vector = vector_of(vector_column, row).map_err(|reason| Error::Unreadable { id, reason })?;
            let start = floats.len();
            match vector {
                Vector::Packed(bytes) if bytes.len().is_multiple_of(4) => floats.extend(unpack_floats(bytes)),
                Vector::Packed(bytes) => {
                    let reason = format!("has {} bytes, and each element has 4", bytes.len());
                    return Err(Error::Unreadable { id, reason });
                }
                Vector::Text(json) => {
                    text::read(json, &mut floats).map_err(|reason| Error::Unreadable { id, reason })?;
                }
            }
            let elements = floats.len() - start;
            if elements != self.dimension() {
                return Err(Error::Elements { of: Of::Id(id), elements, dimension: self.dimension() });
            }
            ids.push(id);
        }
        self.add(&ids, &floats)
    }
}

fn id_of(column: &Column, row: usize) -> Result<i64, String> {
    if column.nulls().is_null(row) {
        return Err("its id is NULL".to_owned());
    }
    match column.data() {
        Data::Int64(ids) => Ok(ids[row]),
        Data::UInt64(ids) => i64::try_from(ids[row]).map_err(|_| format!("its id {} is above {}", ids[row], i64::MAX)),
        Data::Mixed(cells) => match &cells[row] {
            Cell::Int(id) => Ok(*id),
            _ => Err("its id isn't an integer".to_owned()),
        },
        _ => Err("its id isn't an integer".to_owned()),
    }
}

fn vector_of(column: &Column, row: usize) -> Result<Vector<'_>, String> {
    if column.nulls().is_null(row) {
        return Err("is NULL".to_owned());
    }
    match column.data() {
        Data::Bytes(cells) => Ok(Vector::Packed(cells.get(row))),
        Data::Text(cells) | Data::Json(cells) | Data::Ascii(cells) => Ok(Vector::Text(cells.get(row))),
        Data::Mixed(cells) => match &cells[row] {
            Cell::Bytes(bytes) => Ok(Vector::Packed(bytes)),
            Cell::Text(text) => Ok(Vector::Text(text)),
            _ => Err("is neither bytes nor text".to_owned()),
        },
        _ => Err("is neither bytes nor text".to_owned()),
    }
}
