//! The programs: compiled once, run, and talked to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn modified(path: &Path) -> SystemTime {
    path.metadata()
        .and_then(|metadata| metadata.modified())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// liblyger_resp.a as cargo built it for this test: the newest there is. One that is older than its source would make
/// every test a lie.
fn library() -> PathBuf {
    let exe = std::env::current_exe().expect("the test has a path");
    let folder = exe.parent().expect("target/<profile>/deps");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let libraries = entries.filter(|path| name(path).starts_with("liblyger_resp-") && name(path).ends_with(".a"));
    let library = libraries.max_by_key(|path| modified(path)).expect("cargo built liblyger_resp.a");
    for source in
        ["rust/resp/foreign/lib.rs", "rust/resp/server.rs", "rust/resp/worker.rs", "rust/resp/commands/foreign.rs"]
    {
        assert!(modified(&root().join(source)) <= modified(&library), "{} is older than {source}", library.display());
    }
    library
}

/// The example of docs/resp.md, which is no file of this folder.
pub(crate) const DOCUMENTED: &str = "documented.cpp";

/// Where a program's source is.
fn source_of(source: &str, library: &Path) -> PathBuf {
    if source != DOCUMENTED {
        return root().join("tests/abi/foreign").join(source);
    }
    let document = std::fs::read_to_string(root().join("docs/resp.md")).expect("docs/resp.md");
    let (_, behind) = document.split_once("```cpp\n").expect("an example in C++");
    let (example, _) = behind.split_once("```").expect("its end");
    let path = library.with_file_name(source);
    std::fs::write(&path, example).expect("the example is written");
    path
}

/// A program, compiled as strictly as compilers can. Users with C++17 are promised the header, and the document's example.
fn compile(source: &str) -> PathBuf {
    let library = library();
    let program = library.with_file_name(format!("foreign-{}", source.replace('.', "-")));
    let (compiler, standard) = match source {
        DOCUMENTED => ("g++", "-std=c++17"),
        _ if source.ends_with(".c") => ("cc", "-std=c11"),
        _ => ("g++", "-std=c++20"),
    };
    let mut command = Command::new(compiler);
    command
        .args([standard, "-O1", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-I"])
        .arg(root().join("rust/resp/foreign"));
    command.arg(source_of(source, &library)).arg("-o").arg(&program);
    if source == "sqlite.cpp" {
        // Before the library, which has an SQLite of its own inside.
        command.arg("-lsqlite3");
    }
    command.arg(&library).args(["-Wl,--gc-sections", "-Wl,-s", "-pthread", "-ldl", "-lm"]);
    let output = command.output().expect("a compiler");
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    program
}

fn compiled(source: &'static str) -> PathBuf {
    static PROGRAMS: LazyLock<Mutex<HashMap<&str, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut programs = PROGRAMS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    programs.entry(source).or_insert_with(|| compile(source)).clone()
}

/// One that runs until it is dropped.
pub(crate) struct Program {
    process: Child,
    stdin: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
}

fn command(source: &'static str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(compiled(source));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LYGER_RESP_")) {
        command.env_remove(name);
    }
    command.args(arguments).env("LYGER_RESP_LISTEN", "127.0.0.1:0").envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    pub(crate) fn start(source: &'static str, arguments: &[&str]) -> Self {
        let mut process = command(source, arguments, &[]).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.split_whitespace().nth(1).and_then(|address| address.parse().ok());
        let Some(address) = address else {
            let mut errors = String::new();
            let _ = process.kill();
            process.stderr.take().expect("piped").read_to_string(&mut errors).expect("text");
            panic!("{source} says {line:?} {errors:?}");
        };
        Self { stdin: process.stdin.take(), process, address }
    }

    /// One that ends by itself.
    pub(crate) fn fails(source: &'static str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        command(source, arguments, environment).output().expect("the program runs")
    }

    /// Has it end as it wants to, and gives its code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.stdin = None;
        self.process.wait().expect("it ends").code()
    }

    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("it accepts");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Client(BufReader::new(stream))
    }

    /// What a tool of Redis's says that is told where to connect.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(name);
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]).args(arguments);
        let output = command.output().unwrap_or_else(|error| panic!("{name} (.ci/packages): {error}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}");
        text
    }

    /// Of each of the server's threads, the signals that it has blocked.
    pub(crate) fn blocked_signals(&self) -> Vec<u64> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("threads");
        let status = |task: PathBuf| std::fs::read_to_string(task.join("status")).expect("a status");
        let field = |status: &str, name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
            line.trim().to_owned()
        };
        tasks
            .map(|task| status(task.expect("a thread").path()))
            .filter(|status| field(status, "Name:").starts_with("resp-"))
            .map(|status| u64::from_str_radix(&field(&status, "SigBlk:"), 16).expect("a mask"))
            .collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn send(&mut self, words: &[&[u8]]) {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend([format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat());
        }
        self.0.get_mut().write_all(&request).expect("it reads");
    }

    /// A reply as it came: of a bulk string the line and the bytes, of an array all of it.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        assert!(self.0.read_until(b'\n', &mut reply).expect("a reply") > 0, "the connection has ended");
        let number = || String::from_utf8_lossy(&reply[1..]).trim().parse::<i64>().expect("a number");
        match reply[0] {
            b'$' | b'=' if number() >= 0 => {
                let mut bytes = vec![0; number() as usize + 2];
                self.0.read_exact(&mut bytes).expect("a value");
                reply.extend(bytes);
            }
            b'*' | b'>' | b'~' => (0..number().max(0)).for_each(|_| reply.extend(self.reply())),
            b'%' => (0..number() * 2).for_each(|_| reply.extend(self.reply())),
            _ => {}
        }
        reply
    }

    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.send(words);
        self.reply()
    }

    /// The same in text, words separated by blanks.
    pub(crate) fn say(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.ask(&words)).into_owned()
    }
}
