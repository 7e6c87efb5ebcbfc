//! Characters of each length, and what looks like one, at every place of three registers: random texts hardly ever have a
//! rare sequence where it is hard.

use lyger::kernels::Form;

use crate::json::{in_one_call, kernels};
use crate::oracle;
use crate::tables::{TestColumn, TestTable, TestValues};

/// Before a sequence: as many letters as two registers of 64 bytes have, and a few more.
const BEFORE_MAX: usize = 130;

const SEQUENCES: [&[u8]; 26] = [
    // Of each length the first, one between and the last.
    b"\xc2\x80",
    "é".as_bytes(),
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    "漢".as_bytes(),
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    "🦀".as_bytes(),
    b"\xf4\x8f\xbf\xbf",
    // Cut off.
    b"\xc3",
    b"\xe6\xbc",
    b"\xf0\x9f",
    b"\xf0\x9f\xa6",
    // Nobody's continuation.
    b"\x80",
    b"\xc3\xa9\xa9",
    b"\xf0\x9f\xa6\x80\x80",
    // Longer than need be, a half of a surrogate, beyond the last character.
    b"\xc0\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    // Characters and escapes side by side.
    "🦀\"漢\\é\n".as_bytes(),
    b"\xf0\x9f\xff\"",
];

#[test]
fn sequences_are_told_apart_at_every_place() {
    for sequence in SEQUENCES {
        // At the end of a text, before a letter, and before as many as fill a register.
        let places = (0..=BEFORE_MAX).flat_map(|before| [0, 1, 64].map(|behind| (before, behind)));
        let cell = |(before, behind)| [&vec![b'a'; before][..], sequence, &vec![b'z'; behind]].concat();
        all_kernels_agree(places.map(cell).collect(), &sequence.escape_ascii().to_string());
    }
}

/// As many bytes as a kernel takes at once of a long text without escapes.
const STRIDE: usize = 256;

/// One byte among plain ones, at each place of two strides and of what is left behind them: nothing else
/// there makes a kernel look again.
#[test]
fn bytes_are_told_apart_at_every_place_of_a_long_text() {
    for byte in *b"\"\\\x1f\0\xff\x80 !#[]\x7f" {
        let len = 2 * STRIDE + 3;
        let cell = |place| {
            let mut cell = vec![b'a'; len];
            cell[place] = byte;
            cell
        };
        all_kernels_agree((0..len).map(cell).collect(), &byte.escape_ascii().to_string());
    }
}

/// Escapes that come, go and come again: before them strides, blocks, and strides once more.
#[test]
fn long_texts_are_the_same_whatever_lies_between_their_escapes() {
    let plain = vec![b'a'; 20 * STRIDE];
    let betweens = [0, 1, 63, 64, 255, 256, 257, 4 * STRIDE - 1, 4 * STRIDE, 5 * STRIDE, 17 * STRIDE + 5];
    for escape in ["\n", "é\"", "漢\\"] {
        let cell = |(first, second): (usize, usize)| {
            [&plain[..first], escape.as_bytes(), &plain[..second], escape.as_bytes(), &plain[..first]].concat()
        };
        let pairs = betweens.iter().flat_map(|&first| betweens.map(|second| (first, second)));
        all_kernels_agree(pairs.map(cell).collect(), escape);
    }
}

/// Encodes texts with all kernels, a row each.
fn all_kernels_agree(cells: Vec<Vec<u8>>, what: &str) {
    let rows = cells.len();
    let column = TestColumn { name: "t".to_owned(), values: TestValues::Text(cells), valid: None };
    let table = TestTable { form: Form::Arrays, rows, columns: vec![column] };
    let expected = oracle::encode(&table);
    // Continuation bytes as padding, which nobody may take for the rest of a character.
    let lent = table.lend(0x80);
    for (name, encode) in kernels() {
        let found = in_one_call(&encode, table.form, &lent.views(), table.rows).unwrap();
        if found != expected {
            let lines = |text: &[u8]| text.escape_ascii().to_string().replace("],[", "\n");
            let (found, expected) = (lines(&found), lines(&expected));
            let wrong =
                found.lines().zip(expected.lines()).enumerate().find(|(_, (found, expected))| found != expected);
            panic!("{name}, {what}: {wrong:?}");
        }
    }
}
