//! Reading from a socket on the thread that calls, without the reactor.

use std::io;
use std::os::fd::AsFd;

use bytes::{BufMut, BytesMut};
use rustix::net::{RecvFlags, recv};

/// Reads what is there into the spare room of a buffer; waits for it where the socket does.
///
/// # Errors
/// What the operating system says.
pub fn receive(socket: impl AsFd, into: &mut BytesMut) -> io::Result<usize> {
    let (read, _) = recv(socket, into.spare_capacity_mut(), RecvFlags::empty())?.0;
    let len = read.len();
    // SAFETY: the first so many bytes of the spare room are what was read.
    unsafe { into.advance_mut(len) };
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_there_comes_behind_what_was_there() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let mut buffer = BytesMut::with_capacity(64);
        buffer.extend_from_slice(b"one ");
        theirs.write_all(b"two").unwrap();
        assert_eq!((receive(&ours, &mut buffer).unwrap(), &buffer[..]), (3, &b"one two"[..]));
        ours.set_nonblocking(true).unwrap();
        assert_eq!(receive(&ours, &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        assert_eq!((receive(&ours, &mut buffer).unwrap(), buffer.len()), (0, 7));
    }
}
