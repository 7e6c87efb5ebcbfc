//! The front of a fleet: a process of its own, which the master starts, tells, and starts again when it dies.

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::unix::AsyncFd;

use super::choice;
use super::config::Config;
use super::joint::{Identity, Joint};
use super::link::{Link, Received};
use super::server;
use super::station::Loss;
use super::thread::Front;
use super::watch::{self, Watch};
use super::words::{FromFront, ToFront};
use crate::cache::Table;
use crate::lane;
use crate::resp;
use crate::runtime::local;

/// Serves until the master says that it is enough or has gone.
///
/// # Errors
/// What made it impossible; the master has been told.
pub fn serve_fleet(link: Link, identity: Identity) -> io::Result<()> {
    let serving = match first_words(&link)? {
        Some(serving) => serving,
        None => return Ok(()),
    };
    allow_descriptors();
    let link = Rc::new(link);
    serve(Rc::clone(&link), serving, identity).inspect_err(|error| {
        let _ = link.send(&FromFront::Failed(error.to_string()), &[]);
    })
}

/// Each connection is a descriptor, and systems commonly start processes with 1,024 of them although they allow more: programs
/// that use `select` must not get a larger number. This one doesn't, and starts no other.
fn allow_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }); // then it keeps what it has
}

struct Serving {
    config: String,
    workers: u32,
    draining: bool,
    degraded: Vec<String>,
    watch: Option<Watch>,
    changed: resp::Changed,
    listener: OwnedFd,
    bell: OwnedFd,
    /// The cache that the workers share.
    cache: Option<OwnedFd>,
    /// Where Redis clients come.
    redis: Vec<OwnedFd>,
}

