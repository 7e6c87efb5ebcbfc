//! PostgreSQL's types, and how their values come.
//!
//! What has a kind below comes in binary; everything else comes as the server's own text, so that no type is without a form.

use crate::json::forms::Forms;

/// How one value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    /// 32 bits without a sign: oid, xid, cid.
    UInt4,
    /// 64 bits without a sign: xid8.
    UInt8,
    Float4,
    Float8,
    Numeric,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    /// The bytes are the text.
    Text,
    /// The bytes are a JSON text; those of jsonb start with a version when they come in binary.
    Json,
    Jsonb,
    /// pgvector's vectors: their text is a JSON array.
    Vector,
    Halfvec,
}

/// How a column's values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    One(Scalar),
    /// An array in binary.
    Array(Scalar),
    /// An array in the server's text, with what stands between its elements.
    TextArray(u8),
}

/// A type as far as the engine needs it: a domain is the type that it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Type {
    /// The number in pg_type.
    pub(super) oid: u32,
    pub(super) kind: Kind,
}

/// From here on numbers are given by each installation: initdb, extensions, CREATE TYPE.
const FIRST_OF_INSTALLATION: u32 = 10_000;

impl Type {
    pub(super) const TEXT: Self = Self { oid: 25, kind: Kind::One(Scalar::Text) };

    /// A type whose number is the same on every server; `None` for one that the server has to be asked about.
    pub(super) fn built_in(oid: u32) -> Option<Self> {
        let kind = match oid {
            FIRST_OF_INSTALLATION.. => return None,
            oid => scalar(oid).map(Kind::One).or_else(|| array(oid)).unwrap_or(Kind::One(Scalar::Text)),
        };
        Some(Self { oid, kind })
    }

    /// What a type is that the server was asked about.
    pub(super) fn of_answer(oid: u32, answer: &Answer<'_>, base: Option<Self>) -> Self {
        let kind = match (answer.name, answer.is_array, base) {
            (_, false, Some(base)) => return base,
            ("vector", false, _) if answer.sent_by == "vector_send" => Kind::One(Scalar::Vector),
            ("halfvec", false, _) if answer.sent_by == "halfvec_send" => Kind::One(Scalar::Halfvec),
            // Those of another extension, by their text alone.
            ("vector" | "halfvec", false, _) => Kind::One(Scalar::Json),
            (_, true, Some(Self { kind: Kind::One(element), oid })) if scalar(oid).is_some() || is_plain_text(oid) => {
                Kind::Array(element)
            }
            (_, true, _) => Kind::TextArray(answer.delimiter),
            (_, false, None) => Kind::One(Scalar::Text),
        };
        Self { oid, kind }
    }

    /// 1 asks the server for the binary form of a column, 0 for its text.
    pub(super) fn format(self, forms: Forms) -> i16 {
        match self.kind {
            Kind::TextArray(_) | Kind::One(Scalar::Text | Scalar::Json | Scalar::Jsonb) => 0,
            Kind::One(Scalar::Vector | Scalar::Halfvec) => i16::from(forms.vectors_packed),
            Kind::One(_) | Kind::Array(_) => 1,
        }
    }
}

/// A row of pg_type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) name: &'a str,
    pub(super) is_array: bool,
    pub(super) delimiter: u8,
    /// The name of the function that writes its binary form.
    pub(super) sent_by: &'a str,
}

/// The question about a type: its name, the type it is made of (0: none), whether it is an array, what stands between
/// an array's elements, and what writes its binary form.
pub(super) fn question(oid: u32) -> String {
    format!(
        "SELECT typname, CASE WHEN typtype = 'd' THEN typbasetype WHEN typlen = -1 THEN typelem ELSE 0 END, \
         typtype <> 'd' AND typelem <> 0 AND typlen = -1, typdelim, \
         (SELECT proname FROM pg_catalog.pg_proc WHERE pg_proc.oid = typsend) FROM pg_catalog.pg_type WHERE oid = {oid}"
    )
}

// pg_type.dat; the numbers of built-in types never change.
fn scalar(oid: u32) -> Option<Scalar> {
    Some(match oid {
        16 => Scalar::Bool,
        21 => Scalar::Int2,
        23 => Scalar::Int4,
        20 => Scalar::Int8,
        // oid, xid, cid
        26 | 28 | 29 => Scalar::UInt4,
        5069 => Scalar::UInt8,
        700 => Scalar::Float4,
        701 => Scalar::Float8,
        1700 => Scalar::Numeric,
        17 => Scalar::Bytea,
        2950 => Scalar::Uuid,
        1082 => Scalar::Date,
        1083 => Scalar::Time,
        1114 => Scalar::Timestamp,
        1184 => Scalar::Timestamptz,
        114 => Scalar::Json,
        3802 => Scalar::Jsonb,
        _ => return None,
    })
}

