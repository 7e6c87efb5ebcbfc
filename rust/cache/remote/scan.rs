//! All keys: going through them, counting them, removing them.

use super::answer;
use super::connection::{Connection, Failure, Order};
use super::route::Place;
use super::value::command;
use super::{Error, Remote, keys};

/// In a cluster a cursor says in its high bits which master is being scanned: 2,047 of them, twice what Redis advises, leave 52
/// bits for the node's own, which are as many as its table has, and 14 for a slot.
const CURSOR_BITS: u32 = 52;
const MASTERS_MAX: usize = (1 << (63 - CURSOR_BITS)) - 1;
/// Names for each step of what goes through all keys: some 10 us of the server's time.
const STEP: usize = 1000;

impl Remote {
    /// Has `f` talk to each master.
    pub(super) fn at_masters<R>(&self, f: impl Fn(&mut Connection) -> Result<R, Failure>) -> Result<Vec<R>, Error> {
        self.masters()?.iter().map(|master| self.run(Place::Node(master), &f)).collect()
    }

    /// Tells `each` about some keys, about `count`, perhaps none, and returns the cursor to go on with. A scan begins with cursor 0 and
    /// has ended when it is 0 again. Every key that is there from the beginning to the end is told, perhaps twice; one that comes or goes
    /// meanwhile may be. While a cluster hands slots from node to node, their keys may be left out.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&[u8])) -> Result<u64, Error> {
        let (next, names) = self.scan_names(cursor, count)?;
        for name in &names {
            each(&name[self.prefix().len()..]);
        }
        Ok(next)
    }

    /// Names of values on the server.
    fn scan_names(&self, cursor: u64, count: usize) -> Result<(u64, Vec<Vec<u8>>), Error> {
        let masters = self.masters()?;
        if masters.len() > MASTERS_MAX {
            return Err(Error::Strange(format!("a cluster of more than {MASTERS_MAX} masters")));
        }
        let alone = masters.len() == 1;
        let (at, inner) = match alone {
            true => (0, cursor),
            false => ((cursor >> CURSOR_BITS) as usize, cursor & ((1 << CURSOR_BITS) - 1)),
        };
        let Some(master) = masters.get(at) else { return Ok((0, Vec::new())) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(inner).arg("COUNT").arg(count.clamp(1, i32::MAX as usize));
        if !self.prefix().is_empty() {
            scan.arg("MATCH").arg(keys::pattern(self.prefix()));
        }
        let order = Order::read([scan]);
        let (next, names) = self.run(Place::Node(master), |connection| {
            let [next, names] = answer::each(answer::list(connection.ask(&order).and_then(answer::only)?)?)?;
            let next = answer::digits(&next)?.ok_or(Failure::Broken(answer::strange(None)))?;
            let names = answer::list(names)?.into_iter().map(|name| Ok(answer::bytes(name)?.unwrap_or_default()));
            Ok((next, names.collect::<Result<Vec<_>, Failure>>()?))
        })?;
        let prefix = self.prefix();
        let names =
            names.into_iter().filter(|name| name.starts_with(prefix) && !keys::is_beside(&name[prefix.len()..]));
        let next = match next {
            _ if alone => next,
            0 if at + 1 == masters.len() => 0,
            0 => (at as u64 + 1) << CURSOR_BITS,
            inner if inner >> CURSOR_BITS == 0 => (at as u64) << CURSOR_BITS | inner,
            _ => return Err(Error::Strange("a cursor of more than 52 bits".to_owned())),
        };
        Ok((next, names.collect()))
    }

    /// How many keys there are. Without a prefix it is the server's own number, with locks, counters and what has expired and
    /// nobody has met since; with one all keys are gone through, and what comes and goes meanwhile may be counted or not.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn len(&self) -> Result<u64, Error> {
        if self.prefix().is_empty() {
            let size = Order::read([redis::cmd("DBSIZE")]);
            let sizes = self.at_masters(|connection| answer::count(&connection.ask(&size).and_then(answer::only)?))?;
            return Ok(sizes.into_iter().sum());
        }
        let (mut cursor, mut len) = (0, 0);
        loop {
            let (next, names) = self.scan_names(cursor, STEP)?;
            len += names.len() as u64;
            cursor = next;
            if cursor == 0 {
                return Ok(len);
            }
        }
    }

    /// Whether there is no key: see [`Remote::len`].
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// Removes every key. With a prefix these are the values that have it, step by step, and locks and counters stay, as in
    /// [`Table::clear`](crate::cache::Table::clear). Without one the database is the cache's own: it is emptied at once, with the locks and
    /// counters in it.
    ///
    /// # Errors
    /// Why there is no answer; a part may be gone.
    pub fn clear(&self) -> Result<(), Error> {
        if self.prefix().is_empty() {
            let flush = Order::write([command("FLUSHDB", &[b"ASYNC"])]);
            return self.at_masters(|connection| connection.ask(&flush)).map(drop);
        }
        let mut cursor = 0;
        loop {
            let (next, names) = self.scan_names(cursor, STEP)?;
            if !names.is_empty() {
                self.unlink(&names)?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}
