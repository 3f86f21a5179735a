//! One channel: how far its registration is, and the calls that wait for an answer.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use zbus::Message as Call;

use crate::{MAX_UNACKNOWLEDGED, Ticket};

/// How often the same message may be asked for while it waits for its acknowledgement.
const MAX_REPEATS: usize = 4;
/// The longest name of a message that is remembered, in bytes.
const MAX_ID_BYTES: usize = 256;

/// How far the registration of a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing can be done before a distributor appears.
    Waits,
    /// The distributor has been asked.
    Asks,
    /// It has said yes; its address is to come, by then.
    Hopes(Instant),
    /// Messages arrive.
    Works,
    /// Something went wrong, and it is tried again then.
    Rests(Instant),
}

/// A channel that is open.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) step: Step,
    /// How long the next rest is.
    pub(super) pause: Duration,
    pub(super) unanswered: Unanswered,
}

impl Channel {
    pub(super) fn new(pause: Duration) -> Self {
        Self { step: Step::Waits, pause, unanswered: Unanswered::default() }
    }

    /// When it has something to do by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Hopes(at) | Step::Rests(at) => Some(at),
            Step::Waits | Step::Asks | Step::Works => None,
        }
    }
}

/// The messages that have been told and are not acknowledged, or whose answer never got to the distributor: one that comes again is
/// told once.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    entries: VecDeque<Entry>,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    /// What the distributor calls it.
    id: Option<String>,
    /// The calls to answer.
    calls: Vec<Call>,
    /// It is acknowledged; only the distributor does not know.
    done: bool,
}

/// What a message is to whom it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A new one, to be told.
    New(Ticket),
    /// One that waits already, and its answer with it.
    Again,
    /// One that is acknowledged: it can be answered at once.
    Done,
    /// There is no room for it.
    TooMany,
}

impl Unanswered {
    /// A message arrives by that call.
    pub(super) fn arrives(&mut self, id: Option<&str>, call: &Call) -> Arrival {
        let id = id.filter(|id| id.len() <= MAX_ID_BYTES);
        let known = id.and_then(|id| self.entries.iter().position(|entry| entry.id.as_deref() == Some(id)));
        match known {
            Some(at) if self.entries[at].done => {
                self.entries.remove(at);
                Arrival::Done
            }
            Some(at) if self.entries[at].calls.len() < MAX_REPEATS => {
                self.entries[at].calls.push(call.clone());
                Arrival::Again
            }
            Some(_) => Arrival::TooMany,
            None => self.is_new(id, call),
        }
    }

    fn is_new(&mut self, id: Option<&str>, call: &Call) -> Arrival {
        if self.entries.len() >= usize::from(MAX_UNACKNOWLEDGED) {
            let Some(done) = self.entries.iter().position(|entry| entry.done) else { return Arrival::TooMany };
            self.entries.remove(done);
        }
        self.last += 1;
        let ticket = Ticket(self.last);
        self.entries.push_back(Entry { ticket, id: id.map(str::to_owned), calls: vec![call.clone()], done: false });
        Arrival::New(ticket)
    }

    /// Those are in safe hands: the calls that can be answered now.
    pub(super) fn acknowledged(&mut self, tickets: &[Ticket]) -> Vec<Call> {
        let mut answered = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            // They are acknowledged in about the order in which they came.
            let Some(at) = self.entries.iter().position(|entry| entry.ticket == *ticket) else { continue };
            let entry = &mut self.entries[at];
            entry.done = true;
            if !entry.calls.is_empty() || entry.id.is_none() {
                answered.append(&mut entry.calls);
                self.entries.remove(at);
            }
        }
        answered
    }

    /// All calls that wait: nobody will acknowledge them.
    pub(super) fn take_all(&mut self) -> Vec<Call> {
        self.entries.drain(..).flat_map(|entry| entry.calls).collect()
    }

    /// Nobody waits for an answer any more: the connection is lost.
    pub(super) fn disconnected(&mut self) {
        self.entries.retain(|entry| !entry.done || entry.id.is_some());
        self.entries.iter_mut().for_each(|entry| entry.calls.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::method_call("/", "Message").build(&()).expect("a call")
    }

    fn ticket(arrival: &Arrival) -> Ticket {
        match arrival {
            Arrival::New(ticket) => *ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_that_comes_again_is_told_once_and_both_are_answered() {
        let mut unanswered = Unanswered::default();
        let first = ticket(&unanswered.arrives(Some("1"), &call()));
        assert_eq!(unanswered.arrives(Some("1"), &call()), Arrival::Again);
        assert_ne!(ticket(&unanswered.arrives(Some("2"), &call())), first);
        assert_eq!(unanswered.acknowledged(&[first]).len(), 2);
        assert_eq!(unanswered.acknowledged(&[first]).len(), 0, "once is enough");
        ticket(&unanswered.arrives(Some("1"), &call()));
    }

    /// The bus broke between the acknowledgement and the answer: the distributor sends it again.
    #[test]
    fn a_message_whose_answer_was_lost_is_not_told_again() {
        let mut unanswered = Unanswered::default();
        let named = ticket(&unanswered.arrives(Some("1"), &call()));
        let nameless = ticket(&unanswered.arrives(None, &call()));
        unanswered.disconnected();
        assert_eq!(unanswered.acknowledged(&[named, nameless]).len(), 0, "nobody waits for that");
        assert_eq!(unanswered.arrives(Some("1"), &call()), Arrival::Done);
        assert_eq!(unanswered.entries.len(), 0, "it may be sent anew after that");
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut unanswered = Unanswered::default();
        let first = ticket(&unanswered.arrives(Some("0"), &call()));
        for number in 1..MAX_UNACKNOWLEDGED {
            ticket(&unanswered.arrives(Some(&number.to_string()), &call()));
        }
        assert_eq!(unanswered.arrives(Some("one more"), &call()), Arrival::TooMany);
        assert_eq!(unanswered.arrives(None, &call()), Arrival::TooMany);
        for _ in 1..MAX_REPEATS {
            assert_eq!(unanswered.arrives(Some("0"), &call()), Arrival::Again);
        }
        assert_eq!(unanswered.arrives(Some("0"), &call()), Arrival::TooMany);
        unanswered.disconnected();
        unanswered.acknowledged(&[first]);
        ticket(&unanswered.arrives(Some("one more"), &call()));
        assert_eq!(
            unanswered.arrives(Some("and another"), &call()),
            Arrival::TooMany,
            "those that wait have no room to give"
        );
    }
}
