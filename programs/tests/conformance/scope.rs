//! Which rules the table has to answer: frozen here, so that none gets lost.

use std::fmt;

/// Every family of rules and its highest number. Numbers begin with 1 and have no gaps.
pub(crate) const FAMILIES: [(&str, u32); 35] = [
    // The API (`Windows.ApplicationModel.Background`).
    ("ACC", 30),
    ("BLD", 22),
    ("MAN", 9),
    ("CND", 9),
    ("TIM", 12),
    ("SYS", 10),
    ("REQ", 9),
    ("RUN", 12),
    ("DEF", 6),
    ("CAN", 12),
    ("EVT", 10),
    ("REG", 6),
    ("GRP", 7),
    ("LIF", 7),
    ("DIA", 8),
    ("POL", 11),
    ("SOC", 18),
    ("CCT", 18),
    ("NEI", 13),
    // How the service behaves.
    ("LC", 19),
    ("CA", 12),
    ("PR", 8),
    ("RE", 11),
    ("AC", 11),
    ("GR", 5),
    ("HO", 6),
    ("Q", 25),
    // The samples of Windows: what they share, then the steps of each.
    ("S16.0", 7),
    ("S16.1", 9),
    ("S16.2", 4),
    ("S16.3", 4),
    ("S16.4", 5),
    ("S16.5", 8),
    ("S16.6", 6),
    // Our own decisions.
    ("D", 16),
];

/// Where the sources of the rules contradict each other or say nothing: the same for the tables of decisions.
pub(crate) const CONFLICTS: [(&str, u32); 2] = [("W", 13), ("G", 38)];

/// A rule by its family and number, such as `ACC-18`, `S16.1-3` or `D7`. Number 0 stands for the whole family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) family: String,
    pub(crate) number: u32,
}

impl Rule {
    pub(crate) fn new(family: &str, number: u32) -> Self {
        Self { family: family.to_owned(), number }
    }

    /// Reads what looks like the id of a rule, of a family in scope or not.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let (family, number) = match text.strip_prefix('D') {
            Some(number) if is_number(number) => ("D", number),
            _ => text.split_once('-')?,
        };
        let starts = family.starts_with(|it: char| it.is_ascii_uppercase());
        (starts && is_number(number)).then(|| Self::new(family, number.parse().unwrap_or(u32::MAX)))
    }

    /// The highest number of its family, if that is in scope.
    pub(crate) fn highest_in(&self, families: &[(&str, u32)]) -> Option<u32> {
        families.iter().find(|(family, _)| *family == self.family).map(|(_, highest)| *highest)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.family.as_str(), self.number) {
            (family, 0) => f.write_str(family),
            ("D", number) => write!(f, "D{number}"),
            (family, number) => write!(f, "{family}-{number}"),
        }
    }
}
