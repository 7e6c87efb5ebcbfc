//! Tables of every kind of column, made to sit on the kernels' edges.

use lyger::kernels::{Cells, ColumnView, Form, PADDING, Values};
use proptest::collection::vec;
use proptest::prelude::*;

/// A table that owns what the kernels borrow.
#[derive(Debug, Clone)]
pub(crate) struct TestTable {
    pub(crate) form: Form,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<TestColumn>,
}

/// A column, with `None` for null.
#[derive(Debug, Clone)]
pub(crate) struct TestColumn {
    pub(crate) name: String,
    pub(crate) values: TestValues,
    pub(crate) valid: Option<Vec<bool>>,
}

/// One value for each row, in the form in which a failure is best read.
#[derive(Debug, Clone)]
pub(crate) enum TestValues {
    Int64(Vec<i64>),
    UInt64(Vec<u64>),
    Float64(Vec<f64>),
    Float32(Vec<f32>),
    Bool(Vec<u8>),
    Text(Vec<Vec<u8>>),
    Ascii(Vec<Vec<u8>>),
    Json(Vec<Vec<u8>>),
    Bytes(Vec<Vec<u8>>),
}

/// What a string column is to a kernel: offsets, and bytes with padding.
pub(crate) struct Packed {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

/// A table with its strings and bits packed, ready to be viewed.
pub(crate) struct Lent<'a>(Vec<LentColumn<'a>>);

struct LentColumn<'a> {
    key: Vec<u8>,
    values: &'a TestValues,
    packed: Option<Packed>,
    bits: Option<Vec<u8>>,
}

impl TestTable {
    /// Packs the strings and bits. `padding` is what stands behind the strings: nobody may be moved by it.
    pub(crate) fn lend(&self, padding: u8) -> Lent<'_> {
        let columns = self.columns.iter().map(|column| LentColumn {
            key: format!("{}:", serde_json::to_string(&column.name).unwrap()).into_bytes(),
            values: &column.values,
            packed: column.values.cells().map(|cells| pack(cells, padding)),
            bits: column.valid.as_deref().map(bitmap),
        });
        Lent(columns.collect())
    }
}

impl Lent<'_> {
    pub(crate) fn views(&self) -> Vec<ColumnView<'_>> {
        self.0.iter().map(LentColumn::view).collect()
    }
}

impl LentColumn<'_> {
    fn view(&self) -> ColumnView<'_> {
        let cells = self.packed.as_ref().map(|packed| Cells::new(&packed.offsets, &packed.bytes).unwrap());
        let values = match self.values {
            TestValues::Int64(values) => Values::Int64(values),
            TestValues::UInt64(values) => Values::UInt64(values),
            TestValues::Float64(values) => Values::Float64(values),
            TestValues::Float32(values) => Values::Float32(values),
            TestValues::Bool(values) => Values::Bool(values),
            TestValues::Text(_) => Values::Text(cells.unwrap()),
            TestValues::Ascii(_) => Values::Ascii(cells.unwrap()),
            TestValues::Json(_) => Values::Json(cells.unwrap()),
            TestValues::Bytes(_) => Values::Bytes(cells.unwrap()),
        };
        ColumnView { key: &self.key, values, validity: self.bits.as_deref() }
    }
}

fn pack(cells: &[Vec<u8>], padding: u8) -> Packed {
    let mut offsets = vec![0];
    let mut bytes = Vec::new();
    for cell in cells {
        bytes.extend_from_slice(cell);
        offsets.push(u32::try_from(bytes.len()).unwrap());
    }
    bytes.extend_from_slice(&[padding; PADDING]);
    // Exactly as long as promised, so that Valgrind and sanitizers see what reads further.
    bytes.shrink_to_fit();
    Packed { offsets, bytes }
}

fn bitmap(valid: &[bool]) -> Vec<u8> {
    valid.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect()
}

impl TestValues {
    fn cells(&self) -> Option<&[Vec<u8>]> {
        match self {
            Self::Text(cells) | Self::Ascii(cells) | Self::Json(cells) | Self::Bytes(cells) => Some(cells),
            _ => None,
        }
    }
}

pub(crate) const FORMS: [Form; 3] = [Form::Objects, Form::Arrays, Form::Lines];

/// Rows of the largest table.
const ROWS_MAX: usize = 24;

/// Tables of up to 4 columns.
///
/// Columns are made at full length and cut, and not made for a number of rows, because then rows and values shrink
/// apart from each other.
pub(crate) fn table() -> impl Strategy<Value = TestTable> {
    let form = prop::sample::select(FORMS.as_slice());
    (form, 0..=ROWS_MAX, vec(column(ROWS_MAX), 1..5)).prop_map(|(form, rows, columns)| cut(form, rows, columns))
}

/// Tables of one column of numbers, whose texts are the hardest part to agree on.
pub(crate) fn numbers() -> impl Strategy<Value = TestTable> {
    let values = prop_oneof![
        3 => vec(double(), ROWS_MAX).prop_map(TestValues::Float64),
        2 => vec(single(), ROWS_MAX).prop_map(TestValues::Float32),
        1 => vec(integer(), ROWS_MAX).prop_map(TestValues::Int64),
        1 => vec(integer().prop_map(i64::cast_unsigned), ROWS_MAX).prop_map(TestValues::UInt64),
    ];
    (1..=ROWS_MAX, values).prop_map(|(rows, values)| {
        cut(Form::Objects, rows, vec![TestColumn { name: "n".to_owned(), values, valid: None }])
    })
}

