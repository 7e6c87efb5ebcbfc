//! Ids that stand for native things: what C and PHP hold instead of pointers.
//!
//! A pointer that is freed twice or made up crashes the process; an id is looked up, and a wrong one is an
//! error. What always holds: an id is below 2^53, so that it is a positive integer in PHP and exact in a
//! JavaScript number; it is never 0; it carries its [`Kind`], so that a request's id is refused where a
//! result's is wanted; an id whose thing was removed never becomes valid again, because each slot counts its
//! generations and is retired when the count is used up.
//!
//! ```text
//! bit 52..49  kind        1 to 15
//! bit 48..20  generation  1 to 2^29 - 1
//! bit 19..0   index       of the slot
//! ```
//!
//! A guessed id that happens to name a live thing of the right kind can't be told from a real one: ids guard
//! against mistakes, not against code that already runs in the process.

const INDEX_BITS: u32 = 20;
const GENERATION_BITS: u32 = 29;
const KIND_SHIFT: u32 = INDEX_BITS + GENERATION_BITS;
const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;

/// How many things one map holds at most. A program that keeps a million results at once has lost track of them.
pub const LIVE_MAX: usize = 1 << INDEX_BITS;

/// What an id stands for. The numbers are part of every id: append, never reuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A query's result, kept by `db::store`.
    Result = 1,
    /// An HTTP request that a worker has taken.
    Request = 2,
    /// Rows that are read chunk by chunk.
    Stream = 3,
    /// A statement under way.
    Operation = 4,
    /// An index of vectors.
    Index = 5,
    /// A cache on other machines.
    Store = 6,
}

impl Kind {
    /// The kind's name, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Request => "request",
            Self::Stream => "stream",
            Self::Operation => "operation",
            Self::Index => "vector index",
            Self::Store => "cache",
        }
    }

    /// The id of a thing of this kind that another map numbers, below 2^49.
    #[must_use]
    pub fn id_of(self, number: u64) -> u64 {
        debug_assert!(number >> KIND_SHIFT == 0, "numbers leave room for the kind");
        (self as u64) << KIND_SHIFT | number
    }

    /// The number in an id of this kind.
    ///
    /// ```
    /// use lyger::handles::Kind;
    /// let id = Kind::Request.id_of(7);
    /// assert_eq!(Kind::Request.number_of(id), Ok(7));
    /// assert!(Kind::Result.number_of(id).is_err());
    /// ```
    ///
    /// # Errors
    /// When the id is of another kind or of none.
    pub fn number_of(self, id: u64) -> Result<u64, Error> {
        match Self::of_number(id >> KIND_SHIFT) {
            Some(kind) if kind == self => Ok(id & ((1 << KIND_SHIFT) - 1)),
            Some(found) => Err(Error::OtherKind { id, wanted: self, found }),
            None => Err(Error::Forged { id, wanted: self }),
        }
    }

    fn of_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Result),
            2 => Some(Self::Request),
            3 => Some(Self::Stream),
            4 => Some(Self::Operation),
            5 => Some(Self::Index),
            6 => Some(Self::Store),
            _ => None,
        }
    }
}

/// Why an id was refused, or none could be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No map ever gave this id.
    #[error("{id} is not the id of a {}", .wanted.name())]
    Forged {
        /// The id that was given.
        id: u64,
        /// What it should have stood for.
        wanted: Kind,
    },
    /// The id stands for a thing of another kind.
    #[error("{id} is the id of a {}, not of a {}", .found.name(), .wanted.name())]
    OtherKind {
        /// The id that was given.
        id: u64,
        /// What it should have stood for.
        wanted: Kind,
        /// What it stands for.
        found: Kind,
    },
    /// The thing was there once and has been removed.
    #[error("the {} {id} was already freed", .wanted.name())]
    Stale {
        /// The id that was given.
        id: u64,
        /// What it stood for.
        wanted: Kind,
    },
    /// [`LIVE_MAX`] things are live.
    #[error("{LIVE_MAX} {}s are held at once: free some", .kind.name())]
    Full {
        /// What the map holds.
        kind: Kind,
    },
}

