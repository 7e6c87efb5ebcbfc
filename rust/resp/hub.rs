//! Channels across threads: who listens on which thread, and the mail between threads.
//!
//! Each thread knows its own listeners (`core.rs`); here is only how many of them each thread has for a name. A publisher hands
//! its message to the threads that have any, and delivers to its own by itself. Messages of one publisher stay in order: they
//! go to each thread's mail while the lock is held.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::glob;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Channel,
    Pattern,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) channel: Box<[u8]>,
    pub(crate) text: Box<[u8]>,
}

/// What one thread tells another.
#[derive(Debug)]
pub(crate) enum Mail {
    Message(Arc<Message>),
    /// End the client with this number; the token is where it was.
    Kill {
        token: usize,
        id: u64,
    },
    /// Messages found no room in the mailbox: who listens on this thread has missed some, and is ended as a subscriber who takes none.
    Lost,
}

/// Messages that may wait for a thread that is busy with one long command, each counted once however many listen: publishers
/// can't wait for it. It is eight times the default of what one subscriber may leave lying.
const MAIL_BYTES_MAX: usize = 256 << 20;

#[derive(Debug, Default)]
struct Letters {
    all: Vec<Mail>,
    message_bytes: usize,
}

impl Letters {
    /// Whether these are the first, for which the thread is to be woken.
    fn add(&mut self, mail: Mail) -> bool {
        let first = self.all.is_empty();
        if let Mail::Message(message) = &mail {
            if self.message_bytes > MAIL_BYTES_MAX {
                return false;
            }
            self.message_bytes += size_of::<Mail>() + size_of::<Message>() + message.channel.len() + message.text.len();
            if self.message_bytes > MAIL_BYTES_MAX {
                self.all.push(Mail::Lost);
                return first;
            }
        }
        self.all.push(mail);
        first
    }
}

#[derive(Debug, Default)]
struct Mailbox {
    letters: Mutex<Letters>,
    /// Another one after the thread was started anew.
    waker: RwLock<Option<mio::Waker>>,
}

/// For each name, how many clients of each thread listen to it.
type Names = BTreeMap<Box<[u8]>, Box<[u32]>>;

#[derive(Debug, Default)]
struct Listeners {
    channels: Names,
    patterns: Names,
}

#[derive(Debug)]
pub(crate) struct Hub {
    boxes: Vec<Mailbox>,
    listeners: Mutex<Listeners>,
    /// Names in both maps, so that nobody takes the lock while nobody listens.
    names: AtomicUsize,
}

/// To how many a message goes, and whether some of them are clients of the publisher's own thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) clients: u64,
    pub(crate) here: bool,
}

impl Hub {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            boxes: (0..threads).map(|_| Mailbox::default()).collect(),
            listeners: Mutex::default(),
            names: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a thread is woken when there is mail for it.
    pub(crate) fn open(&self, thread: usize, waker: mio::Waker) {
        *self.boxes[thread].waker.write().unwrap_or_else(PoisonError::into_inner) = Some(waker);
        // A letter may have come since the thread before it forgot its own, and no later one would wake it.
        self.wake(thread);
    }

    pub(crate) fn send(&self, thread: usize, mail: Mail) {
        let place = &self.boxes[thread];
        let first = place.letters.lock().unwrap_or_else(PoisonError::into_inner).add(mail);
        if first {
            self.wake(thread);
        }
    }

    pub(crate) fn wake(&self, thread: usize) {
        if let Some(waker) = &*self.boxes[thread].waker.read().unwrap_or_else(PoisonError::into_inner) {
            // It fails only when the thread's readiness queue is gone, and the thread with it.
            let _ = waker.wake();
        }
    }

    pub(crate) fn mail(&self, thread: usize) -> Vec<Mail> {
        std::mem::take(&mut *self.boxes[thread].letters.lock().unwrap_or_else(PoisonError::into_inner)).all
    }

    pub(crate) fn join(&self, thread: usize, topic: Topic, name: &[u8]) {
        let mut listeners = self.lock();
        let names = listeners.of(topic);
        if !names.contains_key(name) {
            names.insert(name.into(), vec![0; self.boxes.len()].into());
            self.names.fetch_add(1, Relaxed);
        }
        if let Some(counts) = names.get_mut(name) {
            counts[thread] += 1;
        }
    }