/// The master's first message; `None` when it has gone.
fn first_words(link: &Link) -> io::Result<Option<Serving>> {
    loop {
        match poll(&mut [PollFd::new(link, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        match link.receive::<ToFront>()? {
            Received::Message(
                ToFront::Serve { config, workers, draining, degraded, has_cache, watch, changed },
                descriptors,
            ) => {
                let mut descriptors = descriptors.into_iter();
                let mut next = |what: &str| {
                    descriptors.next().ok_or_else(|| io::Error::other(format!("the master sent no {what}")))
                };
                let (listener, bell) = (next("listening socket")?, next("event descriptor")?);
                let cache = if has_cache { Some(next("cache")?) } else { None };
                let redis = descriptors.collect();
                return Ok(Some(Serving {
                    config,
                    workers,
                    draining,
                    degraded,
                    watch,
                    changed,
                    listener,
                    bell,
                    cache,
                    redis,
                }));
            }
            Received::Message(other, _) => return Err(io::Error::other(format!("unexpected first words: {other:?}"))),
            Received::Nothing => {}
            Received::Ended => return Ok(None),
        }
    }
}

fn serve(link: Rc<Link>, serving: Serving, mut identity: Identity) -> io::Result<()> {
    identity.degraded.extend(serving.degraded);
    let config = Config::from_json(&serving.config).map_err(|error| io::Error::other(error.to_string()))?;
    let doors: Vec<OwnedFd> = serving.redis.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
    let wanted = config.resp().map(|settings| resp::Settings { changed: serving.changed, ..settings });
    // One that can't be shared is said by who would serve Redis clients, and by the workers.
    let cache = serving.cache.as_ref().and_then(|cache| Table::attach(cache.as_fd()).ok());
    // A front of another version of the engine may not know the cache of the fleet's: who comes by HTTP is served all the same.
    let redis = wanted.and_then(|settings| {
        serve_redis(settings, serving.cache, serving.redis, &link)
            .inspect_err(|error| {
                let text = format!("Redis clients are not served: {error}");
                super::log(format_args!("{text}"));
                identity.degraded.push(text);
                shut(&doors);
            })
            .ok()
    });
    let (kind, fallback) = choice::choose(&config);
    if let Some(text) = fallback {
        super::log(format_args!("{text}"));
        identity.degraded.push(text);
    }
    let joint = Arc::new(Joint::new(identity, kind, Arc::new(OnceLock::new())));
    joint.workers_wanted.store(serving.workers, Ordering::Relaxed);
    redis.iter().for_each(|server| joint.show_redis(Arc::clone(server)));
    cache.into_iter().for_each(|table| joint.show_cache(table));
    let runtime = server::runtime(&joint)?;
    runtime.block_on(async {
        let (control, controlled) = tokio::net::UnixStream::pair()?;
        let front = Front::new(config, joint);
        front.open(kind, TcpListener::from(serving.listener), Some(serving.bell))?;
        let master = Rc::new(Master { link, front: Rc::clone(&front), control: RefCell::new(Some(control)) });
        let notices = Rc::clone(&master);
        front.on_notices(move || notices.pass_on());
        if serving.draining {
            master.drain();
        }
        if let Some(watch) = serving.watch {
            let (sender, mut changes) = tokio::sync::mpsc::unbounded_channel();
            watch::start(watch, move |file| drop(sender.send(file.to_owned())))?;
            let master = Rc::clone(&master);
            local::spawn(async move {
                while let Some(file) = changes.recv().await {
                    master.tell(&FromFront::Changed(file));
                }
            });
        }
        master.tell(&FromFront::Serving);
        let readable = local::watch_reads(master.link.as_fd().try_clone_to_owned()?)?;
        let attending = local::spawn(Rc::clone(&master).attend(readable));
        let finished = local::spawn(front.run(controlled, Front::name_unfinished)).await.map_err(io::Error::other)?;
        // Nobody writes any more but who shuts down.
        let saved = redis.is_none_or(|server| {
            master.tell(&FromFront::Saving);
            shut(&doors);
            let stopped = server.stop();
            stopped.inspect_err(|error| super::log(format_args!("the server for Redis clients: {error}"))).is_ok()
        });
        master.tell(&FromFront::Drained { finished, saved });
        attending.abort();
        io::Result::Ok(())
    })?;
    server::wind_up(runtime);
    Ok(())
}

/// Has who connects from now on refused at once: the master holds these sockets, too, and closing them here would leave clients to wait. The
/// next front listens at them again.
fn shut(doors: &[OwnedFd]) {
    for door in doors {
        let _ = socket2::SockRef::from(door).shutdown(std::net::Shutdown::Read); // nobody listens already
    }
}

/// Begins to serve Redis clients: with the table that the workers have, at the sockets that the master holds.
fn serve_redis(
    mut settings: resp::Settings,
    cache: Option<OwnedFd>,
    sockets: Vec<OwnedFd>,
    link: &Link,
) -> io::Result<Arc<resp::Server>> {
    let cache = cache.ok_or_else(|| io::Error::other("there is no cache that all workers share"))?;
    let asked = settings.clients_max;
    if let Some(most) = resp::share_descriptors(&mut settings) {
        let clients_max = settings.clients_max;
        super::log(format_args!(
            "{clients_max} Redis clients at once and not {asked}: the front may have {most} descriptors, and needs some for HTTP"
        ));
    }
    let table = Table::attach(cache.as_fd())?;
    let sockets = resp::Sockets::inherited(sockets, settings.backlog)?;
    let server = resp::Server::serve(&table, sockets, settings).map_err(io::Error::other)?;
    // From the thread that a client has changed something in: before the client is told so, it is said.
    let master = Link::from_socket(link.as_fd().try_clone_to_owned()?);
    server.on_change(move |changed| {
        if let Err(error) = master.send(&FromFront::Configured(changed.clone()), &[]) {
            super::log(format_args!("a change by CONFIG SET, which the next front won't know: {error}"));
        }
    });
    Ok(Arc::new(server))
}

/// The link to the master.
struct Master {
    link: Rc<Link>,
    front: Rc<Front>,
    /// Dropped to begin the drain.
    control: RefCell<Option<tokio::net::UnixStream>>,
}

impl Master {
    fn tell(&self, message: &FromFront) {
        if let Err(error) = self.link.send(message, &[]) {
            // The master has gone, and with it the reason to serve: PDEATHSIG or the link's end takes us too.
            super::log(format_args!("the master: {error}"));
        }
    }

    fn drain(&self) {
        self.control.borrow_mut().take();
    }

    fn pass_on(&self) {
        for notice in self.front.dispatch.notices() {
            use super::dispatch::Notice::{Damaged, Leaving, Overdue, Ready};
            self.tell(&match notice {
                Ready(worker) => FromFront::Ready(worker),
                Overdue(worker) => FromFront::Overdue(worker),
                Leaving(worker) => FromFront::Leaving(worker),
                Damaged(worker) => FromFront::Damaged(worker),
            });
        }
    }

    /// Does what the master says. When it has gone nobody replaces workers any more, so the process ends.
    async fn attend(self: Rc<Self>, readable: AsyncFd<OwnedFd>) {
        loop {
            let ended = match self.next(&readable).await {
                Ok(Some((message, descriptors))) => self.heed(message, descriptors).err(),
                Ok(None) => std::process::exit(0),
                Err(error) => Some(error),
            };
            if let Some(error) = ended {
                super::log(format_args!("a message of the master's: {error}"));
            }
            self.pass_on();
        }
    }

    async fn next(&self, readable: &AsyncFd<OwnedFd>) -> io::Result<Option<(ToFront, Vec<OwnedFd>)>> {
        loop {
            match self.link.receive()? {
                Received::Message(message, descriptors) => return Ok(Some((message, descriptors))),
                Received::Ended => return Ok(None),
                Received::Nothing => readable.readable().await?.clear_ready(),
            }
        }
    }

    fn heed(&self, message: ToFront, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let dispatch = &self.front.dispatch;
        match message {
            ToFront::Serve { .. } => return Err(io::Error::other("it serves already")),
            ToFront::Worker(worker) => {
                let lane = descriptors.first().ok_or_else(|| io::Error::other("a worker without a lane"))?;
                dispatch.add_worker(worker, lane::attach_front(lane.as_fd())?);
            }
            ToFront::Retire(worker) => dispatch.retire(worker),
            ToFront::Lost { worker, killed_from_outside } => {
                let loss = if killed_from_outside { Loss::KilledFromOutside } else { Loss::Other };
                dispatch.lose(worker, loss);
            }
            ToFront::Drain => {
                self.front.announce_drain();
                self.drain();
            }
            ToFront::TellStatus => self.tell(&FromFront::Status(json!({
                "waiting": dispatch.waiting(),
                "connections": self.front.connection_count(),
                "databases": self.front.database_figures(),
                "resp": self.front.redis(),
                "cache": self.front.cache(),
                "workers": dispatch.report(crate::runtime::clock::now_ms()),
            }))),
        }
        Ok(())
    }
}
