//! What the engine says to people, without ever waiting for a reader.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that can be written to takes this many bytes at once (`PIPE_BUF`).
const PIECE_BYTES: usize = 4096;

/// What has not been said since the last that was.
static UNSAID: AtomicU64 = AtomicU64::new(0);

/// Writes a text that ends its line to a stream as far as that takes it now. A terminal that is stopped, or a pipe that
/// nobody reads, must not stop a process that others wait for: what doesn't fit is left out, and that is said later.
pub(crate) fn say(stream: impl AsFd, text: &str) {
    let unsaid = UNSAID.swap(0, Ordering::Relaxed);
    let before = if unsaid > 0 { format!("lyger: {unsaid} messages found no reader\n") } else { String::new() };
    let whole = before + text;
    let mut rest = whole.as_bytes();
    while !rest.is_empty() {
        let (piece, _) = rest.split_at(rest.len().min(PIECE_BYTES));
        match is_open(&stream).then(|| rustix::io::write(&stream, piece)) {
            Some(Ok(written)) if written > 0 => rest = &rest[written..],
            Some(Err(rustix::io::Errno::INTR)) => {}
            Some(Err(rustix::io::Errno::AGAIN)) | None => {
                UNSAID.fetch_add(unsaid + 1, Ordering::Relaxed);
                return;
            }
            Some(_) => return, // closed: nobody will ever read it
        }
    }
}

fn is_open(stream: &impl AsFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        match poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&at_once)) {
            Err(rustix::io::Errno::INTR) => {}
            found => return found != Ok(0), // what is wrong shows at the write
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn who_does_not_read_is_not_waited_for_and_told_later() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..200 {
            say(&writer, &line);
        }
        let mut read = vec![0; 64 * 1024];
        let mut text = String::new();
        while text.len() < 60_000 {
            let count = reader.read(&mut read).unwrap();
            text.push_str(std::str::from_utf8(&read[..count]).unwrap());
        }
        assert!(text.starts_with(&line) && text.len() < 100_000, "{} bytes", text.len());
        say(&writer, "at last\n");
        drop(writer);
        let mut last = String::new();
        reader.read_to_string(&mut last).unwrap();
        assert!(last.ends_with("messages found no reader\nat last\n"), "{last}");
    }
}
