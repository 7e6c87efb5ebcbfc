//! MySQL's binary rows to typed columns.
//!
//! The forms are those of the manual's "Binary Protocol Value". Each column's type is looked at once; then every value is read
//! where it lies in the connection's buffer. A zero date is the text that PDO shows.

use super::packet::{Body, strange};
use super::statements::Fields;
use super::types::Kind;
use crate::db::Error;
use crate::db::connection::Failure;
use crate::db::temporal;
use crate::json::forms::Forms;
use crate::json::spare::Spare;
use crate::json::table::{Column, Table};

/// The columns of a result while its rows come in.
pub(super) struct Decoder {
    kinds: Vec<Kind>,
    columns: Vec<Column>,
    spare: Option<Spare>,
    // For texts that are put together value by value.
    scratch: Vec<u8>,
}

impl Decoder {
    /// Columns for a result; decimals, dates and times in the forms that were asked for.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`].
    pub(super) fn new(fields: &Fields, forms: Forms) -> Result<Self, Error> {
        let Fields { each, spare } = fields;
        let kinds = each.iter().map(|field| Kind::of(field, forms)).collect::<Result<Vec<_>, _>>()?;
        // Columns of other forms are of other kinds.
        let spare = (forms == Forms::default()).then(|| spare.clone());
        let new = || kinds.iter().zip(each).map(|(kind, field)| kind.new_column(field.name.clone())).collect();
        let columns = spare.as_ref().and_then(Spare::take).unwrap_or_else(new);
        Ok(Self { kinds, columns, spare, scratch: Vec::new() })
    }

    /// Appends a row and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, packet: &[u8]) -> Result<usize, Failure> {
        let mut body = Body(packet);
        body.u8()?;
        // The first two bits are for something else.
        let nulls = body.bytes((self.columns.len() + 9) / 8)?;
        for (at, (kind, column)) in (2..).zip(self.kinds.iter().zip(&mut self.columns)) {
            if nulls[at / 8] & (1 << (at % 8)) != 0 {
                column.push_null();
            } else {
                kind.push(column, &mut body, &mut self.scratch)?;
            }
        }
        if body.0.is_empty() { Ok(packet.len()) } else { Err(strange("a row is longer than its values")) }
    }

    /// The rows that have come since the last time.
    pub(super) fn take_table(&mut self) -> Table {
        Table::new(self.columns.iter_mut().map(Column::take).collect())
    }

    /// The last of the rows.
    pub(super) fn into_table(self) -> Table {
        Table::of(self.columns, self.spare)
    }
}

fn broken(column: &Column) -> Failure {
    let message = format!("column \"{}\": its bytes are not of its type", column.name());
    Failure::Cut(Error::Query { message, sqlstate: Some("08P01".to_owned()) })
}

impl Kind {
    /// Reads one value.
    fn push(self, column: &mut Column, body: &mut Body<'_>, scratch: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Int8 => column.push_i64(i8::from_le_bytes(body.take()?).into()),
            Self::UInt8 => column.push_i64(body.u8()?.into()),
            Self::Int16 => column.push_i64(i16::from_le_bytes(body.take()?).into()),
            Self::UInt16 => column.push_i64(body.u16()?.into()),
            Self::Int32 => column.push_i64(i32::from_le_bytes(body.take()?).into()),
            Self::UInt32 => column.push_i64(body.u32()?.into()),
            Self::Int64 => column.push_i64(i64::from_le_bytes(body.take()?)),
            Self::UInt64 => column.push_u64(u64::from_le_bytes(body.take()?)),
            Self::Float => column.push_f32(f32::from_le_bytes(body.take()?)),
            Self::Double => column.push_f64(f64::from_le_bytes(body.take()?)),
            Self::Decimal | Self::Text | Self::Bytes | Self::Json => column.push_bytes(body.value()?),
            Self::Number => column.push_bytes(without_leading_zeros(body.value()?)),
            Self::Bit => {
                let value = body.value()?;
                let number =
                    (value.len() <= 8).then(|| value.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte)));
                column.push_u64(number.ok_or_else(|| broken(column))?);
            }
            Self::Date | Self::Time | Self::Datetime(_) => {
                scratch.clear();
                let parts = body.value()?;
                self.write(scratch, parts).ok_or_else(|| broken(column))?;
                column.push_bytes(scratch);
            }
            // A column of this type has no values.
            Self::Null => return Err(broken(column)),
        }
        Ok(())
    }

    /// A date or a time, by its parts.
    fn write(self, out: &mut Vec<u8>, parts: &[u8]) -> Option<()> {
        match self {
            Self::Date => {
                let (year, month, day) = date(parts)?;
                temporal::write_date(out, year.into(), month.into(), day.into());
            }
            Self::Datetime(form) => {
                temporal::write_parts(out, date(parts)?, time(parts.get(4..).unwrap_or_default())?, form);
            }
            Self::Time => write_duration(out, parts)?,
            _ => return None,
        }
        Some(())
    }
}

/// JSON has no `007.50`, which is what a column with ZEROFILL sends.
fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    match digits.get(zeros) {
        Some(b'1'..=b'9') => &digits[zeros..],
        // One of them is the zero itself.
        _ => &digits[zeros.saturating_sub(1)..],
    }
}

/// Trailing zeros are left out on the wire: nothing at all is the zero date.
fn date(parts: &[u8]) -> Option<(u16, u8, u8)> {
    match *parts {
        [] => Some((0, 0, 0)),
        [low, high, month, day, ..] => Some((u16::from_le_bytes([low, high]), month, day)),
        _ => None,
    }
}

