//! What a session sends: kept until the server has it, over as many connections as that takes.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::OwnedSemaphorePermit;

use super::client::Outgoing;
use super::packet;

/// A message on its way, with the room that it takes up until the server has it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) token: u64,
    pub(super) message: Outgoing,
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// Messages on their way to the server, in the order they were given.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Letter>,
    /// By their number at the server.
    sent: BTreeMap<u16, Letter>,
    last: u16,
}

impl Outbox {
    pub(super) fn put(&mut self, letter: Letter) {
        self.waiting.push_back(letter);
    }

    /// A new connection: what was on its way goes first. A server that knows the session gets it under the same numbers, so that it
    /// can tell a repetition.
    pub(super) fn again(&mut self, session_present: bool, out: &mut Vec<u8>) {
        if session_present {
            for (number, letter) in &self.sent {
                packet::publish(out, &letter.message.publish(*number, true));
            }
            return;
        }
        // Numbers go around, tokens do not.
        let mut sent: Vec<_> = std::mem::take(&mut self.sent).into_values().collect();
        sent.sort_by_key(|letter| letter.token);
        sent.into_iter().rev().for_each(|one| self.waiting.push_front(one));
    }

    /// Sends what waits, while the server takes more than the `window` of messages that it has not acknowledged.
    pub(super) fn fill(&mut self, window: u16, out: &mut Vec<u8>) {
        while self.sent.len() < usize::from(window)
            && let Some(letter) = self.waiting.pop_front()
        {
            let number = self.free_number();
            packet::publish(out, &letter.message.publish(number, false));
            self.sent.insert(number, letter);
        }
    }

    /// The server has it, or refuses it; which that was.
    pub(super) fn acknowledged(&mut self, number: u16) -> Option<u64> {
        self.sent.remove(&number).map(|letter| letter.token)
    }

    fn free_number(&mut self) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.sent.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(topics: [&str; 3]) -> Outbox {
        let mut outbox = Outbox::default();
        for (topic, token) in topics.into_iter().zip(0..) {
            let message = Outgoing { topic: topic.into(), ..Outgoing::default() };
            outbox.put(Letter { token, message, _room: None });
        }
        outbox
    }

    fn sent(out: &[u8]) -> String {
        String::from_utf8_lossy(out).chars().filter(char::is_ascii_lowercase).collect()
    }

    #[test]
    fn no_more_is_sent_than_the_server_takes() {
        let (mut outbox, mut out) = (filled(["a", "b", "c"]), Vec::new());
        outbox.fill(2, &mut out);
        assert_eq!(sent(&out), "ab");
        assert_eq!(outbox.acknowledged(9), None, "a server that lies is not believed");
        assert_eq!(outbox.acknowledged(1), Some(0));
        assert_eq!(outbox.acknowledged(1), None);
        outbox.fill(2, &mut out);
        assert_eq!(sent(&out), "abc");
    }

    /// A server that has forgotten the session gets them as new ones, in the same order.
    #[test]
    fn what_was_on_its_way_goes_out_again() {
        let (mut outbox, mut out) = (filled(["a", "b", "c"]), Vec::new());
        outbox.last = u16::MAX - 1;
        outbox.fill(2, &mut out);
        out.clear();
        outbox.again(true, &mut out);
        assert_eq!(out.iter().filter(|byte| **byte == 0x3a).count(), 2, "marked as repetitions: {out:?}");
        out.clear();
        outbox.again(false, &mut out);
        outbox.fill(9, &mut out);
        assert_eq!((sent(&out), outbox.sent.len()), ("abc".to_owned(), 3));
    }
}
