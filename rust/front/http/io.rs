//! The socket as hyper sees it: it counts deadlines, and holds back the bare error answers that hyper writes by itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::bare;
use super::connection::Connection;

/// A connection's socket.
pub(super) struct Io(pub(super) Rc<Connection>);

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.0.stream.borrow_mut()).poll_read(context, buffer))?;
        self.0.has_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl Io {
    fn write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(context, bytes);
        self.0.has_written(written.is_ready());
        written
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.0.release_withheld(context))?;
        match bare::find_bare(bytes) {
            None => self.write(context, bytes),
            Some((0, status)) => {
                self.0.withhold(bytes, status);
                Poll::Ready(Ok(bytes.len()))
            }
            Some((start, _)) => self.write(context, &bytes[..start]),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        let (Some(first), last) = (filled.next(), filled.next_back()) else { return Poll::Ready(Ok(0)) };
        if last.is_none() || last.is_some_and(|last| bare::find_bare(last).is_some()) {
            return self.poll_write(context, first); // piece by piece, the bare answer last
        }
        ready!(self.0.release_withheld(context))?;
        let written = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(context, slices);
        self.0.has_written(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.has_flushed(); // a TCP stream keeps nothing back
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // `connection::serve` shuts down, after the last words
    }
}
