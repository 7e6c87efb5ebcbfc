//! faiss, if the Python has it: `pip install faiss-cpu`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The Python that has the peers: what `LYGER_BENCH_PYTHON` names, or else `python3`.
pub(crate) fn python() -> String {
    std::env::var("LYGER_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// An index in a process of its own, which searches when it is told to and says what that took.
pub(crate) struct Faiss {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Faiss {
    pub(crate) fn start(index: &str, dim: usize, count: usize, k: usize) -> Result<Self, String> {
        let python = python();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/kernels/faiss_flat.py");
        let mut child = Command::new(&python)
            .args([script, index, &dim.to_string(), &count.to_string(), &k.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| format!("{python} isn't there"))?;
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut faiss = Self { child, input, output: BufReader::new(output) };
        match faiss.line().as_str() {
            "ready" => Ok(faiss),
            _ => Err(format!("{python} has no faiss")),
        }
    }

    /// CPU time of a search, for each candidate.
    pub(crate) fn nanoseconds(&mut self) -> f64 {
        self.input.write_all(b"\n").expect("it runs");
        self.line().parse().expect("a number")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        line.trim().to_owned()
    }
}

impl Drop for Faiss {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
