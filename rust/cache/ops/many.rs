//! Several keys at once: nobody sees a part of it.

use super::Expiry;
use crate::cache::{Batch, Full, Table};

fn keys<'a>(pairs: &[(&'a [u8], &'a [u8])]) -> Vec<&'a [u8]> {
    pairs.iter().map(|(key, _)| *key).collect()
}

fn put_all(batch: &mut Batch<'_>, pairs: &[(&[u8], &[u8])], expiry: Expiry, now: u64) -> Result<(), Full> {
    pairs.iter().try_for_each(|(key, value)| {
        batch.update(key, now, |slot| {
            let before = slot.old().and_then(|old| old.expires_at());
            slot.put(&[value], expiry.at(now, before))
        })
    })
}

impl Table {
    /// The values of some keys, in their order.
    ///
    /// ```
    /// use lyger::cache::{Expiry, Table};
    /// let table = Table::in_process(1 << 20)?;
    /// let pairs: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"2")];
    /// assert!(table.set_many_if_missing(&pairs, Expiry::Never, 0)?);
    /// assert!(!table.set_many_if_missing(&pairs, Expiry::Never, 0)?);
    /// assert_eq!(table.get_many(&[b"b", b"c", b"a"], 0), [Some(b"2".to_vec()), None, Some(b"1".to_vec())]);
    /// assert_eq!(table.delete_many(&[b"b", b"c", b"b"], 0), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_many(&self, keys: &[&[u8]], now: u64) -> Vec<Option<Vec<u8>>> {
        let batch = self.batch(keys);
        let value = |key: &&[u8]| {
            let mut value = Vec::new();
            batch.get(key, now, &mut value).map(|_| value)
        };
        keys.iter().map(value).collect()
    }

    /// Puts values under some keys.
    ///
    /// # Errors
    /// [`Full`]; the pairs before the one that has no room are there then.
    pub fn set_many(&self, pairs: &[(&[u8], &[u8])], expiry: Expiry, now: u64) -> Result<(), Full> {
        put_all(&mut self.batch(&keys(pairs)), pairs, expiry, now)
    }

    /// Puts values under some keys if none of them is there; whether that was so.
    ///
    /// # Errors
    /// [`Full`]; the pairs before the one that has no room are there then.
    pub fn set_many_if_missing(&self, pairs: &[(&[u8], &[u8])], expiry: Expiry, now: u64) -> Result<bool, Full> {
        let keys = keys(pairs);
        let mut batch = self.batch(&keys);
        if keys.iter().any(|key| batch.peek(key, now).is_some()) {
            return Ok(false);
        }
        put_all(&mut batch, pairs, expiry, now).map(|()| true)
    }

    /// Removes some keys; how many of them were there.
    pub fn delete_many(&self, keys: &[&[u8]], now: u64) -> u64 {
        let mut batch = self.batch(keys);
        keys.iter().filter(|key| batch.update(key, now, |slot| slot.remove())).count() as u64
    }
}
