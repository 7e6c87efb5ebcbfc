use super::*;

fn table() -> Table {
    Table::in_process(4 << 20).unwrap()
}

fn filled() -> Table {
    let table = table();
    for number in 0..300_u32 {
        let value = number.to_string().repeat(number as usize % 40);
        let expires_at = (number % 3 == 0).then_some(1_000 + u64::from(number));
        table.update(format!("key:{number}").as_bytes(), 0, |slot| slot.put(&[value.as_bytes()], expires_at)).unwrap();
    }
    table.update(b"large", 0, |slot| slot.put(&[&vec![7; 1 << 20]], None)).unwrap();
    table.update(b"\0\xff", 0, |slot| slot.put(&[b"bytes\r\n\0"], None)).unwrap();
    table
}

fn contents(table: &Table, now: u64) -> Vec<(Vec<u8>, Vec<u8>, Option<u64>)> {
    let (mut all, mut cursor) = (Vec::new(), 0);
    loop {
        let mut keys = Vec::new();
        cursor = table.scan(cursor, 100, now, |key| keys.push(key.to_vec()));
        for key in keys {
            let mut value = Vec::new();
            let found = table.get(&key, now, &mut value).unwrap();
            all.push((key, value, found.expires_at));
        }
        if cursor == 0 {
            all.sort();
            return all;
        }
    }
}

#[test]
fn what_is_saved_is_loaded_with_its_expiries_and_without_what_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    assert_eq!(table().load(&path, 0).unwrap(), None);
    let saved = filled();
    assert_eq!(saved.save(&path, 5).unwrap(), 302);
    let loaded = table();
    let told = Loaded { keys: 302, saved_at_ms: 5, ..Loaded::default() };
    assert_eq!(loaded.load(&path, 5).unwrap(), Some(told));
    assert_eq!(contents(&loaded, 5), contents(&saved, 5));
    let later = table();
    assert_eq!(later.load(&path, 1_150).unwrap().map(|loaded| (loaded.keys, loaded.expired)), Some((251, 51)));
    assert_eq!(contents(&later, 1_150), contents(&saved, 1_150));
    // What is there is newer than any file.
    later.update(b"large", 0, |slot| slot.put(&[b"new"], None)).unwrap();
    later.load(&path, 1_150).unwrap();
    assert_eq!(later.peek(b"large", 1_150).unwrap().len, 3);
    // A table that can't hold a value says so.
    let small = Table::in_process(1 << 19).unwrap();
    assert_eq!(small.load(&path, 5).unwrap().map(|loaded| loaded.refused), Some(1));
}

/// Every way of cutting, and a changed bit at every place of the head, the end and some of the rest.
#[test]
fn a_file_that_is_not_whole_is_refused_and_nothing_of_it_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let saved = table();
    for number in 0..12_u32 {
        let value = number.to_string().repeat(20);
        saved.update(&number.to_le_bytes(), 0, |slot| slot.put(&[value.as_bytes()], Some(9_000))).unwrap();
    }
    saved.save(&path, 0).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let table = table();
    let refuses = |bytes: &[u8], what: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = table.load(&path, 0).expect_err(what);
        assert!(matches!(error, SnapshotError::Damaged { .. } | SnapshotError::Version { .. }), "{what}: {error}");
        assert!(table.is_empty(), "{what}: something was loaded");
    };
    for len in 0..whole.len() {
        refuses(&whole[..len], &format!("cut at {len}"));
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        // The four bytes of the head that mean nothing are summed, too.
        refuses(&changed, &format!("changed at {place}"));
    }
    refuses(&[&whole[..], b"x"].concat(), "longer");
    refuses(&vec![0; 4_096], "zeros");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(table.load(&path, 0).unwrap().unwrap().keys, 12);
}

#[test]
fn what_others_do_meanwhile_leaves_each_value_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let table = filled();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in (0..=250_u8).cycle() {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                for key in 0..300_u32 {
                    let value = vec![round; 200 + usize::from(round)];
                    table.update(format!("key:{key}").as_bytes(), 0, |slot| slot.put(&[&value], None)).unwrap();
                }
            }
        });
        for _ in 0..30 {
            table.save(&path, 0).unwrap();
            let loaded = self::table();
            assert_eq!(loaded.load(&path, 0).unwrap().unwrap().keys, 302, "every key was there all the time");
            for (key, value, _) in contents(&loaded, 0).iter().filter(|(_, value, _)| value.len() >= 200) {
                assert!(
                    key == b"large" || value.iter().all(|byte| usize::from(*byte) + 200 == value.len()),
                    "{}",
                    key.escape_ascii()
                );
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn two_writers_of_one_file_leave_a_whole_one_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let table = filled();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(table.save(&path, 0).unwrap(), 302);
                }
            });
        }
    });
    assert_eq!(self::table().load(&path, 0).unwrap().unwrap().keys, 302);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // What can't be written leaves what was there, and says where.
    let error = table.save(&folder.path().join("none/cache"), 0).unwrap_err();
    assert!(error.to_string().contains("none/cache"), "{error}");
}

