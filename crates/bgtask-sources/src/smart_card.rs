//! Smart cards that are put into readers and taken out: pcscd.

mod pcscd;
mod readers;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::event::EventTeller;
use crate::given::Given;
use crate::glob::Glob;
use crate::path::{End, PathWatch};
use crate::report::Status;
use crate::smart_card::pcscd::{Failure, Pcscd};
use crate::smart_card::readers::{Change, Reader, changes};
use crate::world::World;

/// Where pcscd listens. With systemd the first to connect starts it.
const SOCKET: &str = "run/pcscd/pcscd.comm";

/// How long after connecting the readers may still be found, one by one: pcscd may have been started just now. What changes
/// until then is not told, only how it differs in the end from what was known before.
pub const SMART_CARD_SETTLE: Duration = Duration::from_secs(1);

/// The first pause before connecting again to a pcscd that is there; it doubles up to the last.
const RECONNECT_FIRST: Duration = Duration::from_millis(100);
const RECONNECT_LAST: Duration = Duration::from_secs(60);

/// What is told of cards: `SmartCardTrigger`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmartCardSpec {
    /// The names of the readers that are meant; without it all.
    pub reader: Option<Glob>,
    /// Whether cards are told that are put in.
    pub added: bool,
    /// Whether cards are told that are taken out, or that go with their reader.
    pub removed: bool,
}

impl SmartCardSpec {
    /// Reads `reader`, a pattern with `*`, and `on`: `added` (which it is without it), `removed` or `both`.
    ///
    /// # Errors
    ///
    /// Where something makes no sense, with a sentence that says what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["reader", "on"], properties)?;
        let words = [("added", (true, false)), ("removed", (false, true)), ("both", (true, true))];
        let (added, removed) = given.word("on", &words)?.unwrap_or((true, false));
        let reader = given.text("reader").filter(|reader| !reader.is_empty());
        Ok(Self { reader: reader.map(Glob::read).transpose()?, added, removed })
    }

    fn is_about(&self, change: &Change) -> bool {
        let is_asked = if change.added { self.added } else { self.removed };
        is_asked && self.reader.as_ref().is_none_or(|reader| reader.matches(&change.reader))
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: SmartCardSpec, world: &World, teller: EventTeller) -> Infallible {
    let mut socket = PathWatch::new(world, SOCKET);
    let mut listener = Listener { spec, teller, known: None };
    let mut pause = RECONNECT_FIRST;
    loop {
        let End::Found(place) = socket.look().end else {
            listener.teller.status(missing("pcscd does not run here", "install pcscd, and start pcscd.socket"));
            socket.changed().await;
            continue;
        };
        let (failure, was_heard) = listener.listen(&place).await;
        listener.teller.status(missing(&failure.to_string(), failure.help()));
        pause = if was_heard { RECONNECT_FIRST } else { (pause * 2).min(RECONNECT_LAST) };
        tokio::select! {
            () = socket.changed() => {}
            () = sleep(pause) => {}
        }
    }
}

fn missing(why: &str, help: &str) -> Status {
    Status::Missing { why: why.to_owned(), help: help.to_owned() }
}

struct Listener {
    spec: SmartCardSpec,
    teller: EventTeller,
    /// The readers and cards, as they were told of last.
    known: Option<Vec<Reader>>,
}

impl Listener {
    /// Listens until that fails, and says whether it went well for a while.
    async fn listen(&mut self, place: &Path) -> (Failure, bool) {
        let mut pcscd = match settle(place).await {
            Ok((pcscd, now)) => {
                // Counters begin anew with each pcscd, so a card that was there before and is now is the same.
                let before = self.known.replace(now.clone());
                self.tell(&changes(before.as_ref().unwrap_or(&now), &now, false));
                pcscd
            }
            Err(failure) => return (failure, false),
        };
        self.teller.status(Status::Available { how: "pcscd".to_owned() });
        loop {
            match next(&mut pcscd).await {
                Ok(now) => {
                    let before = self.known.replace(now.clone()).unwrap_or_default();
                    self.tell(&changes(&before, &now, true));
                }
                Err(failure) => return (failure, true),
            }
        }
    }

    fn tell(&self, changes: &[Change]) {
        for change in changes.iter().filter(|change| self.spec.is_about(change)) {
            let word = if change.added { "added" } else { "removed" };
            let reader = change.reader.as_str().into();
            self.teller.event([("reader", reader), ("change", word.into()), ("atr", change.atr.as_str().into())]);
        }
    }
}

/// Connects, and waits until the readers are found.
async fn settle(place: &Path) -> Result<(Pcscd, Vec<Reader>), Failure> {
    let mut pcscd = Pcscd::connect(place).await?;
    let mut now = pcscd.readers().await?;
    let until = Instant::now() + SMART_CARD_SETTLE;
    while let Ok(changed) = timeout_at(until, pcscd.changed()).await {
        changed?;
        now = pcscd.readers().await?;
    }
    Ok((pcscd, now))
}

/// Waits until something changes.
async fn next(pcscd: &mut Pcscd) -> Result<Vec<Reader>, Failure> {
    pcscd.changed().await?;
    pcscd.readers().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<SmartCardSpec, String> {
        SmartCardSpec::read(&properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_spec_says_which_cards_it_is_about() {
        type Case<'a> = (&'a [(&'a str, &'a str)], bool, bool);
        let table: &[Case<'_>] = &[
            (&[], true, false),
            (&[("on", "added")], true, false),
            (&[("on", "removed")], false, true),
            (&[("on", "both"), ("reader", "ACS*")], true, true),
            (&[("on", "both"), ("reader", "Gem*")], false, false),
        ];
        for (properties, when_added, when_removed) in table {
            let spec = read(properties).unwrap();
            for (added, expected) in [(true, when_added), (false, when_removed)] {
                let change = Change { reader: "ACS ACR 38U 00 00".to_owned(), added, atr: String::new() };
                assert_eq!(spec.is_about(&change), *expected, "{properties:?} {added}");
            }
        }
        assert_eq!(read(&[("on", "in")]).unwrap_err(), "`on` is `in`; write one of `added`, `removed`, `both`");
        assert!(read(&[("card", "x")]).unwrap_err().contains("takes `reader`, `on`"));
    }
}
