//! Rows to JSON beside whoever writes JSON: from maps, from structs that knew the columns, from documents that others have built.

#![allow(unsafe_code)]

use std::ffi::c_char;
use std::hint::black_box;
use std::io::Write;
use std::process::{Command, Stdio};

use lyger::json::{body, encode, escapes, shape::Shape};
use lyger::kernels::{self, Variant};
use serde_json::Value;

use crate::faiss::python;
use crate::shop::{self, ROWS};
use crate::support::{Case, Comparison, Metric, absent, is_wanted, repeated};
use crate::{Peer, SAMPLE, beside, beside_peer, fallback};

pub(crate) fn rows() -> Vec<Comparison> {
    let products = shop::products();
    let table = shop::table(&products);
    let maps = shop::maps(&table);
    let text = encode::to_vec(&table);
    // All must have said the same before it counts who said it faster.
    let parsed: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    assert!(parsed == maps && text == serde_json::to_vec(&products).expect("serializable"), "other bytes");
    let simd_maps = simd_json::to_owned_value(&mut text.clone()).expect("JSON");
    let yyjson = Document::read(&text);
    let mut copy = vec![0; text.len()];

    let name = format!("{ROWS} rows of 6 columns to JSON, {} KB, into a fresh buffer", text.len() / 1000);
    let case = Case { name: &name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes: Some(text.len()) };
    let mut comparisons = Vec::new();
    {
        let mut build_and_encode = || drop(black_box(serde_json::to_vec(&shop::maps(black_box(&table)))));
        let mut encode_maps = || drop(black_box(serde_json::to_vec(black_box(&maps))));
        let mut encode_structs = || drop(black_box(serde_json::to_vec(black_box(&products))));
        let mut sonic_structs = || drop(black_box(sonic_rs::to_vec(black_box(&products))));
        let mut sonic_maps = || drop(black_box(sonic_rs::to_vec(black_box(&maps))));
        let mut simd_structs = || drop(black_box(simd_json::to_vec(black_box(&products))));
        let mut simd_document = || drop(black_box(simd_json::prelude::Writable::encode(black_box(&simd_maps))));
        let mut yyjson_document = || yyjson.write();
        let mut copying = || {
            black_box(&mut copy).copy_from_slice(black_box(&text));
        };
        let peers: [Peer; 9] = [
            ("serde_json, build maps and encode", &mut build_and_encode, Some(15.0)),
            ("serde_json, maps already built", &mut encode_maps, None),
            ("serde_json, structs", &mut encode_structs, None),
            ("sonic-rs, structs", &mut sonic_structs, Some(3.0)),
            ("sonic-rs, maps already built", &mut sonic_maps, None),
            ("simd-json, structs", &mut simd_structs, None),
            ("simd-json, document already built", &mut simd_document, None),
            ("yyjson, document already built", &mut yyjson_document, Some(2.0)),
            ("limit: memcpy of the text", &mut copying, Some(1.0 / 18.0)),
        ];
        for (peer, work, ratio_min) in peers {
            let mut subject = || drop(black_box(encode::to_vec(black_box(&table))));
            comparisons.extend(beside_peer(case, (kernels::active(), &mut subject), (peer, work, ratio_min)));
        }
    }
    let placement = "one thread; PHP and Python in processes of their own, with the rows already built";
    let case = Case { placement, ..case };
    let python = python();
    let others =
        [("PHP's json_encode", ["php", "-r", PHP], Some(10.0)), ("orjson", [python.as_str(), "-c", PYTHON], None)];
    for (peer, command, ratio_min) in others.into_iter().filter(|_| is_wanted(&name)) {
        if let Err(reason) = process(command, &text) {
            absent(peer, &reason);
            continue;
        }
        let mut subject = || drop(black_box(encode::to_vec(black_box(&table))));
        comparisons.extend(beside(
            case,
            (kernels::active(), &mut repeated(SAMPLE, &mut subject)),
            (peer, &mut || process(command, &text).expect("it ran before")),
            ratio_min,
        ));
    }
    comparisons.extend(shapes(&table, &text));
    comparisons.extend(variants(&table, &text));
    comparisons
}

