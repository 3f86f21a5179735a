//! The walls there are, and what this machine makes of them.

use std::fmt;
use std::io;

/// One thing that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// Files that were not declared, and the memory of other programs.
    Files,
    /// The rest of the file tree with the sockets in it, and everybody's `/tmp`.
    View,
    /// Signals to other programs, and their abstract sockets.
    Signals,
    /// The network.
    Network,
    /// System calls that no task needs.
    Calls,
    /// Processes without end.
    Processes,
}

impl Wall {
    /// Every wall, in the order in which they are told.
    pub const ALL: [Self; 6] = [Self::Files, Self::View, Self::Signals, Self::Network, Self::Calls, Self::Processes];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::View => "view",
            Self::Signals => "signals",
            Self::Network => "network",
            Self::Calls => "calls",
            Self::Processes => "processes",
        }
    }

    /// The wall of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wall| wall.word() == word)
    }

    /// Whether a plan that requires its walls does without this one: the cgroup counts processes, too.
    pub(crate) const fn is_dispensable(self) -> bool {
        matches!(self, Self::Processes)
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What keeps a wall on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// What does, as words: `Landlock`.
    Kept(&'static str),
    /// Nothing, and why.
    Lacking(String),
}

/// What keeps each of the walls on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Vec<(Wall, Means)>);

impl Report {
    /// One line for each: `view<TAB>kept<TAB>a mount namespace`, or `lacking` and why.
    #[must_use]
    pub fn lines(&self) -> String {
        let line = |(wall, means): &(Wall, Means)| match means {
            Means::Kept(by) => format!("{wall}\tkept\t{by}\n"),
            Means::Lacking(why) => format!("{wall}\tlacking\t{}\n", why.replace('\n', " ")),
        };
        self.0.iter().map(line).collect()
    }
}

/// A wall that does not stand though it has to.
#[derive(Debug)]
pub struct Breach {
    /// Which.
    pub wall: Wall,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the wall {} cannot be put up: {}", self.wall, self.error)
    }
}

impl std::error::Error for Breach {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
