//! One slot's word: its state and its generation in one atomic, so that a stale id can't touch a reused slot.

use super::sync::{AtomicU64, Ordering};

use super::state::{Event, State};

/// A request's name: the slot's index (16 bits) and the generation in which the slot was filled (32 bits).
///
/// Below 2^53, so PHP holds it exactly; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(u64);

impl Id {
    pub(super) const fn new(index: u16, generation: u32) -> Self {
        Self((generation as u64) << 16 | index as u64)
    }

    /// The number that crosses the C ABI.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The id with this number, if an id could have it: whether it is alive is for the slot to say.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number >> 48 == 0 && number >> 16 != 0 { Some(Self(number)) } else { None }
    }

    /// The slot's index.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    pub(super) const fn generation(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// State and generation of one slot.
#[derive(Debug)]
#[repr(transparent)]
pub struct Slot(AtomicU64); // generation << 8 | state; all zero is a free slot of generation 0, which no id has

impl Default for Slot {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Slot {
    /// Makes it a free slot whose next request gets the generation after this one, while neither side uses it.
    pub fn reset(&self, generation: u32) {
        self.0.store(u64::from(generation) << 8 | State::Free as u64, Ordering::Release);
    }

    /// The generation and the state, or `None` for the state when memory holds a number that no state has.
    #[must_use]
    pub fn load(&self) -> (u32, Option<State>) {
        let word = self.0.load(Ordering::Acquire);
        ((word >> 8) as u32, State::from_number(word as u8))
    }

    /// Makes the transition if the slot is in this generation and in a state that allows it, and returns the state
    /// that it left; otherwise the state that refused, or `None` for another generation.
    ///
    /// `Fill` starts the next generation, so it is asked of the current one.
    ///
    /// # Errors
    /// The state in the way. Nothing has changed then.
    pub fn advance(&self, generation: u32, event: Event) -> Result<State, Option<State>> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if (word >> 8) as u32 != generation {
                return Err(None);
            }
            let state = State::from_number(word as u8).ok_or(None)?;
            let next = state.after(event).ok_or(Some(state))?;
            let next_generation = if event == Event::Fill { following(generation) } else { generation };
            let next_word = u64::from(next_generation) << 8 | next as u64;
            // Release hands the payload over with the state, Acquire takes it.
            match self.0.compare_exchange_weak(word, next_word, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(state),
                Err(current) => word = current,
            }
        }
    }
}

/// The generation after this one: 0 is left out, so that no id is 0.
pub(super) const fn following(generation: u32) -> u32 {
    if generation == u32::MAX { 1 } else { generation + 1 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stale_generation_changes_nothing() {
        let slot = Slot::default();
        slot.advance(0, Event::Fill).unwrap();
        assert_eq!(slot.advance(0, Event::Claim), Err(None));
        assert_eq!(slot.advance(2, Event::Claim), Err(None));
        assert_eq!(slot.load(), (1, Some(State::Waiting)));
        assert_eq!(slot.advance(1, Event::Claim), Ok(State::Waiting));
    }

    #[test]
    fn a_forbidden_transition_names_the_state_in_the_way() {
        let slot = Slot::default();
        assert_eq!(slot.advance(0, Event::Answer), Err(Some(State::Free)));
        assert_eq!(slot.load(), (0, Some(State::Free)));
    }

    #[test]
    fn ids_are_never_zero_and_fit_into_php_integers() {
        assert_eq!(following(u32::MAX), 1);
        let last = Id::new(u16::MAX, u32::MAX);
        assert!(last.number() < 1 << 53);
        assert_eq!(Id::from_number(last.number()), Some(last));
        assert_eq!((last.index(), last.generation()), (0xffff, u32::MAX));
        assert_eq!(Id::from_number(0), None);
        assert_eq!(Id::from_number(0xffff), None);
        assert_eq!(Id::from_number(u64::MAX), None);
    }
}
