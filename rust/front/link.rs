//! How the processes of a fleet talk to each other: packets of JSON over a pair of Unix sockets, with descriptors.
//!
//! The master has one link to its front and one to each zygote. A link that ends says that the other process is gone.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest packet: a status report of 1,024 workers has 150 bytes for each.
const PACKET_BYTES_MAX: usize = 192 * 1024;

/// The most listening sockets that a packet has for the threads that serve Redis clients: more cores than machines commonly have.
pub const SOCKETS_MAX: usize = 128;

/// The most descriptors in a packet: those, the socket for HTTP, the workers' bell and the cache. The system takes 253.
const DESCRIPTORS_MAX: usize = SOCKETS_MAX + 3;

/// How long a full socket may stay full. Each side reads at every turn of its loop.
const SEND_SECONDS_MAX: i64 = 10;

/// One end.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::os::fd::AsRawFd for Link {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// What a look at a link found.
#[derive(Debug)]
pub enum Received<T> {
    /// A message and the descriptors that came with it.
    Message(T, Vec<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The other side has gone.
    Ended,
}

impl Link {
    /// Two ends, both closed on exec and without blocking.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// The end that a process was started with.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// The socket, to start a process with.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Sends a message and copies of descriptors.
    ///
    /// # Errors
    /// When the other side has gone, or has read nothing for ten seconds.
    pub fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let packet = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        loop {
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
            }
            match sendmsg(&self.socket, &[IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    let timeout = rustix::event::Timespec { tv_sec: SEND_SECONDS_MAX, tv_nsec: 0 };
                    match poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&timeout)) {
                        Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Refuses what the other side sends from now on. What it has sent can still be received.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn refuse_more(&self) -> io::Result<()> {
        Ok(shutdown(&self.socket, Shutdown::Read)?)
    }

    /// Takes the next message, if there is one.
    ///
    /// # Errors
    /// A packet that is no such message; what the operating system says.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let bytes = match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, flags) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Received::Nothing),
            Err(rustix::io::Errno::CONNRESET) => return Ok(Received::Ended),
            Err(error) => return Err(error.into()),
        };
        if bytes == 0 {
            return Ok(Received::Ended);
        }
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        Ok(Received::Message(serde_json::from_slice(&packet[..bytes])?, descriptors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_with_their_descriptors() {
        let (one, other) = Link::pair().unwrap();
        assert!(matches!(other.receive::<String>().unwrap(), Received::Nothing));
        one.send(&"a", &[]).unwrap();
        one.send(&"b", &[one.as_fd(), other.as_fd()]).unwrap();
        let Received::Message(text, descriptors) = other.receive::<String>().unwrap() else { panic!() };
        assert_eq!((text.as_str(), descriptors.len()), ("a", 0));
        let Received::Message(text, descriptors) = other.receive::<String>().unwrap() else { panic!() };
        assert_eq!((text.as_str(), descriptors.len()), ("b", 2));
        Link::from_socket(descriptors.into_iter().next().unwrap()).send(&"through a copy", &[]).unwrap();
        assert!(matches!(other.receive::<String>().unwrap(), Received::Message(text, _) if text == "through a copy"));
        drop(one);
        assert!(matches!(other.receive::<String>().unwrap(), Received::Ended));
        assert!(other.send(&"x", &[]).is_err());
    }

    #[test]
    fn who_refuses_more_receives_what_was_sent_before_and_the_sender_knows() {
        let (one, other) = Link::pair().unwrap();
        one.send(&"before", &[]).unwrap();
        other.refuse_more().unwrap();
        assert!(one.send(&"after", &[]).is_err());
        assert!(matches!(other.receive::<String>().unwrap(), Received::Message(text, _) if text == "before"));
        assert!(matches!(other.receive::<String>().unwrap(), Received::Ended));
        drop(one);
        other.refuse_more().unwrap();
    }

    #[test]
    fn a_packet_that_is_no_message_is_an_error() {
        let (one, other) = Link::pair().unwrap();
        one.send(&"text", &[]).unwrap();
        assert!(other.receive::<u32>().is_err());
    }
}