fn time(parts: &[u8]) -> Option<(u8, u8, u8, u32)> {
    match *parts {
        [] => Some((0, 0, 0, 0)),
        [hours, minutes, seconds] => Some((hours, minutes, seconds, 0)),
        [hours, minutes, seconds, a, b, c, d] => {
            let micros = u32::from_le_bytes([a, b, c, d]);
            (micros < 1_000_000).then_some((hours, minutes, seconds, micros))
        }
        _ => None,
    }
}

/// A TIME is a duration from -838:59:59 to 838:59:59: a sign, days, then a time of day.
fn write_duration(out: &mut Vec<u8>, parts: &[u8]) -> Option<()> {
    let (negative, days, rest) = match *parts {
        [] => (false, 0, [].as_slice()),
        [sign, a, b, c, d, ref rest @ ..] => (sign != 0, u32::from_le_bytes([a, b, c, d]), rest),
        _ => return None,
    };
    let (hours, minutes, seconds, micros) = time(rest)?;
    if negative {
        out.push(b'-');
    }
    let hours = days.checked_mul(24)?.checked_add(hours.into())?;
    temporal::write_clock(out, hours, minutes.into(), seconds.into(), micros);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::packet::Field;
    use super::*;

    fn duration(parts: &[u8]) -> String {
        let mut out = Vec::new();
        write_duration(&mut out, parts).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn durations_count_their_days_as_hours() {
        assert_eq!(duration(&[]), "00:00:00");
        assert_eq!(duration(&[0, 0, 0, 0, 0, 3, 4, 5]), "03:04:05");
        assert_eq!(duration(&[1, 34, 0, 0, 0, 22, 59, 59]), "-838:59:59");
        assert_eq!(duration(&[0, 0, 0, 0, 0, 3, 4, 5, 0x20, 0xa1, 7, 0]), "03:04:05.5");
        assert!(write_duration(&mut Vec::new(), &[0, 0]).is_none());
    }

    #[test]
    fn digits_are_a_json_number_whatever_zeros_stand_before_them() {
        for (sent, number) in [
            ("007.50", "7.50"),
            ("000.50", "0.50"),
            ("0000", "0"),
            ("0", "0"),
            ("-0.50", "-0.50"),
            ("100", "100"),
            ("", ""),
        ] {
            assert_eq!(without_leading_zeros(sent.as_bytes()), number.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn parts_left_out_on_the_wire_are_zeros() {
        assert_eq!(date(&[]), Some((0, 0, 0)));
        assert_eq!(date(&[0xe8, 7, 2, 29]), Some((2024, 2, 29)));
        assert_eq!(date(&[1]), None);
        assert_eq!((time(&[]), time(&[1, 2])), (Some((0, 0, 0, 0)), None));
        // A second and more of microseconds.
        let (below, above) = (999_999_u32.to_le_bytes(), 1_000_000_u32.to_le_bytes());
        assert_eq!(time(&[&[1, 2, 3], &below[..]].concat()), Some((1, 2, 3, 999_999)));
        assert_eq!(time(&[&[1, 2, 3], &above[..]].concat()), None);
    }

    fn decoder(columns: &[(u8, u16)]) -> Decoder {
        let field =
            |&(of_type, flags): &(u8, u16)| Field { name: of_type.to_string().into(), collation: 45, of_type, flags };
        Decoder::new(&columns.iter().map(field).collect::<Vec<_>>().into(), Forms::default()).unwrap()
    }

    #[test]
    fn a_row_cut_anywhere_is_an_error_and_never_a_panic() {
        let columns = [(3, 0), (5, 0), (0xfd, 0), (12, 0)];
        let whole = [&[0, 0b1000][..], &7_i32.to_le_bytes(), b"\x04text", &[4, 0xe8, 7, 2, 29]].concat();
        let mut whole_decoder = decoder(&columns);
        whole_decoder.push_row(&whole).unwrap();
        let table = whole_decoder.take_table();
        let json = String::from_utf8(crate::json::encode::to_vec(&table)).unwrap();
        assert_eq!(json, r#"[{"3":7,"5":null,"253":"text","12":"2024-02-29T00:00:00"}]"#);
        assert_eq!(whole_decoder.take_table().rows(), 0, "fresh columns of the same kinds");
        for end in 0..whole.len() {
            assert!(decoder(&columns).push_row(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(decoder(&columns).push_row(&[whole.as_slice(), b"x"].concat()).is_err());
        assert!(decoder(&[(16, 0)]).push_row(b"\0\0\x09123456789").is_err(), "more bits than there are");
        assert!(decoder(&[(6, 0)]).push_row(b"\0\0\x01x").is_err(), "a NULL that has a value");
    }

    #[test]
    fn a_type_of_tomorrow_is_named_with_a_way_out() {
        let field = Field { name: "v".into(), collation: 63, of_type: 242, flags: 0 };
        let Err(Error::UnsupportedType { column, hint, .. }) = Decoder::new(&vec![field].into(), Forms::default())
        else {
            panic!("it is known")
        };
        assert_eq!((column.as_str(), hint.as_str()), ("v", "write CAST(`v` AS CHAR) in the SELECT list"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64), unsigned in 0_u16..2) {
            let types = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16, 245, 246, 252, 253, 254, 255];
            for of_type in types {
                let _ = decoder(&[(of_type, unsigned * 32)]).push_row(&[&[0, 0][..], &bytes].concat());
            }
            let _ = decoder(&types.map(|of_type| (of_type, 0))).push_row(&bytes);
        }
    }
}
