//! Which server has what: the one of the DSN, the master that sentinels know, the master of a hash slot.
//!
//! What is known is kept until something speaks against it: a node that doesn't answer, a redirection, a master that has
//! become a replica. Then it is asked for anew.

use redis::Value;

use super::Remote;
use super::answer;
use super::connection::{Connection, Failure, Order};
use super::dsn::{Address, Servers};
use super::error::Error;
use super::keys;
use super::pool::Lease;

/// As many as Redis's own client of clusters follows, and more than any migration needs.
const REDIRECTS_MAX: u32 = 5;
/// A slot that is halfway to another node answers when both have all keys; 20 ms each, so a third of a second.
const HALVED_MAX: u32 = 16;
const HALVED_WAIT: std::time::Duration = std::time::Duration::from_millis(20);
/// Each time somebody else was quicker, so somebody got on; this many times in a row is a key that all fight about.
const ATTEMPTS_MAX: u32 = 100;

/// How often something is tried again, for each of the reasons.
struct Budget {
    fresh: u32,
    redirects: u32,
    halved: u32,
    attempts: u32,
}

fn spend(left: &mut u32, error: Error) -> Result<(), Error> {
    *left = left.checked_sub(1).ok_or(error)?;
    Ok(())
}

/// Where something is to be done.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// At the master of a hash slot; outside of clusters, at the master.
    Slot(u16),
    /// At this server.
    Node(&'a Address),
}

/// What is known of the servers, where the DSN doesn't say it all.
#[derive(Default)]
pub(super) struct Known {
    /// By sentinels.
    master: Option<Address>,
    /// By a cluster: slots from, to, and whose; in their order.
    slots: Vec<(u16, u16, Address)>,
    /// Nodes of the cluster that were known once: the DSN's may all be gone by now.
    nodes: Vec<Address>,
}