/// What is made around the kernel, beside a list of objects, which is the kernel's alone.
fn shapes(table: &lyger::json::table::Table, text: &[u8]) -> Vec<Comparison> {
    let name = format!("{ROWS} rows in other shapes, beside a list of objects");
    let case = Case { name: &name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes: Some(text.len()) };
    let plain = escapes::Escapes::default();
    let flags = |flags| escapes::Escapes::of_flags(flags).expect("known");
    let unescaped = escapes::UNESCAPED_SLASHES | escapes::UNESCAPED_UNICODE | escapes::UNESCAPED_LINE_TERMINATORS;
    let shapes = [
        ("list", Shape::List, plain),
        ("arrays", Shape::Arrays, plain),
        ("lines", Shape::Ndjson, plain),
        ("by key", Shape::Keyed("id".into()), plain),
        ("CSV", Shape::Csv, plain),
        ("JSON_HEX_TAG", Shape::List, flags(unescaped | escapes::HEX_TAG)),
        ("flags 0", Shape::List, flags(0)),
    ];
    let mut comparisons = Vec::new();
    for (subject, shape, escapes) in shapes {
        let mut encode_shape = || drop(black_box(body::whole(black_box(&shape), escapes, black_box(table), 0)));
        let mut list = || drop(black_box(encode::to_vec(black_box(table))));
        let bytes = Some(body::whole(&shape, escapes, table, 0).expect("rows of it").len());
        let list = ("a list of objects in one call", &mut list as &mut dyn FnMut(), None);
        comparisons.extend(beside_peer(Case { bytes, ..case }, (subject, &mut encode_shape), list));
    }
    let mut single = || drop(black_box(body::whole(&Shape::Single, plain, black_box(table), 0)));
    let first = text.iter().position(|&byte| byte == b'}').expect("an object");
    let mut copying = || drop(black_box(text[1..=first].to_vec()));
    comparisons.extend(beside_peer(
        Case { name: "the first row as an object", bytes: Some(first), ..case },
        ("single", &mut single),
        ("limit: a copy of its text", &mut copying, None),
    ));
    comparisons
}

/// The other variants, against the best one, and the Rust ones against those in Zig.
fn variants(table: &lyger::json::table::Table, text: &[u8]) -> Vec<Comparison> {
    let name = format!("{ROWS} rows to JSON by other variants");
    let case = Case { name: &name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes: Some(text.len()) };
    let active = kernels::active();
    let encode = |name: &'static str| {
        move || {
            kernels::choose(name).expect("available");
            drop(black_box(encode::to_vec(black_box(table))));
        }
    };
    let mut comparisons = Vec::new();
    for variant in Variant::available().filter(|variant| variant.name() != active) {
        let peer: Peer = (active, &mut encode(active), None);
        comparisons.extend(beside_peer(case, (variant.name(), &mut encode(variant.name())), peer));
    }
    let case = Case { name: &format!("{ROWS} rows to JSON by Rust and by Zig"), ..case };
    comparisons.extend(fallback(case, &mut |variant| Box::new(encode(variant.name()))));
    kernels::choose(active).expect("available");
    comparisons
}

/// Both read JSON from their input, write it again and again, and say what that took in microseconds of CPU.
const PHP: &str = "$rows = json_decode(stream_get_contents(STDIN), true);
    $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
    function cpu(): float { $u = getrusage(); return $u['ru_utime.tv_sec'] * 1e6 + $u['ru_utime.tv_usec']; }
    for ($i = 0; $i < 20; $i++) { $json = json_encode($rows, $flags); }
    $start = cpu(); for ($i = 0; $i < 200; $i++) { $json = json_encode($rows, $flags); }
    echo (cpu() - $start) / 200;";
const PYTHON: &str = "import orjson, sys, time
rows = orjson.loads(sys.stdin.buffer.read())
for _ in range(50): orjson.dumps(rows)
start = time.process_time()
for _ in range(500): orjson.dumps(rows)
print((time.process_time() - start) * 1e6 / 500)";

fn process(command: [&str; 3], text: &[u8]) -> Result<f64, String> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| format!("{} isn't installed", command[0]))?;
    // Who ends before it has read everything says why.
    let _ = child.stdin.take().expect("piped").write_all(text);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    said.parse().map_err(|_| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        error.lines().last().unwrap_or("it says nothing").to_owned()
    })
}

/// A document of yyjson's.
struct Document(*mut yyjson_sys::yyjson_doc);

impl Document {
    fn read(text: &[u8]) -> Self {
        // SAFETY: the text is readable for its length.
        let document = unsafe { yyjson_sys::yyjson_read(text.as_ptr().cast(), text.len(), 0) };
        assert!(!document.is_null());
        let document = Self(document);
        let mut bytes = 0;
        // SAFETY: a document, and a place for the length; the text is what malloc gave.
        unsafe {
            let written = yyjson_sys::yyjson_write(document.0, 0, &raw mut bytes);
            assert_eq!(bytes, text.len(), "yyjson writes something else");
            libc::free(written.cast());
        }
        document
    }

    fn write(&self) {
        let mut bytes = 0;
        // SAFETY: as in read.
        unsafe {
            let text: *mut c_char = yyjson_sys::yyjson_write(self.0, 0, &raw mut bytes);
            libc::free(black_box(text).cast());
        }
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        // SAFETY: read made it, and nobody has it any more.
        unsafe { yyjson_sys::yyjson_doc_free(self.0) };
    }
}
