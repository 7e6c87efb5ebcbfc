//! The states of a slot and the transitions between them: no memory, no atomics, only the rules.

/// Where the request in a slot is. The drawing is in the [room's page](crate::lane).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing is in the slot; the front may fill it.
    Free = 0,
    /// A request waits to be claimed; neither side may touch it.
    Waiting = 1,
    /// The front took the request back; the worker has still to skip the index.
    Retracted = 2,
    /// The worker reads the request and owes an answer.
    Claimed = 3,
    /// As [`State::Claimed`], but nobody waits for the answer any more.
    Abandoned = 4,
    /// The answer is in the slot and on its way to the front.
    Answered = 5,
    /// The slot is on its way to the front without an answer that counts.
    Discarded = 6,
}

/// What may happen to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The front puts a request in.
    Fill,
    /// The front takes an unclaimed request back.
    Retract,
    /// The worker meets a retracted request in its ring.
    Skip,
    /// The worker takes a request.
    Claim,
    /// The front stops waiting for a claimed request.
    Abandon,
    /// The worker answers.
    Answer,
    /// The front takes the answer out.
    Collect,
}

impl State {
    /// All states, for tests and for decoding.
    pub const ALL: [Self; 7] =
        [Self::Free, Self::Waiting, Self::Retracted, Self::Claimed, Self::Abandoned, Self::Answered, Self::Discarded];

    /// The state after `event`, or `None` when the event can't happen here.
    ///
    /// ```
    /// use lyger::lane::{Event, State};
    /// assert_eq!(State::Waiting.after(Event::Claim), Some(State::Claimed));
    /// assert_eq!(State::Free.after(Event::Answer), None);
    /// ```
    #[must_use]
    pub const fn after(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Free, Event::Fill) => Some(Self::Waiting),
            (Self::Waiting, Event::Claim) => Some(Self::Claimed),
            (Self::Waiting, Event::Retract) => Some(Self::Retracted),
            (Self::Retracted, Event::Skip) | (Self::Abandoned, Event::Answer) => Some(Self::Discarded),
            (Self::Claimed, Event::Abandon) => Some(Self::Abandoned),
            (Self::Claimed, Event::Answer) => Some(Self::Answered),
            (Self::Answered | Self::Discarded, Event::Collect) => Some(Self::Free),
            _ => None,
        }
    }

    /// The state with this number, if there is one: the number may come from memory that another process writes.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const EVENTS: [Event; 7] =
        [Event::Fill, Event::Retract, Event::Skip, Event::Claim, Event::Abandon, Event::Answer, Event::Collect];

    #[test]
    fn numbers_name_their_states() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(State::from_number(state as u8), Some(state));
        }
        assert_eq!(State::from_number(7), None);
    }

    #[test]
    fn every_state_leads_back_to_free() {
        for start in State::ALL {
            let mut reached = vec![start];
            let mut at = 0;
            while at < reached.len() {
                let state = reached[at];
                for next in EVENTS.into_iter().filter_map(|event| state.after(event)) {
                    if !reached.contains(&next) {
                        reached.push(next);
                    }
                }
                at += 1;
            }
            assert!(reached.contains(&State::Free), "{start:?} is a trap");
        }
    }

    #[test]
    fn an_answer_is_collected_at_most_once() {
        let answered = State::Claimed.after(Event::Answer).unwrap();
        assert_eq!(answered.after(Event::Answer), None);
        assert_eq!(answered.after(Event::Collect).unwrap().after(Event::Collect), None);
    }

    #[test]
    fn a_claimed_request_is_never_taken_back() {
        assert_eq!(State::Claimed.after(Event::Retract), None);
        assert_eq!(State::Retracted.after(Event::Claim), None);
    }

    #[test]
    fn there_are_exactly_nine_transitions() {
        let count = State::ALL
            .into_iter()
            .flat_map(|state| EVENTS.into_iter().filter_map(move |event| state.after(event)))
            .count();
        assert_eq!(count, 9);
    }
}
