use std::sync::mpsc::{Receiver, TryRecvError};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn watching(poll: bool) -> (tempfile::TempDir, Receiver<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "src/a.php", "a");
    let (sender, told) = channel();
    let watch = Watch { folder: folder.path().to_owned(), poll };
    start(watch, move |path| drop(sender.send(path.to_owned()))).unwrap();
    (folder, told)
}

/// Waits until this file is told of; others may be told of before.
fn await_file(told: &Receiver<PathBuf>, file: &Path) {
    while told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{} isn't told of", file.display())) != file {}
}

type Change = &'static dyn Fn(&Path);

#[test]
fn each_change_of_code_is_told_of_however_it_comes_about() {
    for poll in [false, true] {
        let (folder, told) = watching(poll);
        let changes: [(&str, Change); 7] = [
            ("src/a.php", &|path| std::fs::write(path, "b").unwrap()),
            ("src/new.php", &|path| std::fs::write(path, "").unwrap()),
            ("src/new.php", &|path| std::fs::remove_file(path).unwrap()),
            ("deep/er/still/b.php", &|path| {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }),
            ("deep/er/still/b.php", &|path| {
                std::fs::write(path.with_extension("new"), "renamed").unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            }),
            (".env", &|path| std::fs::write(path, "A=1").unwrap()),
            ("vendor/composer/installed.php", &|path| {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }),
        ];
        for (file, change) in changes {
            let path = folder.path().join(file);
            change(&path);
            await_file(&told, &path);
        }
        // A folder that is replaced as a whole is watched like the one before.
        std::fs::remove_dir_all(folder.path().join("deep")).unwrap();
        await_file(&told, &folder.path().join("deep/er/still/b.php"));
        write(folder.path(), "deep/er/still/b.php", "back");
        await_file(&told, &folder.path().join("deep/er/still/b.php"));
        write(folder.path(), "deep/er/still/b.php", "and changed");
        await_file(&told, &folder.path().join("deep/er/still/b.php"));
    }
}

#[test]
fn what_is_no_code_is_not_told_of() {
    let (folder, told) = watching(false);
    let quiet = ["var/cache/x.php", "storage/x.php", ".git/x.php", "node_modules/x.php", "src/node_modules/x.php"];
    let quiet =
        [&quiet[..], &["vendor/package/x.php", "vendor/composer/deep/x.php", "src/x.txt", "shop.sqlite"]].concat();
    for file in quiet {
        write(folder.path(), file, "x");
    }
    write(folder.path(), "src/var/x.php", "code");
    // The first to be told of; nothing else is, before or after.
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), folder.path().join("src/var/x.php"));
    write(folder.path(), "src/z.php", "code");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), folder.path().join("src/z.php"));
    assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn links_that_lead_in_circles_have_an_end() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "src/a.php", "a");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("src/circle")).unwrap();
    let survey = Survey::of(folder.path());
    assert_eq!(survey.files.len(), 1);
    assert_eq!(survey.folders.len(), 2);
}
