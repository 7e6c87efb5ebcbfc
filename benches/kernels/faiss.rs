//! faiss and numkong, if the Python has them: `pip install faiss-cpu numkong`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The Python that has the peers: what `LYGER_BENCH_PYTHON` names, or else `python3`.
pub(crate) fn python() -> String {
    std::env::var("LYGER_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// A library in a process of its own, which searches or scores when it is told to and says what that took.
pub(crate) struct Script {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// A flat index of faiss that finds the best `k`.
    pub(crate) fn faiss(index: &str, dim: usize, count: usize, k: usize) -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/kernels/faiss_flat.py");
        Self::start("faiss", &[script, index, &dim.to_string(), &count.to_string(), &k.to_string()])
    }

    /// All scores by numkong, of candidates in the form that it wants them in.
    pub(crate) fn numkong(metric: &str, dim: usize, count: usize) -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/kernels/numkong_scores.py");
        Self::start("numkong", &[script, metric, &dim.to_string(), &count.to_string()])
    }

    fn start(library: &str, arguments: &[&str]) -> Result<Self, String> {
        let python = python();
        let mut child = Command::new(&python)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| format!("{python} isn't there"))?;
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut script = Self { child, input, output: BufReader::new(output) };
        match script.line().as_str() {
            "ready" => Ok(script),
            _ => Err(format!("{python} has no {library}")),
        }
    }

    /// CPU time of a run, for each candidate.
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

impl Drop for Script {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