/// In a folder that others can write to, a file of a foreseeable name would be theirs to prepare.
#[test]
fn what_others_have_put_beside_it_is_neither_followed_nor_waited_for_nor_written_to() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let [path, other] = ["cache", "other"].map(|name| folder.path().join(name));
    let beside = |name: &str| folder.path().join(format!("cache.saving{name}"));
    std::fs::write(&other, "somebody's").unwrap();
    let pipe = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    pipe(&beside(""));
    pipe(&beside("-pipe"));
    for name in ["-link", "-name"] {
        let make = if name == "-link" {
            std::os::unix::fs::symlink
        } else {
            |from: &Path, to: &Path| std::fs::hard_link(from, to)
        };
        make(&other, &beside(name)).unwrap();
    }
    std::fs::create_dir(beside("-folder")).unwrap();
    assert_eq!(filled().save(&path, 0).unwrap(), 302);
    assert_eq!(table().load(&path, 0).unwrap().unwrap().keys, 302);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "somebody's");
    let found = std::fs::metadata(&path).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.nlink()), (0o600, 1), "nobody else may read it");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7, "what others have put there stays");
    // Nor is a pipe waited for that has its name.
    std::fs::remove_file(&path).unwrap();
    pipe(&path);
    let error = table().load(&path, 0).unwrap_err();
    assert!(error.to_string().contains("it is no file"), "{error}");
}

#[test]
fn what_a_killed_writer_has_left_is_removed_and_what_is_being_written_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let beside = |name: &str| folder.path().join(format!("cache.saving-{name}"));
    std::fs::write(beside("left"), [7; 100]).unwrap();
    let being_written = File::create(beside("locked")).unwrap();
    rustix::fs::flock(&being_written, rustix::fs::FlockOperation::LockExclusive).unwrap();
    std::fs::write(folder.path().join("cache2.saving-left"), "another's").unwrap();
    assert_eq!(filled().save(&path, 0).unwrap(), 302);
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["cache", "cache.saving-locked", "cache2.saving-left"]);
}

/// Deployments link what stays into a folder of each release.
#[test]
fn a_link_is_followed_to_the_file_that_it_means() {
    let folder = tempfile::tempdir().unwrap();
    let [shared, release] = ["shared", "release"].map(|name| folder.path().join(name));
    [&shared, &release].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let link = release.join("cache");
    std::os::unix::fs::symlink("../second", &link).unwrap();
    std::os::unix::fs::symlink("shared/cache", folder.path().join("second")).unwrap();
    // Also before there is a file.
    Table::probe(&link).unwrap();
    for _ in 0..2 {
        filled().save(&link, 0).unwrap();
        assert!(link.is_symlink() && shared.join("cache").is_file());
        assert_eq!(table().load(&link, 0).unwrap().unwrap().keys, 302);
        assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 1);
    }
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("cache", &link).unwrap();
    for error in [Table::probe(&link).unwrap_err(), table().save(&link, 0).unwrap_err()] {
        assert!(error.to_string().contains("oo many levels of symbolic links"), "{error}");
    }
}

#[test]
fn a_link_of_another_user_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("cache");
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    if std::os::unix::fs::lchown(&link, Some(65_534), None).is_err() {
        eprintln!("not tried: runs where this user may give files away, as root may");
        return;
    }
    for error in [Table::probe(&link).unwrap_err(), table().save(&link, 0).unwrap_err()] {
        assert!(error.to_string().contains("it is a symbolic link of another user"), "{error}");
    }
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn where_nothing_can_be_saved_is_known_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    Table::probe(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a trial leaves nothing");
    let error = Table::probe(&folder.path().join("none/cache")).unwrap_err();
    assert!(error.to_string().contains("none/cache"), "{error}");
}

#[test]
fn a_file_that_does_not_fit_is_kept_beside() {
    let folder = tempfile::tempdir().unwrap();
    let [path, old] = ["cache", "cache.old"].map(|name| folder.path().join(name));
    filled().save(&path, 0).unwrap();
    table().load(&path, 0).unwrap();
    assert!(!old.exists(), "all of it fits");
    let whole = std::fs::read(&path).unwrap();
    let large = Table::in_process(16 << 20).unwrap();
    for number in 0..1_000_u32 {
        large.update(&number.to_le_bytes(), 0, |slot| slot.put(&[&[7; 4_000]], None)).unwrap();
    }
    large.save(&path, 0).unwrap();
    let larger = std::fs::read(&path).unwrap();
    let small = Table::in_process(1 << 20).unwrap();
    let loaded = small.load(&path, 0).unwrap().unwrap();
    assert_eq!((loaded.keys, loaded.refused), (1_000, 0));
    assert_eq!(loaded.keys - loaded.evicted, small.len());
    assert_eq!(loaded.kept, Some(OldFile::As(old.clone())));
    assert!(loaded.to_string().contains(&format!("{} were evicted", loaded.evicted)), "{loaded}");
    assert!(loaded.to_string().contains("is kept as "), "{loaded}");
    small.save(&path, 0).unwrap();
    assert!(std::fs::read(&path).unwrap().len() < larger.len() / 2);
    assert!(std::fs::read(&old).unwrap() == larger, "the save has taken it");
    // A smaller one that doesn't fit either leaves the larger one there.
    std::fs::write(&path, &whole).unwrap();
    let smaller = Table::in_process(1 << 19).unwrap();
    let loaded = smaller.load(&path, 0).unwrap().unwrap();
    assert_eq!((loaded.refused, &loaded.kept), (1, &Some(OldFile::Larger(old.clone()))));
    assert!(loaded.to_string().contains("is not kept"), "{loaded}");
    assert!(std::fs::read(&old).unwrap() == larger);
    // A larger one takes its place.
    std::fs::write(&old, "small").unwrap();
    smaller.load(&path, 0).unwrap();
    assert!(std::fs::read(&old).unwrap() == whole);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
