//! What people are told about a word that cannot be taken.

/// Most characters of a word that a message repeats.
const MAX_QUOTED_CHARS: usize = 60;

/// Why a word is refused: what is wrong with it, and what to do.
///
/// ```
/// let error = bgtask_taskfile::condition("unmeterd").unwrap_err();
/// assert_eq!(error.to_string(), "\"unmeterd\" is no condition; did you mean \"unmetered\"?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}; {help}")]
pub struct WordError {
    /// What was asked for and what is wrong with it: one clause.
    pub wrong: String,
    /// What to do about it: one clause.
    pub help: String,
    /// The [option](crate::Options) at fault, by its key in a task file (`catch-up`); `None` if it is the word itself.
    pub option: Option<&'static str>,
}

impl WordError {
    pub(crate) fn new(wrong: impl Into<String>, help: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), help: help.into(), option: None }
    }

    pub(crate) fn of_option(option: &'static str, wrong: impl Into<String>, help: impl Into<String>) -> Self {
        Self { option: Some(option), ..Self::new(wrong, help) }
    }
}

/// `value` in quotation marks, with control characters made visible and cut to a readable length.
pub(crate) fn quoted(value: &str) -> String {
    let mut shown: String = value.chars().take(MAX_QUOTED_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
