//! The table of readers that pcscd sends, and how two of them differ.

use std::fmt::Write;

/// Readers in the table; an empty name is none.
const READERS: usize = 16;

/// Where in the entry of one reader its name, its counter, its state, and the card's answer to reset are. Numbers have four
/// bytes, in the order of this machine.
const NAME: std::ops::Range<usize> = 0..128;
const COUNTER: usize = 128;
const STATE: usize = 132;
const ATR: std::ops::Range<usize> = 140..173;
const ATR_LENGTH: usize = 176;
const ENTRY: usize = 184;

/// In the state: there is a card.
const PRESENT: u32 = 0x4;

/// Bytes of the table.
pub(super) const TABLE: usize = READERS * ENTRY;

/// A reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reader {
    name: String,
    /// How often a card was put in or taken out since pcscd began.
    counter: u32,
    /// The card's answer to reset, as hexadecimal text.
    card: Option<String>,
}

/// A card that was put in or taken out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) reader: String,
    pub(super) added: bool,
    /// Empty where it is not known: the card did not answer, or was gone too soon.
    pub(super) atr: String,
}

/// Reads the table; `None` where it is none.
pub(super) fn read_table(table: &[u8]) -> Option<Vec<Reader>> {
    let entries = table.chunks_exact(ENTRY).filter(|entry| entry[0] != 0);
    entries.map(Reader::read).collect()
}

impl Reader {
    fn read(entry: &[u8]) -> Option<Self> {
        let number = |place: usize| Some(u32::from_ne_bytes(entry.get(place..place + 4)?.try_into().ok()?));
        let name = &entry[NAME];
        let name = &name[..name.iter().position(|byte| *byte == 0)?];
        let atr = entry[ATR].get(..number(ATR_LENGTH)? as usize)?;
        let is_present = number(STATE)? & PRESENT != 0;
        let name = String::from_utf8_lossy(name).into_owned();
        Some(Self { name, counter: number(COUNTER)?, card: is_present.then(|| hex(atr)) })
    }
}

/// What happened between two tables. `by_counter` says that the counters can be compared, which tell also of cards that were
/// exchanged, or in for too short a time to be seen.
pub(super) fn changes(before: &[Reader], now: &[Reader], by_counter: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for was in before {
        let is = now.iter().find(|reader| reader.name == was.name);
        let events = is.map_or(0, |is| is.counter.wrapping_sub(was.counter));
        let was_touched = by_counter && events >= 2;
        let card = is.and_then(|is| is.card.as_ref());
        let mut tell = |added, atr: &str| changes.push(Change { reader: was.name.clone(), added, atr: atr.to_owned() });
        match (&was.card, card) {
            (Some(old), Some(new)) if was_touched || old != new => {
                tell(false, old);
                tell(true, new);
            }
            (Some(old), None) => tell(false, old),
            (None, Some(new)) => tell(true, new),
            (None, None) if was_touched => {
                tell(true, "");
                tell(false, "");
            }
            _ => {}
        }
    }
    let is_new = |reader: &&Reader| before.iter().all(|was| was.name != reader.name);
    let came = now.iter().filter(is_new).filter_map(|is| Some((is.name.clone(), is.card.clone()?)));
    changes.extend(came.map(|(reader, atr)| Change { reader, added: true, atr }));
    changes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As pcscd 1.9.9 sent it, with a card in the first of two readers of vsmartcard.
    fn table() -> Vec<u8> {
        let mut table = vec![0; TABLE];
        for (place, name, counter, state, atr) in [
            (0, "Virtual PCD 00 00", 1u32, 0x34u32, &[0x3b, 0x80, 0x80, 1, 1][..]),
            (1, "Virtual PCD 00 01", 0, 2, &[]),
        ] {
            let entry = &mut table[place * ENTRY..][..ENTRY];
            entry[..name.len()].copy_from_slice(name.as_bytes());
            entry[128..132].copy_from_slice(&counter.to_ne_bytes());
            entry[132..136].copy_from_slice(&state.to_ne_bytes());
            entry[140..140 + atr.len()].copy_from_slice(atr);
            entry[176..180].copy_from_slice(&(atr.len() as u32).to_ne_bytes());
        }
        table
    }

    fn reader(name: &str, counter: u32, card: Option<&str>) -> Reader {
        Reader { name: name.to_owned(), counter, card: card.map(str::to_owned) }
    }

    #[test]
    fn a_table_of_pcscd() {
        let expected = [reader("Virtual PCD 00 00", 1, Some("3b80800101")), reader("Virtual PCD 00 01", 0, None)];
        assert_eq!(read_table(&table()).unwrap(), expected);
        assert_eq!(read_table(&[0; TABLE]), Some(Vec::new()));
    }

    #[test]
    fn what_cannot_be_is_no_table() {
        let mut endless = table();
        endless[NAME].fill(b'x');
        assert_eq!(read_table(&endless), None);
        let mut long = table();
        long[ATR_LENGTH] = 34;
        assert_eq!(read_table(&long), None);
        for place in 0..2 * ENTRY {
            let mut damaged = table();
            damaged[place] = 0xff;
            let _ = read_table(&damaged);
        }
    }

    #[test]
    fn two_tables_differ_by_what_happened() {
        const A: Option<&str> = Some("aa");
        const B: Option<&str> = Some("bb");
        // What was there and how often it had changed, what is there, and what is told: by the counters, and without.
        type Case = (Option<&'static str>, (u32, Option<&'static str>), &'static str, &'static str);
        let table: [Case; 10] = [
            (None, (0, None), "", ""),
            (None, (1, A), "+aa", "+aa"),
            (A, (0, A), "", ""),
            (A, (1, None), "-aa", "-aa"),
            (A, (2, B), "-aa+bb", "-aa+bb"),
            (A, (2, A), "-aa+aa", ""),
            (A, (4, A), "-aa+aa", ""),
            (None, (2, None), "+-", ""),
            (None, (3, A), "+aa", "+aa"),
            (A, (u32::MAX, A), "-aa+aa", ""),
        ];
        for (was, (events, is), by_counter, without) in table {
            for (by, expected) in [(true, by_counter), (false, without)] {
                let (before, now) = (reader("r", 7, was), reader("r", 7u32.wrapping_add(events), is));
                let told = changes(&[before], &[now], by);
                let told: String =
                    told.iter().map(|one| format!("{}{}", ["-", "+"][usize::from(one.added)], one.atr)).collect();
                assert_eq!(told, expected, "{was:?} {events} {is:?} {by}");
            }
        }
    }

    #[test]
    fn a_card_comes_and_goes_with_its_reader() {
        let with = [reader("a", 0, None), reader("b", 1, Some("bb"))];
        let without = [reader("a", 0, None)];
        let change = |added| Change { reader: "b".to_owned(), added, atr: "bb".to_owned() };
        assert_eq!(changes(&without, &with, true), [change(true)]);
        assert_eq!(changes(&with, &without, true), [change(false)]);
    }
}