#[derive(Debug)]
struct Slot<T> {
    // The generation of the value that is here, or of the next one to come.
    generation: u32,
    value: Option<T>,
}

/// A map from ids to things of one kind.
///
/// It isn't synchronised; the room that owns it says how it is locked.
///
/// ```
/// use lyger::handles::{Handles, Kind};
/// let mut results = Handles::new(Kind::Result);
/// let id = results.insert("rows").unwrap();
/// assert_eq!(results.get(id), Ok(&"rows"));
/// assert_eq!(results.remove(id), Ok("rows"));
/// assert!(results.get(id).is_err());
/// ```
#[derive(Debug)]
pub struct Handles<T> {
    kind: Kind,
    slots: Vec<Slot<T>>,
    // Slots without a value that may take one; a retired slot is in neither.
    free: Vec<u32>,
    live: usize,
}

impl<T> Handles<T> {
    /// All that is in it.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }

    /// An empty map.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, slots: Vec::new(), free: Vec::new(), live: 0 }
    }

    /// Keeps a thing and gives its id.
    ///
    /// # Errors
    /// [`Error::Full`] when [`LIVE_MAX`] things are kept.
    pub fn insert(&mut self, value: T) -> Result<u64, Error> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < LIVE_MAX => {
                self.slots.push(Slot { generation: 1, value: None });
                (self.slots.len() - 1) as u32
            }
            None => return Err(Error::Full { kind: self.kind }),
        };
        let slot = &mut self.slots[index as usize];
        slot.value = Some(value);
        self.live += 1;
        Ok(self.id(index, self.slots[index as usize].generation))
    }

    /// The thing that an id stands for.
    ///
    /// # Errors
    /// When the id is forged, of another kind or stale.
    pub fn get(&self, id: u64) -> Result<&T, Error> {
        let index = self.locate(id)?;
        self.slots[index].value.as_ref().ok_or(Error::Stale { id, wanted: self.kind })
    }

    /// The thing that an id stands for, to change it.
    ///
    /// # Errors
    /// As [`Handles::get`].
    pub fn get_mut(&mut self, id: u64) -> Result<&mut T, Error> {
        let index = self.locate(id)?;
        self.slots[index].value.as_mut().ok_or(Error::Stale { id, wanted: self.kind })
    }

    /// Gives a thing back; its id is stale from now on.
    ///
    /// # Errors
    /// As [`Handles::get`].
    pub fn remove(&mut self, id: u64) -> Result<T, Error> {
        let index = self.locate(id)?;
        self.vacate(index).ok_or(Error::Stale { id, wanted: self.kind })
    }

    /// Drops everything; every id given so far is stale from now on.
    pub fn clear(&mut self) {
        for index in 0..self.slots.len() {
            drop(self.vacate(index));
        }
    }

    /// How many things are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn vacate(&mut self, index: usize) -> Option<T> {
        let slot = &mut self.slots[index];
        let value = slot.value.take()?;
        self.live -= 1;
        slot.generation += 1;
        if slot.generation <= GENERATION_MAX {
            self.free.push(index as u32);
        }
        Some(value)
    }

    fn id(&self, index: u32, generation: u32) -> u64 {
        (self.kind as u64) << KIND_SHIFT | u64::from(generation) << INDEX_BITS | u64::from(index)
    }

    // The slot of an id of this kind and of the slot's current generation; whether a value is in it is the caller's to see.
    fn locate(&self, id: u64) -> Result<usize, Error> {
        let wanted = self.kind;
        let index = (id & (LIVE_MAX as u64 - 1)) as usize;
        let generation = (id >> INDEX_BITS) as u32 & GENERATION_MAX;
        match Kind::of_number(id >> KIND_SHIFT) {
            Some(kind) if kind == wanted => {}
            Some(found) if generation > 0 => return Err(Error::OtherKind { id, wanted, found }),
            _ => return Err(Error::Forged { id, wanted }),
        }
        let slot = self.slots.get(index).ok_or(Error::Forged { id, wanted })?;
        if generation == slot.generation && slot.value.is_some() {
            Ok(index)
        } else if (1..slot.generation).contains(&generation) {
            Err(Error::Stale { id, wanted })
        } else {
            Err(Error::Forged { id, wanted })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Handles<u32> {
        Handles::new(Kind::Result)
    }

    #[test]
    fn a_freed_id_stays_stale_when_its_slot_is_used_again() {
        let mut map = results();
        let first = map.insert(1).unwrap();
        map.remove(first).unwrap();
        let second = map.insert(2).unwrap();
        assert_eq!(first & 0xf_ffff, second & 0xf_ffff, "the slot is used again");
        assert_eq!(map.get(first), Err(Error::Stale { id: first, wanted: Kind::Result }));
        assert_eq!(map.remove(first), Err(Error::Stale { id: first, wanted: Kind::Result }));
        assert_eq!(map.get(second), Ok(&2));
    }

    #[test]
    fn an_id_of_one_kind_is_refused_by_a_map_of_another() {
        let mut requests = Handles::new(Kind::Request);
        let id = requests.insert(1).unwrap();
        let mut map = results();
        map.insert(1).unwrap();
        assert_eq!(map.get(id), Err(Error::OtherKind { id, wanted: Kind::Result, found: Kind::Request }));
    }

    #[test]
    fn an_id_of_every_kind_is_known_by_its_map() {
        for kind in [Kind::Result, Kind::Request, Kind::Stream, Kind::Operation, Kind::Index] {
            assert_eq!(kind.number_of(kind.id_of(7)), Ok(7), "{kind:?}");
        }
    }

    #[test]
    fn ids_are_positive_and_below_two_to_the_53() {
        let mut map = results();
        for _ in 0..1000 {
            let id = map.insert(0).unwrap();
            assert!(id > 0 && id < 1 << 53);
        }
        assert_eq!(15_u64 << KIND_SHIFT >> 53, 0, "the highest kind leaves bit 53 clear");
    }

    #[test]
    fn forged_ids_are_errors_whatever_their_bits() {
        let mut map = results();
        let id = map.insert(7).unwrap();
        for bit in 0..64 {
            assert!(map.get(id ^ (1 << bit)).is_err(), "bit {bit} flipped");
        }
        for forged in [0, 1, u64::MAX, i64::MIN as u64, 1 << 49, 2 << 49, id + 1, id - 1] {
            assert!(map.get_mut(forged).is_err() && map.remove(forged).is_err(), "{forged}");
        }
        assert_eq!(map.get(id), Ok(&7));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut map = results();
        let id = map.insert(1).unwrap();
        map.slots[0].generation = GENERATION_MAX;
        let last = map.id(0, GENERATION_MAX);
        map.remove(last).unwrap();
        let next = map.insert(2).unwrap();
        assert_eq!(next & 0xf_ffff, 1, "a new slot is opened");
        assert!(map.get(id).is_err() && map.get(last).is_err());
    }

    #[test]
    fn clear_makes_every_id_stale_and_forgets_the_count() {
        let mut map = results();
        let ids: Vec<u64> = (0..10).map(|value| map.insert(value).unwrap()).collect();
        map.remove(ids[3]).unwrap();
        map.clear();
        assert!(map.is_empty());
        assert!(ids.iter().all(|id| matches!(map.get(*id), Err(Error::Stale { .. }))));
    }

    #[test]
    fn a_full_map_refuses_instead_of_growing() {
        let mut map = Handles::new(Kind::Request);
        let first = map.insert(()).unwrap();
        for _ in 1..LIVE_MAX {
            map.insert(()).unwrap();
        }
        assert_eq!(map.insert(()), Err(Error::Full { kind: Kind::Request }));
        map.remove(first).unwrap();
        assert!(map.insert(()).is_ok());
    }
}
