//! Several keys at once. Outside of clusters they are read and written together. In a cluster those of one hash slot are;
//! of several slots each is asked for or written by itself, and what fails for one slot leaves the others as they are.

use std::collections::BTreeMap;

use redis::Value;

use super::answer;
use super::connection::{Connection, Failure, Order};
use super::dsn::Address;
use super::route::Place;
use super::value::{command, set};
use super::{Error, Remote, keys};
use crate::cache::Expiry;

/// What to do with names of one slot, and which of all names these are.
struct Part {
    slot: u16,
    which: Vec<usize>,
}

impl Remote {
    fn names<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> Result<Vec<Vec<u8>>, Error> {
        keys.into_iter().map(|key| self.name(key)).collect()
    }

    /// Names by their slots; where there is no cluster, all are of one.
    fn parts(&self, names: &[Vec<u8>]) -> Vec<Part> {
        let mut parts: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            parts.entry(if self.is_cluster() { keys::slot(name) } else { 0 }).or_default().push(at);
        }
        parts.into_iter().map(|(slot, which)| Part { slot, which }).collect()
    }

    /// Sends each node the orders for its slots at once, and gives the answers to each. A slot that has moved is asked for again.
    fn scatter(&self, parts: &[Part], order: impl Fn(&[usize]) -> Order) -> Result<Vec<Vec<Value>>, Error> {
        let orders: Vec<Order> = parts.iter().map(|part| order(&part.which)).collect();
        let alone = |at: usize| self.run(Place::Slot(parts[at].slot), |connection| connection.ask(&orders[at]));
        if let [_] = parts {
            return Ok(vec![alone(0)?]);
        }
        let mut nodes: Vec<(Address, Vec<usize>)> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let address = self.locate(Place::Slot(part.slot))?;
            match nodes.iter_mut().find(|(node, _)| *node == address) {
                Some((_, parts)) => parts.push(at),
                None => nodes.push((address, vec![at])),
            }
        }
        let mut answers: Vec<Vec<Value>> = parts.iter().map(|_| Vec::new()).collect();
        for (address, which) in nodes {
            let together: Vec<&Order> = which.iter().map(|&at| &orders[at]).collect();
            let outcomes = match self.run(Place::Node(&address), |connection| connection.ask_all(&together)) {
                Ok(outcomes) => outcomes,
                // Nobody there, and nothing done: the slots may be another's by now.
                Err(error)
                    if !error.may_have_run() && matches!(error, Error::CannotConnect { .. } | Error::Lost { .. }) =>
                {
                    self.forget(Place::Node(&address));
                    which.iter().map(|_| Err(Failure::Halved(error.clone()))).collect()
                }
                Err(error) => return Err(error),
            };
            for (&at, outcome) in which.iter().zip(outcomes) {
                answers[at] = match outcome {
                    Ok(answers) => answers,
                    Err(Failure::Told(error) | Failure::Broken(error)) => return Err(error),
                    Err(Failure::Moved(_)) => {
                        self.forget(Place::Slot(parts[at].slot));
                        alone(at)?
                    }
                    Err(Failure::Ask(_) | Failure::Halved(_) | Failure::NoMaster(_) | Failure::Disturbed) => alone(at)?,
                };
            }
        }
        Ok(answers)
    }

    /// The values of several keys, in their order. What is no value is `None` as well.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let names = self.names(keys.iter().copied())?;
        let parts = self.parts(&names);
        let answers = self.scatter(&parts, |which| {
            let names: Vec<&[u8]> = which.iter().map(|&at| &names[at][..]).collect();
            Order::read([command("MGET", &names)])
        })?;
        let mut values = vec![None; keys.len()];
        for (part, answers) in parts.iter().zip(answers) {
            let found = answer::only(answers).and_then(answer::list).map_err(Failure::into_error)?;
            if found.len() != part.which.len() {
                return Err(answer::strange(found.first()));
            }
            for (&at, value) in part.which.iter().zip(found) {
                values[at] = answer::bytes(value).map_err(Failure::into_error)?;
            }
        }
        Ok(values)
    }

    /// Puts several values: all or none, and nobody sees a part of them. In a cluster that holds for those of one hash slot; those
    /// of the others may be there, or not, when this fails.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLong`], and why there is no answer.
    pub fn set_many(&self, pairs: &[(&[u8], &[u8])], expiry: Expiry) -> Result<(), Error> {
        pairs.iter().try_for_each(|(_, value)| keys::fits(value))?;
        let names = self.names(pairs.iter().map(|(key, _)| *key))?;
        let put = |which: &[usize]| sets(which, &names, pairs, expiry);
        self.scatter(&self.parts(&names), put).map(drop)
    }

    /// Puts several values if none of the keys is there; whether it did.
    ///
    /// # Errors
    /// [`Error::SeveralSlots`] in a cluster; [`Error::Full`], [`Error::TooLong`], [`Error::Contended`], and why there is no answer.
    pub fn set_many_if_missing(&self, pairs: &[(&[u8], &[u8])], expiry: Expiry) -> Result<bool, Error> {
        pairs.iter().try_for_each(|(_, value)| keys::fits(value))?;
        let names = self.names(pairs.iter().map(|(key, _)| *key))?;
        let parts = self.parts(&names);
        let part = match &parts[..] {
            [] => return Ok(true),
            [part] => part,
            _ => return Err(Error::SeveralSlots),
        };
        let put = sets(&part.which, &names, pairs, expiry);
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let look = Order::watch(&names, [command("EXISTS", &names)]);
        self.run(Place::Slot(part.slot), |connection: &mut Connection| {
            let there = connection.ask(&look).and_then(answer::only).and_then(|there| answer::count(&there))?;
            if there > 0 {
                return Ok(false);
            }
            connection.ask(&put).map(|_| true)
        })
    }

    /// Removes several keys, and says how many were there.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn delete_many(&self, keys: &[&[u8]]) -> Result<u64, Error> {
        self.unlink(&self.names(keys.iter().copied())?)
    }

    pub(super) fn unlink(&self, names: &[Vec<u8>]) -> Result<u64, Error> {
        let answers = self.scatter(&self.parts(names), |which| {
            let names: Vec<&[u8]> = which.iter().map(|&at| &names[at][..]).collect();
            Order::write([command("UNLINK", &names)])
        })?;
        let gone = answers.into_iter().map(|answers| answer::only(answers).and_then(|gone| answer::count(&gone)));
        gone.sum::<Result<u64, Failure>>().map_err(Failure::into_error)
    }
}

fn sets(which: &[usize], names: &[Vec<u8>], pairs: &[(&[u8], &[u8])], expiry: Expiry) -> Order {
    let commands: Vec<_> = which.iter().map(|&at| set(&names[at], pairs[at].1, expiry)).collect();
    Order::write(commands).together()
}
