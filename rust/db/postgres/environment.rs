//! What the environment says about a PostgreSQL server: variables, the file of passwords, where its socket lies.

use std::fs;
use std::path::{Path, PathBuf};

/// Where PostgreSQL's packages put the socket: Debian's, macOS's, and the source's own default.
const SOCKET_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/private/tmp", "/tmp"];

/// The variables and the home folder of a process, or a test's.
pub(super) struct Environment<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) home: Option<PathBuf>,
}

pub(super) fn of_process() -> Environment<'static> {
    Environment { variable: &|name| std::env::var(name).ok(), home: std::env::home_dir() }
}

impl Environment<'_> {
    /// A variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The user that the process runs as: who logs in where nobody is named.
    pub(super) fn user_name(&self) -> Option<String> {
        #[cfg(unix)]
        if let Some(name) = user_of_process() {
            return Some(name);
        }
        self.get("USER").or_else(|| self.get("USERNAME"))
    }

    /// A file under the home folder, if it is there.
    pub(super) fn home_file(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path)).filter(|path| path.is_file())
    }

    /// The password from a file of passwords, `~/.pgpass` where none is named.
    pub(super) fn password(
        &self,
        file: Option<String>,
        host: &str,
        port: u16,
        database: &str,
        user: &str,
    ) -> Option<String> {
        let path = file.map(PathBuf::from).or_else(|| self.home_file(".pgpass"))?;
        if is_open_to_others(&path) {
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        // A socket in its usual place counts as localhost.
        let host = if SOCKET_FOLDERS.contains(&host) { "localhost" } else { host };
        let wanted = [host, &port.to_string(), database, user];
        text.lines().find_map(|line| password_of_line(line, wanted))
    }
}

/// Where a server is looked for that no one has named: its socket, or this machine's port.
pub(super) fn default_host(port: u16) -> String {
    let has_socket = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    let folder = if cfg!(unix) { SOCKET_FOLDERS.iter().copied().find(has_socket) } else { None };
    folder.unwrap_or("localhost").to_owned()
}

/// libpq leaves such a file alone, so that nobody keeps a password where others read it.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    !fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}

#[cfg(unix)]
fn user_of_process() -> Option<String> {
    // The user's number, as the password file of the system names it; libpq asks the same.
    let uid = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id == uid).then(|| name.to_owned())
    })
}

/// The fifth field of a line whose first four are as wanted; `*` is anything, and `\` takes the next character as it is.
fn password_of_line(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut chars = line.chars();
    for wanted in wanted {
        let (field, is_any) = field(&mut chars, true);
        if !is_any && field != wanted {
            return None;
        }
    }
    let (password, _) = field(&mut chars, false);
    (!password.is_empty()).then_some(password)
}

fn field(chars: &mut std::str::Chars<'_>, ends_at_colon: bool) -> (String, bool) {
    let (mut text, mut escaped) = (String::new(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                escaped = true;
                text.extend(chars.next());
            }
            ':' if ends_at_colon => break,
            c => text.push(c),
        }
    }
    let is_any = text == "*" && !escaped;
    (text, is_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_of_passwords_that_fits_counts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "# a comment:1:d:u:no\n\nother:1:d:u:no\nho\\:st:*:d\\\\b:us*r:p\\:a\\\\ss:word\n*:5432:*:*:any\n",
        )
        .unwrap();
        let none = Environment { variable: &|_| None, home: None };
        let path = || Some(file.path().to_str().unwrap().to_owned());
        let ask = |host, port, database, user| none.password(path(), host, port, database, user);
        assert_eq!(ask("ho:st", 7, "d\\b", "us*r").as_deref(), Some("p:a\\ss:word"));
        assert_eq!(ask("/tmp", 5432, "d", "u").as_deref(), Some("any"));
        assert_eq!(ask("h", 5433, "d", "u"), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(ask("/tmp", 5432, "d", "u"), None, "a file that others may read");
        }
    }
}