fn cut(form: Form, rows: usize, mut columns: Vec<TestColumn>) -> TestTable {
    for column in &mut columns {
        match &mut column.values {
            TestValues::Int64(values) => values.truncate(rows),
            TestValues::UInt64(values) => values.truncate(rows),
            TestValues::Float64(values) => values.truncate(rows),
            TestValues::Float32(values) => values.truncate(rows),
            TestValues::Bool(values) => values.truncate(rows),
            TestValues::Text(cells) | TestValues::Ascii(cells) | TestValues::Json(cells) | TestValues::Bytes(cells) => {
                cells.truncate(rows);
            }
        }
        if let Some(valid) = &mut column.valid {
            valid.truncate(rows);
        }
    }
    TestTable { form, rows, columns }
}

fn column(rows: usize) -> impl Strategy<Value = TestColumn> {
    let name = prop_oneof![Just("id".to_owned()), ".{0,20}", "[a-z_\"]{60,70}"];
    let valid = prop_oneof![Just(None), vec(any::<bool>(), rows).prop_map(Some)];
    (name, values(rows), valid).prop_map(|(name, values, valid)| TestColumn { name, values, valid })
}

fn values(rows: usize) -> impl Strategy<Value = TestValues> {
    prop_oneof![
        1 => vec(integer(), rows).prop_map(TestValues::Int64),
        1 => vec(any::<u64>(), rows).prop_map(TestValues::UInt64),
        1 => vec(double(), rows).prop_map(TestValues::Float64),
        1 => vec(single(), rows).prop_map(TestValues::Float32),
        1 => vec(any::<u8>().prop_map(|byte| byte % 3), rows).prop_map(TestValues::Bool),
        4 => vec(text(), rows).prop_map(TestValues::Text),
        1 => vec("[ !#-\\[\\]-~]{0,80}".prop_map(String::into_bytes), rows).prop_map(TestValues::Ascii),
        1 => vec(json(), rows).prop_map(TestValues::Json),
        1 => vec(vec(any::<u8>(), 0..100), rows).prop_map(TestValues::Bytes),
    ]
}

/// Integers of every length.
fn integer() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift)
}

/// Doubles of every shape: random bits, prices, integers, decimals of every exponent, powers of two.
fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => any::<u64>().prop_map(f64::from_bits),
        2 => (any::<i64>(), 0_u32..64).prop_map(|(hundredths, shift)| (hundredths >> shift) as f64 / 100.0),
        1 => integer().prop_map(|value| value as f64),
        2 => (0_u64..1_000_000_000_000_000_000, 0_u32..60, -340_i32..310)
            .prop_map(|(digits, shift, exponent)| format!("{}e{exponent}", digits >> shift).parse().unwrap()),
        1 => (0_u64..2047, 0_u64..3).prop_map(|(exponent, near)| f64::from_bits((exponent << 52).wrapping_add(near).wrapping_sub(1))),
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::MAX), Just(f64::MIN_POSITIVE), Just(5e-324)],
    ]
}

fn single() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => any::<u32>().prop_map(f32::from_bits),
        2 => (any::<i32>(), 0_u32..32).prop_map(|(hundredths, shift)| (hundredths >> shift) as f32 / 100.0),
        1 => double().prop_map(|value| value as f32),
        1 => (0_u32..255, 0_u32..3).prop_map(|(exponent, near)| f32::from_bits((exponent << 23).wrapping_add(near).wrapping_sub(1))),
    ]
}

/// Texts made of parts, so that escapes, long characters and broken ones fall on every place of a register.
pub(crate) fn text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => (0_usize..70).prop_map(|len| b"The quick brown fox jumps over the lazy dog, and 0123456789 / ~~~ <b>&amp;"[..len].to_vec()),
        3 => prop::sample::select(b"\"\\\n\r\t\x08\x0c\x00\x01\x1f\x7f/ !#[]".to_vec()).prop_map(|byte| vec![byte]),
        3 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        1 => prop::sample::select(vec!["é", "ß", "漢", "\u{d7ff}", "\u{e000}", "\u{800}", "🦀", "\u{10ffff}", "\u{10000}"])
            .prop_map(|c| c.as_bytes().to_vec()),
    ];
    let broken = prop_oneof![
        vec(any::<u8>(), 1..5),
        vec(
            prop::sample::select(vec![0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5]),
            1..5
        ),
    ];
    (vec(part, 0..6), prop::option::weighted(0.3, (any::<prop::sample::Index>(), broken))).prop_map(
        |(parts, broken)| {
            let mut text = parts.concat();
            if let Some((index, bytes)) = broken {
                let at = index.index(text.len() + 1);
                text.splice(at..at, bytes);
            }
            text
        },
    )
}

fn json() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(&b"{}"[..]),
        Just(&b"[1,2.50,{\"a\": null}]"[..]),
        Just(&b"\"text that is longer than one register of sixty-four bytes, surely\""[..]),
    ]
    .prop_map(<[u8]>::to_vec)
}
