//! The kinds of lanes that processes share, and which of them a server has.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::ends::{Either, FrontEnd, WorkerEnd};
use super::{lane, memory, socket};

/// What a lane between processes is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sealed file in memory, which both sides map.
    Memory,
    /// Unix sockets: where such files can't be had.
    Socket,
}

/// A lane's two ends, for whoever attaches to them.
#[derive(Debug)]
pub struct Pair {
    /// For every front, one after the other.
    pub front: OwnedFd,
    /// For the worker.
    pub worker: OwnedFd,
}

impl Kind {
    /// What this system has, and why it is not memory if it isn't. `wanted` is `auto` or `socket`.
    ///
    /// # Errors
    /// Any other word.
    pub fn choose(wanted: &str) -> io::Result<(Self, Option<String>)> {
        let refused = match wanted {
            "" | "auto" => match memory::create().and_then(|file| memory::Memory::map(file.as_fd())) {
                Ok(_) => return Ok((Self::Memory, None)),
                Err(error) => format!("files in memory can't be had: {error}"),
            },
            "socket" => "LYGER_LANES asks for it".to_owned(),
            other => return Err(io::Error::other(format!("LYGER_LANES is auto or socket, and not \"{other}\""))),
        };
        Ok((Self::Socket, Some(format!("requests go to the workers over sockets, which is slower: {refused}"))))
    }

    /// Makes a lane that processes share, without attaching to it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create(self) -> io::Result<Pair> {
        let (front, worker) = match self {
            Self::Memory => {
                let file = memory::create()?;
                (file.try_clone()?, file)
            }
            Self::Socket => socket::create()?,
        };
        Ok(Pair { front, worker })
    }

    fn of(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(descriptor)?.st_mode);
        Ok(if kind == rustix::fs::FileType::Socket { Self::Socket } else { Self::Memory })
    }
}

/// Opens a lane within this process. `wake_front` is called by the worker, from its thread, when it has something for
/// the front while the front sleeps.
///
/// ```
/// use lyger::lane::{Bytes, Front, Worker};
/// let (mut front, mut worker) = lyger::lane::open(|| {});
/// assert_eq!(worker.claim(0), None); // it says that it is there
/// front.fill(b"ping ", &Bytes::from_static(b"pong")).unwrap();
/// let id = worker.claim(0).unwrap();
/// assert_eq!(worker.request(id).unwrap(), b"ping pong");
/// worker.answer(id, &[b"and ", b"back"]).unwrap();
/// assert_eq!(front.collect().unwrap().unwrap().answer.unwrap(), "and back");
/// ```
pub fn open(wake_front: impl Fn() + Send + Sync + 'static) -> (FrontEnd, WorkerEnd) {
    let (front, worker) = lane::open(wake_front);
    (FrontEnd(Either::Memory(front)), WorkerEnd(Either::Memory(worker)))
}

/// The front's end of a lane that [`Kind::create`] made. Ids of an earlier front are stale from here on; what its worker was
/// answering is dropped, and the lane takes requests once the worker has come back for the next.
///
/// # Errors
/// What is no lane of this version, or can't be attached to.
pub fn attach_front(descriptor: BorrowedFd<'_>) -> io::Result<FrontEnd> {
    Ok(FrontEnd(match Kind::of(descriptor)? {
        Kind::Memory => Either::Memory(lane::attach_front(descriptor)?),
        Kind::Socket => Either::Socket(socket::FrontEnd::attach(descriptor)?),
    }))
}

/// The worker's end of a lane that [`Kind::create`] made.
///
/// # Errors
/// What is no lane of this version, or can't be attached to.
pub fn attach_worker(
    descriptor: BorrowedFd<'_>,
    wake_front: impl Fn() + Send + Sync + 'static,
) -> io::Result<WorkerEnd> {
    Ok(WorkerEnd(match Kind::of(descriptor)? {
        Kind::Memory => Either::Memory(lane::attach_worker(descriptor, wake_front)?),
        Kind::Socket => {
            Either::Socket(Box::new(socket::WorkerEnd::attach(descriptor.try_clone_to_owned()?, wake_front)?))
        }
    }))
}
