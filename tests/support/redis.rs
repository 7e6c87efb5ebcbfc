//! The program redis-server.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// A command that runs it.
pub(crate) fn server() -> Command {
    // Debian's redis-tools has the server, too, under another name, and unlike the package redis-server no service.
    let program = ["redis-server", "redis-check-rdb"].into_iter().find_map(|name| {
        let paths = std::env::var_os("PATH")?;
        std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file())
    });
    let mut command = Command::new(program.expect("redis-tools is installed (.ci/packages)"));
    command.arg0("redis-server");
    command
}