    pub(crate) fn leave(&self, thread: usize, topic: Topic, name: &[u8]) {
        let mut listeners = self.lock();
        let names = listeners.of(topic);
        let Some(counts) = names.get_mut(name) else { return };
        counts[thread] -= 1;
        if counts.iter().all(|count| *count == 0) {
            names.remove(name);
            self.names.fetch_sub(1, Relaxed);
        }
    }

    /// None of a thread's clients listens any more, and what was for them is nobody's.
    pub(crate) fn forget(&self, thread: usize) {
        let listeners = &mut *self.lock();
        for names in [&mut listeners.channels, &mut listeners.patterns] {
            let before = names.len();
            names.retain(|_, counts| {
                counts[thread] = 0;
                counts.iter().any(|count| *count > 0)
            });
            self.names.fetch_sub(before - names.len(), Relaxed);
        }
        self.mail(thread);
    }

    /// Hands a message to all threads with listeners but the publisher's own.
    pub(crate) fn publish(&self, thread: usize, channel: &[u8], text: &[u8]) -> Reach {
        let mut reach = Reach { clients: 0, here: false };
        if self.names.load(Relaxed) == 0 {
            return reach;
        }
        let listeners = self.lock();
        let mut threads = vec![0; self.boxes.len()];
        let matching = listeners.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel, false));
        for counts in listeners.channels.get(channel).into_iter().chain(matching.map(|(_, counts)| counts)) {
            threads.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        reach.clients = threads.iter().sum();
        reach.here = threads[thread] > 0;
        if reach.clients > threads[thread] {
            let message = Arc::new(Message { channel: channel.into(), text: text.into() });
            for other in (0..threads.len()).filter(|other| *other != thread && threads[*other] > 0) {
                self.send(other, Mail::Message(Arc::clone(&message)));
            }
        }
        reach
    }

    pub(crate) fn channels(&self) -> Vec<Box<[u8]>> {
        self.lock().channels.keys().cloned().collect()
    }

    pub(crate) fn listeners(&self, channel: &[u8]) -> u64 {
        self.lock().channels.get(channel).map_or(0, |counts| counts.iter().map(|count| u64::from(*count)).sum())
    }

    pub(crate) fn patterns(&self) -> usize {
        self.lock().patterns.len()
    }
}

impl Listeners {
    fn of(&mut self, topic: Topic) -> &mut Names {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_once_to_each_thread_that_has_listeners() {
        let hub = Hub::new(3);
        assert_eq!(hub.publish(0, b"news", b"x"), Reach { clients: 0, here: false });
        hub.join(0, Topic::Channel, b"news");
        hub.join(1, Topic::Channel, b"news");
        hub.join(1, Topic::Pattern, b"n*");
        hub.join(2, Topic::Pattern, b"other*");
        assert_eq!(hub.publish(0, b"news", b"x"), Reach { clients: 3, here: true });
        assert_eq!([0, 1, 2].map(|thread| hub.mail(thread).len()), [0, 1, 0]);
        hub.leave(0, Topic::Channel, b"news");
        hub.leave(1, Topic::Channel, b"news");
        assert_eq!(hub.publish(0, b"news", b"x"), Reach { clients: 1, here: false });
        assert!(hub.channels().is_empty());
        assert_eq!(hub.patterns(), 2);
        hub.forget(1);
        assert_eq!((hub.publish(0, b"news", b"x"), hub.patterns()), (Reach { clients: 0, here: false }, 1));
    }

    #[test]
    fn messages_for_a_thread_that_takes_none_are_bounded_and_their_loss_is_told() {
        let hub = Hub::new(2);
        hub.join(1, Topic::Channel, b"c");
        let text = vec![b'x'; MAIL_BYTES_MAX / 16];
        for _ in 0..40 {
            hub.publish(0, b"c", &text);
        }
        hub.send(1, Mail::Kill { token: 0, id: 7 });
        let mail = hub.mail(1);
        let messages = mail.iter().filter(|mail| matches!(mail, Mail::Message(_))).count();
        assert_eq!((messages, mail.len()), (15, 17));
        assert!(matches!(mail[15..], [Mail::Lost, Mail::Kill { .. }]));
        hub.publish(0, b"c", &text);
        assert!(matches!(hub.mail(1)[..], [Mail::Message(_)]));
    }
}
