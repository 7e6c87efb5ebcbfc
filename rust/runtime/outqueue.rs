//! What the kernel still holds of what was written to a socket.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// Linux calls it `SIOCOUTQ` where the descriptor is a socket's, see tcp(7).
const OUT_QUEUE: Opcode = libc::TIOCOUTQ as Opcode;

/// Bytes that were written to a TCP socket and that its peer has not acknowledged: it becomes less as the peer takes them.
///
/// # Errors
/// What the operating system says; on others than Linux that it knows no such question.
pub fn unacknowledged_bytes(socket: impl AsFd) -> io::Result<usize> {
    // SAFETY: the operation reads nothing and writes one C int, as tcp(7) has it and the getter's type says.
    let bytes = unsafe { ioctl(socket, Getter::<OUT_QUEUE, libc::c_int>::new()) }?;
    usize::try_from(bytes).map_err(io::Error::other)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn it_becomes_less_as_the_peer_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged_bytes(&ours).unwrap(), 0);
        ours.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = ours.write(&[0; 65_536]) {
            written += bytes;
        }
        let held = unacknowledged_bytes(&ours).unwrap();
        assert!((1..written).contains(&held), "{held} of {written}");
        theirs.read_exact(&mut vec![0; written]).unwrap();
        while unacknowledged_bytes(&ours).unwrap() > 0 {
            std::thread::yield_now(); // the last acknowledgement may be on its way
        }
        assert_eq!(
            unacknowledged_bytes(std::fs::File::open("/dev/null").unwrap()).unwrap_err().raw_os_error(),
            Some(libc::ENOTTY)
        );
    }
}
