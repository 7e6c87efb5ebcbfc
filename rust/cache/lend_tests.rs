//! What is lent of the table: the number that tells whether a copied value is still the same.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

use super::table_tests::put;
use super::*;

fn lend(table: &Table, key: &[u8]) -> Lent {
    let (_, lent) = table.lend(key, 0, &mut [MaybeUninit::uninit(); 64]).expect("a value");
    lent.expect("a kernel that wipes on fork")
}

fn number(lent: &Lent) -> u64 {
    // SAFETY: readable until the process ends, as Lent says, and aligned.
    unsafe { AtomicU64::from_ptr(lent.sequence.cast_mut()) }.load(Ordering::Acquire)
}

#[test]
fn every_change_changes_the_number_and_no_read_does() {
    let table = Table::in_process(1 << 20).unwrap();
    type Change = (&'static str, fn(&Table));
    let changes: [Change; 7] = [
        ("put", |table| put(table, b"key", b"new").unwrap()),
        ("append", |table| table.update(b"key", 0, |slot| slot.append(b"more")).map(drop).unwrap()),
        ("write_at", |table| table.update(b"key", 0, |slot| slot.write_at(1, b"X")).map(drop).unwrap()),
        ("expiry", |table| table.update(b"key", 0, |slot| assert_eq!(slot.set_expiry(Some(1)), Ok(true)))),
        ("remove", |table| table.update(b"key", 0, |slot| assert!(slot.remove()))),
        ("clear", Table::clear),
        ("batch", |table| table.batch(&[b"key", b"b"]).update(b"key", 0, |slot| slot.put(&[b"new"], None).unwrap())),
    ];
    for (name, change) in changes {
        put(&table, b"key", b"value").unwrap();
        let lent = lend(&table, b"key");
        assert_ne!(lent.version, 0);
        assert!(table.peek(b"key", 0).is_some());
        assert!(table.update(b"key", 0, |slot| slot.old().is_some()));
        assert_eq!(number(&lent), lent.version, "before {name}");
        change(&table);
        assert_ne!(number(&lent), lent.version, "{name}");
    }
}

#[test]
fn the_number_is_0_once_the_table_has_gone() {
    let lent = {
        let table = Table::in_process(1 << 20).unwrap();
        put(&table, b"key", b"value").unwrap();
        lend(&table, b"key")
    };
    assert_eq!(number(&lent), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn what_another_process_changes_changes_the_number_and_a_private_one_s_is_0_in_a_child() {
    use std::os::fd::AsFd;

    let (shared, file) = Table::shared(1 << 20).unwrap();
    let private = Table::in_process(1 << 20).unwrap();
    let lent = [&shared, &private].map(|table| {
        put(table, b"key", b"value").unwrap();
        lend(table, b"key")
    });
    // SAFETY: the child uses the table and the allocator, whose lock the C library sees to, and nothing else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let other = Table::attach(file.as_fd()).unwrap();
        let is_right = number(&lent[1]) == 0 && put(&other, b"key", b"child's").is_ok();
        // SAFETY: ends the child at once, without what the parent's test harness would do.
        unsafe { libc::_exit(i32::from(!is_right)) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_ne!(number(&lent[0]), lent[0].version);
    assert_eq!(number(&lent[1]), lent[1].version);
}