/// Types whose binary form is their text: name, text, char(n), varchar.
fn is_plain_text(oid: u32) -> bool {
    matches!(oid, 19 | 25 | 1042 | 1043)
}

fn array(oid: u32) -> Option<Kind> {
    let element = match oid {
        1000 => 16,
        1001 => 17,
        1005 => 21,
        1007 => 23,
        1016 => 20,
        1028 => 26,
        1011 => 28,
        1012 => 29,
        271 => 5069,
        1021 => 700,
        1022 => 701,
        1231 => 1700,
        2951 => 2950,
        1182 => 1082,
        1183 => 1083,
        1115 => 1114,
        1185 => 1184,
        199 => 114,
        3807 => 3802,
        // name, text, char(n), varchar
        1003 | 1009 | 1014 | 1015 => return Some(Kind::Array(Scalar::Text)),
        // box, the only one that has commas of its own
        1020 => return Some(Kind::TextArray(b';')),
        // "char", regproc, xml, point, lseg, path, polygon, line, circle, money, macaddr8, macaddr, inet, cidr, aclitem, interval,
        // timetz, bit, varbit
        1002 | 1008 | 143 | 1017 | 1018 | 1019 | 1027 | 629 | 719 | 791 | 775 | 1040 | 1041 | 651 | 1034 | 1187
        | 1270 | 1561 | 1563
        // refcursor, regprocedure, regoper, regoperator, regclass, regtype, regrole, regnamespace, regconfig, regdictionary,
        // regcollation, record, cstring
        | 2201 | 2207..=2211 | 4097 | 4090 | 3735 | 3770 | 4192 | 2287 | 1263
        // tid, int2vector, oidvector, tsvector, gtsvector, tsquery, pg_lsn, txid_snapshot, pg_snapshot, jsonpath
        | 1010 | 1006 | 1013 | 3643 | 3644 | 3645 | 3221 | 2949 | 5039 | 4073
        // ranges and multiranges of int4, numeric, timestamp, timestamptz, date, int8
        | 3905 | 3907 | 3909 | 3911 | 3913 | 3927 | 6150..=6153 | 6155 | 6157 => return Some(Kind::TextArray(b',')),
        _ => return None,
    };
    scalar(element).map(Kind::Array)
}

/// The name of a type that values are written to in binary, for messages.
pub(super) fn name(oid: u32) -> &'static str {
    match oid {
        16 => "bool",
        17 => "bytea",
        20 => "int8",
        21 => "int2",
        23 => "int4",
        26 => "oid",
        28 => "xid",
        29 => "cid",
        700 => "float4",
        701 => "float8",
        1082 => "date",
        1083 => "time",
        1114 => "timestamp",
        1184 => "timestamptz",
        1700 => "numeric",
        2950 => "uuid",
        _ => "a value of its type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_of_the_installation_is_what_it_is_made_of() {
        let answer = |name, is_array| Answer { name, is_array, delimiter: b',', sent_by: "" };
        let int4 = Type::built_in(23);
        assert_eq!(Type::built_in(20_000), None);
        assert_eq!(Type::of_answer(1, &answer("mood", false), None).kind, Kind::One(Scalar::Text), "an enum");
        assert_eq!(Type::of_answer(1, &answer("percent", false), int4), int4.unwrap(), "a domain");
        assert_eq!(Type::of_answer(1, &answer("_percent", true), int4).kind, Kind::Array(Scalar::Int4));
        let mood = Some(Type { oid: 20_000, kind: Kind::One(Scalar::Text) });
        assert_eq!(Type::of_answer(1, &answer("_mood", true), mood).kind, Kind::TextArray(b','));
        assert_eq!(Type::of_answer(1, &answer("vector", false), None).kind, Kind::One(Scalar::Json), "of its own");
        let of_pgvector = Answer { sent_by: "vector_send", ..answer("vector", false) };
        assert_eq!(Type::of_answer(1, &of_pgvector, None).kind, Kind::One(Scalar::Vector));
        assert_eq!(
            Type::of_answer(1, &answer("_vector", true), Some(Type { oid: 20_000, kind: Kind::One(Scalar::Vector) }))
                .kind,
            Kind::TextArray(b',')
        );
    }

    #[test]
    fn what_has_no_kind_comes_as_text() {
        for oid in [869, 1186, 790, 600, 3614, 142, 2249, 2278, 18, 705] {
            assert_eq!(Type::built_in(oid).unwrap().format(Forms::default()), 0, "{oid}");
        }
        let format = |of_type: Option<Type>, forms| of_type.unwrap().format(forms);
        assert_eq!([23, 1007].map(|oid| format(Type::built_in(oid), Forms::default())), [1, 1]);
        let vector = Some(Type { oid: 20_000, kind: Kind::One(Scalar::Vector) });
        let packed = Forms { vectors_packed: true, ..Forms::default() };
        assert_eq!([Forms::default(), packed].map(|forms| format(vector, forms)), [0, 1]);
    }
}
