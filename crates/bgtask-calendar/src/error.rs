//! What people are told about an expression that cannot be read.

/// How much of the expression an error repeats.
const MAX_ASKED_CHARS: usize = 80;

/// Why an expression or a window is refused: what was asked, what is wrong with it, and what to write instead.
///
/// ```
/// let error = bgtask_calendar::Calendar::parse("Mno 09:00").unwrap_err();
/// assert_eq!(error.to_string(), "\"Mno 09:00\": \"Mno\" is not a weekday; did you mean \"Mon\"?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{asked}\": {wrong}; {help}")]
pub struct CalendarError {
    asked: String,
    wrong: String,
    help: String,
}

impl CalendarError {
    pub(crate) fn new(asked: &str, problem: Problem) -> Self {
        Self { asked: shortened(asked), wrong: problem.wrong, help: problem.help }
    }

    /// What was asked; a long one is cut off and ends in `…`.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// The part that is wrong, and how.
    pub fn wrong(&self) -> &str {
        &self.wrong
    }

    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }
}

/// An error before it is known what the whole expression was.
#[derive(Debug)]
pub(crate) struct Problem {
    wrong: String,
    help: String,
}

impl Problem {
    pub(crate) fn new(wrong: impl Into<String>, help: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), help: help.into() }
    }
}

/// A part of what was asked, fit for one line of an error.
pub(crate) fn quoted(part: &str) -> String {
    format!("\"{}\"", shortened(part))
}

fn shortened(text: &str) -> String {
    let mut chars = text.chars().flat_map(char::escape_debug);
    let mut short: String = chars.by_ref().take(MAX_ASKED_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}
