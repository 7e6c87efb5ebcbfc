//! The table that benchmarks encode: the example shop's products, 1,000 rows of about 200 bytes of JSON.

use lyger::json::table::{Column, Data, Table};
use serde::Serialize;
use serde_json::{Map, Value};

/// Rows of the table.
pub(crate) const ROWS: usize = 1000;

/// A product as a Rust program that knew its columns would hold it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Product {
    id: i64,
    name: String,
    price: f64,
    description: String,
    active: bool,
    created_at: String,
}

/// The products, always the same ones.
pub(crate) fn products() -> Vec<Product> {
    let adjectives = ["Small", "Walnut", "Café", "Brushed", "Everyday", "Straße"];
    let nouns = ["lamp", "desk", "grinder", "kettle", "notebook", "chair"];
    let sentences = [
        "Turned from one piece and oiled by hand.",
        "Fits \"standard\" rails.\nTwo screws included.",
        "Für drinnen und draußen; 3 Jahre Garantie.",
        "Weighs next to nothing, holds a great deal.",
    ];
    (0..ROWS)
        .map(|i| Product {
            id: 1 + i as i64,
            name: format!("{} {} {i}", adjectives[i % 6], nouns[i / 6 % 6]),
            price: ((i * 7919 + 499) % 100_000) as f64 / 100.0,
            description: format!("{} {}", sentences[i % 4], sentences[(i / 4 + 1) % 4]),
            active: !i.is_multiple_of(7),
            created_at: format!("2024-{:02}-{:02}T{:02}:{:02}:00Z", 1 + i % 12, 1 + i % 28, i % 24, i % 60),
        })
        .collect()
}

/// The products as the engine holds them.
pub(crate) fn table(products: &[Product]) -> Table {
    let mut columns = [
        Column::int64("id"),
        Column::text("name"),
        Column::float64("price"),
        Column::text("description"),
        Column::bool("active"),
        Column::ascii("created_at"),
    ];
    for product in products {
        columns[0].push_i64(product.id);
        columns[1].push_bytes(product.name.as_bytes());
        columns[2].push_f64(product.price);
        columns[3].push_bytes(product.description.as_bytes());
        columns[4].push_bool(product.active);
        columns[5].push_bytes(product.created_at.as_bytes());
    }
    Table::new(columns.into())
}

/// The rows as the seed built them from a result set: a map with its own names for each.
pub(crate) fn maps(table: &Table) -> Vec<Value> {
    let cell = |data: &Data, row: usize| match data {
        Data::Int64(values) => Value::from(values[row]),
        Data::Float64(values) => Value::from(values[row]),
        Data::Bool(values) => Value::from(values[row] != 0),
        Data::Text(cells) | Data::Ascii(cells) => Value::from(String::from_utf8_lossy(cells.get(row))),
        other => unreachable!("the shop has no column of {}", other.kind_name()),
    };
    (0..table.rows())
        .map(|row| {
            let members = table.columns().iter().map(|column| (column.name().to_owned(), cell(column.data(), row)));
            Value::Object(members.collect::<Map<_, _>>())
        })
        .collect()
}
