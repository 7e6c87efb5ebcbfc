//! `lyger-resp`: the Redis-compatible server as a program of its own, with a table of its own.
//!
//! Exit codes are those of `rawr`: 0 stopped, 1 failed (also: the snapshot is damaged, or could not be written at the end), 2 wrong usage, 3 the address is taken. SIGINT and SIGTERM end it; a second one
//! ends it at once.

mod arguments;
mod variables;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use lyger::cache::{Loaded, Table};
use lyger::resp::{Server, Settings, StartFailed};
use lyger::runtime::signals::Watch;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beside clients: listeners, readiness queues, what the runtime of the language has open.
const OWN_DESCRIPTORS: u64 = 32;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let variables = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    match variables::strangers(variables, &arguments::variables()) {
        Ok(strangers) => {
            strangers.iter().for_each(|name| eprintln!("lyger-resp: {name} is set, but is no setting of lyger-resp"));
        }
        Err(slip) => {
            eprintln!("lyger-resp: {slip}");
            return ExitCode::from(2);
        }
    }
    let (mut settings, bytes_max) = arguments.settings();
    if let Some(clients_max) = limit_clients(settings.clients_max) {
        eprintln!(
            "lyger-resp: {clients_max} clients at once instead of {}: the system allows no more descriptors",
            settings.clients_max
        );
        settings.clients_max = clients_max;
    }
    match serve(settings, bytes_max) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("lyger-resp: {failed}");
            ExitCode::from(failed.code)
        }
    }
}

#[derive(Debug)]
struct Failed {
    code: u8,
    text: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self { code: 1, text: error.to_string() }
    }
}

impl From<StartFailed> for Failed {
    fn from(error: StartFailed) -> Self {
        let code = match &error {
            StartFailed::NoPassword(_) => 2,
            StartFailed::Address(_, why) if why.kind() == std::io::ErrorKind::AddrInUse => 3,
            StartFailed::Address(..) | StartFailed::Threads(_) => 1,
        };
        Self { code, text: error.to_string() }
    }
}

fn serve(settings: Settings, bytes_max: u64) -> Result<(), Failed> {
    let table = Table::in_process(bytes_max)?;
    let (mut wake, waker) = UnixStream::pair()?;
    let wakes_for_shutdown = waker.try_clone()?;
    if let Some(path) = &settings.snapshot
        && let Some(loaded) = load(&table, path)?
    {
        eprintln!("lyger-resp: {}: {loaded}", path.display());
    }
    let server = Server::start(&table, settings)?;
    let _watch = Watch::install(waker.into())?;
    // SHUTDOWN ends the server's threads; what waits here is told.
    server.on_shutdown(move || {
        let _ = std::io::Write::write(&mut &wakes_for_shutdown, b"s");
    });
    println!(
        "lyger-resp: {} is ready, {} threads, {} bytes for the table",
        server.address(),
        server.threads(),
        bytes_max
    );
    wake.read_exact(&mut [0])?;
    server.stop()?;
    Ok(())
}

/// What can't be saved at the end is said before anybody is served.
fn load(table: &Table, path: &Path) -> Result<Option<Loaded>, Failed> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    Table::probe(path).and_then(|()| table.load(path, now)).map_err(|error| Failed { code: 1, text: error.to_string() })
}

/// Asks the system for as many descriptors as clients may come; how many clients there can be where it allows fewer.
fn limit_clients(clients_max: u64) -> Option<u64> {
    let wanted = clients_max + OWN_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    let (current, most) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if current >= wanted {
        return None;
    }
    let most = most.min(wanted);
    let current = match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }) {
        Ok(()) => most,
        Err(_) => current,
    };
    (current < wanted).then(|| current.saturating_sub(OWN_DESCRIPTORS).max(1))
}
