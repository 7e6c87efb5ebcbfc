//! The servers that are measured, each a process of its own on the cores that it is given.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Keys of the load; all are there before anything is measured.
pub(crate) const KEYS: usize = 100_000;
/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 100;
/// Requests that are sent at once while the keys are put in.
const FILLED_AT_ONCE: usize = 1000;

pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    pub(crate) fn lyger(threads: usize, cores: &str) -> io::Result<Self> {
        let threads = threads.to_string();
        Self::start(pinned(cores, Path::new(env!("CARGO_BIN_EXE_lyger-resp"))).args(["--threads", &threads]))
    }

    /// The C++ example over an unordered_map.
    pub(crate) fn foreign(threads: usize, cores: &str) -> io::Result<Self> {
        let program = compiled("map.cpp")?;
        Self::start(pinned(cores, &program).arg(threads.to_string()))
    }

    /// One that says where it listens, as the second word of a line.
    fn start(command: &mut Command) -> io::Result<Self> {
        // The example ends when its standard input does.
        command.env("LYGER_RESP_LISTEN", "127.0.0.1:0").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line)?;
        let address = line.split(' ').nth(1).and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| io::Error::other(format!("no address in {line:?}")));
        let server = Self { process, address: address?, _folder: None };
        server.fill()?;
        Ok(server)
    }

    /// Debian's, which keeps nothing on disk.
    pub(crate) fn redis(cores: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = pinned(cores, Path::new("redis-server"))
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { process, address, _folder: Some(folder) };
        let begin = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            if begin.elapsed() > Duration::from_secs(10) {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server.fill()?;
        Ok(server)
    }

    /// Seconds that it has computed so far, its threads together.
    pub(crate) fn cpu_seconds(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // Behind the command's name, which ends with the last parenthesis: the state is field 3, utime 14, stime 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields[place].parse::<f64>().map_err(io::Error::other);
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    /// Puts all keys in, as redis-benchmark names them.
    fn fill(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let value = "v".repeat(VALUE_BYTES);
        for begin in (0..KEYS).step_by(FILLED_AT_ONCE) {
            let set = |number| format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{number:012}\r\n${VALUE_BYTES}\r\n{value}\r\n");
            let requests: String = (begin..begin + FILLED_AT_ONCE).map(set).collect();
            stream.write_all(requests.as_bytes())?;
            expect(&mut stream, "+OK\r\n".repeat(FILLED_AT_ONCE).as_bytes())?;
        }
        Ok(())
    }

    /// Reads real replies back: what was just set, and a key of the load.
    pub(crate) fn check(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let now = format!("{:?}", Instant::now());
        let length = now.len();
        let set = format!("*3\r\n$3\r\nSET\r\n$5\r\ncheck\r\n${length}\r\n{now}\r\n*2\r\n$3\r\nGET\r\n$5\r\ncheck\r\n");
        stream.write_all(set.as_bytes())?;
        expect(&mut stream, format!("+OK\r\n${length}\r\n{now}\r\n").as_bytes())?;
        stream.write_all(format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{:012}\r\n", KEYS / 2).as_bytes())?;
        expect(&mut stream, format!("${VALUE_BYTES}\r\n").as_bytes())?;
        stream.read_exact(&mut [0; VALUE_BYTES + 2])
    }
}

fn expect(stream: &mut TcpStream, reply: &[u8]) -> io::Result<()> {
    let mut came = vec![0; reply.len()];
    stream.read_exact(&mut came)?;
    if came == reply {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{:?} instead of {:?}",
        String::from_utf8_lossy(&came),
        String::from_utf8_lossy(reply)
    )))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that runs on these cores alone.
pub(crate) fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program);
    command
}

/// An example of `tests/abi/foreign`, linked with the static library that lies beside lyger-resp.
fn compiled(source: &str) -> io::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let built = Path::new(env!("CARGO_BIN_EXE_lyger-resp")).with_file_name("liblyger_resp.a");
    let program = built.with_file_name("bench-foreign-map");
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++20", "-O2", "-I"]).arg(root.join("rust/resp/foreign")).arg("-o").arg(&program);
    compiler.arg(root.join("tests/abi/foreign").join(source)).arg(&built).args([
        "-Wl,--gc-sections",
        "-pthread",
        "-ldl",
        "-lm",
    ]);
    if compiler.status()?.success() { Ok(program) } else { Err(io::Error::other(format!("{source} doesn't compile"))) }
}