impl Remote {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.inner.dsn.servers, Servers::Cluster(_))
    }

    /// Has `f` talk to the server that has a name. It is called again where nothing was done yet.
    pub(super) fn at<R>(&self, name: &[u8], f: impl FnMut(&mut Connection) -> Result<R, Failure>) -> Result<R, Error> {
        self.run(Place::Slot(keys::slot(name)), f)
    }

    pub(super) fn run<R>(
        &self,
        place: Place<'_>,
        mut f: impl FnMut(&mut Connection) -> Result<R, Failure>,
    ) -> Result<R, Error> {
        let mut budget = Budget { fresh: 1, redirects: REDIRECTS_MAX, halved: HALVED_MAX, attempts: ATTEMPTS_MAX - 1 };
        let mut next = None;
        loop {
            let (address, asking) = match next.take() {
                Some(next) => next,
                None => (self.locate(place)?, false),
            };
            match self.attempt(&address, asking, &mut f) {
                Ok(done) => return Ok(done),
                Err(failure) => next = self.follow(failure, place, (address, asking), &mut budget)?,
            }
        }
    }

    fn attempt<R>(
        &self,
        address: &Address,
        asking: bool,
        f: &mut impl FnMut(&mut Connection) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let mut lease = self.lease(address).map_err(|error| match error {
            // A machine that is gone says nothing at all; somebody else may have its part by now.
            Error::Timeout { .. } if !matches!(self.inner.dsn.servers, Servers::One(_)) => Failure::NoMaster(error),
            error => Failure::Broken(error),
        })?;
        lease.connection().asking = asking;
        let done = f(lease.connection());
        lease.connection().asking = false;
        if !matches!(done, Err(Failure::Broken(_) | Failure::NoMaster(_))) {
            lease.give_back();
        }
        done
    }

    /// Where to try it again, if nothing was done and there is hope.
    fn follow(
        &self,
        failure: Failure,
        place: Place<'_>,
        at: (Address, bool),
        budget: &mut Budget,
    ) -> Result<Option<(Address, bool)>, Error> {
        let endless = || Error::Strange("one redirection after the other".to_owned());
        match failure {
            Failure::Told(error) => return Err(error),
            Failure::Broken(error) => {
                let again = match error {
                    Error::Lost { may_have_run, .. } => {
                        self.forget(place);
                        !may_have_run
                    }
                    // It may be another's by now.
                    Error::CannotConnect { .. } => self.forget(place),
                    // Not waited for twice.
                    Error::Timeout { .. } => {
                        self.forget(place);
                        false
                    }
                    _ => false,
                };
                if !again {
                    return Err(error);
                }
                spend(&mut budget.fresh, error)?;
            }
            Failure::NoMaster(error) => {
                self.forget(place);
                spend(&mut budget.fresh, error)?;
            }
            Failure::Moved(_) | Failure::Ask(_) if matches!(self.inner.dsn.servers, Servers::One(_)) => {
                return Err(Error::InvalidDsn(format!(
                    "{} is a node of a cluster, whose DSN begins with redis-cluster://, and over TLS with rediss-cluster://",
                    at.0
                )));
            }
            Failure::Moved(to) => {
                self.forget(place);
                spend(&mut budget.redirects, endless())?;
                return Ok(Some((to, false)));
            }
            Failure::Ask(to) => {
                spend(&mut budget.redirects, endless())?;
                return Ok(Some((to, true)));
            }
            Failure::Halved(error) => {
                spend(&mut budget.halved, error)?;
                budget.redirects = REDIRECTS_MAX;
                std::thread::sleep(HALVED_WAIT);
            }
            Failure::Disturbed => {
                spend(&mut budget.attempts, Error::Contended { attempts: ATTEMPTS_MAX })?;
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn lease(&self, address: &Address) -> Result<Lease<'_>, Error> {
        let dsn = &self.inner.dsn;
        self.inner.pool.lease(address, || Connection::open(dsn, address, &dsn.login, dsn.database))
    }

    pub(super) fn locate(&self, place: Place<'_>) -> Result<Address, Error> {
        match (place, &self.inner.dsn.servers) {
            (Place::Node(address), _) | (Place::Slot(_), Servers::One(address)) => Ok(address.clone()),
            (Place::Slot(_), Servers::Sentinels { sentinels, service }) => {
                let known = self.known().master.clone();
                known.map_or_else(|| self.ask_sentinels(sentinels, service), Ok)
            }
            (Place::Slot(slot), Servers::Cluster(_)) => {
                let owner = |slots: &[(u16, u16, Address)]| {
                    slots.iter().find(|(from, to, _)| (*from..=*to).contains(&slot)).map(|(.., owner)| owner.clone())
                };
                let known = owner(&self.known().slots);
                known.map_or_else(|| owner(&self.ask_nodes()?).ok_or_else(|| nobody(slot)), Ok)
            }
        }
    }

    /// All masters, in the order of their slots.
    pub(super) fn masters(&self) -> Result<Vec<Address>, Error> {
        if !self.is_cluster() {
            return Ok(vec![self.locate(Place::Slot(0))?]);
        }
        let known = self.known().slots.clone();
        let slots = if known.is_empty() { self.ask_nodes()? } else { known };
        let mut masters: Vec<Address> = Vec::new();
        for (.., owner) in slots {
            if !masters.contains(&owner) {
                masters.push(owner);
            }
        }
        Ok(masters)
    }

    /// Whether it may be found elsewhere now.
    pub(super) fn forget(&self, place: Place<'_>) -> bool {
        let mut known = self.known();
        known.master = None;
        known.slots.clear();
        matches!(place, Place::Slot(_)) && !matches!(self.inner.dsn.servers, Servers::One(_))
    }

    fn ask_sentinels(&self, sentinels: &[Address], service: &str) -> Result<Address, Error> {
        let dsn = &self.inner.dsn;
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(service);
        let question = Order::read([question]);
        let mut failed = None;
        for sentinel in sentinels {
            let answer = Connection::open(dsn, sentinel, &dsn.sentinel_login, 0).and_then(|mut connection| {
                connection.ask(&question).and_then(answer::only).map_err(Failure::into_error)
            });
            match answer {
                Ok(Value::Array(master)) => {
                    let [Value::BulkString(host), Value::BulkString(port)] = &master[..] else {
                        return Err(answer::strange(Some(&Value::Array(master))));
                    };
                    let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
                    let port = port.ok_or_else(|| answer::strange(None))?;
                    let master = sentinel.beside(&String::from_utf8_lossy(host), port);
                    self.check_master(&master)?;
                    self.known().master = Some(master.clone());
                    return Ok(master);
                }
                // One that has just been started, or was told of another service.
                Ok(Value::Nil) => {
                    let reason = format!("the sentinel knows no master of the service {service:?}");
                    failed = Some(Error::CannotConnect { server: sentinel.to_string(), reason });
                }
                Ok(other) => failed = Some(answer::strange(Some(&other))),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.expect("a DSN has a sentinel"))
    }

    /// A master that was deposed may not know it yet, and neither may the sentinel: the protocol of sentinels' clients has them
    /// look at its role.
    fn check_master(&self, master: &Address) -> Result<(), Error> {
        let mut lease = self.lease(master)?;
        let role = lease.connection().ask(&Order::read([redis::cmd("ROLE")])).and_then(answer::only);
        match role.map_err(Failure::into_error)? {
            Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".to_vec())) => {
                lease.give_back();
                Ok(())
            }
            _ => {
                let reason = "the sentinel says that it is the master, and it isn't (yet)".to_owned();
                Err(Error::CannotConnect { server: master.to_string(), reason })
            }
        }
    }

    /// Asks a node of the cluster for all slots.
    fn ask_nodes(&self) -> Result<Vec<(u16, u16, Address)>, Error> {
        let Servers::Cluster(seeds) = &self.inner.dsn.servers else { unreachable!("only clusters have slots") };
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let question = Order::read([question]);
        let mut nodes = self.known().nodes.clone();
        nodes.extend(seeds.iter().cloned());
        let mut failed = None;
        for node in &nodes {
            let answer = self.run(Place::Node(node), |connection| {
                connection.ask(&question).and_then(answer::only).and_then(|slots| read_slots(slots, node))
            });
            match answer {
                Ok(slots) if !slots.is_empty() => {
                    let mut known = self.known();
                    known.nodes = slots.iter().map(|(.., owner)| owner.clone()).collect();
                    known.nodes.dedup();
                    known.slots.clone_from(&slots);
                    return Ok(slots);
                }
                Ok(_) => failed = Some(nobody(0)),
                Err(error) => failed = Some(error),
            }
            // One that hangs isn't the first to be asked again.
            self.known().nodes.retain(|known| known != node);
        }
        Err(failed.expect("a DSN has a node"))
    }
}

fn nobody(slot: u16) -> Error {
    Error::Refused { code: "CLUSTERDOWN".to_owned(), message: format!("no node has the hash slot {slot}") }
}

/// `CLUSTER SLOTS`: of each range its first and last slot, its master and its replicas, each with its host and port.
fn read_slots(slots: Value, told_by: &Address) -> Result<Vec<(u16, u16, Address)>, Failure> {
    let mut ranges = Vec::new();
    for range in answer::list(slots)? {
        let range = answer::list(range)?;
        let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = &range[..] else {
            return Err(Failure::Broken(answer::strange(range.first())));
        };
        let [host, Value::Int(port), ..] = &master[..] else {
            return Err(Failure::Broken(answer::strange(master.first())));
        };
        let host = match host {
            Value::BulkString(host) => String::from_utf8_lossy(host),
            _ => "".into(),
        };
        let numbers = (u16::try_from(*from), u16::try_from(*to), u16::try_from(*port));
        let (Ok(from), Ok(to), Ok(port)) = numbers else {
            return Err(Failure::Broken(answer::strange(range.first())));
        };
        ranges.push((from, to, told_by.beside(&host, port)));
    }
    ranges.sort_by_key(|(from, ..)| *from);
    Ok(ranges)
}
